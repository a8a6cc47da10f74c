// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "fairlead/base/ascii.hpp"
#include "gateway/dataplane/config/kinds.hpp"

namespace fairlead::config {
namespace {

/// Nothing in it would mean everybody, in silence; Istio refuses it too.
bool refuse_empty(Reader& reader, View at, std::string expected) {
  const bool empty = (at.is_mapping() || at.is_sequence()) && !at.first();
  if (empty) reader.error(at, std::move(expected));
  return empty;
}

/// A source or an operation whose fields are all empty lists (or null) is an empty one.
bool refuse_empty_fields(Reader& reader, View at, std::string expected) {
  if (!at.is_mapping()) return false;
  for (auto field = at.first(); field; field = field.next())
    if (!field.is_null() && !(field.is_sequence() && !field.first())) return false;
  reader.error(at, std::move(expected));
  return true;
}

void read_cidrs(Reader& reader, View at, std::vector<Cidr>& out) {
  reader.items(at, [&](View item) {
    if (const auto block = reader.cidr(item)) out.push_back(*block);
  });
}

/// What is served of a policy.
enum class Reach : std::uint8_t {
  kL4,        ///< by the agent
  kRequests,  ///< at the gateway, which sees requests
};

/// Left out, a field would make the policy mean another.
void refuse(Reader& reader, View field, Reach reach) {
  if (reach == Reach::kL4) return reader.unenforceable(field);
  reader.error(field, "only fields that the gateway serves (the policy is refused as a whole)");
}

/// Fields of a source that only requests have; false: it is none of them.
bool read_request_source(Reader& reader, View field, model::AuthorizationSource& out) {
  const auto key = field.key();
  if (key == "requestPrincipals") read_strings(reader, field, out.request_principals);
  else if (key == "notRequestPrincipals") read_strings(reader, field, out.not_request_principals);
  else if (key == "remoteIpBlocks") read_cidrs(reader, field, out.remote_ip_blocks);
  else if (key == "notRemoteIpBlocks") read_cidrs(reader, field, out.not_remote_ip_blocks);
  else return false;
  return true;
}

/// As Istio does: an empty one matches nobody, and was meant for somebody.
void check_not_empty(Reader& reader, View at) {
  reader.items(at, [&](View item) {
    if (item.is_string() && item.text().empty()) reader.error(item, "a value that is not empty");
  });
}

void read_patterns(Reader& reader, View at, std::vector<std::string>& out) {
  read_strings(reader, at, out);
  check_not_empty(reader, at);
}

/// Istio takes them as they are: a '*' would match nobody, where somebody meant everybody.
void check_account_names(Reader& reader, View at) {
  reader.items(at, [&](View item) {
    const auto text = item.text();
    const auto slash = text.find('/');
    const auto name = slash == std::string_view::npos ? text : text.substr(slash + 1);
    if (item.is_string() && (slash == 0 || name.empty() || name.contains('/') || text.contains('*')))
      reader.error(item, "a service account as NAME or NAMESPACE/NAME, without wildcards");
  });
}

void read_accounts(Reader& reader, View at, std::vector<std::string>& out) {
  read_strings(reader, at, out);
  check_account_names(reader, at);
}

/// Istio refuses a source that names accounts beside what they stand for.
void check_accounts(Reader& reader, View at) {
  const auto accounts = at.find("serviceAccounts") ? at.find("serviceAccounts") : at.find("notServiceAccounts");
  if (!accounts || !accounts.first()) return;
  for (const auto* other : {"principals", "notPrincipals", "namespaces", "notNamespaces"})
    if (at.find(other) && at.find(other).first())
      return reader.error(accounts, "no service accounts beside principals or namespaces in one source");
}

void read_source(Reader& reader, View at, Reach reach, model::AuthorizationSource& out) {
  if (refuse_empty_fields(reader, at, "at least one field, such as principals")) return;
  reader.fields(at, [&](View field) {
    const auto key = field.key();
    if (key == "principals") return read_patterns(reader, field, out.principals);
    if (key == "notPrincipals") return read_patterns(reader, field, out.not_principals);
    if (key == "namespaces") return read_patterns(reader, field, out.namespaces);
    if (key == "notNamespaces") return read_patterns(reader, field, out.not_namespaces);
    if (key == "serviceAccounts") return read_accounts(reader, field, out.service_accounts);
    if (key == "notServiceAccounts") return read_accounts(reader, field, out.not_service_accounts);
    if (key == "ipBlocks") return read_cidrs(reader, field, out.ip_blocks);
    if (key == "notIpBlocks") return read_cidrs(reader, field, out.not_ip_blocks);
    if (reach == Reach::kRequests && read_request_source(reader, field, out)) return;
    refuse(reader, field, reach);
  });
  check_accounts(reader, at);
}

void read_port_strings(Reader& reader, View at, std::vector<std::uint16_t>& out) {
  reader.items(at, [&](View item) {
    std::uint16_t port = 0;
    const auto text = item.text();
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (!item.is_string() || code != std::errc{} || end != text.data() + text.size() || port == 0)
      return reader.error(item, "a number from 1 to 65535, in quotes");
    out.push_back(port);
  });
}

void read_paths(Reader& reader, View at, std::vector<std::string>& out) {
  reader.items(at, [&](View item) {
    if (!is_authorization_path(item.text()))
      return reader.error(item,
                          "a path, prefix* or *suffix; or a template whose {*} are whole segments, and whose {**} "
                          "is the last of them");
    reader.read(item, out.emplace_back());
  });
}

/// Fields of an operation that only requests have; false: it is none of them.
bool read_request_operation(Reader& reader, View field, model::AuthorizationOperation& out) {
  const auto key = field.key();
  if (key == "hosts") read_strings(reader, field, out.hosts);
  else if (key == "notHosts") read_strings(reader, field, out.not_hosts);
  else if (key == "methods") read_strings(reader, field, out.methods);
  else if (key == "notMethods") read_strings(reader, field, out.not_methods);
  else if (key == "paths") read_paths(reader, field, out.paths);
  else if (key == "notPaths") read_paths(reader, field, out.not_paths);
  else return false;
  return true;
}

void read_operation(Reader& reader, View at, Reach reach, model::AuthorizationOperation& out) {
  if (refuse_empty_fields(reader, at, "at least one field, such as ports")) return;
  reader.fields(at, [&](View field) {
    if (field.key() == "ports") return read_port_strings(reader, field, out.ports);
    if (field.key() == "notPorts") return read_port_strings(reader, field, out.not_ports);
    if (reach == Reach::kRequests && read_request_operation(reader, field, out)) return;
    refuse(reader, field, reach);
  });
}

/// Values that cannot be any of what they stand for would match nobody, in silence.
void check_values(Reader& reader, View values, model::AuthorizationCondition::Attribute attribute) {
  using Attribute = model::AuthorizationCondition::Attribute;
  std::vector<Cidr> blocks;
  std::vector<std::uint16_t> ports;
  switch (attribute) {
    case Attribute::kSourceIp:
    case Attribute::kDestinationIp: return read_cidrs(reader, values, blocks);
    case Attribute::kDestinationPort: return read_port_strings(reader, values, ports);
    case Attribute::kSourceServiceAccount: return check_account_names(reader, values);
    case Attribute::kSourceNamespace:
    case Attribute::kSourcePrincipal: return check_not_empty(reader, values);
  }
}

/// The names in "[a][b]"; empty: it is no such text.
std::vector<std::string> names_of(std::string_view text) {
  std::vector<std::string> out;
  while (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos || end == 1) return {};
    out.emplace_back(text.substr(1, end - 1));
    text.remove_prefix(end + 1);
  }
  return text.empty() ? out : std::vector<std::string>();
}

/// Nothing where `key` is no attribute of requests.
std::optional<model::RequestCondition> request_condition(std::string_view key) {
  using enum model::RequestCondition::Attribute;
  constexpr std::string_view kHeaders = "request.headers", kClaims = "request.auth.claims";
  if (key == "remote.ip") return model::RequestCondition{.attribute = kRemoteIp};
  if (key == "request.auth.principal") return model::RequestCondition{.attribute = kPrincipal};
  if (key == "request.auth.audiences") return model::RequestCondition{.attribute = kAudiences};
  if (key == "request.auth.presenter") return model::RequestCondition{.attribute = kPresenter};
  if (key == "connection.sni") return model::RequestCondition{.attribute = kSni};
  const bool header = key.starts_with(kHeaders);
  if (!header && !key.starts_with(kClaims)) return std::nullopt;
  model::RequestCondition out{.attribute = header ? kHeader : kClaim,
                              .names = names_of(key.substr(header ? kHeaders.size() : kClaims.size()))};
  if (out.names.empty() || (header && out.names.size() != 1)) return std::nullopt;
  if (header) out.names.front() = lower_ascii(out.names.front());
  return out;
}

void read_request_condition(Reader& reader, View at, model::RequestCondition& out) {
  reader.fields(at, [&](View field) {
    if (field.key() == "values") return read_strings(reader, field, out.values);
    if (field.key() == "notValues") return read_strings(reader, field, out.not_values);
    if (field.key() != "key") refuse(reader, field, Reach::kRequests);
  });
  if (out.values.empty() && out.not_values.empty()) reader.missing(at, "values", "values or notValues");
  if (out.attribute != model::RequestCondition::Attribute::kRemoteIp) return;
  std::vector<Cidr> blocks;
  for (const char* list : {"values", "notValues"}) read_cidrs(reader, at.find(list), blocks);
}

void read_condition(Reader& reader, View at, Reach reach, model::AuthorizationCondition& out) {
  bool known = false;
  reader.fields(at, [&](View field) {
    if (field.key() == "key") {
      const auto key = reader.one_of(field, {"source.ip", "source.namespace", "source.principal",
                                             "source.serviceAccount", "destination.ip", "destination.port"});
      known = key.has_value();
      if (known) out.attribute = static_cast<model::AuthorizationCondition::Attribute>(*key);
    } else if (field.key() == "values") {
      read_strings(reader, field, out.values);
    } else if (field.key() == "notValues") {
      read_strings(reader, field, out.not_values);
    } else {
      refuse(reader, field, reach);
    }
  });
  if (!at.find("key")) return reader.missing(at, "key", "an attribute such as source.ip");
  if (out.values.empty() && out.not_values.empty()) reader.missing(at, "values", "values or notValues");
  if (!known) return;
  for (const char* list : {"values", "notValues"}) check_values(reader, at.find(list), out.attribute);
}

void read_when(Reader& reader, View at, Reach reach, model::AuthorizationRule& out) {
  const auto key = at.is_mapping() ? at.find("key") : View{};
  auto of_request = reach == Reach::kRequests && key ? request_condition(key.text()) : std::nullopt;
  if (!of_request) return read_condition(reader, at, reach, out.when.emplace_back());
  read_request_condition(reader, at, out.when_request.emplace_back(std::move(*of_request)));
}

void read_rule(Reader& reader, View at, Reach reach, model::AuthorizationRule& out) {
  const auto inner = [&](View list, std::string_view name, auto&& read) {
    refuse_empty(reader, list, "at least one " + std::string(name) + ", or the field left out");
    reader.items(list, [&](View item) {
      reader.fields(item, [&](View field) {
        if (field.key() != name) refuse(reader, field, reach);
      });
      const auto found = item.find(name);
      if (!found) return reader.missing(item, name, "a mapping");
      read(found);
    });
  };
  reader.fields(at, [&](View field) {
    if (field.key() == "from") {
      inner(field, "source", [&](View source) { read_source(reader, source, reach, out.from.emplace_back()); });
    } else if (field.key() == "to") {
      inner(field, "operation",
            [&](View operation) { read_operation(reader, operation, reach, out.to.emplace_back()); });
    } else if (field.key() == "when") {
      reader.items(field, [&](View item) { read_when(reader, item, reach, out); });
    } else {
      refuse(reader, field, reach);
    }
  });
}

/// Istio's annotation: the policy is tried out, nothing is refused for it. Written as Go's strconv.ParseBool takes it.
bool is_dry_run(View root) {
  constexpr std::string_view kTrue[] = {"true", "True", "TRUE", "t", "T", "1"};
  const auto at = root.find("metadata").find("annotations").find("istio.io/dry-run");
  return at && std::ranges::find(kTrue, at.text()) != std::end(kTrue);
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

void read_action(Reader& reader, View at, Reach reach, model::AuthorizationPolicy& out) {
  constexpr std::string_view kActions[] = {"ALLOW", "DENY", "AUDIT", "CUSTOM"};
  const auto known = std::span(kActions).first(reach == Reach::kRequests ? 4 : 3);
  if (const auto action = reader.one_of(at, known))
    out.action = static_cast<model::AuthorizationPolicy::Action>(*action);
}

void read_provider(Reader& reader, View at, model::AuthorizationPolicy& out) {
  reader.fields(at, [&](View field) {
    if (field.key() != "name") return refuse(reader, field, Reach::kRequests);
    reader.read(field, out.provider);
  });
  if (out.provider.empty()) reader.missing(at, "name", "an extensionProvider of the mesh");
}

/// The server is asked before tokens are looked at.
bool asks_for_tokens(const model::AuthorizationRule& rule) {
  using enum model::RequestCondition::Attribute;
  constexpr model::RequestCondition::Attribute kOfTokens[] = {kPrincipal, kAudiences, kPresenter, kClaim};
  return std::ranges::any_of(rule.from,
                             [](const auto& source) {
                               return !source.request_principals.empty() || !source.not_request_principals.empty();
                             }) ||
         std::ranges::any_of(rule.when_request, [&](const auto& when) {
           return std::ranges::find(kOfTokens, when.attribute) != std::end(kOfTokens);
         });
}

void check_custom(Reader& reader, View spec, const model::AuthorizationPolicy& policy) {
  const bool custom = policy.action == model::AuthorizationPolicy::Action::kCustom;
  if (custom && !spec.find("provider")) return reader.missing(spec, "provider", "an extensionProvider of the mesh");
  if (!custom && spec.find("provider")) return reader.error(spec.find("provider"), "provider only with action CUSTOM");
  if (custom && std::ranges::any_of(policy.rules, asks_for_tokens))
    reader.error(spec.find("rules"),
                 "no field of tokens with action CUSTOM: the server is asked before they are looked at");
}

/// Istio refuses what denies nothing: a rule that was lost on the way would not be missed.
void check_denial(Reader& reader, View spec, const model::AuthorizationPolicy& policy) {
  if (policy.action != model::AuthorizationPolicy::Action::kDeny || !policy.rules.empty() || reader.failed()) return;
  const std::string expected = "at least one rule with action DENY; {} denies everything";
  if (const auto rules = spec.find("rules")) return reader.error(rules, expected);
  reader.missing(spec, "rules", expected);
}

model::AuthorizationPolicy read_policy(Reader& reader, View root, Reach reach) {
  model::AuthorizationPolicy out;
  out.metadata = read_metadata(reader, root, true);
  reader.fields(root.find("spec"), [&](View field) {
    if (field.key() == "selector") {
      reader.fields(field, [&](View part) {
        if (part.key() != "matchLabels") return refuse(reader, part, reach);
        out.selector.match_labels = read_labels(reader, part);
      });
    } else if (field.key() == "action") {
      read_action(reader, field, reach, out);
    } else if (field.key() == "provider" && reach == Reach::kRequests) {
      read_provider(reader, field, out);
    } else if (field.key() == "rules") {
      reader.items(field, [&](View item) {
        if (item.is_null()) return reader.error(item, "a rule; {} matches everything");
        read_rule(reader, item, reach, out.rules.emplace_back());
      });
    } else if (reach == Reach::kL4 || !read_istio_targets(reader, field, out.targets)) {
      refuse(reader, field, reach);
    }
  });
  if (reach == Reach::kRequests) check_custom(reader, root.find("spec"), out);
  check_denial(reader, root.find("spec"), out);
  if (is_dry_run(root) && !reader.failed()) {
    out.action = model::AuthorizationPolicy::Action::kAudit;
    reader.warn(root.find("metadata").find("annotations").find("istio.io/dry-run"),
                "a dry run: nothing is refused, what matches is counted as AUDIT");
  }
  return out;
}

}  // namespace

model::AuthorizationPolicy read_authorization_policy(Reader& reader, View root) {
  return read_policy(reader, root, Reach::kL4);
}

model::AuthorizationPolicy read_request_authorization(Reader& reader, View root) {
  return read_policy(reader, root, Reach::kRequests);
}

bool is_authorization_path(std::string_view text) {
  if (text.empty()) return false;
  if (text.find_first_of("{}") == std::string_view::npos) return true;
  bool rest = false;  // {**} was there
  while (!text.empty()) {
    const auto at = text.find_first_of("{}*");
    if (at == std::string_view::npos) return true;
    const bool one = text.substr(at).starts_with("{*}");
    if (rest || at == 0 || text[at - 1] != '/' || (!one && !text.substr(at).starts_with("{**}"))) return false;
    rest = !one;
    text.remove_prefix(at + (one ? 3 : 4));
    if (!text.empty() && text.front() != '/') return false;
  }
  return true;
}

bool read_istio_targets(Reader& reader, View field, std::vector<model::PolicyTarget>& out) {
  const auto target = [&](View at) {
    const auto text = [&](std::string_view name) { return at.find(name) ? at.find(name).text() : std::string_view(); };
    const auto kind = model::ref_kind(text("group") == "core" ? "" : text("group"), text("kind"));
    if (kind.kind != model::RefKind::kGateway && kind.kind != model::RefKind::kService)
      return reader.error(at, "a Gateway of group gateway.networking.k8s.io, or a Service of group \"\"");
    reader.fields(at, [&](View part) {
      const auto key = part.key();
      if (key != "group" && key != "kind" && key != "name") reader.error(part, "only group, kind and name");
    });
    if (text("name").empty()) return reader.missing(at, "name", "a name");
    out.push_back({.kind = kind, .name = std::string(text("name"))});
  };
  if (field.key() == "targetRef") target(field);
  else if (field.key() == "targetRefs") reader.items(field, target);
  else return false;
  return true;
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
