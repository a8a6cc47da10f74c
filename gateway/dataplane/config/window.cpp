// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/window.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fairlead::config {
namespace {

constexpr std::size_t kBuffer = std::size_t{256} << 10;  // stays in the second-level cache

}  // namespace

Result<> Window::open(const std::string& path) {
  close();
  // O_NONBLOCK: the open of a FIFO of that name would wait for a writer.
  file_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file_) return fail(system_error("opening " + path, errno));
  struct stat found{};
  if (::fstat(file_.get(), &found) != 0) return fail(system_error("reading " + path, errno));
  if (!S_ISREG(found.st_mode)) return fail(path + " is not a regular file", EINVAL);
  if (buffer_.empty()) buffer_.resize(kBuffer);
  end_of_file_ = false;
  return {};
}

void Window::close() {
  file_.reset();
  if (buffer_.size() > kBuffer) buffer_ = std::vector<char>(kBuffer);
  begin_ = end_ = 0;
  end_of_file_ = true;
  failed_ = false;
}

void Window::fill(std::size_t least) {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (least > buffer_.size()) buffer_.resize(std::max(least, buffer_.size() * 2));
  while (end_ < least && !end_of_file_) {
    const auto got = ::read(file_.get(), buffer_.data() + end_, buffer_.size() - end_);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) failed_ = true;
    if (got <= 0) end_of_file_ = true;
    else end_ += static_cast<std::size_t>(got);
  }
}

std::string_view Window::have(std::size_t least) {
  if (end_ - begin_ < least && !end_of_file_) fill(least);
  return {buffer_.data() + begin_, end_ - begin_};
}

}  // namespace fairlead::config
