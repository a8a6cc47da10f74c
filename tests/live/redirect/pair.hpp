// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <string>

#include "fairlead/base/fd.hpp"
#include "support/command.hpp"
#include "support/server.hpp"

namespace fairlead::test {

/// Both ends of one TCP connection.
struct Pair {
  Fd client;
  Fd server;
};

/// A connection inside the caller's namespace. flags: SOCK_NONBLOCK or 0, for both ends.
inline Pair make_pair_here(int flags, const std::string& from = "127.0.0.1", const std::string& to = "127.0.0.1") {
  Pair pair;
  const SocketAddress any(to, 0);
  const SocketAddress source(from, 0);
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  require(::bind(listener.get(), any.get(), any.length) == 0 && ::listen(listener.get(), 1) == 0, "listening");
  sockaddr_in where{};
  socklen_t length = sizeof where;
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&where), &length);
  pair.client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  require(::bind(pair.client.get(), source.get(), source.length) == 0, "binding to " + from);
  require(::connect(pair.client.get(), reinterpret_cast<sockaddr*>(&where), length) == 0, "connecting");
  pair.server.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | flags));
  require(static_cast<bool>(pair.server), "accepting");
  for (const auto* fd : {&pair.client, &pair.server}) {
    const int on = 1;
    ::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if ((flags & SOCK_NONBLOCK) != 0) ::fcntl(pair.client.get(), F_SETFL, O_NONBLOCK);
  return pair;
}

inline bool ready(const Fd& fd, short events, int limit_ms) {
  pollfd one{.fd = fd.get(), .events = events, .revents = 0};
  return ::poll(&one, 1, limit_ms) == 1 && (one.revents & events) != 0;
}

/// Exactly so many bytes, unless the stream ends or nothing comes for long. Blocking sockets are read in blocking mode.
inline std::string take(const Fd& fd, std::size_t bytes) {
  std::string all(bytes, '\0');
  std::size_t have = 0;
  while (have < bytes) {
    const auto length = ::recv(fd.get(), all.data() + have, bytes - have, 0);
    if (length > 0) have += static_cast<std::size_t>(length);
    else if (length == 0 || errno != EAGAIN || !ready(fd, POLLIN, 20'000)) break;
  }
  all.resize(have);
  return all;
}

inline bool put(const Fd& fd, const std::string& text, int flags = 0) {
  return ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL | flags) == static_cast<ssize_t>(text.size());
}

/// One small message there and back.
inline bool ping(const Pair& pair, const std::string& text = "ping") {
  return put(pair.client, text) && take(pair.server, text.size()) == text && put(pair.server, text) &&
         take(pair.client, text.size()) == text;
}

}  // namespace fairlead::test
