// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/policy/match.hpp"
#include "agent/policy/ports.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::policy {

/// One rule of one policy, as it concerns the workloads of one set in one direction.
struct Statement {
  Effect effect = Effect::kPermit;
  std::uint32_t policy_id = 0;
  std::string ns;  ///< of the policy
  const model::NetworkRule* network = nullptr;              ///< either this ...
  const model::AuthorizationRule* authorization = nullptr;  ///< ... or this
  std::vector<PortRange> tcp, udp;
  bool ports_of_peer = false;  ///< egress by port names: each peer's own numbers, see ports_at()

  [[nodiscard]] bool speaks_of(const MatchContext& context, const Traits& peer) const;
  /// The ports it names at that peer.
  [[nodiscard]] std::vector<PortRange> ports_at(const Traits& peer, std::uint8_t proto) const;
};

/// What policies of one direction say, and who says no otherwise.
struct Side {
  std::vector<Statement> statements;
  std::optional<std::uint32_t> isolated_by, allow_listed_by;  ///< policy ids; 0: the default of the agent's settings

  [[nodiscard]] bool restricts() const { return isolated_by || allow_listed_by || !statements.empty(); }
};

/// The workload that the policies are compiled for.
struct Subject {
  Address address;
  std::vector<PortName> ports;
};

/// Names a rule of a policy; rule -1: the policy itself, whose rules all did not match.
using IdOfRule = std::function<std::uint32_t(const model::ObjectKey& policy, std::uint8_t direction, int rule)>;

/// Adds what a policy says. object: a NetworkPolicy or AuthorizationPolicy, which outlives the sides.
void add_statements(const model::ObjectKey& key, const model::Object& object, const Subject& subject,
                    const IdOfRule& id_of, Side (&sides)[2]);

/// Whether the policy selects pods with these labels in this namespace.
[[nodiscard]] bool selects(const model::Object& policy, const std::string& root_namespace, const std::string& ns,
                           const model::Labels& labels);
/// What of a subject, beside being selected, changes what the policy says to it; part of the set's name.
[[nodiscard]] std::string subject_difference(const model::Object& policy, const Subject& subject);
/// Every block of addresses that the policy tells apart.
[[nodiscard]] std::set<Cidr> blocks_of(const model::Object& policy);

}  // namespace fairlead::policy
