// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <utility>

#include "gateway/dataplane/config/kinds.hpp"

namespace fairlead::config {
namespace {

/// Nothing in it would mean everybody, in silence; Istio refuses it too.
bool refuse_empty(Reader& reader, View at, std::string expected) {
  const bool empty = (at.is_mapping() || at.is_sequence()) && !at.first();
  if (empty) reader.error(at, std::move(expected));
  return empty;
}

void read_cidrs(Reader& reader, View at, std::vector<Cidr>& out) {
  reader.items(at, [&](View item) {
    if (const auto block = reader.cidr(item)) out.push_back(*block);
  });
}

void read_source(Reader& reader, View at, model::AuthorizationSource& out) {
  if (refuse_empty(reader, at, "at least one field, such as principals")) return;
  reader.fields(at, [&](View field) {
    const auto key = field.key();
    if (key == "principals") return read_strings(reader, field, out.principals);
    if (key == "notPrincipals") return read_strings(reader, field, out.not_principals);
    if (key == "namespaces") return read_strings(reader, field, out.namespaces);
    if (key == "notNamespaces") return read_strings(reader, field, out.not_namespaces);
    if (key == "serviceAccounts") return read_strings(reader, field, out.service_accounts);
    if (key == "notServiceAccounts") return read_strings(reader, field, out.not_service_accounts);
    if (key == "ipBlocks") return read_cidrs(reader, field, out.ip_blocks);
    if (key == "notIpBlocks") return read_cidrs(reader, field, out.not_ip_blocks);
    reader.unenforceable(field);
  });
}

void read_port_strings(Reader& reader, View at, std::vector<std::uint16_t>& out) {
  reader.items(at, [&](View item) {
    std::uint16_t port = 0;
    const auto text = item.text();
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || code != std::errc{} || end != text.data() + text.size() || port == 0)
      return reader.error(item, "a number from 1 to 65535, in quotes");
    out.push_back(port);
  });
}

void read_operation(Reader& reader, View at, model::AuthorizationOperation& out) {
  if (refuse_empty(reader, at, "at least one field, such as ports")) return;
  reader.fields(at, [&](View field) {
    if (field.key() == "ports") return read_port_strings(reader, field, out.ports);
    if (field.key() == "notPorts") return read_port_strings(reader, field, out.not_ports);
    reader.unenforceable(field);
  });
}

/// Values that name addresses or ports and are none would match nobody, in silence.
void check_values(Reader& reader, View values, model::AuthorizationCondition::Attribute attribute) {
  using Attribute = model::AuthorizationCondition::Attribute;
  std::vector<Cidr> blocks;
  std::vector<std::uint16_t> ports;
  if (attribute == Attribute::kSourceIp || attribute == Attribute::kDestinationIp) read_cidrs(reader, values, blocks);
  if (attribute == Attribute::kDestinationPort) read_port_strings(reader, values, ports);
}

void read_condition(Reader& reader, View at, model::AuthorizationCondition& out) {
  reader.fields(at, [&](View field) {
    if (field.key() == "key") {
      const auto key = reader.one_of(field, {"source.ip", "source.namespace", "source.principal",
                                             "source.serviceAccount", "destination.ip", "destination.port"});
      if (key) out.attribute = static_cast<model::AuthorizationCondition::Attribute>(*key);
    } else if (field.key() == "values") {
      read_strings(reader, field, out.values);
    } else if (field.key() == "notValues") {
      read_strings(reader, field, out.not_values);
    } else {
      reader.unenforceable(field);
    }
  });
  if (!at.find("key")) return reader.missing(at, "key", "an attribute such as source.ip");
  if (out.values.empty() && out.not_values.empty()) reader.missing(at, "values", "values or notValues");
  for (const char* list : {"values", "notValues"}) check_values(reader, at.find(list), out.attribute);
}

void read_rule(Reader& reader, View at, model::AuthorizationRule& out) {
  const auto inner = [&](View list, std::string_view name, auto&& read) {
    refuse_empty(reader, list, "at least one " + std::string(name) + ", or the field left out");
    reader.items(list, [&](View item) {
      reader.fields(item, [&](View field) {
        if (field.key() != name) reader.unenforceable(field);
      });
      const auto found = item.find(name);
      if (!found) return reader.missing(item, name, "a mapping");
      read(found);
    });
  };
  reader.fields(at, [&](View field) {
    if (field.key() == "from") {
      inner(field, "source", [&](View source) { read_source(reader, source, out.from.emplace_back()); });
    } else if (field.key() == "to") {
      inner(field, "operation", [&](View operation) { read_operation(reader, operation, out.to.emplace_back()); });
    } else if (field.key() == "when") {
      reader.items(field, [&](View item) { read_condition(reader, item, out.when.emplace_back()); });
    } else {
      reader.unenforceable(field);
    }
  });
}

/// Istio's annotation: the policy is tried out, nothing is refused for it.
bool is_dry_run(View root) {
  const auto at = root.find("metadata").find("annotations").find("istio.io/dry-run");
  return at && at.text() == "true";
}

/// Policies of Istio's gateways and waypoints name these instead of selecting pods. What can be told of their pods is
/// the label that Istio gives to those of a Gateway.
void targets_of(View spec, model::Selector& out) {
  const auto list = spec.find("targetRefs");
  const auto single = spec.find("targetRef");
  std::vector<std::string> gateways;
  const auto take = [&](View target) {
    const auto kind = target.find("kind");
    const auto name = target.find("name");
    const bool gateway = kind && name && kind.text() == "Gateway";
    if (gateway) gateways.emplace_back(name.text());
    return gateway;
  };
  if (single && !take(single)) return;
  if (list && list.is_sequence())
    for (auto item = list.first(); item; item = item.next())
      if (!take(item)) return;
  if (gateways.empty()) return;
  out.match_expressions.push_back(
      {.key = "gateway.networking.k8s.io/gateway-name", .op = model::SelectorOperator::kIn, .values = gateways});
}

}  // namespace

model::AuthorizationPolicy read_authorization_policy(Reader& reader, View root) {
  model::AuthorizationPolicy out;
  out.metadata = read_metadata(reader, root, true);
  reader.fields(root.find("spec"), [&](View field) {
    if (field.key() == "selector") {
      reader.fields(field, [&](View part) {
        if (part.key() != "matchLabels") return reader.unenforceable(part);
        out.selector.match_labels = read_labels(reader, part);
      });
    } else if (field.key() == "action") {
      const auto action = reader.one_of(field, {"ALLOW", "DENY", "AUDIT"});
      if (action) out.action = static_cast<model::AuthorizationPolicy::Action>(*action);
    } else if (field.key() == "rules") {
      reader.items(field, [&](View item) {
        if (item.is_null()) return reader.error(item, "a rule; {} matches everything");
        read_rule(reader, item, out.rules.emplace_back());
      });
    } else {
      reader.unenforceable(field);
    }
  });
  if (is_dry_run(root) && !reader.failed()) {
    out.action = model::AuthorizationPolicy::Action::kAudit;
    reader.warn(root.find("metadata").find("annotations").find("istio.io/dry-run"),
                "a dry run: nothing is refused, what matches is counted as AUDIT");
  }
  return out;
}

std::optional<model::RefusedPolicy> refused_authorization_policy(View root, const std::string& reason) {
  const auto spec = root.find("spec");
  if (const auto action = spec.find("action"); action && action.text() == "AUDIT") return std::nullopt;
  if (is_dry_run(root)) return std::nullopt;
  Diagnostics ignored;
  Reader reader(root, {}, ignored);
  model::RefusedPolicy out{.metadata = read_identity(root, true),
                           .kind = model::Kind::kAuthorizationPolicy,
                           .pods = {},
                           .ingress = true,
                           .egress = false,
                           .reason = reason};
  if (const auto labels = spec.find("selector").find("matchLabels"))
    out.pods.match_labels = read_labels(reader, labels);
  if (reader.failed()) out.pods = {};
  if (out.pods.match_labels.empty()) targets_of(spec, out.pods);
  return out;
}

}  // namespace fairlead::config
