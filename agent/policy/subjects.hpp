// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/policy/traits.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::policy {

/// Whom metrics and flows name: what a cluster's users made, not its single pods.
struct WorkloadName {
  std::string kind;  ///< Deployment, StatefulSet, ..., Pod for a bare one, Node
  std::string ns;
  std::string name;
  std::string service_account;

  [[nodiscard]] std::string key() const { return kind + "/" + ns + "/" + name + "/" + service_account; }
  [[nodiscard]] static WorkloadName from_key(const std::string& key);
};

/// Who has an address.
struct Resident {
  model::ObjectKey object;  ///< Pod or Node
  WorkloadName workload;
  Traits traits;            ///< of a pod, without its block
  bool local = false;       ///< on this node
  std::optional<bool> redirect{};  ///< what its annotation fairlead.io/redirect says
};

/// The annotation of a pod or namespace; nothing: it has none.
[[nodiscard]] std::optional<bool> opted_in(const model::Labels& annotations);

[[nodiscard]] WorkloadName workload_of(const model::Pod& pod);
[[nodiscard]] Resident resident_of(const model::ObjectKey& key, const model::Pod& pod, const std::string& node_name);
/// The addresses that are the pod's own: none in the node's network, none after its end.
[[nodiscard]] std::vector<Address> own_addresses(const model::Pod& pod);

/// Blocks of addresses, and which is the narrowest that holds an address.
/// Owner: Policies. Thread: its.
class Blocks {
 public:
  void add(const Cidr& block) { ++uses_[block], ++prefixes_[block.prefix]; }
  /// True if nobody names it any more.
  bool remove(const Cidr& block);
  /// One of IPv6 in which IPv4 is held bit by bit, as in ::/0.
  [[nodiscard]] bool any_around_v4() const;
  [[nodiscard]] std::optional<Cidr> narrowest(const Address& address) const;
  [[nodiscard]] const std::map<Cidr, std::size_t>& all() const { return uses_; }

 private:
  std::map<Cidr, std::size_t> uses_;
  std::map<std::uint32_t, std::size_t, std::greater<>> prefixes_;
};

/// The traits as text: what identities are numbered by.
[[nodiscard]] std::string text_of(const Traits& traits);

}  // namespace fairlead::policy
