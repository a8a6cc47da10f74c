// SPDX-License-Identifier: Apache-2.0
// Backends that are put aside: when, how many, for how long, and how they come back.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <cerrno>
#include <cmath>
#include <ctime>

#include "live/balance/node.hpp"
#include "support/command.hpp"
#include "support/netns.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

using Protocol = TestServer::Protocol;

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

/// A port that answers RST: bound, so that nobody else gets it, and not listening.
/// Owner: the test. Thread: one.
class DeadPort {
 public:
  DeadPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const SocketAddress where("127.0.0.1", 0);
    EXPECT_EQ(bind(socket_.get(), where.get(), where.length), 0);
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    EXPECT_EQ(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&bound), &length), 0);
    port_ = ntohs(bound.sin_port);
  }
  [[nodiscard]] TestEndpoint endpoint() const { return {.address = "127.0.0.1", .port = port_}; }

 private:
  Fd socket_;
  std::uint16_t port_ = 0;
};

class OutlierTest : public BalanceTest {
 protected:
  /// Connects so often; how many failed.
  static int failures(const std::string& address, int count) {
    int failed = 0;
    for (int i = 0; i < count; ++i) failed += connect_tcp(address, BalancedNode::kPort).error != 0;
    return failed;
  }
};

TEST_F(OutlierTest, FailedConnectsInARowEject) {
  const DeadPort dead;
  const TestServer alive(Protocol::kTcp, "127.0.0.1", "alive");
  const auto address = node().put({.name = "ejects",
                                   .endpoints = {dead.endpoint(), endpoint_of(alive, "127.0.0.1")},
                                   .policy = "outlierDetection: {consecutive5xxErrors: 3, baseEjectionTime: 60s, "
                                             "maxEjectionPercent: 100}"});
  const auto before = node().counter(FL_C_EJECTED);
  EXPECT_EQ(failures(address, 100), 3);
  EXPECT_EQ(node().counter(FL_C_EJECTED), before + 1);
  EXPECT_EQ(node().service_state(address).ejected, 1U);
  const auto state = node().backend_state(dead.endpoint());
  EXPECT_EQ(state.connect_failures, 3U);
  EXPECT_EQ(state.ejections, 1U);
  EXPECT_NEAR(static_cast<double>(state.ejected_until_ns - now_ns()), 60e9, 20e9);
}

TEST_F(OutlierTest, ASuccessEndsTheRow) {
  const TestServer alive(Protocol::kTcp, "127.0.0.1", "alive");
  const auto endpoint = endpoint_of(alive, "127.0.0.1");
  const auto address = node().put(
      {.name = "row-ends", .endpoints = {endpoint}, .policy = "outlierDetection: {consecutive5xxErrors: 3}"});
  auto state = node().backend_state(endpoint);
  state.failures = 2;
  node().write(endpoint, state);
  EXPECT_EQ(failures(address, 1), 0);
  EXPECT_EQ(node().backend_state(endpoint).failures, 0U);
}

TEST_F(OutlierTest, TheShareIsNeverPassed) {
  const DeadPort a, b, c;
  const auto address = node().put({.name = "share",
                                   .endpoints = {a.endpoint(), b.endpoint(), c.endpoint()},
                                   .policy = "outlierDetection: {consecutive5xxErrors: 2, baseEjectionTime: 60s, "
                                             "maxEjectionPercent: 50}"});
  EXPECT_EQ(failures(address, 60), 60);
  int out = 0;
  for (const auto* dead : {&a, &b, &c}) out += node().backend_state(dead->endpoint()).ejected_until_ns > now_ns();
  EXPECT_EQ(out, 1);  // of three, two would be 66 %
  EXPECT_EQ(node().service_state(address).ejected, 1U);
}

// The slots of a round robin level repeat a backend by its weight; it counts once.
TEST_F(OutlierTest, TheShareCountsBackendsNotSlots) {
  const DeadPort dead;
  const TestServer alive(Protocol::kTcp, "127.0.0.1", "alive");
  auto heavy = dead.endpoint();
  heavy.more = "zone: zone-a";
  const auto address =
      node().put({.name = "share-slots",
                  .endpoints = {heavy, endpoint_of(alive, "127.0.0.1", "zone: zone-b")},
                  .policy = "loadBalancer: {simple: ROUND_ROBIN, localityLbSetting: {enabled: true, "
                            "distribute: [{from: 'region-a/zone-a/*', to: {'region-a/zone-a/*': 80, "
                            "'region-b/zone-b/*': 20}}]}}, outlierDetection: {consecutive5xxErrors: 2, "
                            "baseEjectionTime: 60s, maxEjectionPercent: 50}"});
  EXPECT_EQ(failures(address, 30), 2);
}

// Base times are short: an emulated kernel may have booted only seconds ago, and time before that cannot be told.
TEST_F(OutlierTest, EachEjectionLastsLonger) {
  const DeadPort dead;
  const TestServer alive(Protocol::kTcp, "127.0.0.1", "alive");
  const auto address = node().put({.name = "longer",
                                   .endpoints = {dead.endpoint(), endpoint_of(alive, "127.0.0.1")},
                                   .policy = "outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 2s, "
                                             "maxEjectionPercent: 100}"});
  for (std::uint32_t round = 1; round <= 3; ++round) {
    double begin = 0;
    EXPECT_TRUE(eventually([&] {
      begin = static_cast<double>(now_ns());
      return failures(address, 1) == 1;
    }));
    const auto state = node().backend_state(dead.endpoint());
    EXPECT_EQ(state.ejections, round);
    EXPECT_NEAR(static_cast<double>(state.ejected_until_ns) - begin, round * 2e9, 1e9);
    EXPECT_EQ(node().service_state(address).ejected, 1U);
    node().eject(dead.endpoint(), -1);
  }
  node().eject(dead.endpoint(), -4100);  // two base times of good behaviour take two off
  EXPECT_TRUE(eventually([&] { return failures(address, 1) == 1; }));
  EXPECT_EQ(node().backend_state(dead.endpoint()).ejections, 2U);
}

TEST_F(OutlierTest, TheShareReturnsGradually) {
  constexpr int kConnects = 1200;
  constexpr std::int64_t kReturnMs = 8000;  // above 4.3 s nanoseconds do not fit 32 bits
  const TestEndpoint back{.address = "127.0.0.1", .port = 1911};
  const TestEndpoint other{.address = "127.0.0.1", .port = 1912};
  const auto address =
      node().put({.name = "gradual",
                  .endpoints = {back, other},
                  .udp = true,
                  .policy = "loadBalancer: {warmup: {duration: 8s}}, outlierDetection: {consecutive5xxErrors: 5}"});
  const auto begin = now_ns();
  node().eject(back, -2000);
  int given = 0;
  for (int i = 0; i < kConnects; ++i) given += node().given_port(connect_udp(address).socket) == back.port;
  // Taken with this chance where it is drawn; what it misses is drawn again.
  const auto share = [](double chance) { return chance / (1 + chance); };
  const double last = 2000 + static_cast<double>(now_ns() - begin) / 1e6;
  const double low = share(2000.0 / kReturnMs), high = share(std::min(1.0, last / kReturnMs));
  const auto spread = [](double p) { return 5 * std::sqrt(kConnects * p * (1 - p)); };
  EXPECT_GT(given, kConnects * low - spread(low));
  EXPECT_LT(given, kConnects * high + spread(high));
}

TEST_F(OutlierTest, TheGaugeFallsWhenABackendIsBack) {
  const DeadPort dead;
  const TestServer alive(Protocol::kTcp, "127.0.0.1", "alive");
  const auto address = node().put({.name = "gauge",
                                   .endpoints = {dead.endpoint(), endpoint_of(alive, "127.0.0.1")},
                                   .policy = "outlierDetection: {consecutive5xxErrors: 3, baseEjectionTime: 60s, "
                                             "maxEjectionPercent: 100}"});
  EXPECT_EQ(failures(address, 60), 3);
  EXPECT_EQ(node().service_state(address).ejected, 1U);
  auto state = node().backend_state(dead.endpoint());
  state.ejected_until_ns = (now_ns() - 1'000'000) | 1;
  node().write(dead.endpoint(), state);
  EXPECT_TRUE(eventually([&] { return failures(address, 1) == 1; }));
  EXPECT_EQ(node().service_state(address).ejected, 0U);
}

TEST_F(OutlierTest, AnAttemptThatIsGivenUpIsNoFailure) {
  const Netns ns("silence");
  ns.ip({"route", "add", "198.51.100.0/24", "dev", "lo"});
  const TestEndpoint endpoint{.address = "198.51.100.3", .port = 81};
  const auto address = node().put(
      {.name = "given-up", .endpoints = {endpoint}, .policy = "outlierDetection: {consecutive5xxErrors: 1}"});
  const SocketAddress where(address, BalancedNode::kPort);
  ns.in([&] {
    const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_NE(connect(client.get(), where.get(), where.length), 0);
    EXPECT_EQ(errno, EINPROGRESS);
  });
  EXPECT_EQ(node().service_state(address).pending, 0U);
  EXPECT_EQ(node().backend_state(endpoint).connect_failures, 0U);
  EXPECT_EQ(node().backend_state(endpoint).ejected_until_ns, 0U);
}

TEST_F(OutlierTest, AnUnreachableBackendIsAFailure) {
  const Netns ns("unreachable");
  ns.ip({"route", "add", "unreachable", "198.51.100.0/24"});
  ns.ip({"link", "add", "v0", "type", "veth", "peer", "name", "v1"});
  ns.ip({"address", "add", "203.0.113.1/24", "dev", "v0"});
  ns.ip({"link", "set", "v0", "up"});
  ns.ip({"link", "set", "v1", "up"});
  const TestEndpoint endpoint{.address = "203.0.113.2", .port = 81};  // on the link, and no ARP answer
  const auto address = node().put({.name = "unreachable", .endpoints = {endpoint}});
  EXPECT_EQ(connect_tcp(address, BalancedNode::kPort, &ns).error, EHOSTUNREACH);
  EXPECT_EQ(node().backend_state(endpoint).connect_failures, 1U);
  EXPECT_EQ(node().service_state(address).pending, 0U);
}

// A router's ICMP is told by POLLERR while the socket still connects (kernels after 6.1), and SO_ERROR takes it away:
// what the application then closes never failed for TCP.
TEST_F(OutlierTest, AnEventDrivenClientsUnreachableBackendIsAFailure) {
  const Netns ns("client");
  const Netns router("router");
  ns.ip({"link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", router.name()});
  ns.ip({"address", "add", "203.0.113.1/24", "dev", "v0"});
  ns.ip({"link", "set", "v0", "up"});
  router.ip({"address", "add", "203.0.113.2/24", "dev", "v1"});
  router.ip({"link", "set", "v1", "up"});
  router.sysctl("net.ipv4.ip_forward", "1");
  ns.ip({"route", "add", "default", "via", "203.0.113.2"});
  const TestEndpoint endpoint{.address = "198.51.100.7", .port = 81};
  const auto address = node().put(
      {.name = "no-route", .endpoints = {endpoint}, .policy = "outlierDetection: {consecutive5xxErrors: 1}"});
  const SocketAddress where(address, BalancedNode::kPort);
  ns.in([&] {
    const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ASSERT_NE(connect(client.get(), where.get(), where.length), 0);
    ASSERT_EQ(errno, EINPROGRESS);
    pollfd event{.fd = client.get(), .events = POLLOUT, .revents = 0};
    ASSERT_EQ(poll(&event, 1, 20'000), 1);
    int error = 0;
    socklen_t length = sizeof error;
    ASSERT_EQ(getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &length), 0);
    EXPECT_EQ(error, ENETUNREACH);
  });
  EXPECT_EQ(node().backend_state(endpoint).connect_failures, 1U);
  EXPECT_GT(node().backend_state(endpoint).ejected_until_ns, now_ns());
  EXPECT_EQ(node().service_state(address).pending, 0U);
}

/// A listener whose connections are reset as soon as they are accepted.
TEST_F(OutlierTest, ResetsInARowEject) {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress any("127.0.0.1", 0);
  ASSERT_EQ(bind(listener.get(), any.get(), any.length), 0);
  ASSERT_EQ(listen(listener.get(), 16), 0);
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&bound), &length), 0);
  const TestEndpoint endpoint{.address = "127.0.0.1", .port = ntohs(bound.sin_port)};
  const auto address = node().put({.name = "resets",
                                   .endpoints = {endpoint},
                                   .policy = "outlierDetection: {consecutive5xxErrors: 3, baseEjectionTime: 60s, "
                                             "maxEjectionPercent: 100}"});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(node().backend_state(endpoint).ejected_until_ns, 0U);
    const auto client = connect_tcp(address, BalancedNode::kPort);
    ASSERT_EQ(client.error, 0);
    Fd served(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ASSERT_EQ(setsockopt(served.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    served.reset();
    char byte = 0;
    EXPECT_EQ(recv(client.socket.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNRESET);
  }
  EXPECT_EQ(node().backend_state(endpoint).resets, 3U);
  EXPECT_GT(node().backend_state(endpoint).ejected_until_ns, now_ns());
}

// The kernel answers data for a closed socket with RST, and gives the socket ECONNRESET.
TEST_F(OutlierTest, AClientThatClosesFirstSaysNothingOfTheBackend) {
  const TestServer alive(Protocol::kTcp, "127.0.0.1", "alive");
  const auto endpoint = endpoint_of(alive, "127.0.0.1");
  const auto address = node().put({.name = "hasty",
                                   .endpoints = {endpoint},
                                   .policy = "outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}"});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(connect_tcp(address, BalancedNode::kPort).error, 0);
  EXPECT_TRUE(eventually([&] { return node().service_state(address).active == 0; }));
  EXPECT_EQ(node().backend_state(endpoint).resets, 0U);
  EXPECT_EQ(node().backend_state(endpoint).ejected_until_ns, 0U);
}

TEST_F(OutlierTest, SlowConnectionsEject) {
  const TestServer alive(Protocol::kTcp, "127.0.0.1", "slow");
  const auto endpoint = endpoint_of(alive, "127.0.0.1");
  // No round trip takes less than a microsecond, so each connection is too slow.
  const auto address = node().put({.name = "slow",
                                   .endpoints = {endpoint},
                                   .policy = "outlierDetection: {consecutive5xxErrors: 2, baseEjectionTime: 60s, "
                                             "maxEjectionPercent: 100}",
                                   .annotations = "fairlead.io/max-rtt: 1us"});
  for (int i = 0; i < 2; ++i) {
    const auto client = connect_tcp(address, BalancedNode::kPort);
    EXPECT_EQ(read_line(client.socket), "slow");
    ASSERT_EQ(send(client.socket.get(), "echo\n", 5, 0), 5);
    EXPECT_EQ(read_line(client.socket), "echo");
  }
  EXPECT_GT(node().backend_state(endpoint).ejected_until_ns, now_ns());
  // A signal of an earlier connection: the smoothed time is remembered at close.
  EXPECT_TRUE(eventually([&] { return node().backend_state(endpoint).srtt_us > 0; }));
}

// Data that does not arrive is sent again after 200 ms, 400 ms, ...
TEST_F(OutlierTest, LossyConnectionsEject) {
  const Netns ns("lossy");
  const TestServer alive(Protocol::kTcp, "127.0.0.1", "lossy", &ns);
  const auto endpoint = endpoint_of(alive, "127.0.0.1");
  const auto address = node().put({.name = "lossy",
                                   .endpoints = {endpoint},
                                   .policy = "outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 60s, "
                                             "maxEjectionPercent: 100}",
                                   .annotations = "fairlead.io/max-retransmissions: '2'"});
  const auto client = connect_tcp(address, BalancedNode::kPort, &ns);
  ASSERT_EQ(client.error, 0);
  EXPECT_EQ(read_line(client.socket), "lossy");
  EXPECT_EQ(node().backend_state(endpoint).ejected_until_ns, 0U);
  run({"ip", "netns", "exec", ns.name(), "nft",
       "add table ip lossy; add chain ip lossy in { type filter hook input priority 0; }; add rule ip lossy in tcp "
       "dport " +
           std::to_string(endpoint.port) + " drop"});
  ASSERT_EQ(send(client.socket.get(), "lost\n", 5, 0), 5);
  EXPECT_TRUE(eventually([&] { return node().backend_state(endpoint).ejected_until_ns > now_ns(); }));
  tcp_info info{};
  socklen_t length = sizeof info;
  ASSERT_EQ(getsockopt(client.socket.get(), IPPROTO_TCP, TCP_INFO, &info, &length), 0);
  EXPECT_GE(info.tcpi_total_retrans, 2U);
}

TEST_F(OutlierTest, RefusalsSayLimitNotEjection) {
  const TestEndpoint endpoint{.address = "127.0.0.1", .port = 1913};
  const auto address = node().put({.name = "cause",
                                   .endpoints = {endpoint},
                                   .udp = true,
                                   .policy = "outlierDetection: {consecutive5xxErrors: 5}",
                                   .annotations = "fairlead.io/max-connections-per-endpoint: '1'"});
  node().eject(endpoint, 60'000);
  const auto first = connect_udp(address);
  EXPECT_EQ(first.error, 0);  // ejected, and there is no other
  EXPECT_EQ(node().service_state(address, true).all_ejected, 1U);
  EXPECT_EQ(connect_udp(address).error, ECONNREFUSED);
  EXPECT_EQ(node().service_state(address, true).over_limit, 1U);
  EXPECT_EQ(node().service_state(address, true).no_backend, 0U);
}

}  // namespace
}  // namespace fairlead::test
