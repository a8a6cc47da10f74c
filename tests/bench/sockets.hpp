// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdint>

#include "fairlead/base/fd.hpp"

/// Sockets on the loopback interface, without delays.
namespace fairlead::bench {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

inline void send_at_once(const Fd& fd) {
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// On `port`, which for 0 becomes one that the kernel chooses. What it accepts sends at once. Non-blocking.
inline Fd listen_at(std::uint16_t& port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in at = loopback(port);
  socklen_t length = sizeof at;
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(fd.get(), 4096) != 0) return {};
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &length);
  port = ntohs(at.sin_port);
  send_at_once(fd);
  return fd;
}

/// Blocking.
inline Fd connect_to(std::uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in at = loopback(port);
  send_at_once(fd);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return {};
  return fd;
}

}  // namespace fairlead::bench
