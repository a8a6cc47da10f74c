// SPDX-License-Identifier: Apache-2.0
// Probes of the kubelet and the node's own traffic, where everything else is forbidden.
#include <gtest/gtest.h>

#include "live/policy/policy_node.hpp"

namespace fairlead {
namespace {

using test::kDenied;
using test::kServer;
using test::Netns;
using Protocol = test::TestServer::Protocol;

class HostTest : public ::testing::Test {
 protected:
  /// Nothing in and nothing out, for all pods.
  void forbid_everything() const {
    node_.write("nothing", test::network_policy("nothing", "{podSelector: {}, policyTypes: [Ingress, Egress]}"));
    node_.write("nobody", test::authorization_policy("nobody", "{action: DENY, rules: [{}]}"));
  }
  std::string ask(const Netns& from) { return test::ask_tcp(kServer, tcp_.port(), &from); }

  test::PolicyNode node_;
  Netns& client_ = node_.add_pod("client", "10.244.0.2");
  Netns& pod_ = node_.add_pod("server", kServer);
  test::TestServer tcp_{Protocol::kTcp, kServer, "tcp", &pod_};
  test::TestServer udp_{Protocol::kUdp, kServer, "udp", &pod_};
  test::TestServer own_{Protocol::kTcp, kServer, "own", &pod_};
  test::TestServer node_tcp_{Protocol::kTcp, test::TestNode::address_v4(), "node", &node_.netns()};
};

TEST_F(HostTest, ProbesReachPodsThatNobodyMayReach) {
  forbid_everything();
  node_.start_agent({"--default-policy", "closed"});
  EXPECT_EQ(ask(client_), kDenied);
  EXPECT_EQ(ask(node_.netns()), "tcp");
  EXPECT_EQ(test::ask_udp(kServer, udp_.port(), &node_.netns()), "udp");
  // From any address of the node, and by a process of which the agent's cgroup knows nothing.
  EXPECT_EQ(test::ask_tcp_from(test::TestNode::address_v4(), kServer, tcp_.port(), &node_.netns()), "tcp");
  EXPECT_EQ(node_.outside([&] { return ask(node_.netns()); }), "tcp");
}

TEST_F(HostTest, APodReachesItselfAndItsNode) {
  forbid_everything();
  node_.start_agent({"--default-policy", "closed"});
  EXPECT_EQ(test::ask_tcp(kServer, own_.port(), &pod_), "own");
  EXPECT_EQ(test::ask_tcp(test::TestNode::address_v4(), node_tcp_.port(), &pod_), "node");
}

TEST_F(HostTest, WhatTheNodeAsksItselfIsNotJudged) {
  forbid_everything();
  node_.start_agent({"--default-policy", "closed"});
  EXPECT_EQ(test::ask_tcp(test::TestNode::address_v4(), node_tcp_.port(), &node_.netns()), "node");
  const test::TestServer loopback(Protocol::kTcp, "127.0.0.1", "loopback", &node_.netns());
  EXPECT_EQ(test::ask_tcp("127.0.0.1", loopback.port(), &node_.netns()), "loopback");
  EXPECT_EQ(node_.counter(FL_C_DENIED_CLIENT) + node_.counter(FL_C_DENIED_SERVER), 0U);
}

TEST_F(HostTest, ConnectionsOfTheNodeStandWhenAPolicyComes) {
  node_.start_agent();
  const auto probe = test::connect_tcp(kServer, tcp_.port(), &node_.netns());
  EXPECT_EQ(test::read_line(probe.socket), "tcp");
  forbid_everything();
  EXPECT_TRUE(test::eventually([&] { return ask(client_) == kDenied; }));
  ASSERT_EQ(::send(probe.socket.get(), "still\n", 6, MSG_NOSIGNAL), 6);
  EXPECT_EQ(test::read_line(probe.socket), "still");
}

}  // namespace
}  // namespace fairlead
