// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "support/server.hpp"

namespace fairlead::test {

inline std::string error_of(int error) { return std::string("errno ") + std::strerror(error); }

/// The first word of what comes within the time, or the error.
inline std::string first_word(const Fd& socket, int limit_ms = 5000) {
  pollfd polled{socket.get(), POLLIN, 0};
  if (poll(&polled, 1, limit_ms) != 1) return error_of(ETIMEDOUT);
  char buffer[512];
  const auto got = recv(socket.get(), buffer, sizeof buffer, 0);
  if (got < 0) return error_of(errno);
  const std::string text(buffer, static_cast<std::size_t>(got));
  return text.substr(0, text.find_first_of(" \n"));
}

/// Asks a UDP server by a connected socket, which hears of ICMP errors.
inline std::string ask_connected_udp(const std::string& address, std::uint16_t port, const Netns* ns) {
  std::string answer;
  ns->in([&] {
    const SocketAddress where(address, port);
    const Fd client(socket(where.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (connect(client.get(), where.get(), where.length) != 0 || send(client.get(), "?", 1, 0) != 1)
      answer = error_of(errno);
    else answer = first_word(client);
  });
  return answer;
}

/// Asks a TCP server from an address of one's own.
inline std::string ask_tcp_from(const std::string& source, const std::string& address, std::uint16_t port,
                                const Netns* ns) {
  std::string answer;
  ns->in([&] {
    const SocketAddress from(source, 0), where(address, port);
    const Fd client(socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (bind(client.get(), from.get(), from.length) != 0 || connect(client.get(), where.get(), where.length) != 0)
      answer = error_of(errno);
    else answer = first_word(client);
  });
  return answer;
}

/// Asks a TCP server and gives up after the time: where packets are dropped without an answer.
inline std::string ask_tcp_briefly(const std::string& address, std::uint16_t port, const Netns* ns, int limit_ms) {
  std::string answer;
  ns->in([&] {
    const SocketAddress where(address, port);
    const Fd client(socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (connect(client.get(), where.get(), where.length) != 0 && errno != EINPROGRESS) answer = error_of(errno);
    else answer = first_word(client, limit_ms);
  });
  return answer;
}

}  // namespace fairlead::test
