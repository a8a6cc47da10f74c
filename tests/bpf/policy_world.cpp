// SPDX-License-Identifier: Apache-2.0
#include "bpf/policy_world.hpp"

#include "gateway/dataplane/config/parse.hpp"

namespace fairlead::test {
namespace {

constexpr const char* kNamespaces[] = {"default", "other", "istio-system"};
constexpr const char* kApps[] = {"a", "b", "c"};
constexpr const char* kPorts[] = {"80", "443", "53", "8080", "1", "65535", "9000", "9001", "9002", "9010"};
constexpr const char* kBlocks[] = {"10.9.0.0/16", "10.9.1.0/24",   "10.9.1.128/25",   "10.9.1.7/32", "10.1.0.0/29",
                                   "0.0.0.0/0",   "2001:db8::/32", "2001:db8:1::/48", "::/0",        "10.0.0.0/8"};
constexpr const char* kStrangers[] = {"10.9.0.1",  "10.9.1.1",    "10.9.1.129",   "10.9.1.7",      "10.9.2.2",
                                      "10.8.0.1",  "203.0.113.5", "2001:db8::77", "2001:db8:1::5", "2001:db9::1",
                                      "192.0.2.1", "192.0.2.2",   "10.0.0.254",   "10.10.0.1"};
constexpr std::uint32_t kPods = 14;

std::string pod_address(std::uint32_t number) { return "10.1.0." + std::to_string(number); }
std::string pod_address_v6(std::uint32_t number) { return "2001:db8::" + std::to_string(number); }

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

}  // namespace

std::set<Address> PolicyWorld::host_addresses() {
  return {*Address::parse("192.0.2.1"), *Address::parse("10.0.0.254")};
}

/// "[item, ...]", of none to most.
std::string PolicyWorld::list(std::uint32_t most, const std::function<std::string()>& item) {
  std::string text = "[";
  for (auto left = dice_.below(most + 1); left > 0; --left) text += (text.size() > 1 ? ", " : "") + item();
  return text + "]";
}

std::string PolicyWorld::selector() {
  if (dice_.percent(30)) return "{}";
  if (dice_.percent(20))
    return std::string("{matchExpressions: [{key: app, operator: NotIn, values: [") + one_of(kApps) + "]}]}";
  return std::string("{matchLabels: {app: ") + one_of(kApps) + "}}";
}

std::string PolicyWorld::block() { return quoted(one_of(kBlocks)); }

std::string PolicyWorld::peer() {
  switch (dice_.below(5)) {
    case 0: return "{podSelector: " + selector() + "}";
    case 1:
      return std::string("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ") + one_of(kNamespaces) +
             "}}}";
    case 2: return "{namespaceSelector: {}, podSelector: " + selector() + "}";
    case 3: return "{ipBlock: {cidr: 10.9.0.0/16, except: [10.9.1.0/24]}}";
    default: return "{ipBlock: {cidr: " + block() + "}}";
  }
}

std::string PolicyWorld::network_port() {
  const std::string protocol = dice_.percent(30) ? "UDP" : "TCP";
  switch (dice_.below(4)) {
    case 0: return "{protocol: " + protocol + ", port: http}";
    case 1:
      return "{protocol: " + protocol + ", port: 1000, endPort: " + std::to_string(1000 + dice_.below(9000)) + "}";
    case 2: return "{protocol: " + protocol + "}";
    default: return "{protocol: " + protocol + ", port: " + one_of(kPorts) + "}";
  }
}

std::string PolicyWorld::network_rules(const char* peers) {
  return list(2, [&] {
    return std::string("{") + peers + ": " + list(2, [this] { return peer(); }) +
           ", ports: " + list(9, [this] { return network_port(); }) + "}";
  });
}

std::string PolicyWorld::network_policy() {
  const auto types = dice_.percent(40) ? "[Ingress]" : dice_.percent(50) ? "[Egress]" : "[Ingress, Egress]";
  return "spec: {podSelector: " + selector() + ", policyTypes: " + types + ", ingress: " + network_rules("from") +
         ", egress: " + network_rules("to") + "}";
}

std::string PolicyWorld::source() {
  const std::string no = dice_.percent(30) ? "not" : "";
  const auto field = [&](const char* plain, const char* negated) { return std::string(no.empty() ? plain : negated); };
  switch (dice_.below(4)) {
    case 0: return "{" + field("namespaces", "notNamespaces") + ": [" + one_of(kNamespaces) + "]}";
    case 1:
      return "{" + field("principals", "notPrincipals") + ": [cluster.local/ns/" + one_of(kNamespaces) + "/sa/s" +
             std::to_string(dice_.below(2)) + "]}";
    case 2:
      return "{" + field("serviceAccounts", "notServiceAccounts") + ": [s" + std::to_string(dice_.below(2)) + "]}";
    default: return "{" + field("ipBlocks", "notIpBlocks") + ": [" + block() + "]}";
  }
}

std::string PolicyWorld::operation() {
  std::string text = std::string(dice_.percent(30) ? "{notPorts: [" : "{ports: [") + quoted(one_of(kPorts));
  for (auto more = dice_.below(8); more > 0; --more) text += ", " + quoted(one_of(kPorts));
  return text + "]}";
}

std::string PolicyWorld::condition() {
  switch (dice_.below(3)) {
    case 0: return "{key: source.ip, values: [" + block() + "]}";
    case 1: return "{key: destination.ip, notValues: [" + block() + "]}";
    default: return "{key: destination.port, values: [" + quoted(one_of(kPorts)) + "]}";
  }
}

std::string PolicyWorld::authorization_policy() {
  constexpr const char* kActions[] = {"ALLOW", "DENY", "AUDIT"};
  std::string spec = std::string("spec: {action: ") + one_of(kActions);
  if (dice_.percent(70)) spec += std::string(", selector: {matchLabels: {app: ") + one_of(kApps) + "}}";
  return spec + ", rules: " +
         list(3,
              [&] {
                std::string rule;
                if (dice_.percent(70)) rule += "from: [{source: " + source() + "}]";
                if (dice_.percent(50))
                  rule += (rule.empty() ? "" : ", ") + std::string("to: [{operation: ") + operation() + "}]";
                if (dice_.percent(30)) rule += (rule.empty() ? "" : ", ") + std::string("when: [") + condition() + "]";
           // One that the agent refuses: what it selects is closed.
                if (dice_.percent(3)) rule += (rule.empty() ? "" : ", ") + std::string("unheard: 1");
                return "{" + rule + "}";
              }) +
         "}";
}

std::string PolicyWorld::pod(std::uint32_t number) {
  const std::string both = dice_.percent(50) ? ", {ip: '" + pod_address_v6(number) + "'}" : "";
  return "spec: {nodeName: " + std::string(dice_.percent(70) ? "n1" : "n2") + ", serviceAccountName: s" +
         std::to_string(dice_.below(2)) +
         ", containers: [{name: c, image: i, ports: [{name: http, containerPort: " + one_of(kPorts) +
         "}]}]}\nstatus: {phase: Running, podIPs: [{ip: " + pod_address(number) + "}" + both + "]}";
}

model::ChangeSet PolicyWorld::change() {
  model::ChangeSet changes;
  for (int count = 0; count < 6; ++count) {
    const auto number = 1 + dice_.below(kPods);
    std::string head, body, name;
    if (const auto kind = dice_.below(3); kind == 0) {
      head = "apiVersion: v1\nkind: Pod\n";
      name = "p" + std::to_string(number);
      body = pod(number);
    } else if (kind == 1) {
      head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";
      name = "n" + std::to_string(number % 4);
      body = network_policy();
    } else {
      head = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n";
      name = "a" + std::to_string(number % 4);
      body = authorization_policy();
    }
    if (const auto old = standing_.find(name); old != standing_.end()) {
      changes.push_back({old->second, nullptr});
      standing_.erase(old);
      if (dice_.percent(20)) continue;
    }
    const auto metadata = "metadata: {name: " + name + ", namespace: " + one_of(kNamespaces) +
                          ", labels: {app: " + one_of(kApps) + "}}\n";
    for (auto& parsed : config::parse_text(head + metadata + body + "\n", false).objects) {
      standing_[name] = parsed.key;
      changes.push_back({parsed.key, parsed.object != nullptr ? parsed.object : parsed.stand_in});
    }
  }
  return changes;
}

policy::Question PolicyWorld::question() {
  const auto end = [this] {
    const auto number = 1 + dice_.below(kPods);
    if (dice_.percent(25)) return *Address::parse(one_of(kStrangers));
    return *Address::parse(dice_.percent(75) ? pod_address(number) : pod_address_v6(number));
  };
  const auto port = dice_.percent(80) ? static_cast<std::uint32_t>(std::stoi(one_of(kPorts))) : dice_.below(65536);
  return {.source = end(),
          .destination = end(),
          .port = static_cast<std::uint16_t>(port),
          .proto = static_cast<std::uint8_t>(dice_.percent(70) ? FL_TCP : FL_UDP),
          .server = dice_.percent(50)};
}

}  // namespace fairlead::test
