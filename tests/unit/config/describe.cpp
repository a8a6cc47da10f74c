// SPDX-License-Identifier: Apache-2.0
#include "unit/config/describe.hpp"

#include <array>

namespace fairlead::config {
namespace {

using namespace fairlead::model;

std::string text(const std::string& value) { return value; }
std::string text(std::uint16_t value) { return std::to_string(value); }
std::string text(const Address& value) { return value.text(); }
std::string text(const Cidr& value) { return value.text(); }
std::string text(Protocol protocol) {
  return protocol == Protocol::kUdp ? "udp" : protocol == Protocol::kTcp ? "tcp" : "sctp";
}
std::string text(const IntOrName& value) { return value.name.empty() ? std::to_string(value.number) : value.name; }
std::string text(const std::pair<std::string, std::string>& value) { return value.first + "=" + value.second; }

std::string text(const NetworkPeer& peer);
std::string text(const NetworkPolicyPort& port);
std::string text(const AuthorizationSource& source);
std::string text(const AuthorizationOperation& operation);
std::string text(const AuthorizationCondition& when);

template <class List>
std::string all(const char* title, const List& list) {
  std::string out;
  for (const auto& item : list) out += (out.empty() ? "" : ",") + text(item);
  return out.empty() ? out : std::string(" ") + title + " " + out;
}

std::string word(bool given, const char* title) { return given ? std::string(" ") + title : ""; }
std::string word(const char* title, const std::string& value) {
  return value.empty() ? value : std::string(" ") + title + " " + value;
}

std::string text(const Selector& selector) {
  constexpr std::array kOperators{"in", "not in", "exists", "does not exist"};
  std::string out = "{";
  for (const auto& label : selector.match_labels) out += (out.size() == 1 ? "" : " ") + text(label);
  for (const auto& want : selector.match_expressions)
    out += (out.size() == 1 ? "" : " ") + want.key + all(kOperators[static_cast<std::size_t>(want.op)], want.values) +
           word(want.values.empty(), kOperators[static_cast<std::size_t>(want.op)]);
  return out + "}";
}

/// Of the gateway's kinds, which have tables of their own.
template <class T>
std::string body(const T& object) {
  return all("labels", object.metadata.labels);
}
std::string body(const Namespace& object) { return all("labels", object.metadata.labels); }

std::string body(const Node& node) {
  return all("at", node.addresses) + all("pods", node.pod_cidrs) + word("zone", node.zone) +
         word("region", node.region);
}

std::string body(const Pod& pod) {
  std::string out = all("at", pod.addresses) + word("on", pod.node) + word("account", pod.service_account) +
                    word(pod.host_network, "host-network") + word(pod.finished, "finished") +
                    word("of", pod.owner_kind.empty() ? "" : pod.owner_kind + "/" + pod.owner_name);
  for (const auto& port : pod.ports)
    out += " " + port.name + ":" + std::to_string(port.port) + "/" + text(port.protocol);
  return out + all("labels", pod.metadata.labels);
}

std::string body(const Service& service) {
  std::string out = all("at", service.cluster_ips) + all("external", service.external_ips) +
                    all("balancer", service.load_balancer_ips) + word(service.headless, "headless") +
                    word(service.external_name, "external-name") + word(service.internal_local, "internal-local") +
                    word(service.external_local, "external-local") + word(service.publish_not_ready, "not-ready-too");
  if (service.affinity_seconds != 0) out += " affinity " + std::to_string(service.affinity_seconds) + "s";
  if (service.distribution != TrafficDistribution::kNone)
    out += service.distribution == TrafficDistribution::kPreferSameNode ? " same-node" : " same-zone";
  for (const auto& port : service.ports)
    out += " " + (port.name.empty() ? "-" : port.name) + ":" + std::to_string(port.port) + "/" + text(port.protocol) +
           ">" + text(port.target) + (port.node_port == 0 ? "" : "@" + std::to_string(port.node_port));
  return out + all("selects", service.selector);
}

std::string body(const EndpointSlice& slice) {
  std::string out = word("for", slice.service);
  for (const auto& port : slice.ports)
    out += " " + (port.name.empty() ? "-" : port.name) + ":" + std::to_string(port.port) + "/" + text(port.protocol);
  for (const auto& endpoint : slice.endpoints)
    out += " [" + all("", endpoint.addresses).substr(2) + word("on", endpoint.node) + word("zone", endpoint.zone) +
           all("for-zones", endpoint.hints ? endpoint.hints->zones : std::vector<std::string>()) +
           all("for-nodes", endpoint.hints ? endpoint.hints->nodes : std::vector<std::string>()) +
           word(endpoint.ready, "ready") + word(endpoint.serving, "serving") +
           word(endpoint.terminating, "terminating") + "]";
  return out;
}

std::string text(const TrafficPolicy& policy) {
  constexpr std::array kNames{"", "random", "round-robin", "least-request", "passthrough", "hash"};
  const auto ms = [](auto duration) { return std::to_string(duration.count()) + "ms"; };
  const std::string balancing = kNames[static_cast<std::size_t>(policy.balancing)];
  std::string out = balancing.empty() ? "" : " " + balancing;
  if (policy.locality_enabled) out += *policy.locality_enabled ? " locality on" : " locality off";
  for (const auto& rule : policy.distribute) {
    out += " from " + rule.from;
    for (const auto& [to, share] : rule.to) out += " " + std::to_string(share) + "% " + to;
  }
  for (const auto& over : policy.failover) out += " failover " + over.from + ">" + over.to;
  out += all("priority", policy.failover_priority);
  if (policy.max_connections != 0) out += " connections " + std::to_string(policy.max_connections);
  if (policy.connect_timeout.count() != 0) out += " timeout " + ms(policy.connect_timeout);
  if (policy.warmup.count() != 0) out += " warmup " + ms(policy.warmup);
  if (!policy.outlier) return out;
  const auto& outlier = *policy.outlier;
  return out + " eject after " + std::to_string(outlier.consecutive_failures) + " for " + ms(outlier.base_ejection) +
         " at most " + std::to_string(outlier.max_ejection_percent) + "% healthy " +
         std::to_string(outlier.min_health_percent) + "%";
}

std::string body(const DestinationRule& rule) {
  std::string out = " host " + rule.host + text(*rule.policy);
  for (const auto& [port, policy] : rule.port_policies) out += " port " + std::to_string(port) + ":" + text(policy);
  return out;
}

std::string text(const NetworkPeer& peer) {
  if (peer.block) return peer.block->cidr.text() + all("but", peer.block->except);
  return (peer.namespaces ? "namespaces" + text(*peer.namespaces) : std::string()) +
         (peer.pods ? "pods" + text(*peer.pods) : std::string());
}

std::string text(const NetworkPolicyPort& port) {
  return text(port.protocol) + ":" + (port.any_port ? "*" : text(port.port)) +
         (port.end == 0 ? "" : "-" + std::to_string(port.end));
}

std::string rules(const char* title, const std::vector<NetworkRule>& list) {
  std::string out;
  for (const auto& rule : list)
    out += std::string(" ") + title + "(" + all("", rule.peers) + all(" ports", rule.ports) + ")";
  return out;
}

std::string body(const NetworkPolicy& policy) {
  return " pods" + text(policy.pods) + word(policy.ingress, "ingress") + rules("from", policy.ingress_rules) +
         word(policy.egress, "egress") + rules("to", policy.egress_rules);
}

std::string text(const AuthorizationSource& source) {
  return "(" + all("principals", source.principals) + all("not-principals", source.not_principals) +
         all("namespaces", source.namespaces) + all("not-namespaces", source.not_namespaces) +
         all("accounts", source.service_accounts) + all("not-accounts", source.not_service_accounts) +
         all("blocks", source.ip_blocks) + all("not-blocks", source.not_ip_blocks) + " )";
}

std::string text(const AuthorizationOperation& operation) {
  return "(" + all("ports", operation.ports) + all("not-ports", operation.not_ports) + " )";
}

std::string text(const AuthorizationCondition& when) {
  constexpr std::array kNames{"source.ip",      "source.namespace", "source.principal", "source.serviceAccount",
                              "destination.ip", "destination.port"};
  return "(" + std::string(kNames[static_cast<std::size_t>(when.attribute)]) + all("is", when.values) +
         all("is-not", when.not_values) + ")";
}

std::string body(const AuthorizationPolicy& policy) {
  constexpr std::array kActions{" ALLOW", " DENY", " AUDIT"};
  std::string out = kActions[static_cast<std::size_t>(policy.action)] + text(policy.selector);
  for (const auto& rule : policy.rules)
    out += " rule{" + all("from", rule.from) + all("to", rule.to) + all("when", rule.when) + " }";
  return out;
}

std::string body(const RefusedPolicy& refused) {
  return " REFUSED, closes" + text(refused.pods) + word(refused.ingress, "ingress") + word(refused.egress, "egress");
}

}  // namespace

std::string describe(const Object& object) {
  return std::visit([](const auto& of) { return body(of) + all("annotations", of.metadata.annotations); }, object);
}

}  // namespace fairlead::config
