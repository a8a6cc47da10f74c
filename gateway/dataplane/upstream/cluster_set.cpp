// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/cluster_set.hpp"

namespace fairlead::upstream {

ClusterSet::~ClusterSet() {
  clusters_.clear();
  leaving_.clear();
}

void ClusterSet::apply(const ClusterChanges& changes) {
  for (const auto& name : changes.removed) {
    const auto found = clusters_.find(name);
    if (found == clusters_.end()) continue;
    forget_targets(found->second->spec());
    found->second->drain();
    leaving_.push_back(std::move(found->second));
    clusters_.erase(found);
  }
  for (const auto& spec : changes.updated) {
    auto& cluster = clusters_[spec->name];
    if (!cluster) {
      cluster = std::make_unique<Cluster>(worker_, spec);
    } else {
      forget_targets(cluster->spec());
      cluster->apply(spec);
    }
    index_targets(*spec);
    recall_health(*cluster);
  }
  sweep();
}

void ClusterSet::index_targets(const ClusterSpec& spec) {
  for (const auto& check : spec.checks)
    for (const auto& endpoint : spec.endpoints)
      targets_.emplace(target_id(endpoint, check, spec.tls.get()), Probed{spec.name, EndpointKey::of(endpoint)});
}

void ClusterSet::forget_targets(const ClusterSpec& spec) {
  for (const auto& check : spec.checks)
    for (const auto& endpoint : spec.endpoints) {
      auto [at, end] = targets_.equal_range(target_id(endpoint, check, spec.tls.get()));
      while (at != end) at = at->second.cluster == spec.name ? targets_.erase(at) : std::next(at);
    }
}

/// Brings a cluster's backends to what is known of its targets: new ones, and those whose checks have changed.
void ClusterSet::recall_health(Cluster& cluster) {
  cluster.for_each([&](Backend& backend) {
    std::vector<TargetId> now;
    for (const auto& check : cluster.spec().checks)
      if (const auto id = target_id(backend.endpoint(), check, cluster.spec().tls.get()); failing_.contains(id))
        now.push_back(id);
    cluster.set_failing(backend, std::move(now));
  });
}

void ClusterSet::apply_health(std::span<const HealthChange> changes) {
  for (const auto& change : changes) {
    if (change.healthy) {
      failing_.erase(change.target);
    } else {
      failing_.insert(change.target);
    }
    const auto [begin, end] = targets_.equal_range(change.target);
    for (auto at = begin; at != end; ++at) {
      auto* cluster = find(at->second.cluster);
      if (auto* backend = cluster != nullptr ? cluster->find(at->second.backend) : nullptr)
        cluster->on_health(*backend, change);
    }
  }
}

void ClusterSet::apply_health(const HealthSnapshot& snapshot) {
  failing_ = {snapshot->begin(), snapshot->end()};
  for (auto& [name, cluster] : clusters_) recall_health(*cluster);
}

void ClusterSet::apply_ejection(std::string_view name, const EndpointKey& key) {
  auto* cluster = find(name);
  if (auto* backend = cluster != nullptr ? cluster->find(key) : nullptr) cluster->follow_ejection(*backend);
}

void ClusterSet::apply_wanted(std::string_view name, const EndpointKey& key) {
  auto* cluster = find(name);
  if (auto* backend = cluster != nullptr ? cluster->find(key) : nullptr) backend->pools().on_wanted();
}

void ClusterSet::apply_room(std::string_view name) {
  if (auto* cluster = find(name)) cluster->on_room();
}

Cluster* ClusterSet::find(std::string_view name) {
  const auto found = clusters_.find(name);
  return found == clusters_.end() ? nullptr : found->second.get();
}

void ClusterSet::sweep() {
  std::erase_if(leaving_, [&](std::unique_ptr<Cluster>& cluster) {
    if (!cluster->done()) return false;
    past_ += cluster->counters();
    worker_.clock.retire(std::move(cluster));
    return true;
  });
}

}  // namespace fairlead::upstream
