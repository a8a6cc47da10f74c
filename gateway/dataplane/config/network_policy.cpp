// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/kinds.hpp"

namespace fairlead::config {
namespace {

/// SCTP's number. No socket of it is seen here: a port of it takes its place, and allows nothing else.
constexpr auto kSctp = static_cast<model::Protocol>(132);

void read_protocol_name(Reader& reader, View at, model::Protocol& out) {
  const auto found = reader.one_of(at, {"TCP", "UDP", "SCTP"});
  if (found == 2) reader.warn(at, "SCTP is not seen here: the port allows nothing, the rest of the policy holds");
  if (found) out = *found == 0 ? model::Protocol::kTcp : *found == 1 ? model::Protocol::kUdp : kSctp;
}

void read_block(Reader& reader, View at, model::NetworkPeer& out) {
  model::IpBlock block;
  const auto cidr = at.find("cidr");
  if (!cidr) return reader.missing(at, "cidr", "an address block");
  if (const auto read = reader.cidr(cidr)) block.cidr = *read;
  reader.fields(at, [&](View field) {
    if (field.key() != "cidr" && field.key() != "except") reader.unenforceable(field);
  });
  reader.items(at.find("except"), [&](View item) {
    const auto except = reader.cidr(item);
    if (!except) return;
    if (!block.cidr.contains(*except)) return reader.error(item, "a block within " + block.cidr.text());
    block.except.push_back(*except);
  });
  out.block = std::move(block);
}

void read_peer(Reader& reader, View at, model::NetworkPeer& out) {
  reader.fields(at, [&](View field) {
    if (field.key() == "podSelector") {
      out.pods = read_selector(reader, field);
    } else if (field.key() == "namespaceSelector") {
      out.namespaces = read_selector(reader, field);
    } else if (field.key() == "ipBlock") {
      read_block(reader, field, out);
    } else {
      reader.unenforceable(field);
    }
  });
  if (!out.pods && !out.namespaces && !out.block) return reader.error(at, "podSelector, namespaceSelector or ipBlock");
  if (out.block && (out.pods || out.namespaces)) reader.error(at, "ipBlock alone, without selectors");
}

void read_rule_port(Reader& reader, View at, model::NetworkPolicyPort& out) {
  out.any_port = true;
  if (at.is_null()) return reader.error(at, "a mapping");
  reader.fields(at, [&](View field) {
    if (field.key() == "protocol") {
      read_protocol_name(reader, field, out.protocol);
    } else if (field.key() == "port") {
      out.port = read_int_or_name(reader, field);
      out.any_port = false;
    } else if (field.key() == "endPort") {
      reader.read_port(field, out.end);
    } else {
      reader.unenforceable(field);
    }
  });
  if (out.end != 0 && out.port.number == 0) reader.error(at.find("endPort"), "a numeric port beside it");
  if (out.end != 0 && out.end < out.port.number) reader.error(at.find("endPort"), "a port not below port");
}

void read_rules(Reader& reader, View at, std::string_view peers, std::vector<model::NetworkRule>& out) {
  reader.items(at, [&](View item) {
    auto& rule = out.emplace_back();
    reader.fields(item, [&](View field) {
      if (field.key() == peers) {
        reader.items(field, [&](View peer) { read_peer(reader, peer, rule.peers.emplace_back()); });
      } else if (field.key() == "ports") {
        reader.items(field, [&](View port) { read_rule_port(reader, port, rule.ports.emplace_back()); });
      } else {
        reader.unenforceable(field);
      }
    });
  });
}

void read_types(Reader& reader, View spec, model::NetworkPolicy& out) {
  const auto types = spec.find("policyTypes");
  if (!types || (types.is_sequence() && !types.first())) {
    out.ingress = true;  // Kubernetes' defaulting: Ingress always, Egress where the field holds a rule
    out.egress = !out.egress_rules.empty();
    return;
  }
  reader.items(types, [&](View item) {
    const auto type = reader.one_of(item, {"Ingress", "Egress"});
    if (type) (*type == 0 ? out.ingress : out.egress) = true;
  });
}

}  // namespace

model::NetworkPolicy read_network_policy(Reader& reader, View root) {
  model::NetworkPolicy out;
  out.metadata = read_metadata(reader, root, true);
  const auto spec = root.find("spec");
  if (!spec) {
    reader.missing(root, "spec", "a mapping");
    return out;
  }
  reader.fields(spec, [&](View field) {
    if (field.key() == "podSelector") {
      out.pods = read_selector(reader, field);
    } else if (field.key() == "ingress") {
      read_rules(reader, field, "from", out.ingress_rules);
    } else if (field.key() == "egress") {
      read_rules(reader, field, "to", out.egress_rules);
    } else if (field.key() != "policyTypes") {
      reader.unenforceable(field);
    }
  });
  read_types(reader, spec, out);
  return out;
}

std::optional<model::RefusedPolicy> refused_network_policy(View root, const std::string& reason) {
  Diagnostics ignored;
  Reader reader(root, {}, ignored);
  const auto spec = root.find("spec");
  model::RefusedPolicy out{.metadata = read_identity(root, true),
                           .kind = model::Kind::kNetworkPolicy,
                           .pods = {},
                           .ingress = true,
                           .egress = static_cast<bool>(spec.find("egress")),
                           .reason = reason};
  if (const auto selector = spec.find("podSelector")) out.pods = read_selector(reader, selector);
  if (reader.failed()) out.pods = {};
  if (const auto types = spec.find("policyTypes"); types && types.is_sequence()) {
    bool ingress = false;
    for (auto type = types.first(); type; type = type.next()) {
      ingress = ingress || type.text() != "Egress";
      out.egress = out.egress || type.text() != "Ingress";
    }
    out.ingress = ingress || !types.first();
  }
  return out;
}

}  // namespace fairlead::config
