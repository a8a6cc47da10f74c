// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "agent/policy/traits.hpp"
#include "fairlead/model/mesh.hpp"

namespace fairlead::policy {

/// What matching needs to know of the cluster.
struct MatchContext {
  std::function<const model::Labels&(const std::string& ns)> namespace_labels;
  const model::Mesh* mesh = nullptr;
};

/// Whether a NetworkPolicy's rule in that namespace speaks of the peer.
[[nodiscard]] bool matches_peer(const MatchContext& context, const std::string& policy_ns,
                                const model::NetworkRule& rule, const Traits& peer);
/// Whether the `from` of an AuthorizationPolicy's rule, and what its `when` says of the source, speak of the peer.
[[nodiscard]] bool matches_source(const MatchContext& context, const std::string& policy_ns,
                                  const model::AuthorizationRule& rule, const Traits& peer);
/// Whether what its `when` says of the destination's address holds.
[[nodiscard]] bool matches_destination(const model::AuthorizationRule& rule, const Address& own);
/// One remark for each principal of a trust domain that no workload of the mesh is in: it matches nobody.
[[nodiscard]] std::vector<std::string> principals_of_others(const model::Mesh& mesh,
                                                            const model::AuthorizationPolicy& policy);
/// Istio's string match: exact, "prefix*", "*suffix", "*" for any that is there.
[[nodiscard]] bool matches_text(const std::string& pattern, const std::string& value);

}  // namespace fairlead::policy
