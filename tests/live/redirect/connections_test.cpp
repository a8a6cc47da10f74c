// SPDX-License-Identifier: Apache-2.0
// Connections that begin otherwise than from one IPv4 address to another: each is redirected, or left to TCP.
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>
#include <vector>

#include "agent/telemetry/counters.hpp"
#include "fairlead/abi/redirect.h"
#include "live/lifecycle/service_yaml.hpp"
#include "live/redirect/fixture.hpp"

namespace fairlead {
namespace {

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

class ConnectionsTest : public test::RedirectTest {
 protected:
  struct Listener {
    Fd socket;
    std::uint16_t port = 0;

    explicit Listener(const std::string& address, int protocol = 0) {
      const test::SocketAddress any(address, 0);
      socket.reset(::socket(any.family(), SOCK_STREAM | SOCK_CLOEXEC, protocol));
      test::require(::bind(socket.get(), any.get(), any.length) == 0 && ::listen(socket.get(), 8) == 0, "listening");
      sockaddr_in6 where{};  // the port stands at the same place in both families
      socklen_t length = sizeof where;
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&where), &length);
      port = ntohs(where.sin6_port);
    }
    Fd accept() const { return Fd(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)); }
  };
  static Fd client_to(const std::string& address, std::uint16_t port, int protocol = 0) {
    const test::SocketAddress to(address, port);
    Fd client(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, protocol));
    test::require(::connect(client.get(), to.get(), to.length) == 0, "connecting to " + address);
    ::fcntl(client.get(), F_SETFL, O_NONBLOCK);
    return client;
  }
  static bool pings(const test::Pair& pair, int count = 100) {
    for (int i = 0; i < count; ++i)
      if (!test::ping(pair, "ping " + std::to_string(i))) return false;
    return true;
  }
};

TEST_F(ConnectionsTest, OfIpv6AndOfBothFamiliesAreRedirected) {
  const auto agent = start_all();
  for (const auto& [bound, to] :
       {std::pair{"::1", "::1"}, {"::", "127.0.0.1"}, {"127.0.0.1", "::ffff:127.0.0.1"}, {"::", "::ffff:127.0.0.1"}})
    netns_.in([&] {
      const Listener listener(bound);
      Fd client = client_to(to, listener.port);
      test::Pair pair{.client = std::move(client), .server = listener.accept()};
      EXPECT_TRUE(warm_up(pair)) << bound << " " << to;
    });
}

TEST_F(ConnectionsTest, ThatWaitToBeAcceptedKeepWhatWasSent) {
  const auto agent = start_all();
  netns_.in([&] {
    const Listener listener("127.0.0.1");
    test::Pair pair{.client = client_to("127.0.0.1", listener.port), .server = Fd()};
    std::string sent;
    for (int i = 0; i < 100; ++i) {
      const auto text = "before accept " + std::to_string(i) + ";";
      ASSERT_TRUE(test::put(pair.client, text));
      sent += text;
    }
    pair.server = listener.accept();
    EXPECT_EQ(test::take(pair.server, sent.size()), sent);
    EXPECT_TRUE(warm_up(pair));
  });
}

TEST_F(ConnectionsTest, ThatAreHalfClosedWhenTheyWouldJoinAreNotCountedAsExcluded) {
  const auto agent = start_all();
  const auto pair = connect_pair(), other = connect_pair();
  const std::string sent(2 * FL_REDIR_BEGIN_READS, 'x');
  ASSERT_TRUE(test::put(pair.client, sent));
  ASSERT_EQ(::shutdown(pair.client.get(), SHUT_WR), 0);
  ASSERT_TRUE(test::ready(pair.server, POLLRDHUP, 20'000));
  for (std::size_t i = 0; i < sent.size(); ++i) EXPECT_EQ(test::take(pair.server, 1), "x");
  ASSERT_TRUE(warm_up(other)) << "joined by the same walks, or later ones";
  EXPECT_EQ(counter(FL_C_REDIRECT_EXCL_ULP), 0U);
}

TEST_F(ConnectionsTest, ThatBeginWithDataStayOnTcp) {
  const auto agent = start_all();
  netns_.in([&] {
    // Client and server, without cookies: the first SYN carries data.
    std::ofstream("/proc/sys/net/ipv4/tcp_fastopen") << 0x207 << std::flush;
    const Listener listener("127.0.0.1");
    const int queue = 8;
    ASSERT_EQ(::setsockopt(listener.socket.get(), IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof queue), 0);
    const test::SocketAddress to("127.0.0.1", listener.port);
    test::Pair pair{.client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), .server = Fd()};
    ASSERT_EQ(::sendto(pair.client.get(), "first", 5, MSG_FASTOPEN, to.get(), to.length), 5);
    ::fcntl(pair.client.get(), F_SETFL, O_NONBLOCK);
    pair.server = listener.accept();
    EXPECT_EQ(test::take(pair.server, 5), "first");
    EXPECT_TRUE(pings(pair));
  });
  EXPECT_EQ(counter(FL_C_REDIRECT_PAIRED), 0U) << "the ends' sequence numbers differ by what the SYN carried";
}

TEST_F(ConnectionsTest, OfASocketThatIsUsedAgainAreRedirectedAgain) {
  const auto agent = start_all();
  netns_.in([&] {
    const Listener listener("127.0.0.1");
    test::Pair pair{.client = client_to("127.0.0.1", listener.port), .server = listener.accept()};
    ASSERT_TRUE(warm_up(pair));
    ASSERT_TRUE(test::put(pair.client, "unread"));
    ASSERT_TRUE(test::put(pair.server, "unread"));
    const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
    ASSERT_EQ(::connect(pair.client.get(), &nobody, sizeof nobody), 0);
    pair.server.reset();
    ::fcntl(pair.client.get(), F_SETFL, 0);
    const test::SocketAddress to("127.0.0.1", listener.port);
    ASSERT_EQ(::connect(pair.client.get(), to.get(), to.length), 0);
    ::fcntl(pair.client.get(), F_SETFL, O_NONBLOCK);
    pair.server = listener.accept();
    EXPECT_TRUE(pings(pair)) << "something of the first connection came out of the second";
    EXPECT_TRUE(warm_up(pair));
  });
}

/// A connect by MPTCP to a service: balanced as any, and left to TCP, as its subflows carry another protocol.
TEST_F(ConnectionsTest, OfMultipathTcpAreBalancedAndNotRedirected) {
  netns_.ip({"addr", "add", "10.77.0.2/32", "dev", "lo"});
  netns_.in([&] {
    const Listener listener("10.77.0.2", IPPROTO_MPTCP);
    write("service.yaml", test::ServiceYaml{.name = "multi",
                                            .address = "10.96.0.7",
                                            .port = 80,
                                            .protocol = "TCP",
                                            .target_port = listener.port,
                                            .endpoints = {"10.77.0.2"}}
                              .text());
    const auto agent = start_all();
    const test::Pair pair{.client = client_to("10.96.0.7", 80, IPPROTO_MPTCP), .server = listener.accept()};
    int protocol = 0;  // of an accepted socket: MPTCP only where both ends took it
    socklen_t length = sizeof protocol;
    ::getsockopt(pair.server.get(), SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
    EXPECT_EQ(protocol, IPPROTO_MPTCP);
    EXPECT_TRUE(pings(pair));
    EXPECT_EQ(counter(FL_C_REDIRECT_MESSAGES), 0U);
    sockaddr_in peer{};
    length = sizeof peer;
    ::getpeername(pair.client.get(), reinterpret_cast<sockaddr*>(&peer), &length);
    EXPECT_EQ(ntohl(peer.sin_addr.s_addr), 0x0a4d0002U) << "the endpoint: its socket is not the one that was balanced";
  });
}

TEST_F(ConnectionsTest, ToAServiceCountForItsBackend) {
  netns_.ip({"addr", "add", "10.77.0.2/32", "dev", "lo"});
  const auto sums = [&] {
    const auto read = telemetry::BackendRows::open(pin("fl_be_stats"))->read();
    return read->empty() ? fl_backend_stats{} : read->begin()->second;
  };
  netns_.in([&] {
    const Listener listener("10.77.0.2");
    write("service.yaml", test::ServiceYaml{.name = "redirected",
                                            .address = "10.96.0.7",
                                            .port = 80,
                                            .protocol = "TCP",
                                            .target_port = listener.port,
                                            .endpoints = {"10.77.0.2"}}
                              .text());
    const auto agent = start_all();
    test::Pair pair{.client = client_to("10.96.0.7", 80), .server = listener.accept()};
    ASSERT_TRUE(warm_up(pair));
    ASSERT_TRUE(test::put(pair.server, "answer by redirection"));
    ASSERT_EQ(test::take(pair.client, 21), "answer by redirection");
    const auto redirected = counter(FL_C_REDIRECT_BYTES);
    EXPECT_GT(redirected, 21U);
    pair = {};
    EXPECT_TRUE(test::eventually([&] { return sums().closed == 1; }));
    EXPECT_EQ(sums().redirected_bytes, redirected);
    EXPECT_EQ(sums().received_bytes, sums().sent_bytes + 21) << "pings go there and back, the answer back only";
    EXPECT_GE(sums().sent_bytes + sums().received_bytes, redirected);
  });
}

/// The CPUs that this thread may run on, for work that has to be done on each.
class OwnCpus {
 public:
  OwnCpus() { ::sched_getaffinity(0, sizeof all_, &all_); }
  template <class Work>
  void each(const Work& work) const {
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &all_)) continue;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      ::sched_setaffinity(0, sizeof one, &one);
      work();
    }
    ::sched_setaffinity(0, sizeof all_, &all_);
  }

 private:
  cpu_set_t all_{};
};

/// Tables that push out the longest unused.
class EvictionTest : public ConnectionsTest {
 protected:
  /// A client of ours whose server is none, and so never shows that it is there.
  Fd client_to_elsewhere() {
    Fd client;
    netns_.in([&] {
      other_.add(0);
      elsewhere_.emplace("127.0.0.1");
      cgroup_.add(0);
      client = client_to("127.0.0.1", elsewhere_->port);
    });
    return client;
  }
  [[nodiscard]] bool is_empty(const char* map) const {
    fl_redir_key key{};  // the largest of them
    return bpf_map_get_next_key(pin(map).get(), nullptr, &key) != 0 && errno == ENOENT;
  }
  /// Writes others until the rows that are there are pushed out: on each CPU in turn, as a row stays as long as it is
  /// in the list of the CPU that wrote it.
  template <class Key, class Value>
  void push_out(const char* map, int rows) const {
    const Fd table = pin(map);
    std::vector<Key> ours;
    for (Key key{}; bpf_map_get_next_key(table.get(), ours.empty() ? nullptr : &ours.back(), &key) == 0;)
      ours.push_back(key);
    ASSERT_FALSE(ours.empty());
    const auto is_there = [&](const Key& key) {
      Value value{};
      return bpf_map_lookup_elem(table.get(), &key, &value) == 0;
    };
    const OwnCpus cpus;
    Key key{};
    const Value value{};
    int number = 0;
    EXPECT_TRUE(test::eventually([&] {
      cpus.each([&] {
        for (int i = 0; i < rows; ++i) {
          std::memcpy(&key, &++number, sizeof number);
          bpf_map_update_elem(table.get(), &key, &value, BPF_ANY);
        }
      });
      return std::ranges::none_of(ours, is_there);
    })) << map;
  }
  /// As if more had been used since than there is room for.
  void lose_directions() const {
    const Fd dirs = pin("fl_redir_dirs");
    for (std::uint64_t cookie = 0; bpf_map_get_next_key(dirs.get(), nullptr, &cookie) == 0;)
      ASSERT_EQ(bpf_map_delete_elem(dirs.get(), &cookie), 0);
  }

  test::TempCgroup other_{"elsewhere"};
  std::optional<Listener> elsewhere_;
};

TEST_F(EvictionTest, AnEndThatWaitsForItsPeerLeavesNothingBehind) {
  const auto agent = start_all();
  auto client = client_to_elsewhere();
  EXPECT_FALSE(is_empty("fl_redir_ends"));
  client.reset();
  EXPECT_TRUE(test::eventually([&] { return is_empty("fl_redir_ends"); }));
  EXPECT_EQ(counter(FL_C_REDIRECT_END_EVICTED), 0U);
}

TEST_F(EvictionTest, AnEndThatWasPushedOutIsCounted) {
  const auto agent = start_all();
  auto client = client_to_elsewhere();
  push_out<fl_redir_key, std::uint64_t>("fl_redir_ends", 16384);
  client.reset();
  EXPECT_TRUE(test::eventually([&] { return counter(FL_C_REDIRECT_END_EVICTED) == 1; }));
  EXPECT_EQ(counter(FL_C_REDIRECT_DIR_EVICTED), 0U);
}

TEST_F(EvictionTest, DirectionsThatWerePushedOutAreCounted) {
  const auto agent = start_all();
  auto kept = connect_pair();
  ASSERT_TRUE(test::ping(kept));
  kept = {};
  ASSERT_TRUE(test::eventually([&] { return is_empty("fl_redir_dirs"); }));
  auto lost = connect_pair();
  ASSERT_TRUE(test::ping(lost));
  lose_directions();
  EXPECT_TRUE(test::ping(lost)) << "it goes on by TCP";
  EXPECT_EQ(counter(FL_C_REDIRECT_DIR_EVICTED), 0U);
  lost = {};
  EXPECT_TRUE(test::eventually([&] { return counter(FL_C_REDIRECT_DIR_EVICTED) == 2; }));
  EXPECT_EQ(counter(FL_C_REDIRECT_END_EVICTED), 0U);
}

// The end that came first knows of the other when it reads.
TEST_F(EvictionTest, AnEndThatHasReadNothingCountsAsOneThatWaits) {
  const auto agent = start_all();
  auto pair = connect_pair();
  lose_directions();
  pair = {};
  EXPECT_TRUE(test::eventually(
      [&] { return counter(FL_C_REDIRECT_DIR_EVICTED) == 1 && counter(FL_C_REDIRECT_END_EVICTED) == 1; }));
}

}  // namespace
}  // namespace fairlead
