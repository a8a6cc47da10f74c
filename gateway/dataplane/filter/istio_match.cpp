// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/istio_match.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "fairlead/base/ascii.hpp"
#include "fairlead/model/namespace_pattern.hpp"

namespace fairlead::filter {
namespace {

using Json = auth::Json;
using Strings = std::vector<std::string>;

/// A list that is empty asks for nothing; of `values` one must hold, of `not_values` none.
template <class T, class Holds>
bool in_lists(const std::vector<T>& values, const std::vector<T>& not_values, Holds holds) {
  return (values.empty() || std::ranges::any_of(values, holds)) && std::ranges::none_of(not_values, holds);
}

bool in_patterns(const Strings& values, const Strings& not_values, std::string_view text) {
  return in_lists(values, not_values, [&](const auto& pattern) { return matches_pattern(pattern, text); });
}

/// Who has shown no identity is in no namespace.
bool in_namespaces(const Strings& values, const Strings& not_values, std::string_view ns) {
  return in_lists(values, not_values,
                  [&](const auto& pattern) { return !ns.empty() && model::matches_namespace(pattern, ns); });
}

bool in_blocks(const std::vector<Cidr>& values, const std::vector<Cidr>& not_values, const Address& address) {
  return in_lists(values, not_values, [&](const Cidr& block) { return block.contains(address); });
}

/// Readers have held each to be a block.
bool in_block_texts(const Strings& values, const Strings& not_values, const Address& address) {
  return in_lists(values, not_values, [&](const auto& text) {
    const auto block = Cidr::parse(text);
    return block && block->contains(address);
  });
}

/// "ns/name", or "name" in the policy's namespace.
bool in_accounts(const Strings& values, const Strings& not_values, const std::string& ns, const IstioFacts& facts) {
  return in_lists(values, not_values, [&](std::string_view account) {
    const auto slash = account.find('/');
    const auto of = slash == std::string_view::npos ? std::string_view(ns) : account.substr(0, slash);
    if (slash != std::string_view::npos) account.remove_prefix(slash + 1);
    return !facts.service_account.empty() && of == facts.ns && account == facts.service_account;
  });
}

/// Case counts for nothing, and a host is itself with a port and without.
bool in_hosts(const Strings& values, const Strings& not_values, const IstioFacts& facts) {
  const auto authority = lower_ascii(facts.authority);
  return in_lists(values, not_values, [&](const auto& pattern) {
    const auto lower = lower_ascii(pattern);
    return matches_pattern(lower, facts.host) || matches_pattern(lower, authority);
  });
}

bool matches_source(const model::AuthorizationSource& source, const std::string& ns, const IstioFacts& facts) {
  return in_patterns(source.principals, source.not_principals, facts.principal) &&
         in_namespaces(source.namespaces, source.not_namespaces, facts.ns) &&
         in_accounts(source.service_accounts, source.not_service_accounts, ns, facts) &&
         in_blocks(source.ip_blocks, source.not_ip_blocks, facts.source_ip) &&
         in_blocks(source.remote_ip_blocks, source.not_remote_ip_blocks, facts.remote_ip) &&
         in_patterns(source.request_principals, source.not_request_principals, facts.request_principal);
}

bool matches_operation(const model::AuthorizationOperation& operation, const IstioFacts& facts) {
  const auto is_port = [&](std::uint16_t port) { return port == facts.destination_port; };
  return in_lists(operation.ports, operation.not_ports, is_port) &&
         in_patterns(operation.methods, operation.not_methods, facts.method) &&
         in_lists(operation.paths, operation.not_paths,
                  [&](const auto& pattern) { return matches_path(pattern, facts.path); }) &&
         ((operation.hosts.empty() && operation.not_hosts.empty()) ||
          in_hosts(operation.hosts, operation.not_hosts, facts));
}

bool is_port_text(const std::string& text, std::uint16_t port) { return text == std::to_string(port); }

bool matches_when(const model::AuthorizationCondition& when, const std::string& ns, const IstioFacts& facts) {
  using enum model::AuthorizationCondition::Attribute;
  switch (when.attribute) {
    case kSourceIp: return in_block_texts(when.values, when.not_values, facts.source_ip);
    case kDestinationIp: return in_block_texts(when.values, when.not_values, facts.destination_ip);
    case kSourceNamespace: return in_namespaces(when.values, when.not_values, facts.ns);
    case kSourcePrincipal: return in_patterns(when.values, when.not_values, facts.principal);
    case kSourceServiceAccount: return in_accounts(when.values, when.not_values, ns, facts);
    case kDestinationPort:
      return in_lists(when.values, when.not_values,
                      [&](const auto& text) { return is_port_text(text, facts.destination_port); });
  }
  return false;
}

/// Whether the claim is text, or a list with a text, that the pattern is of. `words`: the text is words.
bool claim_has(const Json& claims, const Json::Node* claim, const std::string& pattern, bool words) {
  if (claim == nullptr) return false;
  const auto is_one = [&](const Json::Node& node) {
    return node.type == Json::Type::kString && matches_pattern(pattern, node.text);
  };
  if (claim->type == Json::Type::kArray) {
    for (const auto* one = claims.first(*claim); one != nullptr; one = claims.next(*one))
      if (is_one(*one)) return true;
    return false;
  }
  if (!words || claim->type != Json::Type::kString) return is_one(*claim);
  for (auto rest = claim->text; !rest.empty();) {
    const auto end = std::min(rest.find(' '), rest.size());
    if (end > 0 && matches_pattern(pattern, rest.substr(0, end))) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

bool in_claim(const model::RequestCondition& when, const IstioFacts& facts, const Strings& names) {
  const auto* claims = facts.token == nullptr ? nullptr : &facts.token->claims();
  const Json::Node* claim = claims == nullptr ? nullptr : &claims->root();
  for (const auto& name : names) claim = claim == nullptr ? nullptr : claims->member(*claim, name);
  // Envoy takes these two for lists of words, too.
  const bool usual = names.front() == "scope" || names.front() == "permission";
  const bool named =
      facts.word_claims != nullptr && std::ranges::find(*facts.word_claims, names.front()) != facts.word_claims->end();
  const bool words = names.size() == 1 && (usual || named);
  return in_lists(when.values, when.not_values,
                  [&](const auto& pattern) { return claims != nullptr && claim_has(*claims, claim, pattern, words); });
}

/// All lines of a field, joined by ','; empty where there is none.
std::string header_of(const http::Fields& fields, const std::string& name) {
  std::string out;
  for (const auto& field : fields)
    if (field.name == name) out.append(out.empty() ? "" : ",").append(field.value);
  return out;
}

bool matches_when(const model::RequestCondition& when, const IstioFacts& facts) {
  using enum model::RequestCondition::Attribute;
  switch (when.attribute) {
    case kHeader: return in_patterns(when.values, when.not_values, header_of(*facts.fields, when.names.front()));
    case kRemoteIp: return in_block_texts(when.values, when.not_values, facts.remote_ip);
    case kPrincipal: return in_patterns(when.values, when.not_values, facts.request_principal);
    case kSni: return in_patterns(when.values, when.not_values, facts.sni);
    case kAudiences: return in_claim(when, facts, {"aud"});
    case kPresenter: return in_claim(when, facts, {"azp"});
    case kClaim: return in_claim(when, facts, when.names);
  }
  return false;
}

/// "spiffe://cluster.local/ns/a/sa/b"
void take_principal(std::string_view identity, IstioFacts& out) {
  constexpr std::string_view kScheme = "spiffe://", kNs = "/ns/", kAccount = "/sa/";
  if (!identity.starts_with(kScheme)) return;
  out.principal = identity.substr(kScheme.size());
  const auto ns = out.principal.find(kNs);
  const auto account = ns == std::string_view::npos ? ns : out.principal.find(kAccount, ns + kNs.size());
  if (account == std::string_view::npos) return;
  out.ns = out.principal.substr(ns + kNs.size(), account - ns - kNs.size());
  out.service_account = out.principal.substr(account + kAccount.size());
}

}  // namespace

IstioFacts istio_facts(Request& request, const auth::Token* token) {
  const auto& record = request.record();
  IstioFacts out;
  out.source_ip = record.peer.address;
  out.remote_ip = request.client();
  out.destination_ip = record.local.address;
  out.destination_port = record.local.port;
  if (record.tls != nullptr) {
    out.sni = record.tls->server_name;
    if (record.tls->peer_verified) take_principal(record.tls->peer_identity, out);
  }
  out.host = request.host();
  out.authority = request.head().authority;
  out.method = request.head().method_text;
  out.path = request.target().path;
  out.fields = &request.head().fields;
  out.token = token;
  if (token != nullptr && !token->issuer().empty() && !token->subject().empty())
    out.request_principal.append(token->issuer()).append("/").append(token->subject());
  return out;
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
  if (pattern == "*") return !text.empty();
  if (pattern.ends_with('*')) return text.starts_with(pattern.substr(0, pattern.size() - 1));
  if (pattern.starts_with('*')) return text.ends_with(pattern.substr(1));
  return pattern == text;
}

bool matches_path(std::string_view pattern, std::string_view path) {
  if (pattern.find('{') == std::string_view::npos) return matches_pattern(pattern, path);
  while (true) {
    const auto at = std::min(pattern.find('{'), pattern.size());
    if (!path.starts_with(pattern.substr(0, at))) return false;
    if (at == pattern.size()) return path.size() == at;
    path.remove_prefix(at);
    pattern.remove_prefix(at);
    if (pattern.starts_with("{**}")) return path.ends_with(pattern.substr(4));  // the last operator
    const auto end = std::min(path.find('/'), path.size());
    if (end == 0) return false;
    path.remove_prefix(end);
    pattern.remove_prefix(std::string_view("{*}").size());
  }
}

bool matches_rule(const model::AuthorizationRule& rule, const std::string& ns, const IstioFacts& facts) {
  const auto source = [&](const auto& one) { return matches_source(one, ns, facts); };
  const auto operation = [&](const auto& one) { return matches_operation(one, facts); };
  return (rule.from.empty() || std::ranges::any_of(rule.from, source)) &&
         (rule.to.empty() || std::ranges::any_of(rule.to, operation)) &&
         std::ranges::all_of(rule.when, [&](const auto& one) { return matches_when(one, ns, facts); }) &&
         std::ranges::all_of(rule.when_request, [&](const auto& one) { return matches_when(one, facts); });
}

}  // namespace fairlead::filter
