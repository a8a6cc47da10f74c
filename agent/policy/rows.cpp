// SPDX-License-Identifier: Apache-2.0
#include "agent/policy/rows.hpp"

#include <algorithm>
#include <array>

#include "fairlead/model/namespace_pattern.hpp"

namespace fairlead::policy {
namespace {

constexpr std::uint8_t kProtocols[] = {FL_TCP, FL_UDP};
const Traits kStranger;

Defaults defaults_of(const Side& side) {
  Defaults defaults;
  defaults.isolated = side.isolated_by.has_value();
  defaults.isolated_by = side.isolated_by.value_or(0);
  defaults.allow_listed = side.allow_listed_by.has_value();
  defaults.allow_listed_by = side.allow_listed_by.value_or(0);
  return defaults;
}

/// spoken: numbers of the statements that speak of the peer, in their order.
Verdict verdict_of(const Side& side, const std::vector<std::size_t>& spoken, const Traits& peer, std::uint8_t proto) {
  std::vector<std::vector<PortRange>> own;  // ranges made for this peer; voices refer to them
  own.reserve(spoken.size());
  std::vector<Voice> voices;
  for (const auto number : spoken) {
    const auto& statement = side.statements[number];
    if (statement.ports_of_peer) {
      own.push_back(statement.ports_at(peer, proto));
      voices.push_back({statement.effect, statement.policy_id, own.back()});
    } else {
      voices.push_back({statement.effect, statement.policy_id, proto == FL_TCP ? statement.tcp : statement.udp});
    }
  }
  return decide_ports(voices, defaults_of(side));
}

/// Which statements speak of a peer otherwise than of a stranger.
struct Exceptions {
  std::vector<std::size_t> added, left_out;
};

using ByEffect = std::array<std::vector<std::size_t>, 4>;
using Wholes = std::array<std::optional<std::size_t>, 4>;

/// A statement about every port, which makes the others of its effect idle.
std::optional<std::size_t> whole_of(const Side& side, const std::vector<std::size_t>& numbers, std::uint8_t proto) {
  for (const auto number : numbers) {
    const auto& statement = side.statements[number];
    const auto& ports = proto == FL_TCP ? statement.tcp : statement.udp;
    if (!statement.ports_of_peer && ports.size() == 1 && ports[0] == PortRange{}) return number;
  }
  return std::nullopt;
}

/// The statements that matter to a peer. Thousands may speak of strangers, and so of every peer: they are gone through
/// only where none of the peer's own says it all.
/// wholes: of the strangers' statements, by effect.
std::vector<std::size_t> spoken_to(const Side& side, const ByEffect& strangers, const Wholes& wholes,
                                   const Exceptions& exceptions, std::uint8_t proto) {
  std::vector<std::size_t> result;
  for (std::size_t effect = 0; effect < strangers.size(); ++effect) {
    std::vector<std::size_t> added, without;
    std::ranges::copy_if(exceptions.added, std::back_inserter(added), [&](auto number) {
      return static_cast<std::size_t>(side.statements[number].effect) == effect;
    });
    auto whole = whole_of(side, added, proto);
    const bool general = wholes[effect] && !std::ranges::binary_search(exceptions.left_out, *wholes[effect]);
    if (general && (!whole || *wholes[effect] < *whole)) whole = wholes[effect];
    if (whole) {
      result.push_back(*whole);
      continue;
    }
    std::ranges::set_difference(strangers[effect], exceptions.left_out, std::back_inserter(without));
    std::ranges::merge(without, added, std::back_inserter(result));
  }
  return result;
}

void compile_side(const MatchContext& context, const Peers& peers, const Side& side, std::uint8_t direction,
                  Rows& rows) {
  ByEffect strangers;
  std::unordered_map<std::uint32_t, Exceptions> exceptions;
  std::unordered_map<std::uint32_t, std::size_t> looked_at;  // by which statement last: candidates may come twice
  for (std::size_t i = 0; i < side.statements.size(); ++i) {
    const auto& statement = side.statements[i];
    const bool of_strangers = statement.speaks_of(context, kStranger);
    if (of_strangers) strangers[static_cast<std::size_t>(statement.effect)].push_back(i);
    peers.each_candidate(context, statement, [&](std::uint32_t identity) {
      const auto [seen, fresh] = looked_at.try_emplace(identity, i);
      if (!fresh && std::exchange(seen->second, i) == i) return;
      const bool speaks = statement.speaks_of(context, *peers.find(identity));
      if (speaks && of_strangers && statement.ports_of_peer) exceptions[identity];  // the same rule, other ports
      if (speaks != of_strangers) (speaks ? exceptions[identity].added : exceptions[identity].left_out).push_back(i);
    });
  }
  for (const auto proto : kProtocols) {
    Wholes wholes;
    for (std::size_t effect = 0; effect < strangers.size(); ++effect)
      wholes[effect] = whole_of(side, strangers[effect], proto);
    const Verdict any = verdict_of(side, spoken_to(side, strangers, wholes, {}, proto), kStranger, proto);
    for (const auto& [identity, of_peer] : exceptions) {
      auto verdict = verdict_of(side, spoken_to(side, strangers, wholes, of_peer, proto), *peers.find(identity), proto);
      if (!(verdict == any)) rows[{identity, direction, proto}] = std::move(verdict);
    }
    rows[{FL_IDENTITY_ANY, direction, proto}] = any;
  }
}

/// "trust-domain/ns/NAMESPACE/sa/NAME" without wildcards: the namespace.
std::optional<std::string> namespace_of(const std::string& principal) {
  if (principal.find('*') != std::string::npos) return std::nullopt;
  const auto begin = principal.find("/ns/"), end = principal.find("/sa/");
  if (begin == std::string::npos || end == std::string::npos || end < begin + 4) return std::nullopt;
  return principal.substr(begin + 4, end - begin - 4);
}

}  // namespace

void Peers::add(std::uint32_t identity, const Traits& traits) {
  traits_[identity] = traits;
  if (traits.pod) by_namespace_[traits.ns].insert(identity);
  if (traits.block) by_block_[*traits.block].insert(identity);
}

void Peers::remove(std::uint32_t identity) {
  const auto found = traits_.find(identity);
  if (found == traits_.end()) return;
  const auto& traits = found->second;
  if (traits.pod && by_namespace_[traits.ns].erase(identity) != 0 && by_namespace_[traits.ns].empty())
    by_namespace_.erase(traits.ns);
  if (traits.block && by_block_[*traits.block].erase(identity) != 0 && by_block_[*traits.block].empty())
    by_block_.erase(*traits.block);
  traits_.erase(found);
}

const Traits* Peers::find(std::uint32_t identity) const {
  const auto found = traits_.find(identity);
  return found == traits_.end() ? nullptr : &found->second;
}

/// Blocks are in the order of their first addresses, wider ones first, so those within one follow it; those of IPv4
/// stand amid those of IPv6, and are in none of them.
void Peers::each_within(const Cidr& block, const Call& call) const {
  for (auto each = by_block_.lower_bound(block); each != by_block_.end(); ++each) {
    if (block.contains(each->first.address)) std::ranges::for_each(each->second, call);
    else if (block.address.is_v4() || !each->first.address.is_v4()) return;
  }
}

void Peers::each_in_namespaces(const std::function<bool(const std::string&)>& wanted, const Call& call) const {
  for (const auto& [ns, identities] : by_namespace_)
    if (wanted(ns))
      for (const auto identity : identities) call(identity);
}

void Peers::each_of_peer(const MatchContext& context, const std::string& ns, const model::NetworkPeer& peer,
                         const Call& call) const {
  if (peer.block) return each_within(peer.block->cidr, call);
  if (peer.namespaces)
    return each_in_namespaces(
        [&](const std::string& each) { return peer.namespaces->matches(context.namespace_labels(each)); }, call);
  if (const auto found = by_namespace_.find(ns); found != by_namespace_.end())
    for (const auto identity : found->second) call(identity);
}

/// False: what it names cannot be narrowed.
bool Peers::each_of_source(const model::AuthorizationSource& source, const Call& call) const {
  if (!source.ip_blocks.empty()) {
    for (const auto& block : source.ip_blocks) each_within(block, call);
    return true;
  }
  if (!source.namespaces.empty()) {
    each_in_namespaces(
        [&](const std::string& ns) {
          return std::ranges::any_of(source.namespaces,
                                     [&](const auto& pattern) { return model::matches_namespace(pattern, ns); });
        },
        call);
    return true;
  }
  std::set<std::string> named;
  for (const auto& principal : source.principals) {
    const auto ns = namespace_of(principal);
    if (!ns) return false;
    named.insert(*ns);
  }
  if (named.empty()) return false;
  each_in_namespaces([&](const std::string& ns) { return named.contains(ns); }, call);
  return true;
}

void Peers::each_candidate(const MatchContext& context, const Statement& statement, const Call& call) const {
  if (statement.network != nullptr) {
    if (statement.network->peers.empty() && statement.ports_of_peer)
      return each_in_namespaces([](const std::string&) { return true; }, call);
    for (const auto& peer : statement.network->peers) each_of_peer(context, statement.ns, peer, call);
    return;
  }
  const auto& rule = *statement.authorization;
  if (rule.from.empty() && rule.when.empty()) return;
  if (rule.when.empty()) {
    bool narrowed = true;
    std::vector<std::uint32_t> found;
    for (const auto& source : rule.from)
      narrowed = narrowed && each_of_source(source, [&](auto identity) { found.push_back(identity); });
    if (narrowed) return std::ranges::for_each(found, call), void();
  }
  for (const auto& [identity, unused] : traits_) call(identity);
}

Rows compile_rows(const MatchContext& context, const Peers& peers, const Side (&sides)[2]) {
  Rows rows;
  for (const auto direction : {FL_INGRESS, FL_EGRESS})
    if (sides[direction].restricts())
      compile_side(context, peers, sides[direction], static_cast<std::uint8_t>(direction), rows);
  return rows;
}

void compile_peer(const MatchContext& context, std::uint32_t identity, const Traits& traits, const Side (&sides)[2],
                  Rows& rows) {
  for (const std::uint8_t direction : {FL_INGRESS, FL_EGRESS}) {
    const auto& side = sides[direction];
    if (!side.restricts()) continue;
    std::vector<std::size_t> spoken;
    for (std::size_t i = 0; i < side.statements.size(); ++i)
      if (side.statements[i].speaks_of(context, traits)) spoken.push_back(i);
    for (const auto proto : kProtocols) {
      auto verdict = verdict_of(side, spoken, traits, proto);
      if (verdict == rows[{FL_IDENTITY_ANY, direction, proto}]) rows.erase({identity, direction, proto});
      else rows[{identity, direction, proto}] = std::move(verdict);
    }
  }
}

}  // namespace fairlead::policy
