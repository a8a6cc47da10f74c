// SPDX-License-Identifier: Apache-2.0
#include "gateway/state_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace fairlead::gateway {
namespace {

bool same_file(const Fd& a, const Fd& b) {
  struct stat one{}, other{};
  return ::fstat(a.get(), &one) == 0 && ::fstat(b.get(), &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

/// " (process 123)", as far as the file says so.
std::string holder_text(const Fd& lock) {
  std::array<char, 16> text{};
  const auto length = ::pread(lock.get(), text.data(), text.size(), 0);
  std::string digits;
  for (ssize_t i = 0;
       i < length && text[static_cast<std::size_t>(i)] >= '0' && text[static_cast<std::size_t>(i)] <= '9'; ++i)
    digits += text[static_cast<std::size_t>(i)];
  return digits.empty() ? std::string() : " (process " + digits + ")";
}

}  // namespace

Result<Fd> lock_state(const std::string& directory, Fd inherited) {
  const auto path = directory + "/lock";
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return fail(system_error(path, errno));
  if (inherited && same_file(inherited, file)) return inherited;
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
    note_holder(file);
    return file;
  }
  if (errno != EWOULDBLOCK) return fail(system_error(path, errno));
  return fail("--state-dir " + directory + ": found another gateway" + holder_text(file) +
              " that keeps its state there, expected a directory of its own, or --upgrade with the other's --socket");
}

void note_holder(const Fd& lock) {
  const auto text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.get(), 0) != 0) return;
  [[maybe_unused]] const auto wrote = ::pwrite(lock.get(), text.data(), text.size(), 0);
}

}  // namespace fairlead::gateway
