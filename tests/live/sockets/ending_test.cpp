// SPDX-License-Identifier: Apache-2.0
// Sockets to an endpoint that is gone are ended, and no others.
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <future>

#include "agent/kernel/map.hpp"
#include "fairlead/abi/metric.h"
#include "live/lifecycle/agent_fixture.hpp"
#include "live/lifecycle/service_yaml.hpp"
#include "support/netns.hpp"
#include "support/server.hpp"
#include "support/wait.hpp"

namespace fairlead {
namespace {

using test::TestServer;

constexpr const char* kGoing = "10.244.0.2";
constexpr const char* kStaying = "10.244.0.3";
constexpr const char* kService = "10.96.0.10";
constexpr const char* kGoingV6 = "2001:db8:244::2";
constexpr const char* kServiceV6 = "2001:db8:96::10";

/// How a socket may be made that reaches an IPv4 service.
enum class Kind { kV4, kV4Mapped, kV6 };

class EndingTest : public test::AgentTest {
 protected:
  EndingTest() {
    for (const auto* address : {kGoing, kStaying})
      netns_.ip({"address", "add", std::string(address) + "/32", "dev", "lo"});
    netns_.ip({"-6", "address", "add", std::string(kGoingV6) + "/128", "dev", "lo", "nodad"});
    cgroup_.enter();
  }

  void serve(TestServer::Protocol protocol, Kind kind = Kind::kV4) {
    protocol_ = protocol;
    v6_ = kind == Kind::kV6;
    going_ = std::make_unique<TestServer>(protocol, v6_ ? kGoingV6 : kGoing, "going", &netns_);
    if (!v6_) staying_ = std::make_unique<TestServer>(protocol, kStaying, "staying", &netns_, going_->port());
  }
  void configure(std::vector<std::string> endpoints) {
    write("web.yaml", test::ServiceYaml{.name = "web",
                                        .address = v6_ ? kServiceV6 : kService,
                                        .port = 80,
                                        .protocol = protocol_ == TestServer::Protocol::kTcp ? "TCP" : "UDP",
                                        .target_port = going_->port(),
                                        .endpoints = std::move(endpoints)}
                          .text());
  }
  /// A socket connected to the service by the backend that is given now.
  Fd connected(Kind kind = Kind::kV4) {
    const int family = kind == Kind::kV4 ? AF_INET : AF_INET6;
    const std::string address = kind == Kind::kV6         ? kServiceV6
                                : kind == Kind::kV4Mapped ? std::string("::ffff:") + kService
                                                          : kService;
    const test::SocketAddress where(address, 80);
    Fd fd;
    int error = 0;
    netns_.in([&] {
      fd.reset(::socket(
          family, protocol_ == TestServer::Protocol::kTcp ? SOCK_STREAM | SOCK_CLOEXEC : SOCK_DGRAM | SOCK_CLOEXEC, 0));
      if (::connect(fd.get(), where.get(), where.length) != 0) error = errno;
    });
    EXPECT_EQ(error, 0);
    if (protocol_ == TestServer::Protocol::kTcp) {
      EXPECT_EQ(test::read_line(fd), "going");
    }
    return fd;
  }
  /// The socket's pending error within the limit; 0: none.
  static int error_of(const Fd& fd, int limit_ms) {
    pollfd ready{.fd = fd.get(), .events = 0, .revents = 0};
    ::poll(&ready, 1, limit_ms);
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
  }
  std::uint64_t ended() const {
    std::vector<std::uint64_t> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    const std::uint32_t key = FL_C_SOCKETS_ENDED;
    bpf_map_lookup_elem(pin("fl_counters").get(), &key, values.data());
    std::uint64_t sum = 0;
    for (const auto value : values) sum += value;
    return sum;
  }
  /// What comes next, nothing where that takes more than 5 s. A datagram has no newline to wait for.
  static std::string received(const Fd& fd) {
    pollfd ready{.fd = fd.get(), .events = POLLIN, .revents = 0};
    char text[64] = {};
    return ::poll(&ready, 1, 5'000) == 1 && ::recv(fd.get(), text, sizeof text - 1, 0) > 0 ? text : "";
  }
  static std::string answer(const Fd& fd) { return ::send(fd.get(), "?\n", 2, 0) == 2 ? received(fd) : ""; }

  test::Netns netns_{"ending"};
  TestServer::Protocol protocol_ = TestServer::Protocol::kTcp;
  bool v6_ = false;
  std::unique_ptr<TestServer> going_, staying_;
};

TEST_F(EndingTest, ATcpClientBlockedInReadIsWoken) {
  serve(TestServer::Protocol::kTcp);
  configure({kGoing});
  const auto agent = start({"--end-tcp", "on"});
  const Fd client = connected();
  auto blocked = std::async(std::launch::async, [&] {
    char byte = 0;
    return ::recv(client.get(), &byte, 1, 0) < 0 ? errno : 0;
  });
  configure({kStaying});
  ASSERT_EQ(blocked.wait_for(std::chrono::seconds(20)), std::future_status::ready) << agent->output();
  EXPECT_EQ(blocked.get(), ECONNABORTED);
  EXPECT_TRUE(test::eventually([&] { return ended() == 1; })) << ended();
  EXPECT_EQ(test::ask_tcp(kService, 80, &netns_), "staying");
}

class EndingKindTest : public EndingTest, public ::testing::WithParamInterface<Kind> {};

TEST_P(EndingKindTest, ConnectedUdpGetsAnError) {
  serve(TestServer::Protocol::kUdp, GetParam());
  configure({v6_ ? kGoingV6 : kGoing});
  const auto agent = start();
  const Fd client = connected(GetParam());
  ASSERT_EQ(answer(client), "going ?\n");
  configure({});
  EXPECT_EQ(error_of(client, 20'000), ECONNABORTED) << agent->output();
}

TEST_P(EndingKindTest, TcpGetsAnError) {
  serve(TestServer::Protocol::kTcp, GetParam());
  configure({v6_ ? kGoingV6 : kGoing});
  const auto agent = start({"--end-tcp", "on"});
  const Fd client = connected(GetParam());
  configure({});
  EXPECT_EQ(error_of(client, 20'000), ECONNABORTED) << agent->output();
}

INSTANTIATE_TEST_SUITE_P(Families, EndingKindTest, ::testing::Values(Kind::kV4, Kind::kV4Mapped, Kind::kV6));

TEST_F(EndingTest, TcpStaysWithoutTheSetting) {
  serve(TestServer::Protocol::kTcp);
  configure({kGoing});
  const auto agent = start();
  const Fd client = connected();
  configure({kStaying});
  ASSERT_TRUE(test::eventually([&] { return test::ask_tcp(kService, 80, &netns_) == "staying"; }));
  EXPECT_EQ(error_of(client, 1'500), 0);  // longer than the second look takes
  EXPECT_EQ(answer(client), "?\n");
}

TEST_F(EndingTest, SocketsOfOtherBackendsStay) {
  serve(TestServer::Protocol::kUdp);
  configure({kGoing});
  const auto agent = start();
  const Fd going = connected();
  configure({kGoing, kStaying});
  std::vector<Fd> staying;
  ASSERT_TRUE(test::eventually([&] {
    Fd fd = connected();
    if (answer(fd).starts_with("staying")) staying.push_back(std::move(fd));
    return staying.size() == 10;
  }));
  configure({kStaying});
  EXPECT_EQ(error_of(going, 20'000), ECONNABORTED) << agent->output();
  for (const auto& fd : staying) EXPECT_EQ(answer(fd), "staying ?\n");
}

TEST_F(EndingTest, UnconnectedUdpIsNeverTouched) {
  serve(TestServer::Protocol::kUdp);
  configure({kGoing});
  const auto agent = start();
  const Fd witness = connected();
  Fd client;
  netns_.in([&] { client.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
  // With a port by the kernel's choice the socket would leave the table of UDP sockets when it is disconnected. The
  // namespace is the test's own, so any port is free.
  const test::SocketAddress own("0.0.0.0", 5353);
  ASSERT_EQ(::bind(client.get(), own.get(), own.length), 0);
  const test::SocketAddress direct(kGoing, going_->port());
  ASSERT_EQ(::sendto(client.get(), "?", 1, 0, direct.get(), direct.length), 1);
  ASSERT_TRUE(received(client).starts_with("going"));
  // Connected to the service once, and then no more.
  const test::SocketAddress service(kService, 80);
  ASSERT_EQ(::connect(client.get(), service.get(), service.length), 0);
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  ASSERT_EQ(::connect(client.get(), &nobody, sizeof nobody), 0);
  configure({});
  ASSERT_EQ(error_of(witness, 20'000), ECONNABORTED) << agent->output();
  EXPECT_EQ(error_of(client, 1'500), 0);
  ASSERT_EQ(::sendto(client.get(), "?", 1, 0, direct.get(), direct.length), 1);
  EXPECT_TRUE(received(client).starts_with("going"));
}

TEST_F(EndingTest, WhatVanishedWhileTheAgentWasAwayIsEndedAtItsStart) {
  serve(TestServer::Protocol::kUdp);
  configure({kGoing});
  start()->stop();
  const Fd client = connected();
  configure({});
  const auto agent = start();
  EXPECT_EQ(error_of(client, 20'000), ECONNABORTED) << agent->output();
}

}  // namespace
}  // namespace fairlead
