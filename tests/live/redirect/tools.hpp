// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <sstream>
#include <string>

#include "live/redirect/pair.hpp"

// What rows have in common.
namespace fairlead::test {

using Settle = std::function<void()>;

/// What was seen, one thing after the other: << is evaluated from left to right, + is not.
using Seen = std::ostringstream;

/// The data, "end", or errno's name.
inline std::string told(ssize_t length, const char* data) {
  if (length > 0) return std::string(data, static_cast<std::size_t>(length));
  if (length == 0) return "end";
  return errno == EAGAIN       ? "EAGAIN"
         : errno == ECONNRESET ? "ECONNRESET"
         : errno == EPIPE      ? "EPIPE"
                               : std::strerror(errno);
}
inline std::string got(const Fd& fd, std::size_t size = 1024, int flags = 0) {
  std::array<char, 1024> data;
  return told(::recv(fd.get(), data.data(), std::min(size, data.size()), flags), data.data());
}
inline std::string awaited(const Fd& fd) { return ready(fd, POLLIN, 20'000) ? got(fd) : "nothing"; }

}  // namespace fairlead::test
