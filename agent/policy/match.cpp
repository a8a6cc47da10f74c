// SPDX-License-Identifier: Apache-2.0
#include "agent/policy/match.hpp"

#include <algorithm>

#include "fairlead/model/namespace_pattern.hpp"

namespace fairlead::policy {
namespace {

using Strings = std::vector<std::string>;
using Attribute = model::AuthorizationCondition::Attribute;

bool within(const Cidr& block, const Traits& peer) { return peer.block && block.contains(*peer.block); }

bool matches_block(const model::IpBlock& block, const Traits& peer) {
  return within(block.cidr, peer) &&
         std::ranges::none_of(block.except, [&](const Cidr& except) { return within(except, peer); });
}

bool matches_one(const MatchContext& context, const std::string& policy_ns, const model::NetworkPeer& want,
                 const Traits& peer) {
  if (want.block) return matches_block(*want.block, peer);
  if (!peer.pod) return false;
  if (want.namespaces ? !want.namespaces->matches(context.namespace_labels(peer.ns)) : peer.ns != policy_ns)
    return false;
  return !want.pods || want.pods->matches(peer.labels);
}

bool any_namespace(const Strings& patterns, const std::string& ns) {
  return std::ranges::any_of(patterns, [&](const auto& pattern) { return model::matches_namespace(pattern, ns); });
}

/// A list and its negation: an empty list asks for nothing; a value that is not there is in no list.
template <class List, class Holds>
bool listed(const List& wanted, const List& unwanted, bool there, Holds holds) {
  if (!wanted.empty() && !(there && holds(wanted))) return false;
  return unwanted.empty() || !(there && holds(unwanted));
}

/// Whether a pattern is a whole principal, "DOMAIN/ns/NAMESPACE/sa/ACCOUNT". Only of such ones Istio replaces the
/// domain.
bool is_whole(const std::string& pattern) { return std::ranges::count(pattern, '/') == 4; }

/// "cluster.local" stands for the mesh's own trust domain, whatever that is called.
bool is_own_domain(const model::Mesh& mesh, const std::string& domain) {
  return domain == "cluster.local" || matches_text(domain, mesh.trust_domain) ||
         std::ranges::any_of(mesh.trust_domain_aliases, [&](const auto& alias) { return matches_text(domain, alias); });
}

bool is_principal(const model::Mesh& mesh, const std::string& pattern, const Traits& peer) {
  const auto principal = mesh.trust_domain + "/ns/" + peer.ns + "/sa/" + peer.service_account;
  if (matches_text(pattern, principal)) return true;
  const auto slash = pattern.find('/');
  return is_whole(pattern) && is_own_domain(mesh, pattern.substr(0, slash)) &&
         matches_text(mesh.trust_domain + pattern.substr(slash), principal);
}

bool any_principal(const MatchContext& context, const Strings& list, const Traits& peer) {
  return std::ranges::any_of(list, [&](const auto& pattern) { return is_principal(*context.mesh, pattern, peer); });
}

/// Whether the pattern names a trust domain, and one in which no workload of the mesh is.
bool is_of_others(const model::Mesh& mesh, const std::string& pattern) {
  const auto slash = pattern.find('/');
  if (slash == std::string::npos) return false;
  const auto domain = pattern.substr(0, slash);
  if (is_whole(pattern)) return !is_own_domain(mesh, domain);
  return !pattern.starts_with('*') && domain != mesh.trust_domain;
}

/// "ns/sa", or "sa" of the policy's namespace.
bool any_account(const Strings& accounts, const std::string& policy_ns, const Traits& peer) {
  return std::ranges::any_of(accounts, [&](const std::string& account) {
    const bool whole = account.find('/') != std::string::npos;
    return (whole ? account : policy_ns + "/" + account) == peer.ns + "/" + peer.service_account;
  });
}

bool matches_from(const MatchContext& context, const std::string& policy_ns, const model::AuthorizationSource& source,
                  const Traits& peer) {
  const auto in_blocks = [&](const std::vector<Cidr>& blocks) {
    return std::ranges::any_of(blocks, [&](const Cidr& block) { return within(block, peer); });
  };
  const auto in_principals = [&](const Strings& list) { return any_principal(context, list, peer); };
  const auto in_namespaces = [&](const Strings& list) { return any_namespace(list, peer.ns); };
  const auto in_accounts = [&](const Strings& list) { return any_account(list, policy_ns, peer); };
  return listed(source.principals, source.not_principals, peer.pod, in_principals) &&
         listed(source.namespaces, source.not_namespaces, peer.pod, in_namespaces) &&
         listed(source.service_accounts, source.not_service_accounts, peer.pod, in_accounts) &&
         listed(source.ip_blocks, source.not_ip_blocks, true, in_blocks);
}

bool matches_when(const MatchContext& context, const std::string& policy_ns, const model::AuthorizationCondition& when,
                  const Traits& peer) {
  const auto by = [&](bool there, auto holds) { return listed(when.values, when.not_values, there, holds); };
  switch (when.attribute) {
    case Attribute::kSourceIp:
      return by(true, [&](const Strings& list) {
        return std::ranges::any_of(list, [&](const auto& text) {
          const auto block = Cidr::parse(text);
          return block && within(*block, peer);
        });
      });
    case Attribute::kSourceNamespace:
      return by(peer.pod, [&](const Strings& list) { return any_namespace(list, peer.ns); });
    case Attribute::kSourcePrincipal:
      return by(peer.pod, [&](const Strings& list) { return any_principal(context, list, peer); });
    case Attribute::kSourceServiceAccount:
      return by(peer.pod, [&](const Strings& list) { return any_account(list, policy_ns, peer); });
    case Attribute::kDestinationIp:
    case Attribute::kDestinationPort: return true;
  }
  return false;
}

}  // namespace

bool matches_text(const std::string& pattern, const std::string& value) {
  if (pattern == "*") return !value.empty();
  if (pattern.ends_with('*')) return value.starts_with(pattern.substr(0, pattern.size() - 1));
  if (pattern.starts_with('*')) return value.ends_with(pattern.substr(1));
  return pattern == value;
}

bool matches_peer(const MatchContext& context, const std::string& policy_ns, const model::NetworkRule& rule,
                  const Traits& peer) {
  return rule.peers.empty() ||
         std::ranges::any_of(rule.peers, [&](const auto& want) { return matches_one(context, policy_ns, want, peer); });
}

bool matches_source(const MatchContext& context, const std::string& policy_ns, const model::AuthorizationRule& rule,
                    const Traits& peer) {
  const bool from = rule.from.empty() || std::ranges::any_of(rule.from, [&](const auto& source) {
                      return matches_from(context, policy_ns, source, peer);
                    });
  return from &&
         std::ranges::all_of(rule.when, [&](const auto& when) { return matches_when(context, policy_ns, when, peer); });
}

std::vector<std::string> principals_of_others(const model::Mesh& mesh, const model::AuthorizationPolicy& policy) {
  std::vector<std::string> result;
  const auto look = [&](const Strings& list) {
    for (const auto& pattern : list)
      if (is_of_others(mesh, pattern))
        result.push_back("principal " + pattern + " is of another trust domain than " + mesh.trust_domain +
                         " and its aliases: no workload has it, and it matches nobody");
  };
  for (const auto& rule : policy.rules) {
    for (const auto& source : rule.from) {
      look(source.principals);
      look(source.not_principals);
    }
    for (const auto& when : rule.when) {
      if (when.attribute != Attribute::kSourcePrincipal) continue;
      look(when.values);
      look(when.not_values);
    }
  }
  return result;
}

bool matches_destination(const model::AuthorizationRule& rule, const Address& own) {
  return std::ranges::all_of(rule.when, [&](const auto& when) {
    return when.attribute != Attribute::kDestinationIp ||
           listed(when.values, when.not_values, true, [&](const Strings& list) {
             return std::ranges::any_of(list, [&](const auto& text) {
               const auto block = Cidr::parse(text);
               return block && block->contains(own);
             });
           });
  });
}

}  // namespace fairlead::policy
