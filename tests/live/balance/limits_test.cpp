// SPDX-License-Identifier: Apache-2.0
// Connection limits, and what sockets that are used again hold.
#include <fcntl.h>
#include <netinet/in.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "live/balance/node.hpp"
#include "support/netns.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

using Protocol = TestServer::Protocol;

class LimitsTest : public BalanceTest {
 protected:
  /// A namespace in which nobody answers 198.51.100.0/24: SYNs come back and are thrown away as not ours.
  static std::unique_ptr<Netns> silence() {
    auto ns = std::make_unique<Netns>("silence");
    ns->ip({"route", "add", "198.51.100.0/24", "dev", "lo"});
    return ns;
  }
  /// Starts to connect and does not wait.
  static Connected begin(const std::string& address, const Netns& ns) {
    const SocketAddress where(address, BalancedNode::kPort);
    Connected result;
    ns.in([&] {
      result.socket.reset(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (connect(result.socket.get(), where.get(), where.length) != 0) result.error = errno;
    });
    return result;
  }
};

TEST_F(LimitsTest, ConnectionsOfAService) {
  const TestServer server(Protocol::kTcp, "127.0.0.1", "limited");
  const auto address = node().put({.name = "limited",
                                   .endpoints = {endpoint_of(server, "127.0.0.1")},
                                   .policy = "connectionPool: {tcp: {maxConnections: 3}}"});
  std::vector<Connected> open;
  for (int i = 0; i < 3; ++i) {
    open.push_back(connect_tcp(address, BalancedNode::kPort));
    ASSERT_EQ(open.back().error, 0);
  }
  const auto before = node().counter(FL_C_OVER_LIMIT);
  EXPECT_EQ(connect_tcp(address, BalancedNode::kPort).error, ECONNREFUSED);
  EXPECT_EQ(node().counter(FL_C_OVER_LIMIT), before + 1);
  EXPECT_EQ(node().service_state(address).over_limit, 1U);
  EXPECT_EQ(node().service_state(address).active, 3U);
  open.pop_back();
  // A place is free when the connection is closed on both sides.
  EXPECT_TRUE(eventually([&] { return connect_tcp(address, BalancedNode::kPort).error == 0; }));
}

TEST_F(LimitsTest, ConnectionsOfAnEndpoint) {
  const TestServer a(Protocol::kTcp, "127.0.0.1", "a");
  const TestServer b(Protocol::kTcp, "127.0.0.1", "b");
  const auto address = node().put({.name = "per-endpoint",
                                   .endpoints = {endpoint_of(a, "127.0.0.1"), endpoint_of(b, "127.0.0.1")},
                                   .annotations = "fairlead.io/max-connections-per-endpoint: '2'"});
  std::vector<Connected> open;
  for (int i = 0; i < 4; ++i) {
    open.push_back(connect_tcp(address, BalancedNode::kPort));
    ASSERT_EQ(open.back().error, 0);
  }
  EXPECT_EQ(connect_tcp(address, BalancedNode::kPort).error, ECONNREFUSED);
  EXPECT_EQ(node().backend_state(endpoint_of(a, "127.0.0.1")).active, 2U);
  EXPECT_EQ(node().service_state(address).over_limit, 1U);
  EXPECT_EQ(node().service_state(address).no_backend, 0U);
}

TEST_F(LimitsTest, ConnectsUnderWay) {
  const auto ns = silence();
  const auto address = node().put({.name = "pending",
                                   .endpoints = {{.address = "198.51.100.1", .port = 81}},
                                   .annotations = "fairlead.io/max-pending-connects: '2'"});
  std::vector<Connected> open;
  for (int i = 0; i < 2; ++i) {
    open.push_back(begin(address, *ns));
    EXPECT_EQ(open.back().error, EINPROGRESS);
  }
  EXPECT_EQ(node().service_state(address).pending, 2U);
  EXPECT_EQ(begin(address, *ns).error, ECONNREFUSED);
  open.clear();
  EXPECT_EQ(node().service_state(address).pending, 0U);
  EXPECT_EQ(begin(address, *ns).error, EINPROGRESS);
}

// Many threads at once never pass a limit together.
TEST_F(LimitsTest, HoldAgainstConnectsOnAllCpus) {
  const auto address = node().put({.name = "crowd",
                                   .endpoints = {{.address = "127.0.0.1", .port = 1901}},
                                   .udp = true,
                                   .policy = "connectionPool: {tcp: {maxConnections: 5}}"});
  std::atomic<int> most{0};
  std::atomic<int> held{0};
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      std::vector<Fd> mine;
      for (int round = 0; round < 300; ++round) {
        auto client = connect_udp(address);
        if (client.error != 0) {
          ++refused;
          held -= static_cast<int>(mine.size());
          mine.clear();
          continue;
        }
        mine.push_back(std::move(client.socket));
        const int now = ++held;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
      }
      held -= static_cast<int>(mine.size());
    });
  for (auto& thread : threads) thread.join();
  EXPECT_LE(most, 5);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(node().service_state(address, true).active, 0U);
}

TEST_F(LimitsTest, ABadAnnotationIsNamedAndNotInForce) {
  const auto address = node().put({.name = "bad-limit",
                                   .endpoints = {{.address = "127.0.0.1", .port = 1902}},
                                   .annotations = "fairlead.io/max-pending-connects: few, fairlead.io/max-rtt: 50ms"});
  EXPECT_EQ(node().service(address).max_pending, 0U);
  EXPECT_EQ(node().service(address).rtt_limit_us, 50'000U);
  EXPECT_TRUE(
      node().agent().process().wait_for("annotation fairlead.io/max-pending-connects: found \"few\", expected"));
}

TEST_F(LimitsTest, AUdpSocketThatConnectsAgainIsCountedOnce) {
  const TestEndpoint a{.address = "127.0.0.1", .port = 1903};
  const TestEndpoint b{.address = "127.0.0.1", .port = 1904};
  const auto first = node().put({.name = "again-1", .endpoints = {a}, .udp = true});
  const auto second = node().put({.name = "again-2", .endpoints = {b}, .udp = true});
  auto client = connect_udp(first);
  ASSERT_EQ(client.error, 0);
  const SocketAddress same(first, BalancedNode::kPort);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(connect(client.socket.get(), same.get(), same.length), 0);
  EXPECT_EQ(node().backend_state(a).active, 1U);
  EXPECT_EQ(node().service_state(first, true).active, 1U);
  const SocketAddress other(second, BalancedNode::kPort);
  ASSERT_EQ(connect(client.socket.get(), other.get(), other.length), 0);
  EXPECT_EQ(node().backend_state(a).active, 0U);
  EXPECT_EQ(node().backend_state(b).active, 1U);
  client.socket.reset();
  EXPECT_EQ(node().backend_state(b).active, 0U);
}

TEST_F(LimitsTest, ARefusedReconnectKeepsTheUdpPeerAndItsCount) {
  const TestEndpoint endpoint{.address = "127.0.0.1", .port = 1905};
  const auto address = node().put({.name = "kept-peer", .endpoints = {endpoint}, .udp = true});
  const auto empty = node().put({.name = "kept-empty", .udp = true});
  const auto client = connect_udp(address);
  const SocketAddress nobody(empty, BalancedNode::kPort);
  EXPECT_NE(connect(client.socket.get(), nobody.get(), nobody.length), 0);
  EXPECT_EQ(errno, ECONNREFUSED);
  EXPECT_EQ(peer_of(client.socket), address + " 80");
  EXPECT_EQ(node().backend_state(endpoint).active, 1U);
}

TEST_F(LimitsTest, ATcpSocketThatTriesAgainIsCountedOnce) {
  const Netns ns("nowhere");  // no route leads to the endpoint: connect fails before any SYN
  const TestEndpoint endpoint{.address = "198.51.100.2", .port = 81};
  const auto address = node().put({.name = "retry", .endpoints = {endpoint}});
  const SocketAddress where(address, BalancedNode::kPort);
  Fd client;
  ns.in([&] { client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); });
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(connect(client.get(), where.get(), where.length), 0);
    EXPECT_EQ(errno, ENETUNREACH);
  }
  EXPECT_LE(node().service_state(address).pending, 1U);
  client.reset();
  EXPECT_EQ(node().service_state(address).pending, 0U);
  EXPECT_EQ(node().backend_state(endpoint).pending, 0U);
}

TEST_F(LimitsTest, ASocketThatGoesElsewhereForgetsItsService) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "elsewhere");
  const TestEndpoint endpoint{.address = "127.0.0.1", .port = 1906};
  const auto address = node().put({.name = "elsewhere", .endpoints = {endpoint}, .udp = true});
  const auto client = connect_udp(address);
  ASSERT_EQ(node().backend_state(endpoint).active, 1U);
  const SocketAddress direct("127.0.0.1", server.port());
  ASSERT_EQ(connect(client.socket.get(), direct.get(), direct.length), 0);
  EXPECT_EQ(node().backend_state(endpoint).active, 0U);
  EXPECT_EQ(peer_of(client.socket), "127.0.0.1 " + std::to_string(server.port()));
  EXPECT_EQ(node().socket(client.socket).service_id, 0U);
}

}  // namespace
}  // namespace fairlead::test
