// SPDX-License-Identifier: Apache-2.0
// A change of policy ends connections that it forbids, and leaves the others alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "live/policy/policy_node.hpp"

namespace fairlead {
namespace {

using test::kServer;
using test::Netns;
using Protocol = test::TestServer::Protocol;

class ChangeTest : public ::testing::Test {
 protected:
  /// A connection that has been used.
  Fd connected(const Netns& from) {
    auto result = test::connect_tcp(kServer, server_.port(), &from);
    EXPECT_EQ(result.error, 0);
    EXPECT_EQ(test::read_line(result.socket), "server");
    return std::move(result.socket);
  }
  Fd connected_udp(const Netns& from) {
    Fd client;
    from.in([&] {
      const test::SocketAddress where(kServer, udp_.port());
      client = Fd(socket(where.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
      EXPECT_EQ(connect(client.get(), where.get(), where.length), 0);
      EXPECT_EQ(send(client.get(), "?", 1, 0), 1);
    });
    EXPECT_EQ(test::first_word(client), "server");
    return client;
  }
  void friends_only() {
    node_.write("policy", test::network_policy("friends",
                                               "{podSelector: {matchLabels: {app: server}}, ingress: [{from: "
                                               "[{podSelector: {matchLabels: {app: friend}}}]}]}"));
  }
  /// Still there: what is sent comes back.
  static bool works(const Fd& connection) {
    return send(connection.get(), "echo\n", 5, MSG_NOSIGNAL) == 5 && test::first_word(connection) == "echo";
  }

  test::PolicyNode node_;
  Netns& friend_ = node_.add_pod("friend", "10.244.0.2");
  Netns& server_ns_ = node_.add_pod("server", kServer);
  Netns& stranger_ = node_.add_pod("stranger", "10.244.0.4");
  test::TestServer server_{Protocol::kTcp, kServer, "server", &server_ns_};
  test::TestServer udp_{Protocol::kUdp, kServer, "server", &server_ns_};
};

TEST_F(ChangeTest, EndsTheClientsConnectionsThatItForbids) {
  node_.start_agent();
  const Fd allowed = connected(friend_), forbidden = connected(stranger_), probe = connected(node_.netns());
  const Fd datagrams = connected_udp(stranger_), allowed_datagrams = connected_udp(friend_);
  friends_only();
  // Ended at its own end, or reset by the server's, whichever came first.
  EXPECT_THAT(test::first_word(forbidden, 20000),
              ::testing::AnyOf("errno Software caused connection abort", "errno Connection reset by peer"))
      << node_.agent().output();
  EXPECT_EQ(test::first_word(datagrams, 20000), "errno Software caused connection abort") << node_.agent().output();
  EXPECT_TRUE(works(allowed));
  EXPECT_TRUE(works(probe));
  EXPECT_EQ(send(allowed_datagrams.get(), "?", 1, 0), 1);
  EXPECT_EQ(test::first_word(allowed_datagrams), "server");
  EXPECT_GE(node_.counter(FL_C_SOCKETS_ENDED), 2U);
}

// What the server answered is no question of its own, which the client could answer in its turn.
TEST_F(ChangeTest, EndsDatagramsThatAreAnswered) {
  node_.write("policy",
              test::network_policy("all",
                                   "{podSelector: {matchLabels: {app: server}}, ingress: [{from: [{podSelector: "
                                   "{}}]}]}"));
  node_.start_agent();
  const Fd connected = connected_udp(stranger_);
  Fd unconnected;
  const test::SocketAddress where(kServer, udp_.port());
  stranger_.in([&] { unconnected = Fd(socket(where.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
  const auto send_one = [&] {
    return sendto(unconnected.get(), "?", 1, 0, where.get(), where.length) == 1 ? 0 : errno;
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(send_one(), 0);
    EXPECT_EQ(test::first_word(unconnected), "server");
  }
  friends_only();
  EXPECT_EQ(test::first_word(connected, 20000), "errno Software caused connection abort") << node_.agent().output();
  EXPECT_EQ(send_one(), EACCES);
}

TEST_F(ChangeTest, EndsTheServersConnectionsOfForeignClients) {
  node_.start_agent();
  const Fd allowed = node_.outside([&] { return connected(friend_); });
  const Fd forbidden = node_.outside([&] { return connected(stranger_); });
  friends_only();
  EXPECT_THAT(test::first_word(forbidden, 20000), ::testing::AnyOf("", "errno Connection reset by peer"))
      << node_.agent().output();
  EXPECT_TRUE(works(allowed));
}

TEST_F(ChangeTest, ThatAllowsMoreEndsNothing) {
  friends_only();
  node_.start_agent();
  const Fd allowed = connected(friend_);
  node_.write("policy", "");
  EXPECT_TRUE(test::eventually([&] { return test::ask_tcp(kServer, server_.port(), &stranger_) == "server"; }));
  EXPECT_TRUE(works(allowed));
  EXPECT_EQ(node_.counter(FL_C_SOCKETS_ENDED), 0U);
}

}  // namespace
}  // namespace fairlead
