// SPDX-License-Identifier: Apache-2.0
#include "agent/policy/statements.hpp"

#include <algorithm>
#include <charconv>

namespace fairlead::policy {
namespace {

using Attribute = model::AuthorizationCondition::Attribute;
using Ranges = std::vector<PortRange>;
using Ports = std::vector<std::uint16_t>;

/// Sorted, and joined where they touch.
Ranges tidy(Ranges ranges) {
  std::ranges::sort(ranges);
  Ranges result;
  for (const auto& range : ranges) {
    if (!result.empty() && range.from <= std::uint32_t{result.back().to} + 1)
      result.back().to = std::max(result.back().to, range.to);
    else result.push_back(range);
  }
  return result;
}

Ranges of_ports(const Ports& ports) {
  Ranges result;
  for (const auto port : ports) result.push_back({port, port});
  return tidy(std::move(result));
}

Ranges without(const Ports& ports) {
  Ranges result;
  std::uint32_t next = 0;
  for (const auto& range : of_ports(ports)) {
    if (range.from > next)
      result.push_back({static_cast<std::uint16_t>(next), static_cast<std::uint16_t>(range.from - 1)});
    next = std::uint32_t{range.to} + 1;
  }
  if (next <= 65535) result.push_back({static_cast<std::uint16_t>(next), 65535});
  return result;
}

Ranges both(const Ranges& a, const Ranges& b) {
  Ranges result;
  for (const auto& x : a)
    for (const auto& y : b)
      if (std::max(x.from, y.from) <= std::min(x.to, y.to))
        result.push_back({std::max(x.from, y.from), std::min(x.to, y.to)});
  return result;
}

Ranges listed(const Ports& ports, const Ports& not_ports) {
  return both(ports.empty() ? Ranges{{}} : of_ports(ports), without(not_ports));
}

/// What is no number is no port; the reader of the configuration lets none through.
Ports numbers(const std::vector<std::string>& values) {
  Ports result;
  for (const auto& text : values) {
    std::uint16_t port = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
    if (parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size()) result.push_back(port);
  }
  return result;
}

Ranges ports_of(const model::AuthorizationRule& rule) {
  Ranges result;
  for (const auto& operation : rule.to)
    std::ranges::copy(listed(operation.ports, operation.not_ports), std::back_inserter(result));
  result = rule.to.empty() ? Ranges{{}} : tidy(std::move(result));
  for (const auto& when : rule.when) {
    if (when.attribute != Attribute::kDestinationPort) continue;
    const auto wanted = when.values.empty() ? Ranges{{}} : of_ports(numbers(when.values));
    result = both(result, both(wanted, without(numbers(when.not_values))));
  }
  return result;
}

/// names: those of the pod that the ports belong to.
Ranges ports_of(const model::NetworkRule& rule, const std::vector<PortName>& names, std::uint8_t proto) {
  if (rule.ports.empty()) return {{}};
  Ranges result;
  for (const auto& port : rule.ports) {
    if (static_cast<std::uint8_t>(port.protocol) != proto) continue;
    if (port.any_port) {
      result.emplace_back();
    } else if (port.port.name.empty()) {
      result.push_back({port.port.number, port.end == 0 ? port.port.number : port.end});
    } else {
      for (const auto& [name, number, its_proto] : names)
        if (name == port.port.name && its_proto == proto) result.push_back({number, number});
    }
  }
  return tidy(std::move(result));
}

bool names_ports(const model::NetworkRule& rule) {
  return std::ranges::any_of(rule.ports, [](const auto& port) { return !port.any_port && !port.port.name.empty(); });
}

void add_network(const model::ObjectKey& key, const model::NetworkPolicy& policy, const Subject& subject,
                 const IdOfRule& id_of, std::uint8_t direction, Side& side) {
  if (!side.isolated_by) side.isolated_by = id_of(key, direction, -1);
  int number = 0;
  for (const auto& rule : direction == FL_INGRESS ? policy.ingress_rules : policy.egress_rules) {
    auto& out = side.statements.emplace_back();
    out.policy_id = id_of(key, direction, number++);
    out.ns = key.ns;
    out.network = &rule;
    out.ports_of_peer = direction == FL_EGRESS && names_ports(rule);
    const auto& names = direction == FL_INGRESS ? subject.ports : std::vector<PortName>{};
    out.tcp = ports_of(rule, names, FL_TCP);
    out.udp = ports_of(rule, names, FL_UDP);
  }
}

Effect effect_of(model::AuthorizationPolicy::Action action) {
  switch (action) {
    case model::AuthorizationPolicy::Action::kAllow: return Effect::kAllow;
    case model::AuthorizationPolicy::Action::kAudit: return Effect::kAudit;
    case model::AuthorizationPolicy::Action::kDeny: break;
    case model::AuthorizationPolicy::Action::kCustom: break;  // refused where the agent reads
  }
  return Effect::kDeny;
}

void add_authorization(const model::ObjectKey& key, const model::AuthorizationPolicy& policy, const Subject& subject,
                       const IdOfRule& id_of, Side& side) {
  if (policy.action == model::AuthorizationPolicy::Action::kAllow && !side.allow_listed_by)
    side.allow_listed_by = id_of(key, FL_INGRESS, -1);
  int number = 0;
  for (const auto& rule : policy.rules) {
    const int own = number++;
    if (!matches_destination(rule, subject.address)) continue;
    auto& out = side.statements.emplace_back();
    out.effect = effect_of(policy.action);
    out.policy_id = id_of(key, FL_INGRESS, own);
    out.ns = key.ns;
    out.authorization = &rule;
    out.tcp = out.udp = ports_of(rule);
  }
}

void add_texts(const std::vector<std::string>& values, std::set<Cidr>& out) {
  for (const auto& text : values)
    if (const auto block = Cidr::parse(text)) out.insert(*block);
}

void add_blocks(const model::NetworkPolicy& policy, std::set<Cidr>& out) {
  for (const auto* rules : {&policy.ingress_rules, &policy.egress_rules})
    for (const auto& rule : *rules)
      for (const auto& peer : rule.peers) {
        if (!peer.block) continue;
        out.insert(peer.block->cidr);
        out.insert(peer.block->except.begin(), peer.block->except.end());
      }
}

void add_blocks(const model::AuthorizationPolicy& policy, std::set<Cidr>& out) {
  for (const auto& rule : policy.rules) {
    for (const auto& source : rule.from) {
      out.insert(source.ip_blocks.begin(), source.ip_blocks.end());
      out.insert(source.not_ip_blocks.begin(), source.not_ip_blocks.end());
    }
    for (const auto& when : rule.when) {
      if (when.attribute != Attribute::kSourceIp) continue;
      add_texts(when.values, out);
      add_texts(when.not_values, out);
    }
  }
}

}  // namespace

bool Statement::speaks_of(const MatchContext& context, const Traits& peer) const {
  return network != nullptr ? matches_peer(context, ns, *network, peer)
                            : matches_source(context, ns, *authorization, peer);
}

std::vector<PortRange> Statement::ports_at(const Traits& peer, std::uint8_t proto) const {
  if (ports_of_peer) return ports_of(*network, peer.ports, proto);
  return proto == FL_TCP ? tcp : udp;
}

void add_statements(const model::ObjectKey& key, const model::Object& object, const Subject& subject,
                    const IdOfRule& id_of, Side (&sides)[2]) {
  if (const auto* network = std::get_if<model::NetworkPolicy>(&object)) {
    if (network->ingress) add_network(key, *network, subject, id_of, FL_INGRESS, sides[FL_INGRESS]);
    if (network->egress) add_network(key, *network, subject, id_of, FL_EGRESS, sides[FL_EGRESS]);
  } else if (const auto* authorization = std::get_if<model::AuthorizationPolicy>(&object)) {
    add_authorization(key, *authorization, subject, id_of, sides[FL_INGRESS]);
  }
}

bool selects(const model::Object& policy, const std::string& root_namespace, const std::string& ns,
             const model::Labels& labels) {
  if (const auto* network = std::get_if<model::NetworkPolicy>(&policy))
    return network->metadata.ns == ns && network->pods.matches(labels);
  if (const auto* authorization = std::get_if<model::AuthorizationPolicy>(&policy))
    return (authorization->metadata.ns == ns || authorization->metadata.ns == root_namespace) &&
           authorization->selector.matches(labels);
  const auto* refused = std::get_if<model::RefusedPolicy>(&policy);
  if (refused == nullptr) return false;
  const bool everywhere = refused->kind == model::Kind::kAuthorizationPolicy && refused->metadata.ns == root_namespace;
  return (everywhere || refused->metadata.ns == ns) && refused->pods.matches(labels);
}

std::string subject_difference(const model::Object& policy, const Subject& subject) {
  std::string result;
  if (const auto* network = std::get_if<model::NetworkPolicy>(&policy)) {
    if (std::ranges::none_of(network->ingress_rules, names_ports)) return result;
    for (const auto& [name, number, proto] : subject.ports)
      result += "," + name + "=" + std::to_string(number) + "/" + std::to_string(proto);
  } else if (const auto* authorization = std::get_if<model::AuthorizationPolicy>(&policy)) {
    int rule = -1;
    for (const auto& each : authorization->rules) {
      ++rule;
      if (!matches_destination(each, subject.address)) result += ",-" + std::to_string(rule);
    }
  }
  return result;
}

std::set<Cidr> blocks_of(const model::Object& policy) {
  std::set<Cidr> result;
  if (const auto* network = std::get_if<model::NetworkPolicy>(&policy)) add_blocks(*network, result);
  if (const auto* authorization = std::get_if<model::AuthorizationPolicy>(&policy)) add_blocks(*authorization, result);
  return result;
}

}  // namespace fairlead::policy
