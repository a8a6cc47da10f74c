// SPDX-License-Identifier: Apache-2.0
// Datagrams: each of an unconnected socket is decided, on either side.
#include <gtest/gtest.h>

#include "live/policy/policy_node.hpp"

namespace fairlead {
namespace {

using test::kDenied;
using test::kServer;
using test::Netns;
using Protocol = test::TestServer::Protocol;

class UdpTest : public ::testing::Test {
 protected:
  test::PolicyNode node_;
  Netns& friend_ = node_.add_pod("friend", "10.244.0.2");
  Netns& server_ns_ = node_.add_pod("server", kServer);
  Netns& stranger_ = node_.add_pod("stranger", "10.244.0.4");
  test::TestServer udp_{Protocol::kUdp, kServer, "server", &server_ns_};
};

TEST_F(UdpTest, DatagramsAreDeniedAtSendmsgAndAtConnect) {
  node_.write("policy", test::network_policy("friends",
                                             "{podSelector: {matchLabels: {app: server}}, ingress: [{from: "
                                             "[{podSelector: {matchLabels: {app: friend}}}]}]}"));
  node_.start_agent();
  EXPECT_EQ(test::ask_udp(kServer, udp_.port(), &friend_), "server");
  EXPECT_EQ(test::ask_udp(kServer, udp_.port(), &stranger_), kDenied);
  EXPECT_EQ(test::ask_connected_udp(kServer, udp_.port(), &friend_), "server");
  EXPECT_EQ(test::ask_connected_udp(kServer, udp_.port(), &stranger_), kDenied);
  EXPECT_EQ(udp_.hits(), 2);
}

TEST_F(UdpTest, AnAnswerComesInWhereNothingElseMay) {
  node_.write("policy", test::network_policy("nothing-in", "{podSelector: {matchLabels: {app: friend}}}"));
  node_.start_agent();
  EXPECT_EQ(test::ask_udp(kServer, udp_.port(), &friend_), "server");
  // Who was not asked does not get in, not even from the node of the one who was.
  test::TestServer own(Protocol::kUdp, "10.244.0.2", "friend", &friend_);
  EXPECT_EQ(node_.outside([&] { return test::ask_connected_udp("10.244.0.2", own.port(), &server_ns_); }),
            "errno Connection refused");
}

TEST_F(UdpTest, AnAnswerGoesOutWhereNothingElseMay) {
  node_.write("policy", test::network_policy("nothing-out",
                                             "{podSelector: {matchLabels: {app: server}}, policyTypes: [Egress]}"));
  node_.start_agent();
  EXPECT_EQ(test::ask_udp(kServer, udp_.port(), &friend_), "server");
  EXPECT_EQ(test::ask_connected_udp(kServer, udp_.port(), &friend_), "server");
  // By a client on another node: this node's programs see the datagram come in, no more.
  EXPECT_EQ(node_.outside([&] { return test::ask_udp(kServer, udp_.port(), &stranger_); }), "server");
  test::TestServer other(Protocol::kUdp, "10.244.0.2", "friend", &friend_);
  EXPECT_EQ(test::ask_udp("10.244.0.2", other.port(), &server_ns_), kDenied);
}

}  // namespace
}  // namespace fairlead
