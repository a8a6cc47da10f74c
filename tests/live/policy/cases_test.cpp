// SPDX-License-Identifier: Apache-2.0
// IPv6, pods that come after the agent, policies that could not be loaded, and what is told of it.
#include <gtest/gtest.h>

#include "live/policy/policy_node.hpp"

namespace fairlead {
namespace {

using test::kDenied;
using test::kServer;
using test::Netns;
using Protocol = test::TestServer::Protocol;

class CasesTest : public ::testing::Test {
 protected:
  void friends_only() {
    node_.write("policy", test::network_policy("friends",
                                               "{podSelector: {matchLabels: {app: server}}, ingress: [{from: "
                                               "[{podSelector: {matchLabels: {app: friend}}}]}]}"));
  }
  /// Addresses of the device lo, which comes before the pod's own.
  void add_addresses(const Netns& pod, int count) {
    const auto file = node_.folder() + "/addresses";
    std::ofstream lines(file);
    for (int i = 0; i < count; ++i)
      lines << "address add 10." << 100 + i / 65536 << '.' << i / 256 % 256 << '.' << i % 256 << "/32 dev lo\n";
    lines.close();
    pod.ip({"-batch", file});
  }
  bool known(const char* address) { return node_.workload(address).workload_id != 0; }

  test::PolicyNode node_;
  Netns& friend_ = node_.add_pod("friend", "10.244.0.2");
  Netns& server_ns_ = node_.add_pod("server", kServer);
  Netns& stranger_ = node_.add_pod("stranger", "10.244.0.4");
  test::TestServer server_{Protocol::kTcp, kServer, "server", &server_ns_};
};

TEST_F(CasesTest, APolicyThatCannotBeEnforcedClosesItsPods) {
  node_.write(
      "policy",
      test::authorization_policy(
          "only-get", "{selector: {matchLabels: {app: server}}, rules: [{to: [{operation: {methods: [GET]}}]}]}"));
  node_.start_agent();
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &friend_), kDenied);
  EXPECT_EQ(node_.outside([&] { return test::ask_tcp(kServer, server_.port(), &friend_); }),
            "errno Connection refused");
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &node_.netns()), "server");
}

TEST_F(CasesTest, WhatIsOffIsToldAsOff) {
  friends_only();
  node_.start_agent({"--policy", "off", "--balance", "off"});
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &stranger_), "server");
  const auto policy = node_.process().ctl({"policy"});
  EXPECT_NE(policy.find("not enforced: --policy off"), std::string::npos) << policy;
  const auto why = node_.process().ctl({"why", "--from", "stranger", std::string(kServer) + ":80"});
  EXPECT_NE(why.find("balancing is off: the address is left as it is"), std::string::npos) << why;
}

TEST_F(CasesTest, ARefusedVersionIsTold) {
  const std::string broken = test::network_policy("friends",
                                                  "{podSelector: {matchLabels: {app: server}}, ingress: [{from: "
                                                  "[{ipBlock: {cidr: 300.0.0.0/8}}]}]}");
  const auto comes = [&](const std::vector<std::string>& words, const char* text) {
    return test::eventually([&] { return node_.process().ctl(words).find(text) != std::string::npos; });
  };
  friends_only();
  node_.start_agent();
  node_.write("policy", broken);
  EXPECT_TRUE(comes({"policy"}, "in force as it was: its last version is refused")) << node_.process().ctl({"policy"});
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &friend_), "server");
  node_.write("policy", "");
  EXPECT_TRUE(comes({"policy"}, "no policies"));
  node_.write("policy", broken);
  EXPECT_TRUE(comes({"policy"}, "refused: closes what it selects"));
  const auto why = node_.process().ctl({"why", "--from", "friend", std::string(kServer) + ":80"});
  EXPECT_NE(why.find("NetworkPolicy default/friends was refused, and closes what it selects"), std::string::npos)
      << why;
}

TEST_F(CasesTest, APodsFirstConnectIsDecidedWithoutTheAgent) {
  node_.write("policy",
              test::network_policy("silent", "{podSelector: {matchLabels: {app: late}}, policyTypes: [Egress]}"));
  node_.start_agent();
  node_.configure_pod("late", "10.244.0.9");
  ASSERT_TRUE(test::eventually([&] { return known("10.244.0.9"); })) << node_.agent().output();
  node_.agent().stop();  // the namespace comes when nobody could look
  const Netns& late = node_.add_pod("late", "10.244.0.9", false);
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &late), kDenied);
}

TEST_F(CasesTest, ANamespaceThatWasNobodysIsLookedAtAgain) {
  node_.write("policy",
              test::network_policy("silent", "{podSelector: {matchLabels: {app: late}}, policyTypes: [Egress]}"));
  node_.start_agent();
  node_.configure_pod("late", "10.244.0.9");
  ASSERT_TRUE(test::eventually([&] { return known("10.244.0.9"); })) << node_.agent().output();
  const Netns& late = node_.add_pod("late", "10.244.0.8", false);  // another address at first
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &late), "server");
  late.ip({"address", "add", "10.244.0.9/32", "dev", "eth0"});
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &late), kDenied);
}

TEST_F(CasesTest, APodOfManyAddressesIsFound) {
  node_.write("policy",
              test::network_policy("silent", "{podSelector: {matchLabels: {app: wide}}, policyTypes: [Egress]}"));
  const Netns& wide = node_.add_pod("wide", "10.244.0.9");
  add_addresses(wide, 700);
  node_.start_agent();
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &wide), kDenied);
  EXPECT_EQ(node_.counter(FL_C_IDENTITY_UNKNOWN), 0U);
}

// It may be one whose policies close it.
TEST_F(CasesTest, ANamespaceThatIsNotLookedThroughIsClosed) {
  const Netns& wide = node_.add_pod("wide", "10.244.0.9");
  node_.start_agent();
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &wide), "server");
  add_addresses(wide, 8300);
  node_.configure_pod("other", "10.244.0.8");
  ASSERT_TRUE(test::eventually([&] { return known("10.244.0.8"); })) << node_.agent().output();
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &wide), kDenied);
  EXPECT_GE(node_.counter(FL_C_IDENTITY_UNKNOWN), 1U);
}

TEST_F(CasesTest, V6IsDecidedAsV4) {
  const Netns& six = node_.add_pod("six", "2001:db8:1::9");
  const Netns& other = node_.add_pod("other", "2001:db8:1::8");
  test::TestServer server(Protocol::kTcp, "2001:db8:1::9", "six", &six);
  node_.write("policy",
              test::network_policy("friends",
                                   "{podSelector: {matchLabels: {app: six}}, ingress: [{from: [{ipBlock: {cidr: "
                                   "2001:db8:2::/48}}]}]}"));
  node_.start_agent();
  EXPECT_EQ(test::ask_tcp("2001:db8:1::9", server.port(), &other), kDenied);
  EXPECT_EQ(node_.outside([&] { return test::ask_tcp("2001:db8:1::9", server.port(), &other); }),
            "errno Connection refused");
  EXPECT_EQ(test::ask_tcp("2001:db8:1::9", server.port(), &node_.netns()), "six");
}

TEST_F(CasesTest, EveryDenialIsCountedAndNamesItsRule) {
  friends_only();
  const auto flows = node_.folder() + "/flows.json";
  node_.start_agent({"--flow-log", flows});
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &stranger_), kDenied);
  EXPECT_EQ(node_.outside([&] { return test::ask_tcp(kServer, server_.port(), &stranger_); }),
            "errno Connection refused");
  EXPECT_EQ(node_.counter(FL_C_DENIED_CLIENT), 1U);
  EXPECT_EQ(node_.counter(FL_C_DENIED_SERVER), 1U);
  const auto lines_with = [&](const std::string& text) {
    std::ifstream file(flows);
    int lines = 0;
    for (std::string line; std::getline(file, line);) lines += line.find(text) != std::string::npos ? 1 : 0;
    return lines;
  };
  EXPECT_TRUE(
      test::eventually([&] { return lines_with("NetworkPolicy default/friends, no ingress rule matches") == 2; }));
}

TEST_F(CasesTest, ClosedByDefaultOnTheServersSideToo) {
  node_.start_agent({"--default-policy", "closed"});
  EXPECT_EQ(node_.outside([&] { return test::ask_tcp(kServer, server_.port(), &stranger_); }),
            "errno Connection refused");
  EXPECT_EQ(test::ask_tcp(kServer, server_.port(), &node_.netns()), "server");
}

}  // namespace
}  // namespace fairlead
