// SPDX-License-Identifier: Apache-2.0
// The bytes of connected UDP sockets, by every call that moves them, in the series and the flow of each.
#include <netinet/udp.h>
#include <sys/socket.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "live/balance/node.hpp"
#include "live/telemetry/page.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

using Protocol = TestServer::Protocol;

constexpr const char* kSent = "fairlead_request_bytes_total";
constexpr const char* kReceived = "fairlead_response_bytes_total";

class UdpBytesTest : public BalanceTest {
 protected:
  static Labels of(const std::string& service) { return {{"service", "default/" + service}, {"protocol", "udp"}}; }
  static testing::AssertionResult counted(const std::string& service, double sent, double received) {
    const auto first = comes_to(node().agent(), kSent, of(service), sent);
    return first ? comes_to(node().agent(), kReceived, of(service), received) : first;
  }
  static void push(const Fd& socket, std::size_t size) {
    const std::string data(size, 'x');
    ASSERT_EQ(send(socket.get(), data.data(), size, 0), static_cast<ssize_t>(size));
  }
  /// Bytes of the answer, or the error.
  static ssize_t take(const Fd& socket, std::size_t room = 65536, int flags = 0) {
    std::string data(room, '\0');
    const auto got = recv(socket.get(), data.data(), room, flags);
    return got < 0 ? -errno : got;
  }
};

TEST_F(UdpBytesTest, BothDirectionsWhileItLivesAndInItsFlow) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "name");  // answers "name " and what it got
  const auto address = node().put({.name = "both", .endpoints = {endpoint_of(server, "127.0.0.1")}, .udp = true});
  {
    const auto client = connect_udp(address);
    for (const std::size_t size : {10U, 200U, 1000U}) {
      push(client.socket, size);
      ASSERT_EQ(take(client.socket), static_cast<ssize_t>(size + 5));
    }
    EXPECT_TRUE(counted("both", 1210, 1225));
    push(client.socket, 90);
    ASSERT_EQ(take(client.socket), 95);
    EXPECT_TRUE(counted("both", 1300, 1320));
    push(client.socket, 1);
    ASSERT_EQ(take(client.socket), 6);
  }
  EXPECT_TRUE(counted("both", 1301, 1326));
  EXPECT_TRUE(comes_to(node().agent(), "fairlead_connection_redirected_bytes_total", of("both"), 0));
  const auto flow = nlohmann::json::parse(
      node().agent().ctl({"flows", "--service", "both", "--type", "close", "--last", "1", "-o", "json"}));
  EXPECT_EQ(flow.at("request_bytes"), 1301);
  EXPECT_EQ(flow.at("response_bytes"), 1326);
  EXPECT_EQ(flow.at("redirected_bytes"), 0);
}

TEST_F(UdpBytesTest, EachFamilyOnce) {
  const TestServer v4(Protocol::kUdp, "127.0.0.1", "four"), v6(Protocol::kUdp, "::1", "six");
  const auto address = node().put({.name = "v4", .endpoints = {endpoint_of(v4, "127.0.0.1")}, .udp = true});
  const auto address6 = node().put({.name = "v6", .endpoints = {endpoint_of(v6, "::1")}, .udp = true, .v6 = true});
  const auto mapped = connect_udp("::ffff:" + address), six = connect_udp(address6);
  push(mapped.socket, 100);
  EXPECT_EQ(take(mapped.socket), 105);
  push(six.socket, 100);
  EXPECT_EQ(take(six.socket), 104);
  EXPECT_TRUE(counted("v4", 100, 105));
  EXPECT_TRUE(counted("v6", 100, 104));
}

TEST_F(UdpBytesTest, ManyAtOnceAndSegmentedByTheKernel) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "many");
  const auto address = node().put({.name = "many", .endpoints = {endpoint_of(server, "127.0.0.1")}, .udp = true});
  const auto client = connect_udp(address);
  std::string data(300, 'x');
  iovec parts[] = {{data.data(), 100}, {data.data(), 300}};
  mmsghdr messages[2] = {};
  for (int i = 0; i < 2; ++i) {
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  ASSERT_EQ(sendmmsg(client.socket.get(), messages, 2, 0), 2);
  const int segment = 1000;
  ASSERT_EQ(setsockopt(client.socket.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
  push(client.socket, 2500);
  ssize_t answers = 0;
  for (int i = 0; i < 5; ++i) answers += take(client.socket);
  EXPECT_EQ(server.hits(), 5);
  EXPECT_EQ(answers, 2900 + 5 * 5);
  EXPECT_TRUE(counted("many", 2900, 2925));
}

TEST_F(UdpBytesTest, WhatIsPeekedAtOrRefusedIsNotCounted) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "peek");
  const auto address = node().put({.name = "peek", .endpoints = {endpoint_of(server, "127.0.0.1")}, .udp = true});
  const auto client = connect_udp(address);
  push(client.socket, 50);
  EXPECT_EQ(take(client.socket, 65536, MSG_PEEK), 55);
  EXPECT_EQ(take(client.socket, 20), 20);  // the rest of the datagram is thrown away
  EXPECT_EQ(take(client.socket, 20, MSG_DONTWAIT), -EAGAIN);
  const std::string large(70000, 'x');
  EXPECT_EQ(send(client.socket.get(), large.data(), large.size(), 0), -1);
  EXPECT_TRUE(counted("peek", 50, 20));
}

TEST_F(UdpBytesTest, AnotherPeerIsNotTheService) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "mine"), other(Protocol::kUdp, "127.0.0.1", "else");
  const auto address = node().put({.name = "left", .endpoints = {endpoint_of(server, "127.0.0.1")}, .udp = true});
  const auto client = connect_udp(address);
  push(client.socket, 10);
  EXPECT_EQ(take(client.socket), 15);
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  ASSERT_EQ(connect(client.socket.get(), &nobody, sizeof nobody), 0);
  const SocketAddress where("127.0.0.1", other.port());
  ASSERT_EQ(sendto(client.socket.get(), "1234", 4, 0, where.get(), where.length), 4);
  EXPECT_EQ(take(client.socket), 9);
  EXPECT_TRUE(counted("left", 10, 15));
}

TEST_F(UdpBytesTest, NothingIsLostOrCountedTwiceOverARestart) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "again");
  const auto address = node().put({.name = "again", .endpoints = {endpoint_of(server, "127.0.0.1")}, .udp = true});
  const auto client = connect_udp(address);
  push(client.socket, 100);
  EXPECT_EQ(take(client.socket), 106);
  EXPECT_TRUE(counted("again", 100, 106));
  node().restart();
  push(client.socket, 10);
  EXPECT_EQ(take(client.socket), 16);
  EXPECT_TRUE(counted("again", 110, 122));
  EXPECT_TRUE(comes_to(node().agent(), "fairlead_connections_opened_total", of("again"), 1));
}

// They are paid for by others.
TEST(UdpBytesProgramsTest, AreAttachedWhileAServiceHasAUdpPort) {
  BalancedNode node;
  const auto attached = [&] {
    std::size_t count = 0;
    for (const auto& pin : std::filesystem::directory_iterator(node.pins()))
      count += pin.path().filename().string().starts_with("link_fl_udp_");
    return count;
  };
  EXPECT_EQ(attached(), 0U);
  node.put({.name = "udp", .udp = true});
  EXPECT_TRUE(eventually([&] { return attached() >= 2; }));
  const auto before = attached();
  node.restart();
  EXPECT_EQ(attached(), before);
  node.put({.name = "udp"});
  EXPECT_TRUE(eventually([&] { return attached() == 0; }));
}

}  // namespace
}  // namespace fairlead::test
