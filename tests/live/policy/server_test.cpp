// SPDX-License-Identifier: Apache-2.0
// The server's side: clients that the node's programs do not see (they run outside of the agent's cgroup, as on another
// node) meet a closed port.
#include <gtest/gtest.h>
#include <signal.h>

#include "live/policy/policy_node.hpp"

namespace fairlead {
namespace {

using test::kServer;
using test::Netns;
using Protocol = test::TestServer::Protocol;

class ServerTest : public ::testing::Test {
 protected:
  /// As a client on another node: in no cgroup of the agent.
  std::string ask(const Netns& from) {
    return node_.outside([&] { return test::ask_tcp(kServer, server_.port(), &from); });
  }
  std::string ask_datagram(const Netns& from) {
    return node_.outside([&] { return test::ask_connected_udp(kServer, udp_.port(), &from); });
  }
  void friends_only() {
    node_.write("policy", test::network_policy("friends",
                                               "{podSelector: {matchLabels: {app: server}}, ingress: [{from: "
                                               "[{podSelector: {matchLabels: {app: friend}}}]}]}"));
  }

  test::PolicyNode node_;
  Netns& friend_ = node_.add_pod("friend", "10.244.0.2");
  Netns& server_ns_ = node_.add_pod("server", kServer);
  Netns& stranger_ = node_.add_pod("stranger", "10.244.0.4");
  test::TestServer server_{Protocol::kTcp, kServer, "server", &server_ns_};
  test::TestServer udp_{Protocol::kUdp, kServer, "server", &server_ns_};
};

TEST_F(ServerTest, AForbiddenConnectGetsRst) {
  friends_only();
  node_.start_agent();
  EXPECT_EQ(ask(friend_), "server");
  EXPECT_EQ(ask(stranger_), "errno Connection refused");
}

// Of a stranger the kernel's own table of blocks knows, and it holds IPv4 within ::/0.
TEST_F(ServerTest, AllOfV6IsNothingOfV4) {
  const Netns& foreign = node_.add_pod("foreign", "10.244.0.77", false);
  const auto allow = [&](const std::string& block) {
    node_.write("policy", test::network_policy("six",
                                               "{podSelector: {matchLabels: {app: server}}, ingress: [{from: "
                                               "[{ipBlock: {cidr: '" +
                                                   block + "'}}]}]}"));
  };
  allow("::/0");
  node_.start_agent();
  EXPECT_EQ(ask(foreign), "errno Connection refused");
  EXPECT_EQ(ask(friend_), "errno Connection refused");
  allow("0.0.0.0/0");
  EXPECT_TRUE(test::eventually([&] { return ask(foreign) == "server"; })) << node_.agent().output();
  EXPECT_EQ(ask(friend_), "server");
  allow("::/0");
  EXPECT_TRUE(test::eventually([&] { return ask(foreign) != "server"; })) << node_.agent().output();
}

// The links in the pods' namespaces are pinned before the others: they are no agent before this one.
TEST_F(ServerTest, AFirstStartCarriesNothingOver) {
  node_.start_agent();
  EXPECT_EQ(node_.agent().output().find("agent before"), std::string::npos) << node_.agent().output();
}

TEST_F(ServerTest, AForbiddenDatagramGetsPortUnreachable) {
  friends_only();
  node_.start_agent();
  EXPECT_EQ(ask_datagram(friend_), "server");
  EXPECT_EQ(ask_datagram(stranger_), "errno Connection refused");
}

TEST_F(ServerTest, TheNodeReachesItsPods) {
  node_.write("policy", test::network_policy("nobody", "{podSelector: {}}"));
  node_.start_agent();
  EXPECT_EQ(ask(node_.netns()), "server");  // a probe of the kubelet, from the node's address
  EXPECT_EQ(ask(server_ns_), "server");  // a pod reaches itself
  EXPECT_EQ(ask(stranger_), "errno Connection refused");
}

TEST_F(ServerTest, TheNodeReachesItsPodsFromAnAddressThatComesLater) {
  node_.write("policy", test::network_policy("nobody", "{podSelector: {}}"));
  node_.start_agent();
  node_.netns().ip({"address", "add", "10.244.0.1/32", "dev", "lo"});
  const auto from_bridge = [&] {
    return node_.outside([&] { return test::ask_tcp_from("10.244.0.1", kServer, server_.port(), &node_.netns()); });
  };
  EXPECT_TRUE(test::eventually([&] { return from_bridge() == "server"; })) << from_bridge() << node_.agent().output();
}

TEST_F(ServerTest, APodThatComesLaterIsGuardedToo) {
  friends_only();
  node_.start_agent();
  node_.write("late-policy", test::network_policy("late", "{podSelector: {matchLabels: {app: late}}}"));
  node_.configure_pod("late", "10.244.0.9");
  // Its namespace comes after its object: until it is found, fl_guard drops what is forbidden.
  ASSERT_TRUE(test::eventually([&] { return node_.settings().guard == 1; })) << node_.agent().output();
  node_.agent().signal(SIGSTOP);  // which keeps the window open
  Netns& late = node_.add_pod("late", "10.244.0.9", false);
  test::TestServer server(Protocol::kTcp, "10.244.0.9", "late", &late);
  const auto ask_late = [&] {
    return node_.outside([&] { return test::ask_tcp_briefly("10.244.0.9", server.port(), &stranger_, 300); });
  };
  EXPECT_NE(ask_late(), "late");
  EXPECT_GT(node_.counter(FL_C_DENIED_GUARD), 0U);
  node_.agent().signal(SIGCONT);
  ASSERT_TRUE(test::eventually([&] { return node_.settings().guard == 0; })) << node_.agent().output();
  EXPECT_EQ(ask_late(), "errno Connection refused");
  EXPECT_EQ(server.hits(), 0);
}

TEST_F(ServerTest, TheAgentsEndLeavesTheServersSideInPlace) {
  friends_only();
  node_.start_agent();
  EXPECT_EQ(node_.agent().stop(), 0);
  EXPECT_EQ(ask(stranger_), "errno Connection refused");
  node_.start_agent();
  EXPECT_EQ(ask(stranger_), "errno Connection refused");
  EXPECT_EQ(ask(friend_), "server");
}

}  // namespace
}  // namespace fairlead
