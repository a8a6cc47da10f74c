// SPDX-License-Identifier: Apache-2.0
#include "live/redirect/echo_server.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "support/command.hpp"
#include "support/server.hpp"

namespace fairlead::test {

EchoServer::EchoServer(const Netns& netns) : stop_(::eventfd(0, EFD_CLOEXEC)) {
  netns.in([this] {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const SocketAddress any("127.0.0.1", 0);
    require(::bind(listener_.get(), any.get(), any.length) == 0 && ::listen(listener_.get(), 4096) == 0, "listening");
    sockaddr_in where{};
    socklen_t length = sizeof where;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&where), &length);
    port_ = ntohs(where.sin_port);
  });
  thread_ = std::thread([this] { serve(); });
}

EchoServer::~EchoServer() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void EchoServer::accept_all() {
  while (true) {
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const int number = socket.get();
    clients_.emplace(number, Client{.socket = std::move(socket)});
  }
}

bool EchoServer::echo(Client& client) {
  std::array<char, 64 * 1024> buffer;
  if (client.waiting.empty() && !client.ended) {
    const auto length = ::read(client.socket.get(), buffer.data(), buffer.size());
    if (length > 0) client.waiting.assign(buffer.data(), static_cast<std::size_t>(length));
    else if (length == 0) client.ended = true;
    else if (errno != EAGAIN) return false;
  }
  if (!client.waiting.empty()) {
    const auto length = ::send(client.socket.get(), client.waiting.data(), client.waiting.size(), MSG_NOSIGNAL);
    if (length > 0) client.waiting.erase(0, static_cast<std::size_t>(length));
    else if (errno != EAGAIN) return false;
  }
  return !client.ended || !client.waiting.empty();
}

void EchoServer::serve() {
  while (true) {
    std::vector<pollfd> waiting{{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const auto& [number, client] : clients_)
      waiting.push_back({number, static_cast<short>(client.waiting.empty() ? POLLIN : POLLOUT), 0});
    ::poll(waiting.data(), waiting.size(), -1);
    if (waiting[0].revents != 0) return;
    for (std::size_t i = 2; i < waiting.size(); ++i)
      if (waiting[i].revents != 0 && !echo(clients_.at(waiting[i].fd))) clients_.erase(waiting[i].fd);
    if (waiting[1].revents != 0) accept_all();
  }
}

}  // namespace fairlead::test
