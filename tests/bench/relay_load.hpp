// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bench/sockets.hpp"

/// Clients and server of a relay in one thread: requests of 100 bytes, whose first eight say how long an answer is
/// wanted.
namespace fairlead::bench {

inline constexpr std::size_t kRequest = 100;  ///< bytes

/// Clients of one relay, and all servers. Owner: main(). Thread: one.
class Load {
 public:
  explicit Load(int server) : server_(server), epoll_(::epoll_create1(EPOLL_CLOEXEC)), answer_(kChunk, 'a') {
    watch(server_, {kListener, 0});
  }

  /// Connections through the relay at `port`, kept for all rounds. False: it does not answer.
  bool open(std::uint16_t port, std::size_t count) {
    first_.push_back(clients_.size());
    for (std::size_t i = 0; i < count; ++i) {
      Fd fd = connect_to(port);
      if (!fd) return false;
      watch(fd.get(), {kClient, static_cast<std::uint32_t>(clients_.size())});
      clients_.push_back({std::move(fd)});
    }
    first_.push_back(clients_.size());
    return true;
  }

  /// `requests` in all over the connections that open() has made as the `relay`-th.
  bool run(std::size_t relay, std::size_t requests, std::uint64_t answer) {
    wanted_ = answer;
    to_begin_ = requests;
    to_end_ = requests;
    for (std::size_t i = first_[relay * 2]; i < first_[relay * 2 + 1]; ++i) begin(clients_[i]);
    std::array<epoll_event, 64> events;
    while (to_end_ > 0) {
      const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 10'000);
      if (count <= 0) return false;
      for (int i = 0; i < count; ++i)
        if (!handle(events[static_cast<std::size_t>(i)])) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kChunk = 256 * 1024;
  enum Kind : std::uint32_t { kListener, kClient, kServer };
  struct Tag {
    Kind kind;
    std::uint32_t index;
  };
  struct Peer {
    Fd fd;
    std::uint64_t left = 0;  // of the answer: to come, or to be sent
  };

  void watch(int fd, Tag tag, std::uint32_t events = EPOLLIN) {
    epoll_event event{};
    event.events = events;
    std::memcpy(&event.data.u64, &tag, sizeof tag);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
  }
  void begin(Peer& client) {
    if (to_begin_ == 0) return;
    --to_begin_;
    std::array<char, kRequest> request{};
    std::memcpy(request.data(), &wanted_, sizeof wanted_);
    client.left = wanted_;
    [[maybe_unused]] const auto put = ::send(client.fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  }
  bool handle(const epoll_event& event) {
    Tag tag{};
    std::memcpy(&tag, &event.data.u64, sizeof tag);
    if (tag.kind == kClient) return receive(clients_[tag.index]);
    if (tag.kind == kServer) return serve(tag.index);
    Fd fd(::accept4(server_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return true;
    watch(fd.get(), {kServer, static_cast<std::uint32_t>(servers_.size())});
    servers_.push_back({std::move(fd)});
    return true;
  }
  bool receive(Peer& client) {
    // MSG_TRUNC: the kernel drops the bytes, so that our own copying is not in the way.
    const auto got = ::recv(client.fd.get(), nullptr, kChunk, MSG_DONTWAIT | MSG_TRUNC);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    client.left -= static_cast<std::uint64_t>(got);
    if (client.left > 0) return true;
    --to_end_;
    begin(client);
    return true;
  }
  bool serve(std::uint32_t index) {
    Peer& server = servers_[index];
    if (server.left == 0) {
      std::array<char, kRequest> request{};
      const auto got = ::recv(server.fd.get(), request.data(), request.size(), 0);
      if (got == 0) server.fd.reset();  // that of a probe
      if (got == 0) return true;
      if (got != static_cast<ssize_t>(kRequest)) return got < 0 && errno == EAGAIN;
      std::memcpy(&server.left, request.data(), sizeof server.left);
    }
    while (server.left > 0) {
      const auto put =
          ::send(server.fd.get(), answer_.data(), std::min<std::uint64_t>(server.left, kChunk), MSG_NOSIGNAL);
      if (put < 0 && errno != EAGAIN) return false;
      if (put < 0) break;
      server.left -= static_cast<std::uint64_t>(put);
    }
    if (server.left > 0 || waits_.contains(index)) {
      watch(server.fd.get(), {kServer, index}, server.left > 0 ? EPOLLOUT : EPOLLIN);
      waits_.note(index, server.left > 0);
    }
    return true;
  }

  /// Which servers are watched for writing.
  struct Waits {
    std::vector<bool> flags;
    [[nodiscard]] bool contains(std::size_t index) const { return index < flags.size() && flags[index]; }
    void note(std::size_t index, bool waits) {
      if (flags.size() <= index) flags.resize(index + 1);
      flags[index] = waits;
    }
  };

  int server_;
  Fd epoll_;
  std::string answer_;
  std::vector<Peer> clients_;
  std::vector<Peer> servers_;
  std::vector<std::size_t> first_;  // of each relay: its first client, and the one behind its last
  Waits waits_;
  std::uint64_t wanted_ = 0;
  std::size_t to_begin_ = 0;
  std::size_t to_end_ = 0;
};

}  // namespace fairlead::bench
