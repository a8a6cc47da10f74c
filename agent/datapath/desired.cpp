// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/desired.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <unordered_map>

#include "agent/datapath/endpoints.hpp"
#include "agent/datapath/limits.hpp"
#include "agent/datapath/weights.hpp"

namespace fairlead::datapath {
namespace {

using model::Balancing;
using model::TrafficPolicy;

constexpr std::uint32_t kEjectionMaxMs = 300'000;  // Envoy's default of max_ejection_time

std::uint32_t milliseconds(std::chrono::milliseconds duration) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(duration.count(), 0, 0xffffffff));
}

std::uint64_t fnv1a(std::span<const unsigned char> bytes, std::uint64_t hash = 0xcbf29ce484222325) {
  for (const auto byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

std::uint64_t seed_of(const BackendSpec& backend) {
  const unsigned char port[] = {static_cast<unsigned char>(backend.port >> 8),
                                static_cast<unsigned char>(backend.port & 0xff)};
  return fnv1a(port, fnv1a(std::span(reinterpret_cast<const unsigned char*>(&backend.address.raw()), sizeof(fl_addr))));
}

const TrafficPolicy* policy_of(const model::DestinationRule* rule, std::uint16_t port) {
  if (rule == nullptr) return nullptr;
  for (const auto& [number, policy] : rule->port_policies)
    if (number == port) return &policy;  // replaces the rule's own as a whole
  return rule->policy.get();
}

void add_frontends(PortSpec& spec, const std::vector<Address>& addresses, std::uint32_t flags) {
  for (const auto& address : addresses) {
    if (address.is_v4() != spec.v4 || address.is_unspecified()) continue;
    fl_frontend_key key{.addr = address.raw(), .port = htons(spec.port), .proto = spec.proto, .pad = 0};
    spec.frontends.push_back({key, flags});
  }
}

void add_frontends(PortSpec& spec, const model::Service& service, const model::ServicePort& port) {
  if (!spec.outside) add_frontends(spec, service.cluster_ips, FL_FRONTEND_CLUSTER_IP);
  if (service.internal_local && !spec.outside) return;
  add_frontends(spec, service.external_ips, FL_FRONTEND_EXTERNAL_IP);
  add_frontends(spec, service.load_balancer_ips, FL_FRONTEND_LOAD_BALANCER);
  const auto of_family = [&](const Address& address) { return address.is_v4() == spec.v4; };
  if (port.node_port != 0 && std::ranges::any_of(service.cluster_ips, of_family)) {
    fl_frontend_key key{
        .addr = any_address(spec.v4).raw(), .port = htons(port.node_port), .proto = spec.proto, .pad = 0};
    spec.frontends.push_back({key, FL_FRONTEND_NODE_PORT});
  }
}

std::uint8_t algorithm_of(const TrafficPolicy* policy, std::vector<std::string>& warnings) {
  switch (policy == nullptr ? Balancing::kUnset : policy->balancing) {
    case Balancing::kRoundRobin: return FL_ROUND_ROBIN;
    case Balancing::kLeastRequest: return FL_LEAST_CONN;
    case Balancing::kConsistentHash:
      if (policy->hash_by_source_ip) return FL_MAGLEV;
      warnings.emplace_back("consistentHash: only useSourceIp can be served at L4; balancing is random");
      return FL_RANDOM;
    case Balancing::kUnset:
    case Balancing::kRandom:
    case Balancing::kPassthrough: break;
  }
  return FL_RANDOM;
}

void set_limits(fl_service& row, const TrafficPolicy& policy) {
  row.max_connections = policy.max_connections;
  row.connect_timeout_ms = milliseconds(policy.connect_timeout);
  row.return_ms = milliseconds(policy.warmup);
  if (!policy.outlier || policy.outlier->consecutive_failures == 0) return;
  const auto& outlier = *policy.outlier;
  row.flags |= FL_SERVICE_OUTLIER;
  row.outlier_failures = outlier.consecutive_failures;
  row.ejection_base_ms = milliseconds(outlier.base_ejection);
  row.ejection_max_ms = std::max(kEjectionMaxMs, row.ejection_base_ms);
  // Below minHealthPercent no more are ejected: the same bound seen from the other side.
  const auto healthy = std::min<std::uint8_t>(outlier.min_health_percent, 100);
  row.max_ejected_percent =
      std::min<std::uint8_t>(outlier.max_ejection_percent, static_cast<std::uint8_t>(100 - healthy));
}

fl_slot slot_of(std::uint32_t candidate, std::uint32_t alias, std::uint32_t threshold, std::uint32_t weight) {
  fl_slot slot{};
  slot.backend_id = candidate;
  slot.alias = alias;
  slot.threshold = threshold;
  slot.weight = weight;
  return slot;
}

/// The slots of one level.
void add_level(PortSpec& spec, std::span<const Choice> choices, std::uint32_t level) {
  std::vector<std::uint32_t> weights;
  weights.reserve(choices.size());
  for (const auto& choice : choices) weights.push_back(choice.weight);
  spec.service.levels[level].first = static_cast<std::uint32_t>(spec.slots.size());
  if (spec.service.algorithm == FL_ROUND_ROBIN) {
    std::unordered_map<std::uint32_t, std::uint32_t> first_offsets;  // so that the kernel counts a backend once
    for (const auto index : round_robin_sequence(weights)) {
      const auto offset = static_cast<std::uint32_t>(spec.slots.size()) - spec.service.levels[level].first;
      const auto first = first_offsets.try_emplace(index, offset).first->second;
      spec.slots.push_back(slot_of(choices[index].candidate, first, 0xffffffff, weights[index]));
    }
  } else {
    const auto table = alias_table(weights);
    spec.slots.reserve(spec.slots.size() + choices.size());
    for (std::size_t i = 0; i < choices.size(); ++i)
      spec.slots.push_back(slot_of(choices[i].candidate, table[i].alias, table[i].threshold, weights[i]));
  }
  spec.service.levels[level].count = static_cast<std::uint32_t>(spec.slots.size()) - spec.service.levels[level].first;
  if (level != 0 || spec.service.algorithm != FL_MAGLEV) return;
  std::vector<std::uint64_t> seeds;
  for (const auto& choice : choices) seeds.push_back(seed_of(spec.backends[choice.candidate]));
  spec.maglev = maglev_table(seeds, weights);
}

void add_backends(PortSpec& spec, std::span<const Candidate> candidates, const Topology& topology) {
  spec.backends.reserve(candidates.size());
  for (const auto& candidate : candidates) {
    std::uint32_t flags = 0;
    if (candidate.ready) flags |= FL_BACKEND_READY;
    if (candidate.endpoint->terminating) flags |= FL_BACKEND_TERMINATING;
    if (!topology.node.empty() && candidate.endpoint->node == topology.node) flags |= FL_BACKEND_LOCAL;
    spec.backends.push_back({.address = candidate.address,
                             .port = candidate.port,
                             .flags = flags,
                             .zone = zone_number(candidate.endpoint->zone)});
  }
}

PortSpec port_rows(const model::Service& service, const model::ServicePort& port, PortSpec spec,
                   std::span<const std::shared_ptr<const model::EndpointSlice>> slices, const TrafficPolicy* policy,
                   const model::DestinationRule* rule, const Topology& topology, std::vector<std::string>& warnings) {
  spec.service.port = htons(spec.port);
  spec.service.algorithm = algorithm_of(policy, warnings);
  if (policy != nullptr) set_limits(spec.service, *policy);
  if (rule != nullptr) read_limits(rule->metadata.annotations, spec.service, warnings);
  const bool local_only = service.internal_local && !spec.outside;
  if (local_only) spec.service.flags |= FL_SERVICE_LOCAL_ONLY;
  if (service.affinity_seconds != 0) spec.service.flags |= FL_SERVICE_AFFINITY;
  spec.service.affinity_seconds = service.affinity_seconds;
  const auto candidates = candidates_of(service, port, spec.v4, slices);
  add_backends(spec, candidates, topology);
  const auto choices = choose(service, candidates, local_only, policy, topology, warnings);
  spec.service.backend_count = static_cast<std::uint32_t>(choices.size());
  for (std::size_t begin = 0, end = 0; begin < choices.size(); begin = end) {
    while (end < choices.size() && choices[end].level == choices[begin].level) ++end;
    add_level(spec, std::span(choices).subspan(begin, end - begin), choices[begin].level);
  }
  return spec;
}

}  // namespace

Address any_address(bool v4) { return v4 ? Address::from_v4(0) : Address(); }

std::string_view Topology::region_of(const std::string& zone_name) const {
  const auto found = regions.find(zone_name);
  return found == regions.end() ? std::string_view{} : std::string_view(found->second);
}

std::uint32_t zone_number(std::string_view zone) {
  if (zone.empty()) return 0;
  const auto hash = fnv1a(std::span(reinterpret_cast<const unsigned char*>(zone.data()), zone.size()));
  return std::max(1U, static_cast<std::uint32_t>(hash ^ (hash >> 32)));
}

namespace {

/// Labels by which a service is left to others, as kube-proxy has it.
bool is_of_others(const model::Service& service) {
  const auto& labels = service.metadata.labels;
  return model::find_label(labels, "service.kubernetes.io/service-proxy-name") != nullptr ||
         model::find_label(labels, "service.kubernetes.io/headless") != nullptr;
}

/// What only the gateway serves.
void name_unserved(const model::EndpointSlice& slice, std::vector<std::string>& warnings) {
  if (!slice.names.empty())
    warnings.push_back("EndpointSlice " + slice.metadata.name +
                       ": addressType FQDN: host names are not resolved here, only by the gateway");
}

}  // namespace

Desired desired_rows(const model::Service& service, std::span<const std::shared_ptr<const model::EndpointSlice>> slices,
                     const model::DestinationRule* rule, const Topology& topology) {
  Desired desired;
  if (service.headless || service.external_name || is_of_others(service)) return desired;
  for (const auto& slice : slices) name_unserved(*slice, desired.warnings);
  for (const auto& port : service.ports) {
    const TrafficPolicy* policy = policy_of(rule, port.port);
    if (policy != nullptr && policy->balancing == Balancing::kPassthrough) {
      desired.warnings.push_back("port " + std::to_string(port.port) +
                                 ": loadBalancer PASSTHROUGH: the service's addresses are left untranslated");
      continue;
    }
    for (const auto& [v4, outside] : {std::pair(true, false), {true, true}, {false, false}, {false, true}}) {
      if (outside && !service.internal_local) continue;
      PortSpec spec;
      spec.name = port.name;
      spec.port = port.port;
      spec.proto = static_cast<std::uint8_t>(port.protocol);
      spec.v4 = v4;
      spec.outside = outside;
      add_frontends(spec, service, port);
      if (spec.frontends.empty()) continue;
      desired.ports.push_back(
          port_rows(service, port, std::move(spec), slices, policy, rule, topology, desired.warnings));
    }
  }
  return desired;
}

}  // namespace fairlead::datapath
