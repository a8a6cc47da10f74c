// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "agent/datapath/services.hpp"

namespace fairlead::datapath {

Result<> Services::adopt() {
  FL_TRY(auto services, tables_.services.dump());
  std::ranges::sort(services, {}, [](const auto& row) { return row.first; });
  std::vector<std::pair<std::uint32_t, std::uint32_t>> runs;
  for (const auto& [id, value] : services) {
    service_ids_.adopt(id, 1);
    Row& row = row_at(id);
    row.value = value;
    row.first_slot = value.levels[0].count == 0 ? 0 : value.levels[0].first;
    for (const auto& level : value.levels) row.slot_count += level.count;
    if (row.slot_count != 0) runs.emplace_back(row.first_slot, row.slot_count);
    adopted_ids_.insert(id);
  }
  std::ranges::sort(runs);
  for (const auto& [first, count] : runs) slot_rows_.adopt(first, count);
  for (std::uint32_t index = 1; index < tables_.backends.size(); ++index) {
    const fl_backend& backend = tables_.backends[index];
    if (backend.service_id == 0 || (backend.flags & FL_BACKEND_GONE) != 0) continue;
    if (!adopted_ids_.contains(backend.service_id)) continue;  // its service was never published, or is gone
    backend_rows_.adopt(index, 1);
    rows_[backend.service_id].backends.push_back(index);
  }
  FL_CHECK(adopt_frontends());
  FL_TRY(const auto addresses, tables_.node_addrs.dump());
  for (const auto& [address, unused] : addresses) node_addrs_.insert(Address(address));
  return {};
}

/// An agent that was killed while it published may have left frontends with an older row of their service: its slots
/// could be given to others now.
Result<> Services::adopt_frontends() {
  FL_TRY(const auto frontends, tables_.frontends.dump());
  Batch stale;
  for (const auto& [key, value] : frontends) {
    frontends_[key] = value.service_id;  // where its service is missing, a claim writes it anew
    if (!adopted_ids_.contains(value.service_id)) continue;
    Row& row = rows_[value.service_id];
    row.frontends.push_back({key, value.flags});
    if (std::memcmp(&value.service, &row.value, sizeof row.value) == 0) continue;
    stale.frontend_keys.push_back(key);
    stale.frontends.push_back({.service_id = value.service_id, .flags = value.flags, .service = row.value});
  }
  return tables_.frontends.update(stale.frontend_keys, stale.frontends);
}

std::size_t Services::refresh_workloads() {
  std::size_t changed = 0;
  for (const Row& row : rows_) {
    for (const auto index : row.backends) {
      fl_backend& backend = tables_.backends[index];
      const auto workload = options_.workload_of(Address(backend.addr));
      if (backend.workload_id == workload) continue;
      __atomic_store_n(&backend.workload_id, workload, __ATOMIC_RELAXED);
      ++changed;
    }
    for (auto index = row.first_slot; index < row.first_slot + row.slot_count; ++index) {
      fl_slot& slot = tables_.slots[index];
      __atomic_store_n(&slot.workload_id, tables_.backends[slot.backend_id].workload_id, __ATOMIC_RELAXED);
    }
  }
  return changed;
}

std::optional<ServiceInfo> Services::service(std::uint32_t id) const {
  if (id >= rows_.size() || rows_[id].owner == nullptr) return std::nullopt;
  const Row& row = rows_[id];
  const auto slash = row.owner->find('/');
  return ServiceInfo{.id = id,
                     .ns = row.owner->substr(0, slash),
                     .name = row.owner->substr(slash + 1),
                     .port_name = row.port_name,
                     .port = row.port,
                     .proto = row.proto,
                     .frontends = row.frontends,
                     .backends = row.backends,
                     .row = row.value};
}

std::optional<ServiceInfo> Services::former_service(std::uint32_t id) const {
  const auto found = former_.find(id);
  return found == former_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<BackendInfo> Services::backend(std::uint32_t id) const {
  if (id == 0 || id >= tables_.backends.size() || tables_.backends[id].service_id == 0) return std::nullopt;
  BackendInfo info{.id = id, .row = tables_.backends[id], .state = {}};
  if (id < tables_.backend_states.size() && tables_.backend_states[id].generation == info.row.generation)
    info.state = tables_.backend_states[id];
  return info;
}

std::vector<ServiceInfo> Services::services() const {
  std::vector<ServiceInfo> result;
  for (std::uint32_t id = 1; id < rows_.size(); ++id)
    if (auto info = service(id)) result.push_back(std::move(*info));
  return result;
}

bool Services::any_of_protocol(std::uint8_t proto) const {
  return std::ranges::any_of(rows_, [&](const Row& row) { return row.owner != nullptr && row.proto == proto; });
}

}  // namespace fairlead::datapath
