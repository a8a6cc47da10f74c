// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "fairlead/upstream/alias_table.hpp"
#include "fairlead/upstream/backend.hpp"
#include "fairlead/upstream/hash_table.hpp"
#include "fairlead/upstream/priority_load.hpp"
#include "fairlead/upstream/random.hpp"
#include "fairlead/upstream/round_robin.hpp"

namespace fairlead::upstream {

/// Which endpoints form which level: a priority, or with LocalityMode::kFailover a priority and a nearness (own zone,
/// own region, others). Nearest first; each holds indices into spec.endpoints, in their order.
[[nodiscard]] std::vector<std::vector<std::uint32_t>> level_members(const ClusterSpec& spec);

/// Where the policy hashes, the table of each level, made once so that workers share them.
[[nodiscard]] std::vector<std::shared_ptr<const HashTable>> build_hash_tables(const ClusterSpec& spec);

/// What a request brings to a pick.
struct PickRequest {
  std::uint64_t hash = 0;             ///< with has_hash: the key of a hash policy
  bool has_hash = false;              ///< false: a hash policy draws at random
  std::span<const Backend* const> tried{};  ///< by this request; others are preferred
};

/// The backends of a cluster in levels and localities, with the balancer's state of each. A change of one backend's
/// health is O(1): balancers pass over it, until enough are out that a new set pays.
/// Owner: a cluster. Thread: its worker's.
class Levels {
 public:
  Levels(const ClusterContext& context, Random& random) : context_(context), random_(random) {}

  /// Anew, in O(n); `backends` as in spec.endpoints.
  void build(std::span<Backend* const> backends);
  /// backend.available() has changed.
  void on_availability(Backend& backend);

  /// Nothing where no backend of any level with load may be used. `use_tried`: those too.
  [[nodiscard]] Backend* pick(const PickRequest& request, bool use_tried, bool& panic);

  [[nodiscard]] std::uint32_t available() const;
  [[nodiscard]] std::uint32_t total() const;
  [[nodiscard]] std::span<const LevelLoad> loads() const { return loads_; }
  /// Whether there is as much as LocalitySpec::least_available asks for; else nothing is picked.
  [[nodiscard]] bool enough() const { return enough_; }

 private:
  struct Group {
    std::vector<Backend*> members{};
    std::vector<Backend*> set{};      // whom the balancer chooses among
    AliasTable alias{};
    RoundRobin turn{};
    LevelHealth health{};
    std::uint32_t weight = 1;         // of the locality
    std::uint32_t out_of_set = 0;     // members of set that are not available
    bool stale = true;
  };
  struct Level {
    std::vector<Group> groups{};
    std::vector<Backend*> members{};  // as in the hash table
    std::shared_ptr<const HashTable> table{};
    LevelHealth health{};
    std::vector<std::uint64_t> weights{};  // of groups
    std::uint64_t weight = 0;
  };
  struct Asked {
    const PickRequest& request;
    bool use_tried;
    bool panic;
  };

  void add_to_level(std::uint32_t at, Backend& backend);
  void update_loads();
  [[nodiscard]] bool has_enough() const;
  void update_weights(std::size_t at);
  [[nodiscard]] std::size_t choose_level();
  [[nodiscard]] Backend* pick_in(Level& level, const Asked& asked);
  [[nodiscard]] Backend* pick_by_hash(Level& level, const Asked& asked);
  [[nodiscard]] Backend* pick_in_group(Group& group, const Asked& asked);
  [[nodiscard]] Group& choose_group(Level& level);
  [[nodiscard]] Backend* candidate(Group& group, const Asked& asked, std::uint64_t now_ns);
  [[nodiscard]] Backend* scan(std::span<Backend* const> members, const Asked& asked, std::uint32_t start) const;
  [[nodiscard]] bool usable(const Backend& backend, const Asked& asked) const;
  [[nodiscard]] bool starts_slowly(const Backend& backend);
  [[nodiscard]] double cost(const Backend& backend, std::uint64_t now_ns) const;
  [[nodiscard]] bool over_balance(const Level& level, const Backend& backend) const;
  void refresh(Group& group, bool panic);

  const ClusterContext& context_;
  Random& random_;
  std::vector<Level> levels_;
  std::vector<LevelLoad> loads_;
  std::uint32_t whole_ = 0;  // the level that has all the load; kNone: it is spread
  bool enough_ = true;
};

}  // namespace fairlead::upstream
