// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "gateway/dataplane/config/parse.hpp"

namespace fairlead::config {
namespace {

struct BadInput {
  const char* head;  // apiVersion and kind: lines 1 and 2; metadata on line 3, "spec:" on line 4
  const char* body;  // from line 5
  std::uint32_t line;
  const char* field;
  const char* expected;
};

#define FL_HEAD(group, kind) "apiVersion: " group "\nkind: " kind "\nmetadata: {name: x}\nspec:\n"
constexpr const char* kSvc = FL_HEAD("v1", "Service");
constexpr const char* kDr = FL_HEAD("networking.istio.io/v1", "DestinationRule");
constexpr const char* kNp = FL_HEAD("networking.k8s.io/v1", "NetworkPolicy");
constexpr const char* kAp = FL_HEAD("security.istio.io/v1", "AuthorizationPolicy");
constexpr const char* kEs = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\n\n";
constexpr const char* kPod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n\n";
constexpr const char* kMeta = "apiVersion: v1\nkind: Namespace\nmetadata:\n\n";

const BadInput kBad[] = {
    {kSvc, "  ports: [{port: http}]", 5, "spec.ports[0].port", "1 to 65535"},
    {kSvc, "  ports: [{port: 0}]", 5, "spec.ports[0].port", "1 to 65535"},
    {kSvc, "  ports: [{port: 65536}]", 5, "spec.ports[0].port", "1 to 65535"},
    {kSvc, "  ports: [{port: -1}]", 5, "spec.ports[0].port", "1 to 65535"},
    {kSvc, "  ports: [{port: 1.5}]", 5, "spec.ports[0].port", "1 to 65535"},
    {kSvc, "  ports: [{port: \"80\"}]", 5, "spec.ports[0].port", "1 to 65535"},
    {kSvc, "  ports: [{name: a}]", 5, "spec.ports[0].port", "1 to 65535"},
    {kSvc, "  ports: {port: 80}", 5, "spec.ports", "a list"},
    {kSvc, "  ports: [80]", 5, "spec.ports[0]", "a mapping"},
    {kSvc, "  ports: [{port: 80, protocol: ICMP}]", 5, "spec.ports[0].protocol", "TCP, UDP or SCTP"},
    {kSvc, "  ports: [{port: 80, nodePort: 70000}]", 5, "spec.ports[0].nodePort", "0 to 65535"},
    {kSvc, "  ports: [{port: 80, targetPort: A_B}]", 5, "spec.ports[0].targetPort", "port's name"},
    {kSvc, "  ports: [{port: 80, targetPort: a--b}]", 5, "spec.ports[0].targetPort", "port's name"},
    {kSvc, "  ports: [{port: 80, targetPort: \"8080\"}]", 5, "spec.ports[0].targetPort", "port's name"},
    {kSvc, "  ports: [{port: 80, name: a}, {port: 80, name: b}]", 5, "spec.ports[1].port", "once"},
    {kSvc, "  ports: [{port: 80, name: a}, {port: 81, name: a}]", 5, "spec.ports[1].name", "no other port"},
    {kSvc, "  ports: [{port: 80, name: a}, {port: 81}]", 5, "spec.ports[1].name", "a name"},
    {kSvc, "  type: ClusterIP", 5, "spec.ports", "at least one port"},
    {kSvc, "  ports: [{port: 80}]\n  clusterIP: 10.0.0.300", 6, "spec.clusterIP", "IPv4 or IPv6"},
    {kSvc, "  ports: [{port: 80}]\n  clusterIPs: 10.0.0.3", 6, "spec.clusterIPs", "a list"},
    {kSvc, "  ports: [{port: 80}]\n  externalIPs: [x]", 6, "spec.externalIPs[0]", "IPv4 or IPv6"},
    {kSvc, "  ports: [{port: 80}]\n  externalIPs: [10.0.0.1, 0.0.0.0]", 6, "spec.externalIPs[1]", "can be reached"},
    {kSvc, "  ports: [{port: 80}]\n  externalIPs: [127.0.0.9]", 6, "spec.externalIPs[0]", "outside of the loopback"},
    {kSvc, "  ports: [{port: 80}]\n  externalIPs: ['::1']", 6, "spec.externalIPs[0]", "outside of the loopback"},
    {kSvc, "  ports: [{port: 80}]\n  externalIPs: [169.254.169.254]", 6, "spec.externalIPs[0]", "link-local"},
    {kSvc, "  ports: [{port: 80}]\n  externalIPs: ['ff02::1']", 6, "spec.externalIPs[0]", "link-local"},
    {kSvc, "  ports: [{port: 80}]\n  clusterIP: '::'", 6, "spec.clusterIP", "can be reached"},
    {kSvc, "  ports: [{port: 80}]\n  clusterIPs: [10.0.0.1, 'fd00::1', 10.0.0.2]", 6, "spec.clusterIPs[2]",
     "one address of each family"},
    {kSvc, "  ports: [{port: 80}]\n  type: Other", 6, "spec.type", "ClusterIP"},
    {kSvc, "  ports: [{port: 80}]\n  sessionAffinity: Cookie", 6, "spec.sessionAffinity", "None or ClientIP"},
    {kSvc, "  ports: [{port: 80}]\n  internalTrafficPolicy: Near", 6, "spec.internalTrafficPolicy", "Cluster or Local"},
    {kSvc, "  ports: [{port: 80}]\n  trafficDistribution: Far", 6, "spec.trafficDistribution", "PreferSameZone"},
    {kSvc, "  ports: [{port: 80}]\n  publishNotReadyAddresses: yes", 6, "spec.publishNotReadyAddresses",
     "true or false"},
    {kSvc, "  ports: [{port: 80}]\n  selector: {app: 1}", 6, "spec.selector.app", "a string"},
    {kSvc, "  ports: [{port: 80}]\n  selector: {app: true}", 6, "spec.selector.app", "quotes"},
    {kSvc, "  ports: [{port: 80}]\n  ports: []", 6, "", "twice"},
    {kSvc, "  a: x\n  :\n  :", 5, "", "twice"},  // the parser tells no place of what is empty: that before it
    {kSvc, "  ports: [{port: 80]", 5, "", ""},
    {kEs, "addressType: IPX", 5, "addressType", "IPv4, IPv6 or FQDN"},
    {kEs, "addressType: FQDN\nendpoints: [{addresses: [10.0.0.1x_]}]", 6, "endpoints[0].addresses[0]", "a host name"},
    {kEs, "endpoints: []", 1, "addressType", "IPv4"},
    {kEs, "addressType: IPv4\nendpoints: [{addresses: [\"::1\"]}]", 6, "endpoints[0].addresses[0]", "addressType"},
    {kEs, "addressType: IPv6\nendpoints: [{addresses: [10.0.0.1]}]", 6, "endpoints[0].addresses[0]", "addressType"},
    {kEs, "addressType: IPv4\nendpoints: [{addresses: [0.0.0.0]}]", 6, "endpoints[0].addresses[0]", "reached"},
    {kEs, "addressType: IPv4\nendpoints: [{addresses: [224.0.0.251]}]", 6, "endpoints[0].addresses[0]", "link-local"},
    {kEs, "addressType: IPv6\nendpoints: [{addresses: ['fe80::1']}]", 6, "endpoints[0].addresses[0]", "link-local"},
    {kEs, "addressType: IPv4\nendpoints: [{zone: a}]", 6, "endpoints[0].addresses", "at least one"},
    {kEs, "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: no}}]", 6,
     "endpoints[0].conditions.ready", "true"},
    {kEs, "addressType: IPv4\nports: [{port: x}]", 6, "ports[0].port", "65535"},
    {kEs, "addressType: IPv4\nports: [{port: 1}, {port: 2}]", 6, "ports[1]", "once"},
    {kPod, "status: {podIP: x}", 5, "status.podIP", "IPv4"},
    {kPod, "status: {phase: Gone}", 5, "status.phase", "Running"},
    {kPod, "spec: {hostNetwork: 1}", 5, "spec.hostNetwork", "true or false"},
    {kMeta, "  name: A_B", 5, "metadata.name", "lower-case"},
    {kMeta, "  name: 12", 5, "metadata.name", "a string"},
    {kMeta, "  name: a\n  labels: {-a: b}", 6, "metadata.labels.-a", "a label key"},
    {kMeta, "  name: a\n  labels: {a: \"b c\"}", 6, "metadata.labels.a", "a label value"},
    {kDr, "  trafficPolicy: {}", 5, "spec.host", "the host"},
    {kDr, "  host: a\n  trafficPolicy: {loadBalancer: {simple: BEST}}", 6, "spec.trafficPolicy.loadBalancer.simple",
     "RANDOM"},
    {kDr, "  host: a\n  trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}", 6,
     "spec.trafficPolicy.loadBalancer.consistentHash", "not both"},
    {kDr, "  host: a\n  trafficPolicy: {connectionPool: {tcp: {maxConnections: 0}}}", 6,
     "spec.trafficPolicy.connectionPool.tcp.maxConnections", "1 to"},
    {kDr, "  host: a\n  trafficPolicy: {connectionPool: {tcp: {connectTimeout: 5}}}", 6,
     "spec.trafficPolicy.connectionPool.tcp.connectTimeout", "duration"},
    {kDr, "  host: a\n  trafficPolicy: {outlierDetection: {interval: 1x}}", 6,
     "spec.trafficPolicy.outlierDetection.interval", "duration"},
    {kDr, "  host: a\n  trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}", 6,
     "spec.trafficPolicy.outlierDetection.maxEjectionPercent", "0 to 100"},
    {kNp, "  podSelector: {}\n  policyTypes: [In]", 6, "spec.policyTypes[0]", "Ingress or Egress"},
    {kNp, "  ingress: [{from: [{}]}]", 5, "spec.ingress[0].from[0]", "ipBlock"},
    {kNp, "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]", 5, "spec.ingress[0].from[0].ipBlock.cidr", "block"},
    {kNp, "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]", 5,
     "spec.ingress[0].from[0].ipBlock.except[0]", "within"},
    {kNp, "  ingress: [{ports: [{protocol: ICMP, port: 1}]}]", 5, "spec.ingress[0].ports[0].protocol",
     "TCP, UDP or SCTP"},
    {kNp, "  ingress: [{ports: [{port: 9, endPort: 5}]}]", 5, "spec.ingress[0].ports[0].endPort", "not below"},
    {kNp, "  ingress: [{to: []}]", 5, "spec.ingress[0].to", "enforced"},
    {kNp, "  podSelector: {matchExpressions: [{key: a, operator: Is}]}", 5,
     "spec.podSelector.matchExpressions[0].operator", "NotIn"},
    {kAp, "  action: CUSTOM", 5, "spec.action", "ALLOW, DENY or AUDIT"},
    {kAp, "  rules: [{to: [{operation: {paths: [/]}}]}]", 5, "spec.rules[0].to[0].operation.paths",
     "refused as a whole"},
    {kAp, "  rules: [{to: [{operation: {ports: [http]}}]}]", 5, "spec.rules[0].to[0].operation.ports[0]", "65535"},
    {kAp, "  rules: [{to: [{operation: {ports: [8080]}}]}]", 5, "spec.rules[0].to[0].operation.ports[0]", "in quotes"},
    {kAp, "  rules: [{to: [{operation: {notPorts: [\"\"]}}]}]", 5, "spec.rules[0].to[0].operation.notPorts[0]",
     "65535"},
    {kAp, "  rules: [{when: [{key: destination.port, values: [22]}]}]", 5, "spec.rules[0].when[0].values[0]", "quotes"},
    {kAp, "  rules: [{from: [{source: {principals: ['']}}]}]", 5, "spec.rules[0].from[0].source.principals[0]",
     "not empty"},
    {kAp, "  rules: [{from: [{source: {namespaces: [], principals: }}]}]", 5, "spec.rules[0].from[0].source",
     "at least one"},
    {kAp, "  rules: [{to: [{operation: {ports: []}}]}]", 5, "spec.rules[0].to[0].operation", "at least one"},
    {kAp, "  rules: [{from: [{source: {principals: [a/ns/b/sa/c], serviceAccounts: [b/c]}}]}]", 5,
     "spec.rules[0].from[0].source.serviceAccounts", "beside principals"},
    {kAp, "  rules: [{from: [{source: {notNamespaces: [b], notServiceAccounts: [b/c]}}]}]", 5,
     "spec.rules[0].from[0].source.notServiceAccounts", "beside principals"},
    {kAp, "  rules: [{from: [{source: {serviceAccounts: [b/*]}}]}]", 5,
     "spec.rules[0].from[0].source.serviceAccounts[0]", "without wildcards"},
    {kAp, "  rules: [{from: [{source: {notServiceAccounts: [a, b/c/d]}}]}]", 5,
     "spec.rules[0].from[0].source.notServiceAccounts[1]", "NAMESPACE/NAME"},
    {kAp, "  rules: [{when: [{key: source.serviceAccount, values: [/a]}]}]", 5, "spec.rules[0].when[0].values[0]",
     "NAMESPACE/NAME"},
    {kAp, "  rules: [{when: [{key: source.namespace, notValues: ['']}]}]", 5, "spec.rules[0].when[0].notValues[0]",
     "not empty"},
    {kAp, "  action: DENY", 5, "spec.rules", "at least one rule"},
    {kAp, "  action: DENY\n  rules: []", 6, "spec.rules", "at least one rule"},
    {kAp, "  rules: [{from: [{source: {requestPrincipals: [a]}}]}]", 5,
     "spec.rules[0].from[0].source.requestPrincipals", "L4"},
    {kAp, "  rules: [{from: [{source: {remoteIpBlocks: [a]}}]}]", 5, "spec.rules[0].from[0].source.remoteIpBlocks",
     "L4"},
    {kAp, "  rules: [{when: [{key: request.headers, values: [a]}]}]", 5, "spec.rules[0].when[0].key", "source.ip"},
    {kAp, "  rules: [{when: [{key: source.ip}]}]", 5, "spec.rules[0].when[0].values", "notValues"},
    {kAp, "  rules: [{when: [{key: source.ip, values: [10.0.0.0/33]}]}]", 5, "spec.rules[0].when[0].values[0]",
     "an address block"},
    {kAp, "  rules: [{when: [{key: destination.port, notValues: [\"http\"]}]}]", 5,
     "spec.rules[0].when[0].notValues[0]", "1 to 65535"},
};

// What its values should be is not known.
TEST(BadInput, AnUnknownConditionIsOneFault) {
  const auto parsed =
      parse_text(std::string(kAp) + "  rules: [{when: [{key: connection.sni, values: [a, b]}]}]\n", false);
  EXPECT_EQ(parsed.diagnostics.size(), 1U);
}

TEST(BadInput, NamesLineFieldAndWhatWasExpected) {
  static_assert(std::size(kBad) >= 60);
  for (const auto& bad : kBad) {
    const auto parsed = parse_text(std::string(bad.head) + bad.body + "\n", false);
    SCOPED_TRACE(std::string(bad.head) + bad.body);
    ASSERT_FALSE(parsed.diagnostics.empty());
    const auto& found = parsed.diagnostics[0];
    EXPECT_EQ(found.severity, Severity::kError);
    EXPECT_EQ(found.line, bad.line) << found.text();
    EXPECT_EQ(found.field, bad.field) << found.text();
    EXPECT_NE(found.expected.find(bad.expected), std::string::npos) << found.text();
    for (const auto& object : parsed.objects) EXPECT_FALSE(object.object);
  }
}

}  // namespace
}  // namespace fairlead::config
