// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "bench/figures.hpp"
#include "live/policy/policy_node.hpp"

/// Several ways to reach a server, used in turns, one connect of each after the other, by one thread that is client and
/// server: what else the machine does meets all ways alike. A socket belongs to the cgroup and the network namespace
/// that it was made in, so sockets of all ways are made first.
namespace fairlead::bench {

using Clock = std::chrono::steady_clock;

inline constexpr int kBacklog = 4096;

enum class Kind { kConnect, kExchange };  ///< exchange: a datagram and its answer

inline double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

/// A bound socket that answers when it is told to.
/// Owner: the benchmark. Thread: one.
class Server {
 public:
  Server(const test::Netns& ns, const char* address, int type) : type_(type) {
    const test::SocketAddress where(address, 0);
    ns.in([&] { socket_.reset(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); });
    test::require(bind(socket_.get(), where.get(), where.length) == 0, "bind");
    if (type == SOCK_STREAM) test::require(listen(socket_.get(), kBacklog) == 0, "listen");
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&bound), &length);
    port_ = ntohs(bound.sin_port);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// TCP: takes what has connected, and closes it. UDP: answers one datagram.
  void serve() const {
    if (type_ == SOCK_STREAM) {
      while (Fd{accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)}) continue;
      return;
    }
    char data[64];
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    const auto got = recvfrom(socket_.get(), data, sizeof data, 0, reinterpret_cast<sockaddr*>(&peer), &length);
    if (got > 0)
      sendto(socket_.get(), data, static_cast<std::size_t>(got), 0, reinterpret_cast<sockaddr*>(&peer), length);
  }

 private:
  int type_;
  Fd socket_;
  std::uint16_t port_ = 0;
};

using Target = std::function<test::SocketAddress()>;

/// One of the ways that are compared.
struct Way {
  const char* name;
  const test::Netns* client;
  bool ours;  ///< the client's socket is in the agent's cgroup
  const Server* server;
  Target target;
  std::vector<double> times{};  ///< of this round
  std::vector<double> added{};  ///< medians of the rounds
};

/// Sockets of a way, made where it belongs.
inline std::vector<Fd> sockets(test::PolicyNode& node, const Way& way, int type, int count) {
  std::vector<Fd> made(static_cast<std::size_t>(count));
  const auto make = [&] {
    way.client->in([&] {
      for (Fd& fd : made) {
        fd.reset(socket(AF_INET, type | SOCK_CLOEXEC, 0));
        const linger reset{.l_onoff = 1, .l_linger = 0};  // no TIME_WAIT, no connection tracking that lingers
        setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      }
    });
    return true;
  };
  way.ours ? make() : node.outside(make);
  return made;
}

inline double connect_one(const Way& way, const Fd& client) {
  const auto where = way.target();
  const auto start = Clock::now();
  const int result = connect(client.get(), where.get(), where.length);
  const double took = microseconds_since(start);
  test::require(result == 0, std::string("connect, ") + way.name);
  return took;
}

inline double exchange_one(const Way& way, const Fd& client) {
  char data[64] = "query";
  sockaddr_in peer{};
  socklen_t length = sizeof peer;
  const auto where = way.target();
  const auto start = Clock::now();
  test::require(sendto(client.get(), data, 40, 0, where.get(), where.length) == 40, std::string("send, ") + way.name);
  way.server->serve();
  const auto got = recvfrom(client.get(), data, sizeof data, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&peer), &length);
  const double took = microseconds_since(start);
  test::require(got == 40 && std::memcmp(&peer, where.get(), 8) == 0, std::string("the answer, ") + way.name);
  return took;
}

/// Microseconds of one.
inline double go(const Way& way, const Fd& client, Kind kind) {
  return kind == Kind::kConnect ? connect_one(way, client) : exchange_one(way, client);
}

/// Fills each way's `added`: for each round the median of the differences to the first way just before; the first way's
/// own median.
inline void take_turns(std::vector<Way>& ways, Kind kind, int rounds, int count,
                       const std::function<std::vector<Fd>(const Way&)>& make) {
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::vector<Fd>> clients;
    for (Way& way : ways) {
      clients.push_back(make(way));
      way.times.clear();
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
      for (std::size_t w = 0; w < ways.size(); ++w) ways[w].times.push_back(go(ways[w], clients[w][i], kind));
    for (const Way& way : ways) way.server->serve();
    for (Way& way : ways) {
      std::vector<double> differences;
      for (std::size_t i = 0; i < way.times.size(); ++i) differences.push_back(way.times[i] - ways[0].times[i]);
      way.added.push_back(median(&way == ways.data() ? way.times : differences));
    }
  }
}

}  // namespace fairlead::bench
