// SPDX-License-Identifier: Apache-2.0
// How levels come to be and follow the health of their backends.
#include <algorithm>
#include <limits>
#include <map>

#include "fairlead/upstream/levels.hpp"

namespace fairlead::upstream {

namespace {

constexpr std::uint32_t kSpread = std::numeric_limits<std::uint32_t>::max();

bool hashes(Balancing policy) { return policy == Balancing::kRingHash || policy == Balancing::kMaglev; }

std::uint32_t nearness(const LocalitySpec& spec, const Locality& locality) {
  if (spec.mode != LocalityMode::kFailover) return 0;
  if (locality.region != spec.own.region) return 2;
  return locality.zone == spec.own.zone ? 0 : 1;
}

std::uint32_t weight_of(const LocalitySpec& spec, const Locality& locality) {
  if (spec.mode != LocalityMode::kWeighted) return 1;
  const auto found = std::ranges::find(spec.weights, locality, &LocalityWeight::locality);
  return found == spec.weights.end() ? 0 : found->weight;
}

}  // namespace

std::vector<std::vector<std::uint32_t>> level_members(const ClusterSpec& spec) {
  std::map<std::uint32_t, std::vector<std::uint32_t>> levels;
  for (std::uint32_t i = 0; i < spec.endpoints.size(); ++i) {
    const auto& endpoint = spec.endpoints[i];
    levels[endpoint.priority * 3u + nearness(spec.locality, endpoint.locality)].push_back(i);
  }
  std::vector<std::vector<std::uint32_t>> out;
  for (auto& [level, members] : levels) out.push_back(std::move(members));
  return out;
}

std::vector<std::shared_ptr<const HashTable>> build_hash_tables(const ClusterSpec& spec) {
  std::vector<std::shared_ptr<const HashTable>> tables;
  if (!hashes(spec.balancing.policy)) return tables;
  std::vector<std::string> names;
  for (const auto& endpoint : spec.endpoints) names.push_back(endpoint_name(endpoint.address));
  for (const auto& members : level_members(spec)) {
    std::vector<HashEntry> entries;
    for (const auto i : members) entries.push_back({names[i], spec.endpoints[i].weight});
    tables.push_back(std::make_shared<const HashTable>(entries, spec.balancing));
  }
  return tables;
}

void Levels::build(std::span<Backend* const> backends) {
  const auto& spec = *context_.spec;
  levels_.clear();
  const auto levels = level_members(spec);
  const auto tables = spec.hash_tables.size() == levels.size() ? spec.hash_tables : build_hash_tables(spec);
  levels_.resize(levels.size());
  for (auto* backend : backends) backend->level_ = kSpread;
  for (std::uint32_t at = 0; at < levels.size(); ++at) {
    if (!tables.empty()) levels_[at].table = tables[at];
    std::map<Locality, std::uint32_t> groups;
    for (const auto i : levels[at]) {
      auto& backend = *backends[i];
      levels_[at].members.push_back(&backend);
      if (backend.level_ != kSpread) continue;  // the same endpoint twice: counted once
      const auto& locality = backend.endpoint_.locality;
      const auto key = spec.locality.mode == LocalityMode::kWeighted ? locality : Locality{};
      const auto [found, added] = groups.try_emplace(key, static_cast<std::uint32_t>(groups.size()));
      if (added) levels_[at].groups.emplace_back().weight = weight_of(spec.locality, key);
      backend.group_ = found->second;
      add_to_level(at, backend);
    }
    update_weights(at);
  }
  update_loads();
}

void Levels::add_to_level(std::uint32_t at, Backend& backend) {
  auto& level = levels_[at];
  auto& group = level.groups[backend.group_];
  backend.level_ = at;
  backend.in_set_ = false;
  group.members.push_back(&backend);
  for (auto* health : {&level.health, &group.health}) {
    ++health->total;
    if (backend.available_) ++health->available;
  }
}

void Levels::on_availability(Backend& backend) {
  auto& level = levels_[backend.level_];
  auto& group = level.groups[backend.group_];
  for (auto* health : {&level.health, &group.health}) health->available += backend.available_ ? 1u : ~0u;
  if (!backend.in_set_) {
    group.stale = group.stale || backend.available_;
  } else {
    group.out_of_set += backend.available_ ? ~0u : 1u;
    // Passing over a quarter costs less than a new set would; it also starts a round robin anew.
    if (group.out_of_set * 4 > group.set.size()) group.stale = true;
  }
  update_weights(backend.level_);
  update_loads();
}

void Levels::update_weights(std::size_t at) {
  auto& level = levels_[at];
  const auto overprovisioning = context_.spec->locality.overprovisioning;
  level.weights.clear();
  level.weight = 0;
  for (const auto& group : level.groups) {
    level.weights.push_back(locality_weight(group.weight, group.health, overprovisioning));
    level.weight += level.weights.back();
  }
  if (level.weight > 0) return;
  // Nothing available (panic): by what is there, and where no weight says anything, evenly.
  for (std::size_t i = 0; i < level.groups.size(); ++i) level.weight += level.weights[i] = level.groups[i].weight;
  if (level.weight > 0) return;
  for (auto& weight : level.weights) level.weight += weight = 1;
}

void Levels::update_loads() {
  std::vector<LevelHealth> health;
  for (const auto& level : levels_) health.push_back(level.health);
  const auto& spec = context_.spec->locality;
  auto loads = level_loads(health, spec.overprovisioning, spec.panic_percent);
  for (std::size_t i = 0; i < loads.size(); ++i)
    if (i >= loads_.size() || loads_[i].panic != loads[i].panic)
      for (auto& group : levels_[i].groups) group.stale = true;
  loads_ = std::move(loads);
  const auto whole = std::ranges::find(loads_, 100u, &LevelLoad::percent);
  whole_ = whole == loads_.end() ? kSpread : static_cast<std::uint32_t>(whole - loads_.begin());
  enough_ = spec.least_available == 0 || has_enough();
}

bool Levels::has_enough() const {
  std::uint64_t there = 0, all = 0;
  for (const auto& level : levels_)
    for (const auto& group : level.groups)
      for (const auto* backend : group.members) {
        all += backend->weight_;
        if (backend->available_) there += backend->weight_;
      }
  return all > 0 && 100 * there >= all * context_.spec->locality.least_available;
}

void Levels::refresh(Group& group, bool panic) {
  group.stale = false;
  group.out_of_set = 0;
  group.set.clear();
  std::vector<std::uint32_t> weights;
  for (auto* backend : group.members) {
    backend->in_set_ = backend->weight_ > 0 && (panic || backend->available_);
    if (!backend->in_set_) continue;
    group.set.push_back(backend);
    weights.push_back(backend->weight_);
    if (!backend->available_) ++group.out_of_set;
  }
  // In panic the available and the others may change places without a new set: all are in it.
  if (panic) group.out_of_set = 0;
  if (context_.spec->balancing.policy == Balancing::kRoundRobin) {
    group.turn = RoundRobin(weights, weights.empty() ? 0 : random_.below(static_cast<std::uint32_t>(weights.size())));
  } else {
    group.alias = AliasTable(weights);
  }
}

std::uint32_t Levels::available() const {
  std::uint32_t sum = 0;
  for (const auto& level : levels_) sum += level.health.available;
  return sum;
}

std::uint32_t Levels::total() const {
  std::uint32_t sum = 0;
  for (const auto& level : levels_) sum += level.health.total;
  return sum;
}

}  // namespace fairlead::upstream
