// SPDX-License-Identifier: Apache-2.0
#include "support/server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <vector>

#include "support/command.hpp"

namespace fairlead::test {
namespace {

void in(const Netns* ns, const std::function<void()>& work) {
  if (ns != nullptr) {
    ns->in(work);
  } else {
    work();
  }
}

std::string error_text(int error) { return std::string("errno ") + std::strerror(error); }

void set_receive_timeout(const Fd& socket) {
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

std::uint16_t bound_port(const Fd& socket) {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  require(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &length) == 0, "getsockname");
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&bound);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&bound);
  return ntohs(bound.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
}

}  // namespace

SocketAddress::SocketAddress(const std::string& address, std::uint16_t port) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    length = sizeof *v4;
  } else {
    errno = EINVAL;
    require(inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1, "address " + address);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    length = sizeof *v6;
  }
}

TestServer::TestServer(Protocol protocol, const std::string& address, std::string name, const Netns* ns,
                       std::uint16_t port)
    : name_(std::move(name)), stop_(eventfd(0, EFD_CLOEXEC)) {
  const SocketAddress where(address, port);
  const int type = protocol == Protocol::kTcp ? SOCK_STREAM : SOCK_DGRAM;
  in(ns, [&] { socket_.reset(socket(where.family(), type | SOCK_CLOEXEC, 0)); });
  const int on = 1;
  setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  require(bind(socket_.get(), where.get(), where.length) == 0, "bind " + address);
  if (protocol == Protocol::kTcp) require(listen(socket_.get(), 1024) == 0, "listen");
  port_ = bound_port(socket_);
  thread_ = std::thread([this, protocol] { protocol == Protocol::kTcp ? serve_tcp() : serve_udp(); });
}

TestServer::~TestServer() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void TestServer::serve_tcp() {
  std::unordered_map<int, Fd> clients;
  std::array<char, 65536> buffer{};
  const std::string greeting = name_ + "\n";
  for (;;) {
    std::vector<pollfd> polled{{stop_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
    for (const auto& [fd, owner] : clients) polled.push_back({fd, POLLIN, 0});
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[0].revents != 0) return;
    for (std::size_t i = 2; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      const ssize_t got = recv(polled[i].fd, buffer.data(), buffer.size(), 0);
      if (got <= 0 || send(polled[i].fd, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) < 0)
        clients.erase(polled[i].fd);
    }
    if (polled[1].revents == 0) continue;
    Fd client(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) continue;
    ++hits_;
    send(client.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL);
    const int fd = client.get();
    clients.emplace(fd, std::move(client));
  }
}

void TestServer::serve_udp() {
  std::array<char, 65536> buffer{};
  for (;;) {
    std::array<pollfd, 2> polled{{{stop_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}}};
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[0].revents != 0) return;
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    auto* address = reinterpret_cast<sockaddr*>(&peer);
    const ssize_t got = recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, address, &length);
    if (got < 0) continue;
    ++hits_;
    const std::string answer = name_ + " " + std::string(buffer.data(), static_cast<std::size_t>(got));
    sendto(socket_.get(), answer.data(), answer.size(), MSG_NOSIGNAL, address, length);
  }
}

Connected connect_tcp(const std::string& address, std::uint16_t port, const Netns* ns) {
  const SocketAddress where(address, port);
  Connected result;
  in(ns, [&] {
    result.socket.reset(socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    // Bounds connect() too, which then answers EINPROGRESS; the kernel's own limit is two minutes.
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(result.socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (!result.socket || connect(result.socket.get(), where.get(), where.length) != 0)
      result.error = errno == EINPROGRESS ? ETIMEDOUT : errno;
  });
  return result;
}

std::string read_line(const Fd& socket) {
  set_receive_timeout(socket);
  std::string line;
  for (char byte = 0; recv(socket.get(), &byte, 1, 0) == 1 && byte != '\n';) line += byte;
  return line;
}

std::string ask_tcp(const std::string& address, std::uint16_t port, const Netns* ns) {
  const Connected connected = connect_tcp(address, port, ns);
  return connected.error != 0 ? error_text(connected.error) : read_line(connected.socket);
}

std::string ask_udp(const std::string& address, std::uint16_t port, const Netns* ns) {
  const SocketAddress where(address, port);
  std::string answer;
  in(ns, [&] {
    const Fd client(socket(where.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    set_receive_timeout(client);
    std::array<char, 512> buffer{};
    if (sendto(client.get(), "?", 1, 0, where.get(), where.length) != 1) {
      answer = error_text(errno);
      return;
    }
    const ssize_t got = recv(client.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) {
      answer = error_text(errno == EAGAIN ? ETIMEDOUT : errno);
    } else {
      answer = std::string(buffer.data(), static_cast<std::size_t>(got));
      answer.resize(answer.find(' ') == std::string::npos ? answer.size() : answer.find(' '));
    }
  });
  return answer;
}

}  // namespace fairlead::test
