// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/policy/statements.hpp"

namespace fairlead::policy {

/// Everybody that has traits, by the ways in which rules name them.
/// Owner: Policies. Thread: its.
class Peers {
 public:
  void add(std::uint32_t identity, const Traits& traits);
  void remove(std::uint32_t identity);

  [[nodiscard]] const std::unordered_map<std::uint32_t, Traits>& all() const { return traits_; }
  [[nodiscard]] const Traits* find(std::uint32_t identity) const;
  /// Calls with every identity of which a rule may speak otherwise than of a stranger; some may come twice.
  void each_candidate(const MatchContext& context, const Statement& statement,
                      const std::function<void(std::uint32_t)>& call) const;

 private:
  using Call = std::function<void(std::uint32_t)>;
  void each_within(const Cidr& block, const Call& call) const;
  void each_in_namespaces(const std::function<bool(const std::string&)>& wanted, const Call& call) const;
  void each_of_peer(const MatchContext& context, const std::string& ns, const model::NetworkPeer& peer,
                    const Call& call) const;
  bool each_of_source(const model::AuthorizationSource& source, const Call& call) const;

  std::unordered_map<std::uint32_t, Traits> traits_;
  std::map<std::string, std::set<std::uint32_t>> by_namespace_;
  std::map<Cidr, std::set<std::uint32_t>> by_block_;
};

/// Key of a row within its set.
struct RowKey {
  std::uint32_t identity = FL_IDENTITY_ANY;
  std::uint8_t direction = FL_INGRESS;
  std::uint8_t proto = FL_TCP;
  auto operator<=>(const RowKey&) const = default;
};
using Rows = std::map<RowKey, Verdict>;

/// All rows of a set: one for strangers, and one for each peer that is treated otherwise.
[[nodiscard]] Rows compile_rows(const MatchContext& context, const Peers& peers, const Side (&sides)[2]);
/// The rows of one peer alone; `rows`: of the set, with those for strangers.
void compile_peer(const MatchContext& context, std::uint32_t identity, const Traits& traits, const Side (&sides)[2],
                  Rows& rows);

}  // namespace fairlead::policy
