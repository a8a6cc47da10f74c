// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "fairlead/upstream/cluster.hpp"

namespace fairlead::upstream {

/// A change of configuration: only what differs. Shared by all workers, immutable.
struct ClusterChanges {
  std::vector<ClusterSpecRef> updated{};  ///< new or changed
  std::vector<std::string> removed{};
};

/// All clusters of one worker. A change costs what the clusters in it cost, however many others there are.
/// Owner: a worker. Thread: its worker's.
class ClusterSet {
 public:
  explicit ClusterSet(const WorkerContext& worker) : worker_(worker) {}
  ~ClusterSet();
  ClusterSet(const ClusterSet&) = delete;
  ClusterSet& operator=(const ClusterSet&) = delete;

  void apply(const ClusterChanges& changes);
  /// From the checker; targets that nothing here uses are remembered for clusters to come.
  void apply_health(std::span<const HealthChange> changes);
  void apply_health(const HealthSnapshot& snapshot);  ///< at start
  // What other workers tell, see SharedCluster; nothing where the cluster or backend is not there.
  void apply_ejection(std::string_view cluster, const EndpointKey& backend);
  void apply_wanted(std::string_view cluster, const EndpointKey& backend);
  void apply_room(std::string_view cluster);

  /// nullptr where there is none. The pointer is good until the turn ends, or while a request that was admitted is
  /// under way: a removed cluster ends with its last request.
  [[nodiscard]] Cluster* find(std::string_view name);
  [[nodiscard]] std::size_t size() const { return clusters_.size(); }
  [[nodiscard]] std::size_t leaving() const { return leaving_.size(); }
  /// Destroys removed clusters that are done; called now and then (each apply does it too).
  void sweep();

  template <class Visitor>
  void for_each(Visitor&& visit) {
    for (auto& [name, cluster] : clusters_) visit(*cluster);
  }
  /// Of clusters that are gone; added to the others they never go back.
  [[nodiscard]] const ClusterCounters& past_counters() const { return past_; }

 private:
  struct NameHash {
    using is_transparent = void;
    [[nodiscard]] std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  struct Probed {
    std::string cluster;
    EndpointKey backend;
  };
  void index_targets(const ClusterSpec& spec);
  void forget_targets(const ClusterSpec& spec);
  void recall_health(Cluster& cluster);

  WorkerContext worker_;
  std::unordered_map<std::string, std::unique_ptr<Cluster>, NameHash, std::equal_to<>> clusters_;
  std::vector<std::unique_ptr<Cluster>> leaving_;
  std::unordered_multimap<TargetId, Probed> targets_;
  std::unordered_set<TargetId> failing_;
  ClusterCounters past_;
};

}  // namespace fairlead::upstream
