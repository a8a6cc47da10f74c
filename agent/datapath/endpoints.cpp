// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/endpoints.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace fairlead::datapath {
namespace {

using model::Endpoint;
using model::TrafficDistribution;
using model::TrafficPolicy;

constexpr std::uint32_t kWeightScale = 1000;  // a percent of `distribute` in weight units, shared by a locality

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_local(const Candidate& candidate, const Topology& topology) {
  return !topology.node.empty() && candidate.endpoint->node == topology.node;
}

bool in_zone(const Candidate& candidate, const Topology& topology) {
  return !topology.zone.empty() && candidate.endpoint->zone == topology.zone;
}

struct Usable {
  std::vector<std::uint32_t> indexes;
  bool draining = false;
};

/// Ready ones; while there are none, those that still serve although they terminate (KEP-1669).
Usable usable(std::span<const Candidate> candidates, bool local_only, const Topology& topology) {
  std::vector<std::uint32_t> ready, draining;
  for (std::uint32_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].weight == 0 || (local_only && !is_local(candidates[i], topology))) continue;
    if (candidates[i].ready) ready.push_back(i);
    else if (candidates[i].draining) draining.push_back(i);
  }
  if (ready.empty()) return {.indexes = std::move(draining), .draining = true};
  return {.indexes = std::move(ready)};
}

std::vector<Choice> flat(std::span<const Candidate> candidates, std::span<const std::uint32_t> indexes) {
  std::vector<Choice> choices;
  choices.reserve(indexes.size());
  for (const auto i : indexes) choices.push_back({.candidate = i, .level = 0, .weight = candidates[i].weight});
  return choices;
}

/// "region/zone/subzone" with "*" against a region and a zone; subzones are not known and match.
bool locality_matches(std::string_view pattern, std::string_view region, std::string_view zone) {
  for (const std::string_view part : {region, zone}) {
    const auto slash = pattern.find('/');
    const auto wanted = pattern.substr(0, slash);
    if (wanted != "*" && wanted != part) return false;
    if (wanted == "*" || slash == std::string_view::npos) return true;
    pattern.remove_prefix(slash + 1);
  }
  return true;
}

std::optional<std::vector<Choice>> distributed(std::span<const Candidate> candidates,
                                               std::span<const std::uint32_t> indexes, const TrafficPolicy& policy,
                                               const Topology& topology) {
  const auto rule = std::find_if(policy.distribute.begin(), policy.distribute.end(), [&](const auto& entry) {
    return locality_matches(entry.from, topology.region, topology.zone);
  });
  if (rule == policy.distribute.end()) return std::nullopt;
  std::vector<std::vector<std::uint32_t>> members(rule->to.size());
  for (const auto i : indexes) {
    const Endpoint& endpoint = *candidates[i].endpoint;
    for (std::size_t to = 0; to < rule->to.size(); ++to) {
      if (!locality_matches(rule->to[to].first, topology.region_of(endpoint.zone), endpoint.zone)) continue;
      members[to].push_back(i);
      break;
    }
  }
  std::vector<Choice> choices;
  for (std::size_t to = 0; to < members.size(); ++to) {
    const std::uint32_t percent = rule->to[to].second;
    if (percent == 0) continue;
    std::uint64_t total = 0;
    for (const auto i : members[to]) total += candidates[i].weight;
    for (const auto i : members[to]) {
      const auto share =
          static_cast<std::uint32_t>(percent * kWeightScale * std::uint64_t{candidates[i].weight} / total);
      choices.push_back({.candidate = i, .level = 0, .weight = std::max(1U, share)});
    }
  }
  std::sort(choices.begin(), choices.end(), [](const auto& a, const auto& b) { return a.candidate < b.candidate; });
  return choices;
}

/// How far away an endpoint is: 0 same zone, 1 same region, 2 the region to fail over to, 3 elsewhere.
std::uint32_t locality_distance(const Candidate& candidate, const TrafficPolicy& policy, const Topology& topology) {
  if (in_zone(candidate, topology)) return 0;
  const auto region = topology.region_of(candidate.endpoint->zone);
  if (!region.empty() && region == topology.region) return 1;
  for (const auto& failover : policy.failover)
    if (failover.from == topology.region && failover.to == region) return 2;
  return 3;
}

/// Levels by how many of the leading labels agree (Istio's failoverPriority).
std::uint32_t priority_distance(const Candidate& candidate, const TrafficPolicy& policy, const Topology& topology) {
  std::uint32_t agreed = 0;
  for (const auto& label : policy.failover_priority) {
    const bool same = label == "topology.kubernetes.io/zone" ? in_zone(candidate, topology)
                      : label == "topology.kubernetes.io/region"
                          ? topology.region_of(candidate.endpoint->zone) == topology.region
                      : label == "kubernetes.io/hostname" ? is_local(candidate, topology)
                                                          : false;
    if (!same) break;
    ++agreed;
  }
  return static_cast<std::uint32_t>(policy.failover_priority.size()) - agreed;
}

/// Makes levels dense and folds the farthest into the last.
std::vector<Choice> levelled(std::span<const Candidate> candidates, std::span<const std::uint32_t> indexes,
                             auto distance) {
  std::map<std::uint32_t, std::vector<std::uint32_t>> by_distance;
  for (const auto i : indexes) by_distance[distance(i)].push_back(i);
  std::vector<Choice> choices;
  std::uint32_t level = 0;
  for (const auto& [unused, members] : by_distance) {
    for (const auto i : members) choices.push_back({.candidate = i, .level = level, .weight = candidates[i].weight});
    if (level + 1 < FL_LEVELS) ++level;
  }
  return choices;
}

/// Hints of the EndpointSlice controller; used only if every endpoint has some and one is for us, as kube-proxy does.
/// Which kinds there are is the controller's answer to the service's trafficDistribution: that is not asked again.
std::optional<std::vector<Choice>> hinted(std::span<const Candidate> candidates, std::span<const std::uint32_t> indexes,
                                          const Topology& topology) {
  const auto all = [&](auto has) { return std::all_of(indexes.begin(), indexes.end(), has); };
  const auto any = [&](auto has) { return std::any_of(indexes.begin(), indexes.end(), has); };
  static const model::EndpointHints kNone;
  const auto hints = [&](auto i) -> const model::EndpointHints& {
    const auto& given = candidates[i].endpoint->hints;
    return given != nullptr ? *given : kNone;
  };
  const auto for_zone = [&](auto i) { return contains(hints(i).zones, topology.zone); };
  const auto for_node = [&](auto i) { return contains(hints(i).nodes, topology.node); };
  const bool zones = all([&](auto i) { return !hints(i).zones.empty(); }) && any(for_zone);
  const bool nodes = all([&](auto i) { return !hints(i).nodes.empty(); }) && any(for_node);
  if (!zones && !nodes) return std::nullopt;
  return levelled(candidates, indexes, [&](auto i) {
    return nodes && for_node(i) ? 0U : zones && for_zone(i) ? 1U : 2U;
  });
}

std::optional<std::vector<Choice>> by_policy(std::span<const Candidate> candidates,
                                             std::span<const std::uint32_t> indexes, const TrafficPolicy& policy,
                                             const Topology& topology, std::vector<std::string>& warnings) {
  if (policy.locality_enabled == false) return flat(candidates, indexes);
  if (!policy.distribute.empty()) return distributed(candidates, indexes, policy, topology);
  // Istio fails over by locality only together with outlierDetection.
  if (!policy.outlier) {
    if (!policy.failover.empty() || !policy.failover_priority.empty())
      warnings.emplace_back("locality failover needs outlierDetection: it is not in force");
    return std::nullopt;
  }
  if (!policy.failover_priority.empty()) {
    for (const auto& label : policy.failover_priority)
      if (label != "topology.kubernetes.io/zone" && label != "topology.kubernetes.io/region" &&
          label != "kubernetes.io/hostname")
        warnings.push_back("failoverPriority: label " + label +
                           " is not served, expected topology.kubernetes.io/zone, "
                           "topology.kubernetes.io/region or kubernetes.io/hostname");
    return levelled(candidates, indexes, [&](auto i) { return priority_distance(candidates[i], policy, topology); });
  }
  if (topology.zone.empty() && topology.region.empty()) return std::nullopt;
  return levelled(candidates, indexes, [&](auto i) { return locality_distance(candidates[i], policy, topology); });
}

}  // namespace

std::vector<Candidate> candidates_of(const model::Service& service, const model::ServicePort& port, bool v4,
                                     std::span<const std::shared_ptr<const model::EndpointSlice>> slices) {
  std::vector<Candidate> result;
  for (const auto& slice : slices) {
    const auto weight = model::weight_of(*slice).value_or(1);
    for (const auto& slice_port : slice->ports) {
      if (slice_port.name != port.name || slice_port.protocol != port.protocol || slice_port.port == 0) continue;
      for (const auto& endpoint : slice->endpoints) {
        // Further addresses of one endpoint are interchangeable with the first (discovery/v1).
        if (endpoint.addresses.empty() || endpoint.addresses.front().is_v4() != v4) continue;
        result.push_back({.address = endpoint.addresses.front(),
                          .port = slice_port.port,
                          .endpoint = &endpoint,
                          .ready = endpoint.ready || service.publish_not_ready,
                          .draining = endpoint.serving && endpoint.terminating,
                          .weight = weight});
      }
    }
  }
  // An endpoint may stand in two slices while the controller moves it: the better word counts.
  const auto order = [](const Candidate& c) { return std::tuple(c.address, c.port, !c.ready, !c.draining); };
  std::sort(result.begin(), result.end(), [&](const auto& a, const auto& b) { return order(a) < order(b); });
  result.erase(std::unique(result.begin(), result.end(),
                           [](const auto& a, const auto& b) { return a.address == b.address && a.port == b.port; }),
               result.end());
  return result;
}

std::vector<Choice> choose(const model::Service& service, std::span<const Candidate> candidates, bool local_only,
                           const model::TrafficPolicy* policy, const Topology& topology,
                           std::vector<std::string>& warnings) {
  const auto [indexes, draining] = usable(candidates, local_only, topology);
  if (indexes.empty() || local_only) return flat(candidates, indexes);
  if (policy != nullptr)
    if (auto choices = by_policy(candidates, indexes, *policy, topology, warnings)) return std::move(*choices);
  // As kube-proxy has it: what is on its way out shares what is left, wherever it is.
  if (draining) return flat(candidates, indexes);
  if (auto choices = hinted(candidates, indexes, topology)) return std::move(*choices);
  if (service.distribution == TrafficDistribution::kNone) return flat(candidates, indexes);
  const bool prefer_node = service.distribution == TrafficDistribution::kPreferSameNode;
  return levelled(candidates, indexes, [&](auto i) {
    if (prefer_node && is_local(candidates[i], topology)) return 0U;
    return in_zone(candidates[i], topology) ? 1U : 2U;
  });
}

}  // namespace fairlead::datapath
