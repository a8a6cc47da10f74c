// SPDX-License-Identifier: Apache-2.0
#include "support/test_node.hpp"

namespace fairlead::test {
namespace {

// The pods' gateway, as Calico does it: the same link-local addresses on the node's end of every pair.
constexpr const char* kGatewayV4 = "169.254.1.1";
constexpr const char* kGatewayV6 = "fe80::1";

bool is_v6(const std::string& address) { return address.find(':') != std::string::npos; }

}  // namespace

TestNode::TestNode() : node_("node") {
  node_.ip({"address", "add", address_v4() + "/32", "dev", "lo"});
  node_.ip({"-6", "address", "add", address_v6() + "/128", "dev", "lo", "nodad"});
  node_.sysctl("net.ipv4.ip_forward", "1");
  node_.sysctl("net.ipv6.conf.all.forwarding", "1");
}

Netns& TestNode::add_pod(const std::string& name, const std::vector<std::string>& addresses) {
  Netns& pod = *pods_.emplace_back(std::make_unique<Netns>(name));
  const std::string device = "pod" + std::to_string(pods_.size());
  join(pod, device);
  for (const auto& address : addresses) route(pod, device, address);
  return pod;
}

void TestNode::join(Netns& pod, const std::string& device) {
  node_.ip({"link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", pod.name()});
  node_.ip({"address", "add", std::string(kGatewayV4) + "/32", "dev", device});
  node_.ip({"-6", "address", "add", std::string(kGatewayV6) + "/64", "dev", device, "nodad"});
  node_.ip({"link", "set", device, "up"});
  pod.ip({"link", "set", "eth0", "up"});
}

void TestNode::route(Netns& pod, const std::string& device, const std::string& address) {
  if (is_v6(address)) {
    pod.ip({"-6", "address", "add", address + "/128", "dev", "eth0", "nodad"});
    pod.ip({"-6", "route", "replace", "default", "via", kGatewayV6, "dev", "eth0"});
    node_.ip({"-6", "route", "add", address + "/128", "dev", device, "src", address_v6()});
  } else {
    pod.ip({"address", "add", address + "/32", "dev", "eth0"});
    pod.ip({"route", "replace", kGatewayV4, "dev", "eth0", "scope", "link"});
    pod.ip({"route", "replace", "default", "via", kGatewayV4, "dev", "eth0"});
    node_.ip({"route", "add", address + "/32", "dev", device, "src", address_v4()});
  }
}

}  // namespace fairlead::test
