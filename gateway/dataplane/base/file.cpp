// SPDX-License-Identifier: Apache-2.0
#include "fairlead/base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "fairlead/base/fd.hpp"

namespace fairlead {
namespace {

std::unexpected<Error> failed(int number) { return fail(std::generic_category().message(number), number); }

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t most, int flags) {
  constexpr std::size_t kPiece = 65536;
  // O_NONBLOCK: the open of a FIFO of that name would wait for a writer.
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags));
  if (!file) return failed(errno);
  struct stat found{};
  if (::fstat(file.get(), &found) != 0) return failed(errno);
  if (S_ISDIR(found.st_mode)) return fail("a directory", EISDIR);
  if (!S_ISREG(found.st_mode)) return fail("what is no regular file");
  std::string out;
  std::size_t size = 0;
  // By its size at first, in pieces where it has grown or, as in /proc, has none.
  while (size <= most) {
    out.resize(std::min(most + 1, std::max(size + kPiece, static_cast<std::size_t>(found.st_size) + 1)));
    const auto got = ::read(file.get(), out.data() + size, out.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > most) return fail("more than " + std::to_string(most) + " bytes", EFBIG);
  out.resize(size);
  return out;
}

int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return 0;
}

}  // namespace fairlead
