// SPDX-License-Identifier: Apache-2.0
// A policy that comes to forbid a connection ends it, on whichever side is ours, and no other.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "live/policy/policy_node.hpp"

namespace fairlead {
namespace {

using test::Netns;
using test::TestServer;

constexpr const char* kServer = "10.244.0.3";

class PolicyEndingTest : public ::testing::TestWithParam<TestServer::Protocol> {
 protected:
  Fd connected(const Netns& from) const {
    const test::SocketAddress where(kServer, server_.port());
    Fd fd;
    from.in([&] {
      fd.reset(::socket(AF_INET, (tcp() ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
      EXPECT_EQ(::connect(fd.get(), where.get(), where.length), 0);
    });
    if (tcp()) {
      EXPECT_EQ(test::read_line(fd), "server");
    }
    return fd;
  }
  static bool tcp() { return GetParam() == TestServer::Protocol::kTcp; }
  static int error_of(const Fd& fd, int limit_ms) {
    pollfd ready{.fd = fd.get(), .events = 0, .revents = 0};
    ::poll(&ready, 1, limit_ms);
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
  }
  void forbid_stranger() const {
    node_.write("policy", test::network_policy("friends",
                                               "{podSelector: {matchLabels: {app: server}}, ingress: [{from: "
                                               "[{podSelector: {matchLabels: {app: friend}}}]}]}"));
  }

  test::PolicyNode node_;
  Netns& friend_ = node_.add_pod("friend", "10.244.0.2");
  Netns& server_ns_ = node_.add_pod("server", kServer);
  Netns& stranger_ = node_.add_pod("stranger", "10.244.0.4");
  TestServer server_{GetParam(), kServer, "server", &server_ns_};
};

TEST_P(PolicyEndingTest, TheClientsSideOfWhatIsForbiddenNow) {
  node_.start_agent();
  const Fd stranger = connected(stranger_);
  const Fd friendly = connected(friend_);
  const Fd host = connected(node_.netns());
  forbid_stranger();
  EXPECT_NE(error_of(stranger, 20'000), 0) << node_.agent().output();
  EXPECT_EQ(error_of(friendly, 1'500), 0);
  EXPECT_EQ(error_of(host, 100), 0);
}

TEST_P(PolicyEndingTest, NotWhileThePolicyIsOff) {
  node_.start_agent({"--policy", "off"});
  const Fd stranger = connected(stranger_);
  forbid_stranger();
  EXPECT_EQ(error_of(stranger, 1'500), 0);
}

TEST_P(PolicyEndingTest, AfterARestartToo) {
  node_.start_agent();
  const Fd stranger = connected(stranger_);
  forbid_stranger();
  node_.start_agent();
  EXPECT_NE(error_of(stranger, 20'000), 0) << node_.agent().output();
}

/// What is between a pod that asks by datagrams and one that may call nobody itself.
class AskedTest : public PolicyEndingTest {
 protected:
  static Fd bound(const Netns& in, const std::string& address, std::uint16_t port) {
    const test::SocketAddress own(address, port);
    Fd fd;
    in.in([&] { fd.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    EXPECT_EQ(::bind(fd.get(), own.get(), own.length), 0);
    return fd;
  }
  static int connect_to(const Fd& fd, const std::string& address, std::uint16_t port) {
    const test::SocketAddress to(address, port);
    return ::connect(fd.get(), to.get(), to.length) == 0 ? 0 : errno;
  }
};

TEST_P(AskedTest, ASocketThatAnswersStaysAndOneThatCallsDoesNot) {
  const std::string silent = "10.244.0.5";
  const Netns& pod = node_.add_pod("silent", silent);
  node_.start_agent();
  const Fd listening = bound(pod, silent, 5300);
  const Fd asker = bound(friend_, "10.244.0.2", 5301);
  const Fd calling = bound(pod, silent, 5302);
  ASSERT_EQ(connect_to(calling, "10.244.0.4", 5303), 0);
  node_.write("silence",
              test::network_policy("silence", "{podSelector: {matchLabels: {app: silent}}, policyTypes: [Egress]}"));
  EXPECT_NE(error_of(calling, 20'000), 0) << node_.agent().output();
  ASSERT_EQ(connect_to(asker, silent, 5300), 0);
  ASSERT_EQ(::send(asker.get(), "?", 1, 0), 1);
  EXPECT_EQ(test::first_word(listening), "?");
  // As a server does that has a socket for each client.
  const Fd answering = bound(pod, silent, 5300);
  ASSERT_EQ(connect_to(answering, "10.244.0.2", 5301), 0);
  // Something else is forbidden: all sockets are looked at.
  const Fd stranger = connected(stranger_);
  forbid_stranger();
  EXPECT_NE(error_of(stranger, 20'000), 0) << node_.agent().output();
  EXPECT_EQ(error_of(answering, 1'500), 0);  // longer than the second look takes
  ASSERT_EQ(::send(answering.get(), "answer", 6, 0), 6);
  EXPECT_EQ(test::first_word(asker), "answer");
}

TEST_P(AskedTest, UnconnectedSocketsAreNeverEnded) {
  node_.start_agent();
  const Fd loose = bound(stranger_, "10.244.0.4", 5301);
  const test::SocketAddress server(kServer, server_.port());
  ASSERT_EQ(::sendto(loose.get(), "?", 1, 0, server.get(), server.length), 1);
  EXPECT_EQ(test::first_word(loose), "server");
  const Fd stranger = connected(stranger_);
  forbid_stranger();
  EXPECT_NE(error_of(stranger, 20'000), 0) << node_.agent().output();
  EXPECT_EQ(error_of(loose, 1'500), 0);
  EXPECT_EQ(::sendto(loose.get(), "?", 1, 0, server.get(), server.length), -1);
  EXPECT_EQ(errno, EACCES);
}

INSTANTIATE_TEST_SUITE_P(Protocols, AskedTest, ::testing::Values(TestServer::Protocol::kUdp));

INSTANTIATE_TEST_SUITE_P(Protocols, PolicyEndingTest,
                         ::testing::Values(TestServer::Protocol::kTcp, TestServer::Protocol::kUdp));

class PolicyEndingServerTest : public PolicyEndingTest {};

TEST_P(PolicyEndingServerTest, TheServersSideForAForeignClient) {
  node_.start_agent();
  // In no cgroup of ours: only the accepted socket is known.
  const Fd stranger = node_.outside([&] { return connected(stranger_); });
  const Fd friendly = node_.outside([&] { return connected(friend_); });
  forbid_stranger();
  EXPECT_EQ(error_of(stranger, 20'000), ECONNRESET) << node_.agent().output();
  EXPECT_EQ(error_of(friendly, 1'500), 0);
}

INSTANTIATE_TEST_SUITE_P(Protocols, PolicyEndingServerTest, ::testing::Values(TestServer::Protocol::kTcp));

}  // namespace
}  // namespace fairlead
