// SPDX-License-Identifier: Apache-2.0
// connectionPool.tcp.connectTimeout, held by the kernel.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <cerrno>
#include <chrono>

#include "live/balance/node.hpp"
#include "support/netns.hpp"

namespace fairlead::test {
namespace {

class TimeoutTest : public BalanceTest {
 protected:
  static Fd tcp(unsigned user_timeout = 0) {
    Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    setsockopt(client.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
    return client;
  }
  static unsigned user_timeout(const Fd& socket) {
    unsigned value = 0;
    socklen_t length = sizeof value;
    EXPECT_EQ(getsockopt(socket.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &length), 0);
    return value;
  }
  static int error_of(const Fd& socket) {
    int value = 0;
    socklen_t length = sizeof value;
    EXPECT_EQ(getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &value, &length), 0);
    return value;
  }
  static int dial(const Fd& socket, const std::string& address) {
    const SocketAddress where(address, BalancedNode::kPort);
    return connect(socket.get(), where.get(), where.length) == 0 ? 0 : errno;
  }
  static constexpr const char* kPolicy = "connectionPool: {tcp: {connectTimeout: 1500ms}}";
};

TEST_F(TimeoutTest, AConnectThatIsNotAnsweredEnds) {
  const Netns ns("silence");
  ns.ip({"route", "add", "198.51.100.0/24", "dev", "lo"});
  const TestEndpoint endpoint{.address = "198.51.100.9", .port = 81};
  const auto address = node().put({.name = "timeout", .endpoints = {endpoint}, .policy = kPolicy});
  Fd client;
  ns.in([&] { client = tcp(); });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(dial(client, address), ETIMEDOUT);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, std::chrono::milliseconds(1300));
  EXPECT_LT(took, std::chrono::seconds(15));  // the kernel's own limit is two minutes
  EXPECT_EQ(node().backend_state(endpoint).connect_failures, 1U);
  // The same socket, elsewhere: no limit of ours is left.
  EXPECT_EQ(user_timeout(client), 1500U);
  EXPECT_NE(dial(client, "127.0.0.1"), 0);
  EXPECT_EQ(user_timeout(client), 0U);
}

// The kernel looks at the limit when the first SYN is due again, a second after it unless somebody says otherwise.
TEST_F(TimeoutTest, LessThanASecondIsHeldToo) {
  const Netns ns("haste");
  ns.ip({"route", "add", "198.51.100.0/24", "dev", "lo"});
  const TestEndpoint endpoint{.address = "198.51.100.9", .port = 81};
  const auto address = node().put(
      {.name = "haste", .endpoints = {endpoint}, .policy = "connectionPool: {tcp: {connectTimeout: 200ms}}"});
  Fd client;
  ns.in([&] { client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); });
  EXPECT_EQ(dial(client, address), EINPROGRESS);
  tcp_info info{};
  socklen_t length = sizeof info;
  ASSERT_EQ(getsockopt(client.get(), IPPROTO_TCP, TCP_INFO, &info, &length), 0);
  ASSERT_EQ(info.tcpi_rto, 200'000U);  // microseconds
  pollfd wait{.fd = client.get(), .events = POLLOUT, .revents = 0};
  EXPECT_EQ(poll(&wait, 1, -1), 1);
  EXPECT_EQ(error_of(client), ETIMEDOUT);
}

TEST_F(TimeoutTest, AnEstablishedConnectionIsNotLimited) {
  const TestServer server(TestServer::Protocol::kTcp, "127.0.0.1", "timed");
  const auto address =
      node().put({.name = "timed", .endpoints = {endpoint_of(server, "127.0.0.1")}, .policy = kPolicy});
  const auto plain = tcp();
  EXPECT_EQ(dial(plain, address), 0);
  EXPECT_EQ(user_timeout(plain), 0U);
  const auto own = tcp(30'000);
  EXPECT_EQ(dial(own, address), 0);
  EXPECT_EQ(user_timeout(own), 30'000U);
}

}  // namespace
}  // namespace fairlead::test
