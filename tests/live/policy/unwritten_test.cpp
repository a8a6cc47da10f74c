// SPDX-License-Identifier: Apache-2.0
// Rules that the kernel does not take close the workloads that they concern, and nobody else. The table of rules is
// frozen (BPF_MAP_FREEZE): each write to it fails with EPERM.
#include <gmock/gmock.h>

#include "live/lifecycle/service_yaml.hpp"
#include "live/policy/policy_node.hpp"

namespace fairlead {
namespace {

using test::kDenied;
using test::kServer;
using test::Netns;
using Protocol = test::TestServer::Protocol;
using ::testing::HasSubstr;

constexpr const char* kOther = "10.244.0.5";

class UnwrittenTest : public ::testing::Test {
 protected:
  std::string ask(const Netns& from) { return test::ask_tcp(kServer, server_.port(), &from); }
  std::string ask_other(const Netns& from) { return test::ask_tcp(kOther, other_.port(), &from); }
  void freeze_rules() const {
    const Fd rules(bpf_obj_get((node_.pins() + "/fl_rules").c_str()));
    ASSERT_EQ(bpf_map_freeze(rules.get()), 0) << std::strerror(errno);
  }
  /// Lets the friend in to the server.
  void write_policy() const {
    node_.write("policy", test::network_policy("friends",
                                               "{podSelector: {matchLabels: {app: server}}, ingress: [{from: "
                                               "[{podSelector: {matchLabels: {app: friend}}}]}]}"));
  }
  std::string status() const {
    return test::try_run({test::built_program("fairctl"), "--socket", node_.folder() + "/agent.sock", "status"}).output;
  }

  test::PolicyNode node_;
  Netns& friend_ = node_.add_pod("friend", "10.244.0.2");
  Netns& server_ns_ = node_.add_pod("server", kServer);
  Netns& other_ns_ = node_.add_pod("other", kOther);
  test::TestServer server_{Protocol::kTcp, kServer, "server", &server_ns_};
  test::TestServer other_{Protocol::kTcp, kOther, "other", &other_ns_};
};

TEST_F(UnwrittenTest, WhomTheRulesConcernIsClosedAndTheOthersGoOn) {
  node_.start_agent();
  EXPECT_EQ(ask(friend_), "server");
  freeze_rules();
  write_policy();
  EXPECT_TRUE(test::eventually([&] { return ask(friend_) == kDenied; })) << node_.agent().output();
  EXPECT_EQ(ask(node_.netns()), "server") << "probes of the node";
  EXPECT_EQ(ask_other(friend_), "other");
  EXPECT_EQ(ask_other(server_ns_), kDenied);
  EXPECT_THAT(node_.agent().output(), HasSubstr("policies that could not be written: 1 workloads are closed"));
  EXPECT_THAT(status(), HasSubstr("policies that could not be written: 1 workloads are closed"));
  // Services are not held back by it.
  node_.write("service", test::ServiceYaml{.name = "other",
                                           .address = "10.96.0.10",
                                           .port = 80,
                                           .protocol = "TCP",
                                           .target_port = other_.port(),
                                           .endpoints = {kOther}}
                             .text());
  EXPECT_TRUE(test::eventually([&] { return test::ask_tcp("10.96.0.10", 80, &friend_) == "other"; }));
  node_.write("policy", "");
  EXPECT_TRUE(test::eventually([&] { return ask(friend_) == "server"; })) << node_.agent().output();
  EXPECT_THAT(status(), ::testing::Not(HasSubstr("could not be written: 1")));
}

TEST_F(UnwrittenTest, AtTheStartOfAnAgentToo) {
  node_.start_agent();
  node_.agent().stop();
  freeze_rules();
  write_policy();
  node_.start_agent();
  EXPECT_EQ(ask(friend_), kDenied);
  EXPECT_EQ(ask_other(friend_), "other");
  EXPECT_THAT(node_.agent().output(), HasSubstr("policies that could not be written: 1 workloads are closed"));
}

}  // namespace
}  // namespace fairlead
