// SPDX-License-Identifier: Apache-2.0
// connect(2) through services: families, protocols, what the client sees.
#include <cerrno>

#include "live/balance/node.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

using Protocol = TestServer::Protocol;

TEST_F(BalanceTest, TcpV4) {
  const TestServer server(Protocol::kTcp, "127.0.0.1", "web");
  const auto address = node().put({.name = "tcp4", .endpoints = {endpoint_of(server, "127.0.0.1")}});
  EXPECT_EQ(ask_tcp(address, BalancedNode::kPort), "web");
}

TEST_F(BalanceTest, TcpV6) {
  const TestServer server(Protocol::kTcp, "::1", "web6");
  const auto address = node().put({.name = "tcp6", .endpoints = {endpoint_of(server, "::1")}, .v6 = true});
  EXPECT_EQ(ask_tcp(address, BalancedNode::kPort), "web6");
}

TEST_F(BalanceTest, TcpV4Mapped) {
  const TestServer server(Protocol::kTcp, "127.0.0.1", "mapped");
  const auto address = node().put({.name = "tcp-mapped", .endpoints = {endpoint_of(server, "127.0.0.1")}});
  EXPECT_EQ(ask_tcp("::ffff:" + address, BalancedNode::kPort), "mapped");
}

TEST_F(BalanceTest, ConnectedUdp) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "dns");
  const auto address = node().put({.name = "udp4", .endpoints = {endpoint_of(server, "127.0.0.1")}, .udp = true});
  const auto client = connect_udp(address);
  ASSERT_EQ(client.error, 0);
  ASSERT_EQ(send(client.socket.get(), "x", 1, 0), 1);
  char buffer[64] = {};
  ASSERT_GT(recv(client.socket.get(), buffer, sizeof buffer, 0), 0);
  EXPECT_STREQ(buffer, "dns x");
}

TEST_F(BalanceTest, NoEndpointIsRefusedAtOnce) {
  const auto before = node().counter(FL_C_NO_BACKEND);
  const auto address = node().put({.name = "empty"});
  EXPECT_EQ(connect_tcp(address, BalancedNode::kPort).error, ECONNREFUSED);
  EXPECT_EQ(node().counter(FL_C_NO_BACKEND), before + 1);
  EXPECT_EQ(node().service_state(address).no_backend, 1U);
  const auto udp = node().put({.name = "empty-udp", .udp = true});
  EXPECT_EQ(connect_udp(udp).error, ECONNREFUSED);
}

TEST_F(BalanceTest, ThePeerIsTheServiceAddress) {
  const TestServer server(Protocol::kTcp, "127.0.0.1", "web");
  const TestServer server6(Protocol::kTcp, "::1", "web6");
  const auto address = node().put({.name = "peer4", .endpoints = {endpoint_of(server, "127.0.0.1")}});
  const auto address6 = node().put({.name = "peer6", .endpoints = {endpoint_of(server6, "::1")}, .v6 = true});
  EXPECT_EQ(peer_of(connect_tcp(address, BalancedNode::kPort).socket), address + " 80");
  EXPECT_EQ(peer_of(connect_tcp(address6, BalancedNode::kPort).socket), address6 + " 80");
  EXPECT_EQ(peer_of(connect_tcp("::ffff:" + address, BalancedNode::kPort).socket), "::ffff:" + address + " 80");
  const auto direct = connect_tcp("127.0.0.1", server.port());
  EXPECT_EQ(peer_of(direct.socket), "127.0.0.1 " + std::to_string(server.port()));
}

}  // namespace
}  // namespace fairlead::test
