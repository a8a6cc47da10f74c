// SPDX-License-Identifier: Apache-2.0
// Services as their users write them: what each field becomes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/config/object_fixture.hpp"

namespace fairlead::config {
namespace {

using model::Protocol;
using model::Service;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> texts(const std::vector<Address>& addresses) {
  std::vector<std::string> out;
  for (const auto& address : addresses) out.push_back(address.text());
  return out;
}

/// `kubectl get service -o yaml` of a cluster, all that it prints.
constexpr const char* kFull = R"(apiVersion: v1
kind: Service
metadata:
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"apiVersion":"v1","kind":"Service","metadata":{"name":"web"}}
    service.kubernetes.io/topology-mode: Auto
  creationTimestamp: "2025-11-02T09:14:31Z"
  labels:
    app: web
  name: web
  namespace: shop
  resourceVersion: "48211"
  uid: 0f7a3c5e-7b1f-4a9e-9d39-0a0a4a6a2f31
spec:
  allocateLoadBalancerNodePorts: true
  clusterIP: 10.96.12.7
  clusterIPs:
  - 10.96.12.7
  - fd00:10:96::c07
  externalIPs:
  - 203.0.113.9
  externalTrafficPolicy: Local
  healthCheckNodePort: 31842
  internalTrafficPolicy: Local
  ipFamilies:
  - IPv4
  - IPv6
  ipFamilyPolicy: RequireDualStack
  loadBalancerClass: example.com/internal
  ports:
  - appProtocol: http
    name: http
    nodePort: 30080
    port: 80
    protocol: TCP
    targetPort: web
  - name: dns
    nodePort: 30053
    port: 53
    protocol: UDP
    targetPort: 5353
  - name: plain
    port: 9000
  publishNotReadyAddresses: true
  selector:
    app: web
  sessionAffinity: ClientIP
  sessionAffinityConfig:
    clientIP:
      timeoutSeconds: 600
  trafficDistribution: PreferClose
  type: LoadBalancer
status:
  loadBalancer:
    ingress:
    - ip: 198.51.100.4
      ipMode: VIP
    - ip: 198.51.100.5
      ipMode: Proxy
    - hostname: lb.example.com
    - ip: 2001:db8::44
)";

TEST(ServiceObject, EveryFieldThatKubectlPrints) {
  const auto read = read_valid<Service>(kFull);
  ASSERT_TRUE(read.object);
  EXPECT_THAT(read.remarks, IsEmpty());
  const auto& service = *read.object;
  EXPECT_EQ(service.metadata.ns + "/" + service.metadata.name, "shop/web");
  EXPECT_EQ(service.metadata.annotations.size(), 1U);
  EXPECT_THAT(texts(service.cluster_ips), ElementsAre("10.96.12.7", "fd00:10:96::c07"));
  EXPECT_THAT(texts(service.external_ips), ElementsAre("203.0.113.9"));
  EXPECT_THAT(texts(service.load_balancer_ips), ElementsAre("198.51.100.4", "2001:db8::44"));
  EXPECT_TRUE(service.external_local);
  EXPECT_TRUE(service.internal_local);
  EXPECT_TRUE(service.publish_not_ready);
  EXPECT_EQ(service.affinity_seconds, 600U);
  EXPECT_EQ(service.distribution, model::TrafficDistribution::kPreferSameZone);
  EXPECT_FALSE(service.headless);
  EXPECT_FALSE(service.external_name);
  EXPECT_EQ(service.selector, (model::Labels{{"app", "web"}}));
}

TEST(ServiceObject, Ports) {
  const auto read = read_valid<Service>(kFull);
  ASSERT_TRUE(read.object);
  const auto& ports = read.object->ports;
  ASSERT_EQ(ports.size(), 3U);
  EXPECT_EQ(ports[0].name, "http");
  EXPECT_EQ(ports[0].port, 80);
  EXPECT_EQ(ports[0].node_port, 30080);
  EXPECT_EQ(ports[0].protocol, Protocol::kTcp);
  EXPECT_EQ(ports[0].target, (model::IntOrName{.number = 0, .name = "web"}));
  EXPECT_EQ(ports[1].protocol, Protocol::kUdp);
  EXPECT_EQ(ports[1].target, (model::IntOrName{.number = 5353, .name = {}}));
  EXPECT_EQ(ports[2].protocol, Protocol::kTcp);
  EXPECT_EQ(ports[2].node_port, 0);
  EXPECT_EQ(ports[2].target.number, 9000);  // the port itself where none is given
}

std::string with_spec(const std::string& spec) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {" + spec + "}\n";
}

TEST(ServiceObject, DefaultsAreThoseOfKubernetes) {
  const auto read = read_valid<Service>(with_spec("clusterIP: 10.0.0.1, ports: [{port: 80}]"));
  ASSERT_TRUE(read.object);
  EXPECT_EQ(read.object->metadata.ns, "default");
  EXPECT_EQ(read.object->affinity_seconds, 0U);
  EXPECT_FALSE(read.object->internal_local);
  EXPECT_FALSE(read.object->publish_not_ready);
  EXPECT_EQ(read.object->distribution, model::TrafficDistribution::kNone);
  const auto sticky =
      read_valid<Service>(with_spec("clusterIP: 10.0.0.1, sessionAffinity: ClientIP, ports: [{port: 80}]"));
  EXPECT_EQ(sticky.object->affinity_seconds, 10800U);
  // A timeout without affinity says nothing.
  const auto loose = read_valid<Service>(
      with_spec("clusterIP: 10.0.0.1, sessionAffinity: None, sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}, "
                "ports: [{port: 80}]"));
  EXPECT_EQ(loose.object->affinity_seconds, 0U);
}

TEST(ServiceObject, HeadlessAndExternalNameHaveNoAddress) {
  const auto headless = read_valid<Service>(with_spec("clusterIP: None, clusterIPs: [None], ports: [{port: 80}]"));
  ASSERT_TRUE(headless.object);
  EXPECT_TRUE(headless.object->headless);
  EXPECT_THAT(headless.object->cluster_ips, IsEmpty());
  EXPECT_TRUE(read_valid<Service>(with_spec("clusterIP: None")).object);  // without ports, as StatefulSets may have
  const auto external = read_valid<Service>(with_spec("type: ExternalName, externalName: db.example.com"));
  ASSERT_TRUE(external.object);
  EXPECT_TRUE(external.object->external_name);
  EXPECT_THAT(external.remarks, IsEmpty());
}

TEST(ServiceObject, SctpIsRefusedByNameAndTheOtherPortsAreServed) {
  const auto read = read_valid<Service>(
      with_spec("clusterIP: 10.0.0.1, ports: [{name: a, port: 80}, {name: b, port: 36412, protocol: SCTP}]"));
  ASSERT_TRUE(read.object);
  ASSERT_EQ(read.object->ports.size(), 1U);
  EXPECT_EQ(read.object->ports[0].port, 80);
  ASSERT_EQ(read.remarks.size(), 1U);
  EXPECT_THAT(read.remarks[0], HasSubstr("warning: Service default/web: spec.ports[1].protocol: SCTP is not served"));
}

TEST(ServiceObject, TrafficDistribution) {
  const auto of = [](const std::string& word) {
    return read_valid<Service>(with_spec("clusterIP: 10.0.0.1, ports: [{port: 80}], trafficDistribution: " + word))
        .object->distribution;
  };
  EXPECT_EQ(of("PreferClose"), model::TrafficDistribution::kPreferSameZone);
  EXPECT_EQ(of("PreferSameZone"), model::TrafficDistribution::kPreferSameZone);
  EXPECT_EQ(of("PreferSameNode"), model::TrafficDistribution::kPreferSameNode);
}

TEST(ServiceObject, WhatIsNotServedIsNamed) {
  const auto read = read_valid<Service>(with_spec(
      "clusterIP: 10.0.0.1, ports: [{port: 80, speed: 1}], loadBalancerSourceRanges: [10.0.0.0/8], colour: red"));
  ASSERT_TRUE(read.object);
  EXPECT_THAT(read.remarks, ElementsAre(HasSubstr("spec.ports[0].speed: unknown field"),
                                        HasSubstr("spec.loadBalancerSourceRanges: understood, but not served"),
                                        HasSubstr("spec.colour: unknown field")));
}

}  // namespace
}  // namespace fairlead::config
