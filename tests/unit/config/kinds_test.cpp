// SPDX-License-Identifier: Apache-2.0
// EndpointSlice, Pod, Node, Namespace and DestinationRule as their users write them; the policies' kinds are tested
// with the compiler of policies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/config/object_fixture.hpp"

namespace fairlead::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

constexpr const char* kSlice = R"(addressType: IPv4
apiVersion: discovery.k8s.io/v1
endpoints:
- addresses: [10.244.1.5]
  conditions: {ready: true, serving: true, terminating: false}
  hints: {forZones: [{name: zone-a}, {name: zone-b}], forNodes: [{name: node-1}]}
  nodeName: node-1
  targetRef: {kind: Pod, name: web-1, namespace: shop, uid: 1c}
  zone: zone-a
- addresses: [10.244.2.6]
  conditions: {ready: false, serving: true, terminating: true}
  nodeName: node-2
- addresses: [10.244.2.7]
  conditions: {ready: false}
- addresses: [10.244.2.8]
  hostname: web-4
kind: EndpointSlice
metadata:
  generateName: web-
  labels: {endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io, kubernetes.io/service-name: web}
  name: web-x7k2q
  namespace: shop
  ownerReferences: [{apiVersion: v1, kind: Service, name: web, controller: true}]
ports:
- {name: http, port: 8080, protocol: TCP, appProtocol: http}
- {name: dns, port: 5353, protocol: UDP}
)";

TEST(EndpointSliceObject, EndpointsWithTheirConditionsZonesAndHints) {
  const auto read = read_valid<model::EndpointSlice>(kSlice);
  ASSERT_TRUE(read.object);
  EXPECT_THAT(read.remarks, IsEmpty());
  EXPECT_EQ(read.object->service, "web");
  ASSERT_EQ(read.object->endpoints.size(), 4U);
  const auto& first = read.object->endpoints[0];
  EXPECT_EQ(first.addresses[0].text(), "10.244.1.5");
  EXPECT_EQ(first.node, "node-1");
  EXPECT_EQ(first.zone, "zone-a");
  ASSERT_TRUE(first.hints);
  EXPECT_THAT(first.hints->zones, ElementsAre("zone-a", "zone-b"));
  EXPECT_THAT(first.hints->nodes, ElementsAre("node-1"));
  EXPECT_TRUE(first.ready && first.serving && !first.terminating);
  const auto& draining = read.object->endpoints[1];
  EXPECT_TRUE(!draining.ready && draining.serving && draining.terminating);
}

TEST(EndpointSliceObject, ConditionsThatAreNotGiven) {
  const auto read = read_valid<model::EndpointSlice>(kSlice);
  ASSERT_TRUE(read.object);
  const auto& unready = read.object->endpoints[2];
  EXPECT_TRUE(!unready.ready && unready.serving && !unready.terminating);
  const auto& silent = read.object->endpoints[3];
  EXPECT_TRUE(silent.ready && silent.serving && !silent.terminating);
}

TEST(EndpointSliceObject, Ports) {
  const auto read = read_valid<model::EndpointSlice>(kSlice);
  ASSERT_TRUE(read.object);
  const auto& ports = read.object->ports;
  ASSERT_EQ(ports.size(), 2U);
  EXPECT_EQ(ports[0].name, "http");
  EXPECT_EQ(ports[0].port, 8080);
  EXPECT_EQ(ports[1].protocol, model::Protocol::kUdp);
}

TEST(EndpointSliceObject, WhatIsLeftOutIsNamed) {
  const auto sctp = read_valid<model::EndpointSlice>(
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\naddressType: IPv6\n"
      "ports: [{name: a, port: 1, protocol: SCTP}, {name: b}]\nendpoints: [{addresses: [\"fd00::1\"]}]\n");
  ASSERT_TRUE(sctp.object);
  EXPECT_THAT(sctp.object->ports, IsEmpty());
  EXPECT_THAT(sctp.remarks, ElementsAre(HasSubstr("SCTP is not served"), HasSubstr("a port without a number")));
  const auto fqdn = read_valid<model::EndpointSlice>(
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\naddressType: FQDN\n"
      "endpoints: [{addresses: [DB.example.com]}, {addresses: [old.example.com], conditions: {ready: false}}]\n");
  ASSERT_TRUE(fqdn.object);
  EXPECT_THAT(fqdn.object->endpoints, IsEmpty());
  EXPECT_THAT(fqdn.object->names, ElementsAre("db.example.com"));
  EXPECT_THAT(fqdn.remarks, IsEmpty());
}

// Kubernetes does not take one; by hand it is the quickest way to a server on a machine's own loopback.
TEST(EndpointSliceObject, ALoopbackAddressIsServedWithARemark) {
  const auto read = read_valid<model::EndpointSlice>(
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\naddressType: IPv4\n"
      "ports: [{port: 1}]\nendpoints: [{addresses: [127.0.0.1]}, {addresses: [10.0.0.1]}]\n");
  ASSERT_TRUE(read.object);
  EXPECT_EQ(read.object->endpoints.size(), 2U);
  EXPECT_THAT(read.remarks, ElementsAre(HasSubstr("a loopback address: each client reaches its own pod or node")));
}

TEST(EndpointSliceObject, ItsWeight) {
  const auto with = [](const char* annotations) {
    return read_valid<model::EndpointSlice>(std::string("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
                                                        "metadata: {name: x, annotations: {") +
                                            annotations + "}}\naddressType: IPv4\n");
  };
  EXPECT_EQ(model::weight_of(*with("").object), 1u);
  EXPECT_EQ(model::weight_of(*with("fairlead.io/weight: \"30\"").object), 30u);
  EXPECT_EQ(model::weight_of(*with("fairlead.io/weight: \"0\"").object), 0u);
}

TEST(PodObject, WhoIsWhere) {
  const auto read = read_valid<model::Pod>(R"(apiVersion: v1
kind: Pod
metadata:
  name: web-7d9f-x2x
  namespace: shop
  labels: {app: web, pod-template-hash: 7d9f}
  annotations: {fairlead.io/redirect: "true", other.io/x: y}
  ownerReferences: [{kind: ReplicaSet, name: web-7d9f, controller: true}, {kind: Other, name: no}]
spec:
  nodeName: node-1
  serviceAccountName: web-runner
  initContainers:
  - {name: mesh, restartPolicy: Always, ports: [{name: admin, containerPort: 15000}]}
  - {name: setup, ports: [{name: never, containerPort: 1}]}
  containers:
  - name: web
    image: web:1
    ports: [{name: http, containerPort: 8080}, {containerPort: 9000}, {name: dns, containerPort: 53, protocol: UDP}]
status:
  phase: Running
  podIP: 10.244.1.5
  podIPs: [{ip: 10.244.1.5}, {ip: "fd00:244::5"}]
)");
  ASSERT_TRUE(read.object);
  EXPECT_THAT(read.remarks, IsEmpty());
  const auto& pod = *read.object;
  ASSERT_EQ(pod.addresses.size(), 2U);
  EXPECT_EQ(pod.addresses[1].text(), "fd00:244::5");
  EXPECT_EQ(pod.node, "node-1");
  EXPECT_EQ(pod.service_account, "web-runner");
  EXPECT_EQ(pod.owner_kind + "/" + pod.owner_name, "ReplicaSet/web-7d9f");
  ASSERT_EQ(pod.ports.size(), 3U);
  EXPECT_EQ(pod.ports[1].name, "dns");
  EXPECT_EQ(pod.ports[1].protocol, model::Protocol::kUdp);
  EXPECT_EQ(pod.ports[2].name, "admin");
  EXPECT_EQ(pod.metadata.annotations, (model::Labels{{"fairlead.io/redirect", "true"}}));
  EXPECT_FALSE(pod.host_network || pod.finished);
}

TEST(PodObject, DefaultsAndEnds) {
  const auto bare = read_valid<model::Pod>(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostNetwork: true}\nstatus: {phase: Succeeded, podIP: "
      "\"\"}\n");
  ASSERT_TRUE(bare.object);
  EXPECT_EQ(bare.object->service_account, "default");
  EXPECT_TRUE(bare.object->host_network && bare.object->finished);
  EXPECT_THAT(bare.object->addresses, IsEmpty());
  for (const auto& [phase, finished] :
       {std::pair("Pending", false), {"Running", false}, {"Unknown", false}, {"Succeeded", true}, {"Failed", true}}) {
    const auto pod = read_valid<model::Pod>(
        std::string("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus: {phase: ") + phase + "}\n");
    ASSERT_TRUE(pod.object) << phase;
    EXPECT_EQ(pod.object->finished, finished) << phase;
  }
}

TEST(PodObject, APortOfSctpIsNoName) {
  const auto pod = read_valid<model::Pod>(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{ports: [{name: sig, containerPort: 36412, "
      "protocol: SCTP}, {name: web, containerPort: 80}]}]}\n");
  ASSERT_TRUE(pod.object);
  EXPECT_THAT(pod.remarks, IsEmpty());
  ASSERT_EQ(pod.object->ports.size(), 1U);
  EXPECT_EQ(pod.object->ports[0].name, "web");
}

TEST(NodeObject, AddressesAndPlace) {
  const auto read = read_valid<model::Node>(R"(apiVersion: v1
kind: Node
metadata:
  name: node-1
  labels: {topology.kubernetes.io/zone: zone-a, topology.kubernetes.io/region: region-a}
spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24, "fd00:244:1::/64"], providerID: x}
status:
  addresses: [{type: InternalIP, address: 192.0.2.7}, {type: Hostname, address: node-1}, {type: ExternalIP, address: "2001:db8::7"}]
  capacity: {cpu: "4"}
)");
  ASSERT_TRUE(read.object);
  EXPECT_THAT(read.remarks, IsEmpty());
  EXPECT_EQ(read.object->zone, "zone-a");
  EXPECT_EQ(read.object->region, "region-a");
  ASSERT_EQ(read.object->addresses.size(), 2U);
  EXPECT_EQ(read.object->addresses[1].text(), "2001:db8::7");
  ASSERT_EQ(read.object->pod_cidrs.size(), 2U);
  EXPECT_EQ(read.object->pod_cidrs[1].text(), "fd00:244:1::/64");
}

TEST(NamespaceObject, LabelsAndAnnotations) {
  const auto read = read_valid<model::Namespace>(
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}, annotations: {fairlead.io/redirect: "
      "\"on\"}}\nspec: {finalizers: [kubernetes]}\nstatus: {phase: Active}\n");
  ASSERT_TRUE(read.object);
  EXPECT_THAT(read.remarks, IsEmpty());
  EXPECT_EQ(read.object->metadata.ns, "");
  EXPECT_EQ(read.object->metadata.labels, (model::Labels{{"team", "a"}}));
  EXPECT_EQ(read.object->metadata.annotations.size(), 1U);
}

std::string rule(const std::string& spec) {
  return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r, namespace: shop}\nspec:\n  "
         "host: "
         "web\n" +
         spec;
}

TEST(DestinationRuleObject, EveryFieldOfL4) {
  const auto read = read_valid<model::DestinationRule>(rule(R"(  exportTo: ["*"]
  trafficPolicy:
    loadBalancer:
      simple: LEAST_REQUEST
      warmupDurationSecs: 90s
      localityLbSetting:
        enabled: true
        distribute: [{from: "r1/z1/*", to: {"r1/z1/*": 80, "r1/z2/*": 20}}]
    connectionPool: {tcp: {maxConnections: 100, connectTimeout: 1.5s}}
    outlierDetection:
      consecutive5xxErrors: 3
      baseEjectionTime: 1m30s
      maxEjectionPercent: 50
      minHealthPercent: 20
    portLevelSettings:
    - port: {number: 9000}
      loadBalancer: {consistentHash: {useSourceIp: true}}
)"));
  ASSERT_TRUE(read.object);
  EXPECT_THAT(read.remarks, IsEmpty());
  const auto& policy = *read.object->policy;
  EXPECT_EQ(read.object->host, "web");
  EXPECT_EQ(policy.balancing, model::Balancing::kLeastRequest);
  EXPECT_EQ(policy.warmup, 90s);
  EXPECT_EQ(policy.locality_enabled, true);
  ASSERT_EQ(policy.distribute.size(), 1U);
  EXPECT_EQ(policy.distribute[0].to[1], std::pair(std::string("r1/z2/*"), 20U));
  EXPECT_EQ(policy.max_connections, 100U);
  EXPECT_EQ(policy.connect_timeout, 1500ms);
  ASSERT_TRUE(policy.outlier);
  EXPECT_EQ(policy.outlier->consecutive_failures, 3U);
  EXPECT_EQ(policy.outlier->base_ejection, 90s);
  EXPECT_EQ(policy.outlier->max_ejection_percent, 50);
  EXPECT_EQ(policy.outlier->min_health_percent, 20);
  ASSERT_EQ(read.object->port_policies.size(), 1U);
  EXPECT_EQ(read.object->port_policies[0].first, 9000);
  EXPECT_EQ(read.object->port_policies[0].second.balancing, model::Balancing::kConsistentHash);
}

TEST(DestinationRuleObject, EachWordOfSimple) {
  using enum model::Balancing;
  const std::pair<const char*, model::Balancing> words[] = {
      {"UNSPECIFIED", kUnset},          {"RANDOM", kRandom},           {"ROUND_ROBIN", kRoundRobin},
      {"LEAST_REQUEST", kLeastRequest}, {"LEAST_CONN", kLeastRequest}, {"PASSTHROUGH", kPassthrough}};
  for (const auto& [word, balancing] : words) {
    const auto read = read_valid<model::DestinationRule>(
        rule(std::string("  trafficPolicy: {loadBalancer: {simple: ") + word + "}}\n"));
    ASSERT_TRUE(read.object) << word;
    EXPECT_EQ(read.object->policy->balancing, balancing) << word;
  }
}

TEST(DestinationRuleObject, WhatIsNotServedIsNamed) {
  const auto read = read_valid<model::DestinationRule>(rule(R"(  exportTo: ["."]
  subsets: [{name: v1}]
  workloadSelector: {matchLabels: {app: cart}}
  trafficPolicy:
    tls: {mode: ISTIO_MUTUAL}
    connectionPool: {http: {http2MaxRequests: 10}, tcp: {tcpKeepalive: {time: 60s}}}
    loadBalancer: {warmup: {duration: 10s, aggression: 2}}
    outlierDetection: {interval: 5s, splitExternalLocalOriginErrors: true}
)"));
  ASSERT_TRUE(read.object);
  EXPECT_THAT(read.remarks, ElementsAre(HasSubstr("spec.exportTo: clients of all namespaces follow"),
                                        HasSubstr("spec.subsets: understood, but not served"),
                                        HasSubstr("spec.workloadSelector: a rule for some clients is not served"),
                                        HasSubstr("spec.trafficPolicy.tls: understood, but not served"),
                                        HasSubstr("connectionPool.http: understood, but not served"),
                                        HasSubstr("tcp.tcpKeepalive: understood, but not served"),
                                        HasSubstr("warmup.aggression: understood, but not served"),
                                        HasSubstr("outlierDetection.interval: not needed"),
                                        HasSubstr("splitExternalLocalOriginErrors: understood, but not served")));
  EXPECT_EQ(read.object->policy->warmup, 10s);
}

}  // namespace
}  // namespace fairlead::config
