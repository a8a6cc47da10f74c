// SPDX-License-Identifier: Apache-2.0
// Which backend a connect is given. Connected UDP sockets are given one without anything being sent, so most tests need
// no server; TcpSpreadsOverServers shows that connections follow.
#include <bpf/bpf.h>

#include <cmath>
#include <map>
#include <set>

#include "live/balance/node.hpp"
#include "support/netns.hpp"

namespace fairlead::test {
namespace {

using Shares = std::map<std::uint16_t, int>;

/// Endpoints with nobody behind them; no two services share one, so that the row of each can be found.
std::vector<TestEndpoint> endpoints(std::uint16_t count, const std::string& more = {}) {
  static std::uint16_t port = 2000;
  std::vector<TestEndpoint> result;
  for (std::uint16_t i = 0; i < count; ++i) result.push_back({.address = "127.0.0.1", .port = ++port, .more = more});
  return result;
}

class AlgorithmTest : public BalanceTest {
 protected:
  static std::uint16_t pick(const std::string& address, const Netns* ns = nullptr) {
    const auto client = connect_udp(address, ns);
    EXPECT_EQ(client.error, 0);
    return node().given_port(client.socket);
  }
  static Shares picks(const std::string& address, int count) {
    Shares shares;
    for (int i = 0; i < count; ++i) ++shares[pick(address)];
    return shares;
  }
  /// Five standard deviations of a binomial share.
  static void expect_share(int found, int of, double share) {
    EXPECT_NEAR(found, of * share, 5 * std::sqrt(of * share * (1 - share))) << "of " << of;
  }
};

TEST_F(AlgorithmTest, RandomIsEven) {
  const auto list = endpoints(4);
  const auto address =
      node().put({.name = "random", .endpoints = list, .udp = true, .policy = "loadBalancer: {simple: RANDOM}"});
  const auto shares = picks(address, 1600);
  for (const auto& endpoint : list) expect_share(shares.at(endpoint.port), 1600, 0.25);
  for (const auto& endpoint : list) {
    EXPECT_EQ(node().backend_state(endpoint).active, 0U);  // all sockets are closed
    EXPECT_EQ(node().backend_state(endpoint).total, static_cast<std::uint64_t>(shares.at(endpoint.port)));
  }
}

TEST_F(AlgorithmTest, TcpSpreadsOverServers) {
  const TestServer a(TestServer::Protocol::kTcp, "127.0.0.1", "a");
  const TestServer b(TestServer::Protocol::kTcp, "127.0.0.1", "b");
  const auto address =
      node().put({.name = "spread", .endpoints = {endpoint_of(a, "127.0.0.1"), endpoint_of(b, "127.0.0.1")}});
  std::map<std::string, int> answers;
  for (int i = 0; i < 200; ++i) ++answers[ask_tcp(address, BalancedNode::kPort)];
  EXPECT_EQ(answers.size(), 2U);
  expect_share(answers["a"], 200, 0.5);
  EXPECT_EQ(a.hits(), answers["a"]);
}

TEST_F(AlgorithmTest, WeightsOfLocalities) {
  auto list = endpoints(3, "zone: zone-a");
  list[2].more = "zone: zone-b";
  const auto address = node().put({.name = "weights",
                                   .endpoints = list,
                                   .udp = true,
                                   .policy = "loadBalancer: {localityLbSetting: {enabled: true, distribute: [{from: "
                                             "'region-a/zone-a/*', to: {'region-a/zone-a/*': 80, 'region-b/zone-b/*': "
                                             "20}}]}}"});
  const auto shares = picks(address, 1600);
  expect_share(shares.at(list[0].port), 1600, 0.4);
  expect_share(shares.at(list[1].port), 1600, 0.4);
  expect_share(shares.at(list[2].port), 1600, 0.2);
}

TEST_F(AlgorithmTest, RoundRobinGoesInTurn) {
  const auto list = endpoints(3);
  const auto address =
      node().put({.name = "turns", .endpoints = list, .udp = true, .policy = "loadBalancer: {simple: ROUND_ROBIN}"});
  std::vector<std::uint16_t> order;
  for (int i = 0; i < 12; ++i) order.push_back(pick(address));
  EXPECT_EQ(std::set(order.begin(), order.begin() + 3).size(), 3U);
  for (std::size_t i = 3; i < order.size(); ++i) EXPECT_EQ(order[i], order[i - 3]);
}

TEST_F(AlgorithmTest, LeastConnectionsPrefersTheIdle) {
  const auto list = endpoints(2);
  const auto address =
      node().put({.name = "least", .endpoints = list, .udp = true, .policy = "loadBalancer: {simple: LEAST_REQUEST}"});
  std::map<std::uint16_t, std::vector<Fd>> held;
  for (int i = 0; i < 40; ++i) {
    auto client = connect_udp(address);
    const auto port = node().given_port(client.socket);
    held[port].push_back(std::move(client.socket));
  }
  // Two choices out of two are both: the counts stay level.
  EXPECT_EQ(held[list[0].port].size(), 20U);
  EXPECT_EQ(node().backend_state(list[0]).active, 20U);
  held[list[0].port].clear();
  EXPECT_EQ(node().backend_state(list[0]).active, 0U);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(pick(address), list[0].port);
}

TEST_F(AlgorithmTest, MaglevKeepsASourceWithItsBackend) {
  auto list = endpoints(8);
  TestService service{.name = "maglev",
                      .endpoints = list,
                      .udp = true,
                      .policy = "loadBalancer: {consistentHash: {useSourceIp: true}}"};
  const auto address = node().put(service);
  std::vector<std::unique_ptr<Netns>> clients;
  std::vector<std::uint16_t> before;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Netns>("client"));
    before.push_back(pick(address, clients.back().get()));
    for (int again = 0; again < 5; ++again) EXPECT_EQ(pick(address, clients.back().get()), before.back());
  }
  EXPECT_GE(std::set(before.begin(), before.end()).size(), 2U);
  const auto lost = before.front();
  std::erase_if(service.endpoints, [&](const auto& endpoint) { return endpoint.port == lost; });
  node().put(service);
  int moved = 0;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const auto now = pick(address, clients[i].get());
    EXPECT_NE(now, lost);
    moved += before[i] != lost && now != before[i];
  }
  EXPECT_LE(moved, 2);  // a Maglev table moves few that need not move
}

TEST_F(AlgorithmTest, MaglevKeepsASourceInFurtherLevelsToo) {
  auto list = endpoints(6, "zone: zone-b");
  list[0].more = "zone: zone-a";
  const auto address = node().put({.name = "maglev-far",
                                   .endpoints = list,
                                   .udp = true,
                                   .policy = "loadBalancer: {consistentHash: {useSourceIp: true}, localityLbSetting: "
                                             "{enabled: true}}, outlierDetection: {baseEjectionTime: 30s}"});
  EXPECT_EQ(pick(address), list[0].port);
  node().eject(list[0], 30'000);
  std::vector<std::unique_ptr<Netns>> clients;
  std::set<std::uint16_t> all;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<Netns>("client"));
    const auto first = pick(address, clients.back().get());
    for (int again = 0; again < 8; ++again) EXPECT_EQ(pick(address, clients.back().get()), first);
    all.insert(first);
  }
  EXPECT_GE(all.size(), 2U);
  EXPECT_FALSE(all.contains(list[0].port));
}

TEST_F(AlgorithmTest, SessionAffinityLastsItsTime) {
  const auto list = endpoints(4);
  const auto address =
      node().put({.name = "sticky",
                  .endpoints = list,
                  .udp = true,
                  .spec = "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}"});
  const auto first = pick(address);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pick(address), first);
  // As if a minute had passed since the last connect.
  const Fd map = node().map("fl_affinity");
  std::set<std::uint16_t> later;
  for (int i = 0; i < 50; ++i) {
    fl_affinity_key key{}, next{};
    for (void* from = nullptr; bpf_map_get_next_key(map.get(), from, &next) == 0; from = &key) {
      key = next;
      fl_affinity value{};
      if (bpf_map_lookup_elem(map.get(), &key, &value) != 0) continue;
      value.used_ns -= 61'000'000'000ULL;
      bpf_map_update_elem(map.get(), &key, &value, BPF_ANY);
    }
    later.insert(pick(address));
  }
  EXPECT_EQ(later.size(), 4U);
}

TEST_F(AlgorithmTest, AffinityLeavesABackendThatIsGone) {
  const auto list = endpoints(2);
  TestService service{.name = "sticky-gone", .endpoints = list, .udp = true, .spec = "sessionAffinity: ClientIP"};
  const auto address = node().put(service);
  const auto first = pick(address);
  std::erase_if(service.endpoints, [&](const auto& endpoint) { return endpoint.port == first; });
  node().put(service);
  const auto misses = node().counter(FL_C_AFFINITY_MISS);
  EXPECT_EQ(pick(address), service.endpoints[0].port);
  EXPECT_EQ(node().counter(FL_C_AFFINITY_MISS), misses + 1);
  service.endpoints = list;
  node().put(service);
  const auto second = service.endpoints[0].port == first ? list[1].port : list[0].port;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pick(address), second);  // the new one is kept
}

TEST_F(AlgorithmTest, LocalityFailsOver) {
  auto list = endpoints(3, "zone: zone-a");
  list[2].more = "zone: zone-b";
  const auto address = node().put({.name = "locality",
                                   .endpoints = list,
                                   .udp = true,
                                   .policy = "loadBalancer: {localityLbSetting: {enabled: true}}, outlierDetection: "
                                             "{consecutive5xxErrors: 5, baseEjectionTime: 30s}"});
  EXPECT_EQ(picks(address, 60).count(list[2].port), 0U);
  for (int i = 0; i < 2; ++i) node().eject(list[static_cast<std::size_t>(i)], 30'000);
  EXPECT_EQ(picks(address, 20), (Shares{{list[2].port, 20}}));
  for (int i = 0; i < 2; ++i) node().eject(list[static_cast<std::size_t>(i)], -1);
  EXPECT_EQ(picks(address, 60).count(list[2].port), 0U);
}

TEST_F(AlgorithmTest, CloseEndpointsFirst) {
  auto list = endpoints(2, "zone: zone-a");
  list[1].more = "zone: zone-b";
  TestService service{.name = "close", .endpoints = list, .udp = true, .spec = "trafficDistribution: PreferClose"};
  const auto address = node().put(service);
  EXPECT_EQ(picks(address, 30), (Shares{{list[0].port, 30}}));
  service.endpoints = {list[1]};
  node().put(service);
  EXPECT_EQ(picks(address, 5), (Shares{{list[1].port, 5}}));
}

TEST_F(AlgorithmTest, InternalLocalStaysOnTheNode) {
  auto list = endpoints(2, "nodeName: here");
  list[1].more = "nodeName: there";
  TestService service{.name = "local", .endpoints = list, .udp = true, .spec = "internalTrafficPolicy: Local"};
  const auto address = node().put(service);
  EXPECT_EQ(picks(address, 30), (Shares{{list[0].port, 30}}));
  service.endpoints = {list[1]};
  node().put(service);
  EXPECT_EQ(connect_udp(address).error, ECONNREFUSED);
}

TEST_F(AlgorithmTest, TerminatingEndpointsDrain) {
  const TestServer old_server(TestServer::Protocol::kTcp, "127.0.0.1", "old");
  const TestServer new_server(TestServer::Protocol::kTcp, "127.0.0.1", "new");
  const std::string draining = "conditions: {ready: false, serving: true, terminating: true}";
  TestService service{.name = "drain", .endpoints = {endpoint_of(old_server, "127.0.0.1")}};
  const auto address = node().put(service);
  const auto kept = connect_tcp(address, BalancedNode::kPort);
  EXPECT_EQ(read_line(kept.socket), "old");
  service.endpoints = {endpoint_of(old_server, "127.0.0.1", draining), endpoint_of(new_server, "127.0.0.1")};
  node().put(service);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask_tcp(address, BalancedNode::kPort), "new");
  ASSERT_EQ(send(kept.socket.get(), "still here\n", 11, 0), 11);
  EXPECT_EQ(read_line(kept.socket), "still here");
  // While nobody is ready the draining one is better than nobody.
  service.endpoints.pop_back();
  node().put(service);
  EXPECT_EQ(ask_tcp(address, BalancedNode::kPort), "old");
}

TEST_F(AlgorithmTest, ABackendThatIsNotReadyIsPassedOver) {
  const auto list = endpoints(2);
  const auto address = node().put({.name = "unready", .endpoints = list, .udp = true});
  // Between the endpoint's change and the new slots: the flag changes first.
  auto row = node().backend(list[0]);
  row.flags &= ~std::uint32_t{FL_BACKEND_READY};
  node().write(list[0], row);
  EXPECT_EQ(picks(address, 30), (Shares{{list[1].port, 30}}));
}

TEST_F(AlgorithmTest, AWholeLevelIsSearched) {
  const auto list = endpoints(200);
  const auto address = node().put(
      {.name = "many", .endpoints = list, .udp = true, .policy = "outlierDetection: {consecutive5xxErrors: 5}"});
  const auto before = node().counter(FL_C_ALL_EJECTED);
  for (std::size_t i = 0; i < list.size(); ++i)
    if (i != 150) node().eject(list[i], 60'000);
  EXPECT_EQ(picks(address, 20), (Shares{{list[150].port, 20}}));
  EXPECT_EQ(node().counter(FL_C_ALL_EJECTED), before);
  node().eject(list[150], 60'000);
  EXPECT_NE(pick(address), 0);  // nobody is left: an ejected one is better than nobody
  EXPECT_EQ(node().counter(FL_C_ALL_EJECTED), before + 1);
  EXPECT_EQ(node().service_state(address, true).all_ejected, 1U);
}

}  // namespace
}  // namespace fairlead::test
