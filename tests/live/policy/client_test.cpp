// SPDX-License-Identifier: Apache-2.0
// The client's side: connect and sendmsg fail with EACCES where a policy forbids what they ask for.
#include <gtest/gtest.h>

#include "live/policy/policy_node.hpp"

namespace fairlead {
namespace {

using test::kServer;
using test::Netns;
using Protocol = test::TestServer::Protocol;

class ClientTest : public ::testing::Test {
 protected:
  std::string ask(const Netns& from) { return test::ask_tcp(kServer, server_.port(), &from); }

  test::PolicyNode node_;
  Netns& friend_ = node_.add_pod("friend", "10.244.0.2");
  Netns& server_ns_ = node_.add_pod("server", kServer);
  Netns& stranger_ = node_.add_pod("stranger", "10.244.0.4");
  test::TestServer server_{Protocol::kTcp, kServer, "server", &server_ns_};
};

TEST_F(ClientTest, ANetworkPolicyLetsOnlyThoseInThatItNames) {
  node_.write("policy", test::network_policy("friends",
                                             "{podSelector: {matchLabels: {app: server}}, ingress: [{from: "
                                             "[{podSelector: {matchLabels: {app: friend}}}]}]}"));
  node_.start_agent();
  EXPECT_EQ(ask(friend_), "server");
  EXPECT_EQ(ask(stranger_), "errno Permission denied");
}

TEST_F(ClientTest, AnAuthorizationPolicyDeniesByPrincipal) {
  node_.write("policy", test::authorization_policy("no-strangers",
                                                   "{selector: {matchLabels: {app: server}}, action: DENY, rules: "
                                                   "[{from: [{source: {principals: [\"*/sa/stranger\"]}}]}]}"));
  node_.start_agent();
  EXPECT_EQ(ask(friend_), "server");
  EXPECT_EQ(ask(stranger_), "errno Permission denied");
}

TEST_F(ClientTest, WithoutPoliciesTheDefaultDecides) {
  node_.start_agent();
  EXPECT_EQ(ask(stranger_), "server");
  node_.start_agent({"--default-policy", "closed"});
  EXPECT_EQ(ask(stranger_), "errno Permission denied");
  EXPECT_EQ(ask(node_.netns()), "server");
  node_.start_agent({"--policy", "off", "--default-policy", "closed"});
  EXPECT_EQ(ask(stranger_), "server");
}

TEST_F(ClientTest, APolicyThatComesOrGoesHoldsForTheNextConnect) {
  node_.start_agent();
  EXPECT_EQ(ask(stranger_), "server");
  node_.write("policy",
              test::network_policy("nobody", "{podSelector: {matchLabels: {app: stranger}}, policyTypes: [Egress]}"));
  EXPECT_TRUE(test::eventually([&] { return ask(stranger_) == "errno Permission denied"; })) << node_.agent().output();
  EXPECT_EQ(ask(friend_), "server");
  node_.write("policy", "");
  EXPECT_TRUE(test::eventually([&] { return ask(stranger_) == "server"; })) << node_.agent().output();
}

}  // namespace
}  // namespace fairlead
