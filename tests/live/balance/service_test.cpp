// SPDX-License-Identifier: Apache-2.0
// What a Service's fields mean to a client: its addresses of every kind, both families, NodePorts, target ports by
// name.
#include <set>

#include "live/balance/node.hpp"

namespace fairlead::test {
namespace {

using Protocol = TestServer::Protocol;

/// A slice of one endpoint; port by port name.
std::string slice(const std::string& service, const std::string& name, const std::string& address,
                  const std::string& ports, const std::string& more = {}) {
  const bool v6 = address.find(':') != std::string::npos;
  return "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name +
         ", namespace: default, labels: {kubernetes.io/service-name: " + service +
         "}}\naddressType: " + (v6 ? "IPv6" : "IPv4") + "\nports: [" + ports + "]\nendpoints: [{addresses: ['" +
         address + "']" + more + "}]\n";
}

std::string service(const std::string& name, const std::string& spec, const std::string& more = {}) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: default}\nspec: {" + spec + "}\n" +
         more;
}

std::string port(const std::string& name, std::uint16_t number, bool udp = false) {
  return "{name: " + name + ", port: " + std::to_string(number) + ", protocol: " + (udp ? "UDP" : "TCP") + "}";
}

/// A dual-stack service with every kind of address; each family has one endpoint, by TCP and UDP.
class AddressesTest : public BalanceTest {
 protected:
  void SetUp() override {
    node().put_file(
        "addresses.yaml",
        service(
            "addresses",
            "clusterIP: 10.96.2.1, clusterIPs: [10.96.2.1, 'fd00:96:2::1'], type: LoadBalancer, "
            "externalTrafficPolicy: Local, externalIPs: [203.0.113.9, '2001:db8:9::9'], ports: [{name: t, port: 80, "
            "nodePort: 31555, targetPort: web}, {name: u, port: 80, protocol: UDP, nodePort: 31555, targetPort: dns}]",
            "status: {loadBalancer: {ingress: [{ip: 198.51.100.4}, {ip: '2001:db8:51::4'}, {ip: 198.51.100.5, "
            "ipMode: Proxy}]}}\n") +
            slice("addresses", "addresses-4", "127.0.0.1",
                  port("t", tcp4_.port()) + ", " + port("u", udp4_.port(), true)) +
            slice("addresses", "addresses-6", "::1", port("t", tcp6_.port()) + ", " + port("u", udp6_.port(), true)));
  }
  static void expect_both(const std::string& address, std::uint16_t port, const std::string& family) {
    EXPECT_EQ(ask_tcp(address, port), "tcp" + family) << address;
    EXPECT_EQ(ask_udp(address, port), "udp" + family) << address;
  }

  TestServer tcp4_{Protocol::kTcp, "127.0.0.1", "tcp4"}, tcp6_{Protocol::kTcp, "::1", "tcp6"};
  TestServer udp4_{Protocol::kUdp, "127.0.0.1", "udp4"}, udp6_{Protocol::kUdp, "::1", "udp6"};
};

TEST_F(AddressesTest, ClusterExternalAndLoadBalancerAddresses) {
  for (const auto* address : {"10.96.2.1", "203.0.113.9", "198.51.100.4", "::ffff:10.96.2.1"})
    expect_both(address, 80, "4");
  for (const auto* address : {"fd00:96:2::1", "2001:db8:9::9", "2001:db8:51::4"}) expect_both(address, 80, "6");
}

// Each family of the service has a NodePort of its own, on loopback and on the node's addresses.
TEST_F(AddressesTest, NodePorts) {
  for (const auto* address : {"127.0.0.1", "192.0.2.7", "::ffff:127.0.0.1"}) expect_both(address, 31555, "4");
  expect_both("::1", 31555, "6");
  // The port is the node's only there.
  EXPECT_EQ(connect_tcp("127.0.0.2", 31555).error, ECONNREFUSED);
  EXPECT_EQ(connect_tcp("127.0.0.1", 31554).error, ECONNREFUSED);
}

TEST_F(AddressesTest, NodePortsOfOtherNodes) {
  const auto node_of = [](const std::string& address) {
    return "apiVersion: v1\nkind: Node\nmetadata: {name: other}\nstatus: {addresses: [{type: InternalIP, address: " +
           address + "}, {type: ExternalIP, address: 'fd00:5::3'}]}\n";
  };
  EXPECT_EQ(connect_tcp("127.0.0.3", 31555).error, ECONNREFUSED);
  node().put_file("other.yaml", node_of("127.0.0.3"));
  expect_both("127.0.0.3", 31555, "4");
  expect_both("fd00:5::3", 31555, "6");
  node().put_file("other.yaml", node_of("127.0.0.4"));
  EXPECT_EQ(connect_tcp("127.0.0.3", 31555).error, ECONNREFUSED);
  expect_both("127.0.0.4", 31555, "4");
  expect_both("192.0.2.7", 31555, "4");
}

// What listens on a pod's own loopback is the pod's, whatever the number of its port.
TEST_F(AddressesTest, NodePortsAtLoopbackAreTheNodesAlone) {
  const Netns pod("pod");
  for (const std::string address : {"127.0.0.1", "::1"}) {
    const TestServer tcp(Protocol::kTcp, address, "own", &pod, 31555);
    const TestServer udp(Protocol::kUdp, address, "own", &pod, 31555);
    EXPECT_EQ(ask_tcp(address, 31555, &pod), "own");
    EXPECT_EQ(ask_udp(address, 31555, &pod), "own");
  }
}

TEST_F(AddressesTest, AServiceOfOneFamilyHasNoNodePortOfTheOther) {
  node().put_file(
      "single.yaml",
      service("single", "clusterIP: 10.96.2.2, type: NodePort, ports: [{name: t, port: 80, nodePort: 31556}]") +
          slice("single", "single-4", "127.0.0.1", port("t", tcp4_.port())));
  EXPECT_EQ(ask_tcp("127.0.0.1", 31556), "tcp4");
  EXPECT_EQ(connect_tcp("::1", 31556).error, ECONNREFUSED);
}

TEST_F(BalanceTest, ANodePortOutOfRangeIsNamed) {
  node().put_file("far.yaml", service("far",
                                      "clusterIP: 10.96.2.9, type: NodePort, ports: [{name: t, port: 80, "
                                      "nodePort: 8080}]"));
  EXPECT_NE(node().agent().process().output().find(
                "Service default/far: nodePort 8080 is outside of node-ports 30000-32767: not served"),
            std::string::npos);
}

// A port's name may lead to another number in each pod: their slices have a port each.
TEST_F(BalanceTest, NamedTargetPortsWithOtherNumbers) {
  const TestServer one(Protocol::kTcp, "127.0.0.1", "one"), two(Protocol::kTcp, "127.0.0.1", "two");
  node().put_file("named.yaml",
                  service("named", "clusterIP: 10.96.2.3, ports: [{name: t, port: 80, targetPort: web}]") +
                      slice("named", "named-1", "127.0.0.1", port("t", one.port())) +
                      slice("named", "named-2", "127.0.0.1", port("t", two.port()) + ", " + port("other", 9)));
  std::set<std::string> answers;
  for (int i = 0; i < 64; ++i) answers.insert(ask_tcp("10.96.2.3", 80));
  EXPECT_EQ(answers, (std::set<std::string>{"one", "two"}));
}

TEST_F(BalanceTest, InternalLocalIsForClusterAddressesAndShownAsOneService) {
  const TestServer far(Protocol::kTcp, "127.0.0.1", "far");
  node().put_file("inner.yaml",
                  service("inner",
                          "clusterIP: 10.96.2.10, type: NodePort, internalTrafficPolicy: Local, ports: [{name: t, "
                          "port: 80, nodePort: 31560}]") +
                      slice("inner", "inner-1", "127.0.0.1", port("t", far.port()), ", nodeName: elsewhere"));
  EXPECT_EQ(connect_tcp("10.96.2.10", 80).error, ECONNREFUSED);
  EXPECT_EQ(ask_tcp("127.0.0.1", 31560), "far");
  const auto services = node().agent().ctl({"services"});
  for (const char* line : {"random, this node only    0/1 ", " *:31560 "})
    EXPECT_NE(services.find(line), std::string::npos) << services;
  const auto backends = node().agent().ctl({"backends", "--service", "inner", "-o", "json"});
  EXPECT_EQ(backends.find("\"address\""), backends.rfind("\"address\"")) << backends;
  EXPECT_NE(backends.find("\"connections\": 1"), std::string::npos) << backends;
}

TEST_F(BalanceTest, NotReadyEndpointsArePublishedOnlyWhereAsked) {
  const TestServer server(Protocol::kTcp, "127.0.0.1", "early");
  const auto text = [&](const std::string& more) {
    return service("early", "clusterIP: 10.96.2.4, ports: [{name: t, port: 80}]" + more) +
           slice("early", "early-1", "127.0.0.1", port("t", server.port()), ", conditions: {ready: false}");
  };
  node().put_file("early.yaml", text(""));
  EXPECT_EQ(connect_tcp("10.96.2.4", 80).error, ECONNREFUSED);
  node().put_file("early.yaml", text(", publishNotReadyAddresses: true"));
  EXPECT_EQ(ask_tcp("10.96.2.4", 80), "early");
}

TEST_F(BalanceTest, HeadlessServicesAreLeftAlone) {
  const TestServer server(Protocol::kTcp, "127.0.0.1", "pod");
  node().put_file("headless.yaml",
                  service("headless", "clusterIP: None, clusterIPs: [None], ports: [{name: t, port: 80}]") +
                      slice("headless", "headless-1", "127.0.0.1", port("t", server.port())));
  EXPECT_EQ(ask_tcp("127.0.0.1", server.port()), "pod");
  // That its endpoint is on loopback is told, but nothing of the service.
  EXPECT_EQ(node().agent().process().output().find("Service default/headless"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::test
