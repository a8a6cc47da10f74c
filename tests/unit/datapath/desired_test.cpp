// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/desired.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "agent/datapath/rules.hpp"
#include "agent/kernel/allocator.hpp"

namespace fairlead::datapath {
namespace {

using kernel::Clock;
using kernel::RunAllocator;
using model::Balancing;
using model::DestinationRule;
using model::EndpointSlice;
using model::Service;
using model::TrafficDistribution;

class DesiredTest : public ::testing::Test {
 protected:
  DesiredTest() {
    service_.ports = {{.name = "http", .port = 80, .node_port = 0, .protocol = model::Protocol::kTcp, .target = {}}};
    service_.cluster_ips = {*Address::parse("10.96.0.1")};
    slice_.ports = {{.name = "http", .port = 8080, .protocol = model::Protocol::kTcp}};
    topology_ = {.node = "n1", .zone = "z1", .region = "r1", .regions = {{"z1", "r1"}, {"z2", "r1"}, {"z3", "r2"}}};
  }
  model::Endpoint& add(const char* address, const char* node, const char* zone) {
    auto& endpoint = slice_.endpoints.emplace_back();
    endpoint.addresses = {*Address::parse(address)};
    endpoint.node = node;
    endpoint.zone = zone;
    return endpoint;
  }
  Desired rows(const DestinationRule* rule = nullptr) {
    const std::vector slices{std::make_shared<const EndpointSlice>(slice_)};
    return desired_rows(service_, slices, rule, topology_);
  }
  static std::vector<std::string> level(const PortSpec& spec, std::size_t number) {
    std::vector<std::string> result;
    const auto& level = spec.service.levels[number];
    for (auto i = level.first; i < level.first + level.count; ++i)
      result.push_back(spec.backends[spec.slots[i].backend_id].address.text());
    return result;
  }
  using Names = std::vector<std::string>;

  Service service_;
  EndpointSlice slice_;
  Topology topology_;
};

std::shared_ptr<const model::EndpointHints> for_zone(const char* zone) {
  return std::make_shared<const model::EndpointHints>(model::EndpointHints{{zone}, {}});
}

TEST_F(DesiredTest, ReadyEndpointsGetConnectionsOthersKeepTheirRows) {
  add("10.0.0.1", "n1", "z1");
  add("10.0.0.2", "n2", "z2").ready = false;
  const auto desired = rows();
  ASSERT_EQ(desired.ports.size(), 1U);
  EXPECT_EQ(level(desired.ports[0], 0), Names{"10.0.0.1"});
  EXPECT_EQ(desired.ports[0].backends.size(), 2U);
  EXPECT_EQ(desired.ports[0].backends[0].flags, std::uint32_t{FL_BACKEND_READY | FL_BACKEND_LOCAL});
  EXPECT_EQ(desired.ports[0].backends[0].port, 8080);
  EXPECT_EQ(desired.ports[0].service.port, htons(80));
  service_.publish_not_ready = true;
  EXPECT_EQ(level(rows().ports[0], 0), (Names{"10.0.0.1", "10.0.0.2"}));
}

TEST_F(DesiredTest, TerminatingServeOnlyWhileNoneIsReady) {
  auto& draining = add("10.0.0.1", "n1", "z1");
  draining.ready = false;
  draining.terminating = true;
  EXPECT_EQ(level(rows().ports[0], 0), Names{"10.0.0.1"});
  add("10.0.0.2", "n1", "z1");
  EXPECT_EQ(level(rows().ports[0], 0), Names{"10.0.0.2"});
}

// kube-proxy: what is left is shared wherever it is, and hints are for what is ready.
TEST_F(DesiredTest, TerminatingServeWithoutRegardToTheirPlace) {
  for (const auto& [address, node, zone] : {std::tuple("10.0.0.1", "n1", "z1"), {"10.0.0.2", "n2", "z2"}}) {
    auto& draining = add(address, node, zone);
    draining.ready = false;
    draining.terminating = true;
    draining.hints = for_zone(zone);
  }
  service_.distribution = TrafficDistribution::kPreferSameZone;
  EXPECT_EQ(level(rows().ports[0], 0), (Names{"10.0.0.1", "10.0.0.2"}));
  add("10.0.0.3", "n1", "z1").hints = for_zone("z1");
  EXPECT_EQ(level(rows().ports[0], 0), Names{"10.0.0.3"});
}

TEST_F(DesiredTest, InternalLocalHoldsOwnEndpointsOnly) {
  service_.internal_local = true;
  add("10.0.0.2", "n2", "z1");
  EXPECT_EQ(rows().ports[0].service.backend_count, 0U);
  add("10.0.0.1", "n1", "z1");
  EXPECT_EQ(level(rows().ports[0], 0), Names{"10.0.0.1"});
  EXPECT_NE(rows().ports[0].service.flags & FL_SERVICE_LOCAL_ONLY, 0U);
}

// kube-proxy: the policy is for cluster addresses; the others go by externalTrafficPolicy, which is for outside.
TEST_F(DesiredTest, InternalLocalIsForClusterAddressesAlone) {
  service_.internal_local = true;
  service_.ports[0].node_port = 30080;
  service_.external_ips = {*Address::parse("203.0.113.9")};
  add("10.0.0.2", "n2", "z1");
  const auto desired = rows();
  ASSERT_EQ(desired.ports.size(), 2U);
  EXPECT_EQ(desired.ports[0].frontends.size(), 1U);
  EXPECT_EQ(desired.ports[0].service.backend_count, 0U);
  EXPECT_TRUE(desired.ports[1].outside);
  EXPECT_EQ(desired.ports[1].frontends.size(), 2U);
  EXPECT_EQ(level(desired.ports[1], 0), Names{"10.0.0.2"});
  EXPECT_EQ(desired.ports[1].service.flags & FL_SERVICE_LOCAL_ONLY, 0U);
}

TEST_F(DesiredTest, LabelsLeaveServicesToOthers) {
  add("10.0.0.1", "n1", "z1");
  for (const char* label : {"service.kubernetes.io/headless", "service.kubernetes.io/service-proxy-name"}) {
    service_.metadata.labels = {{label, ""}};
    EXPECT_TRUE(rows().ports.empty()) << label;
  }
}

TEST_F(DesiredTest, SlicesHaveWeights) {
  const auto slice = [&](const char* address, const char* weight) {
    slice_.endpoints.clear();
    add(address, "n1", "z1");
    slice_.metadata.annotations = {{"fairlead.io/weight", weight}};
    return std::make_shared<const EndpointSlice>(slice_);
  };
  const std::vector slices{slice("10.0.0.1", "30"), slice("10.0.0.2", "10"), slice("10.0.0.3", "0")};
  const auto desired = desired_rows(service_, slices, nullptr, topology_);
  const auto& spec = desired.ports[0];
  EXPECT_EQ(level(spec, 0), (std::vector<std::string>{"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(spec.slots[0].weight, 30U);
  EXPECT_EQ(spec.slots[1].weight, 10U);
  EXPECT_TRUE(desired.warnings.empty());
}

TEST_F(DesiredTest, HintsCountOnlyIfAllEndpointsHaveThem) {
  add("10.0.0.1", "n2", "z1").hints = for_zone("z1");
  auto& other = add("10.0.0.2", "n3", "z2");
  EXPECT_EQ(level(rows().ports[0], 0).size(), 2U);
  slice_.endpoints[1].hints = for_zone("z2");
  static_cast<void>(other);
  EXPECT_EQ(level(rows().ports[0], 0), Names{"10.0.0.1"});
  EXPECT_EQ(level(rows().ports[0], 1), Names{"10.0.0.2"});
}

// The controller writes hints for nodes only where the service asks for them.
TEST_F(DesiredTest, HintsForNodesGoBeforeThoseForZones) {
  const auto hint = [](const char* zone, const char* node) {
    return std::make_shared<const model::EndpointHints>(model::EndpointHints{{zone}, {node}});
  };
  add("10.0.0.1", "n1", "z1").hints = hint("z1", "n1");
  add("10.0.0.2", "n2", "z1").hints = hint("z1", "n2");
  add("10.0.0.3", "n3", "z2").hints = hint("z2", "n3");
  const auto desired = rows();
  EXPECT_EQ(level(desired.ports[0], 0), Names{"10.0.0.1"});
  EXPECT_EQ(level(desired.ports[0], 1), Names{"10.0.0.2"});
  EXPECT_EQ(level(desired.ports[0], 2), Names{"10.0.0.3"});
}

TEST_F(DesiredTest, TrafficDistributionMakesLevels) {
  add("10.0.0.1", "n1", "z1");
  add("10.0.0.2", "n2", "z1");
  add("10.0.0.3", "n3", "z2");
  service_.distribution = TrafficDistribution::kPreferSameZone;
  EXPECT_EQ(level(rows().ports[0], 0), (Names{"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(level(rows().ports[0], 1), Names{"10.0.0.3"});
  service_.distribution = TrafficDistribution::kPreferSameNode;
  EXPECT_EQ(level(rows().ports[0], 0), Names{"10.0.0.1"});
  EXPECT_EQ(level(rows().ports[0], 2), Names{"10.0.0.3"});
}

TEST_F(DesiredTest, RuleSetsLimitsAndLocalityFailover) {
  add("10.0.0.1", "n1", "z1");
  add("10.0.0.2", "n2", "z2");
  add("10.0.0.3", "n3", "z3");
  DestinationRule rule;
  rule.policy->balancing = Balancing::kLeastRequest;
  rule.policy->max_connections = 7;
  rule.policy->outlier.emplace();
  const auto desired = rows(&rule);
  const auto& spec = desired.ports[0];
  EXPECT_EQ(spec.service.algorithm, FL_LEAST_CONN);
  EXPECT_EQ(spec.service.max_connections, 7U);
  EXPECT_EQ(spec.service.outlier_failures, 5U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(level(spec, i), Names{"10.0.0." + std::to_string(i + 1)});
  rule.port_policies.emplace_back(std::uint16_t{80}, model::TrafficPolicy{});
  EXPECT_EQ(rows(&rule).ports[0].service.max_connections, 0U);
}

TEST_F(DesiredTest, DistributeGivesWeightsAndLeavesOthersOut) {
  add("10.0.0.1", "n1", "z1");
  add("10.0.0.2", "n2", "z2");
  add("10.0.0.3", "n3", "z3");
  DestinationRule rule;
  rule.policy->balancing = Balancing::kRoundRobin;
  rule.policy->distribute = {{.from = "r1/z1/*", .to = {{"r1/z1/*", 75}, {"r1/z2/*", 25}}}};
  const auto desired = rows(&rule);
  EXPECT_EQ(level(desired.ports[0], 0), (Names{"10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1"}));
}

TEST_F(DesiredTest, MaglevOnlyForSourceAddress) {
  add("10.0.0.1", "n1", "z1");
  DestinationRule rule;
  rule.policy->balancing = Balancing::kConsistentHash;
  EXPECT_EQ(rows(&rule).warnings.size(), 1U);
  rule.policy->hash_by_source_ip = true;
  const auto desired = rows(&rule);
  EXPECT_EQ(desired.ports[0].service.algorithm, FL_MAGLEV);
  EXPECT_EQ(desired.ports[0].maglev.size(), std::size_t{FL_MAGLEV_SIZE});
}

TEST_F(DesiredTest, FamiliesAreRowsOfTheirOwn) {
  service_.cluster_ips.push_back(*Address::parse("fd00::1"));
  service_.ports[0].node_port = 30080;
  add("10.0.0.1", "n1", "z1");
  add("fd00::11", "n1", "z1");
  const auto desired = rows();
  ASSERT_EQ(desired.ports.size(), 2U);
  EXPECT_EQ(desired.ports[0].frontends.size(), 2U);  // ClusterIP and NodePort
  EXPECT_EQ(level(desired.ports[0], 0), Names{"10.0.0.1"});
  EXPECT_EQ(level(desired.ports[1], 0), Names{"fd00::11"});
}

TEST(Rules, HostsResolve) {
  EXPECT_EQ(resolved_host("web", "shop", "cluster.local"), "web.shop.svc.cluster.local");
  EXPECT_TRUE(host_matches("*.shop.svc.cluster.local", "web.shop.svc.cluster.local"));
  EXPECT_FALSE(host_matches("*.shop.svc.cluster.local", "web.shopping.svc.cluster.local"));
  RuleIndex index("cluster.local", "istio-system");
  auto wide = std::make_shared<DestinationRule>();
  wide->host = "*.shop.svc.cluster.local";
  auto exact = std::make_shared<DestinationRule>();
  exact->host = "web";
  index.set("istio-system", "wide", wide);
  EXPECT_EQ(index.find("shop", "web"), wide);
  index.set("shop", "exact", exact);
  EXPECT_EQ(index.find("shop", "web"), exact);
  EXPECT_EQ(index.find("shop", "api"), wide);
  EXPECT_EQ(index.set("shop", "exact", nullptr), std::vector<std::string>{"web.shop.svc.cluster.local"});
}

TEST(RunAllocator, FreedRowsRest) {
  RunAllocator rows(std::chrono::seconds(10));
  const auto start = Clock::now();
  EXPECT_EQ(rows.allocate(3), 1U);
  rows.release(1, 3, start);
  rows.wake(start + std::chrono::seconds(9));
  EXPECT_EQ(rows.allocate(3), 4U);
  rows.wake(start + std::chrono::seconds(10));
  EXPECT_EQ(rows.allocate(2), 1U);
  EXPECT_EQ(rows.allocate(1), 3U);
}

}  // namespace
}  // namespace fairlead::datapath
