// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/services.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace fairlead::datapath {
namespace {

constexpr std::size_t kMaglevsAtOnce = 128;  // 4 MiB of tables on their way

std::uint64_t endpoint_hash(const fl_addr& addr, std::uint16_t network_port) {
  return std::hash<Address>{}(Address(addr)) * 31 + network_port;
}

/// A slot of the algorithm with what it has of its backend's row.
fl_slot whole_slot(fl_slot slot, std::uint32_t index, const fl_backend& row) {
  slot.backend_id = index;
  slot.addr = row.addr;
  slot.port = row.port;
  slot.generation = row.generation;
  slot.service_id = row.service_id;
  slot.flags = row.flags;
  slot.workload_id = row.workload_id;
  return slot;
}

bool same(const fl_backend& row, const BackendSpec& spec) {
  return row.port == htons(spec.port) && Address(row.addr) == spec.address;
}

}  // namespace

std::size_t Services::KeyHash::operator()(const fl_frontend_key& key) const noexcept {
  return endpoint_hash(key.addr, key.port) * 31 + key.proto;
}
bool Services::KeyEqual::operator()(const fl_frontend_key& a, const fl_frontend_key& b) const noexcept {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

Result<ServiceTables> ServiceTables::open(const std::function<Result<Fd>(const std::string& name)>& fd_of,
                                          const std::string& pin_dir) {
  ServiceTables tables;
  const auto one = [&]<class Table>(Table& table, const std::string& name) -> Result<> {
    FL_TRY(Fd inner, fd_of(name));
    FL_TRY(Fd outer, fd_of(name + "_of"));
    FL_TRY(table, Table::open(std::move(inner), std::move(outer), pin_dir.empty() ? "" : pin_dir + "/" + name));
    return {};
  };
  FL_CHECK(one(tables.frontends, "fl_frontends"));
  FL_CHECK(one(tables.services, "fl_services"));
  FL_CHECK(one(tables.maglevs, "fl_maglevs"));
  FL_CHECK(one(tables.node_addrs, "fl_node_addrs"));
  FL_CHECK(one(tables.slots, "fl_slots"));
  FL_CHECK(one(tables.backends, "fl_backends"));
  FL_CHECK(one(tables.backend_states, "fl_be_state"));
  FL_CHECK(one(tables.service_states, "fl_svc_state"));
  return tables;
}

ServiceTables ServiceTables::dry() {
  ServiceTables tables;
  const auto each = [](auto&... table) { ((table = std::remove_reference_t<decltype(table)>::dry()), ...); };
  each(tables.frontends, tables.services, tables.maglevs, tables.node_addrs, tables.slots, tables.backends,
       tables.backend_states, tables.service_states);
  return tables;
}

Services::Services(ServiceTables tables, ServicesOptions options)
    : tables_(std::move(tables)),
      options_(std::move(options)),
      rules_(options_.mesh.cluster_domain, options_.mesh.root_namespace),
      service_ids_(options_.service_rest),
      backend_rows_(options_.rest),
      slot_rows_(options_.rest) {
  topology_.node = options_.node_name;
}

Services::Row& Services::row_at(std::uint32_t id) {
  if (rows_.size() <= id) rows_.resize(id + 1);
  return rows_[id];
}

Services::Concerned Services::look_up(const model::Cluster& cluster, std::string name) {
  const auto slash = name.find('/');
  const auto ns = name.substr(0, slash), service = name.substr(slash + 1);
  auto object = cluster.find({model::Kind::kService, ns, service});
  return {.name = std::move(name), .service = std::move(object), .slices = &cluster.slices(ns, service)};
}

/// Room for everything at once: each growth of a table waits for a grace period of RCU.
Result<> Services::reserve(const std::vector<Concerned>& all) {
  std::size_t fresh = 0, ports = 0, frontends = 0, endpoints = 0;
  for (const auto& one : all) {
    if (one.service == nullptr || owners_.contains(one.name)) continue;  // known ones grow as they need
    const auto& service = std::get<model::Service>(*one.service);
    std::size_t of_service = 0;
    for (const auto& slice : *one.slices) of_service += slice->endpoints.size();
    ++fresh;
    ports += service.ports.size();
    frontends += service.ports.size() * service.cluster_ips.size();
    endpoints += of_service * service.ports.size();
  }
  // Only for many: on the way from one service to the next they would be hashed anew each time.
  if (fresh > owners_.size()) owners_.reserve(owners_.size() + fresh);
  if (frontends > frontends_.size()) frontends_.reserve(frontends_.size() + frontends);
  FL_CHECK(tables_.service_states.reserve(service_ids_.end() + ports));
  FL_CHECK(tables_.backends.reserve(backend_rows_.end() + endpoints));
  FL_CHECK(tables_.backend_states.reserve(tables_.backends.size()));
  return tables_.slots.reserve(slot_rows_.end() + endpoints);
}

Result<std::uint32_t> Services::new_service(const PortSpec& spec) {
  for (const auto& frontend : spec.frontends) {
    const auto found = frontends_.find(frontend.key);
    if (found != frontends_.end() && adopted_ids_.erase(found->second) != 0) return found->second;
  }
  const std::uint32_t id = service_ids_.allocate(1);
  FL_CHECK(tables_.service_states.reserve(id + 1));
  fl_service_state state{};
  state.generation = tables_.service_states[id].generation + 1;
  tables_.service_states[id] = state;
  former_.erase(id);
  Row& row = row_at(id);
  row = {};
  row.value.state_index = id;
  row.value.generation = state.generation;
  return id;
}

Result<std::uint32_t> Services::new_backend(std::uint32_t id, const PortSpec& spec, const BackendSpec& backend) {
  const std::uint32_t index = backend_rows_.allocate(1);
  FL_CHECK(tables_.backends.reserve(index + 1));
  FL_CHECK(tables_.backend_states.reserve(index + 1));
  fl_backend& row = tables_.backends[index];
  const std::uint32_t generation = row.generation + 1;
  row = {.addr = backend.address.raw(),
         .port = htons(backend.port),
         .proto = spec.proto,
         .pad = 0,
         .generation = generation,
         .service_id = id,
         .flags = backend.flags,
         .workload_id = options_.workload_of(backend.address),
         .zone = backend.zone};
  tables_.backend_states[index] = {};
  tables_.backend_states[index].generation = generation;
  return index;
}

/// The rows of spec.backends, in their order; those no longer wanted are noted as gone.
Result<std::vector<std::uint32_t>> Services::write_backends(std::uint32_t id, Row& row, const PortSpec& spec,
                                                            Batch& batch) {
  std::unordered_multimap<std::uint64_t, std::uint32_t> old;
  for (const auto index : row.backends) {
    const auto& backend = tables_.backends[index];
    old.emplace(endpoint_hash(backend.addr, backend.port), index);
  }
  std::vector<std::uint32_t> result;
  result.reserve(spec.backends.size());
  for (const auto& backend : spec.backends) {
    const auto [begin, end] = old.equal_range(endpoint_hash(backend.address.raw(), htons(backend.port)));
    const auto found =
        std::find_if(begin, end, [&](const auto& e) { return same(tables_.backends[e.second], backend); });
    if (found == end) {
      FL_TRY(const std::uint32_t index, new_backend(id, spec, backend));
      result.push_back(index);
      ++batch.applied.rows_written;
      continue;
    }
    fl_backend& kept = tables_.backends[found->second];
    if (kept.flags != backend.flags || kept.zone != backend.zone) {
      __atomic_store_n(&kept.flags, backend.flags, __ATOMIC_RELAXED);
      __atomic_store_n(&kept.zone, backend.zone, __ATOMIC_RELAXED);
      // In the slots in force too: until others are published, a backend that is not ready is passed over.
      for (auto slot = row.first_slot; slot < row.first_slot + row.slot_count; ++slot)
        if (tables_.slots[slot].backend_id == found->second)
          __atomic_store_n(&tables_.slots[slot].flags, backend.flags, __ATOMIC_RELAXED);
      ++batch.applied.rows_written;
    }
    result.push_back(found->second);
    old.erase(found);
  }
  for (const auto& [unused, index] : old) batch.gone_backends.push_back(index);
  return result;
}

/// True if the slots, which get what backends' rows have, are others than before; those then stand in rows of their
/// own.
Result<bool> Services::write_slots(Row& row, std::span<fl_slot> slots, std::span<const std::uint32_t> backends,
                                   Batch& batch) {
  for (auto& slot : slots) {
    const auto index = backends[slot.backend_id];
    slot = whole_slot(slot, index, tables_.backends[index]);
  }
  const auto count = static_cast<std::uint32_t>(slots.size());
  if (count == row.slot_count &&
      (count == 0 || std::memcmp(&tables_.slots[row.first_slot], slots.data(), count * sizeof(fl_slot)) == 0))
    return false;
  if (row.slot_count != 0) batch.free_slots.emplace_back(row.first_slot, row.slot_count);
  row.first_slot = count == 0 ? 0 : slot_rows_.allocate(count);
  row.slot_count = count;
  if (count == 0) return true;
  FL_CHECK(tables_.slots.reserve(row.first_slot + count));
  std::memcpy(&tables_.slots[row.first_slot], slots.data(), count * sizeof(fl_slot));
  batch.applied.rows_written += count;
  return true;
}

void Services::release_frontend(const fl_frontend_key& key, std::uint32_t id, Batch& batch) {
  const auto found = frontends_.find(key);
  if (found == frontends_.end() || found->second != id) return;
  frontends_.erase(found);
  batch.removed_frontends.push_back(key);
}

/// changed: the service's row, which all its frontends carry.
void Services::claim_frontends(std::uint32_t id, Row& row, const std::vector<Frontend>& wanted, bool changed,
                               Batch& batch) {
  const KeyEqual equal;
  std::vector<Frontend> held;
  for (const auto& frontend : wanted) {
    auto [place, fresh] = frontends_.try_emplace(frontend.key, id);
    if (!fresh && adopted_ids_.contains(place->second)) place->second = id;  // its old owner is not wanted any more
    if (place->second != id) {
      contested_.insert(*row.owner);
      warnings_["Service " + *row.owner].push_back(Address(frontend.key.addr).text() + ":" +
                                                   std::to_string(ntohs(frontend.key.port)) + " belongs to " +
                                                   *rows_[place->second].owner + " already: not served for this one");
      continue;
    }
    const auto old = std::ranges::find_if(row.frontends, [&](const auto& f) { return equal(f.key, frontend.key); });
    if (changed || old == row.frontends.end() || old->flags != frontend.flags) {
      batch.frontend_keys.push_back(frontend.key);
      batch.frontends.push_back({.service_id = id, .flags = frontend.flags, .service = row.value});
    }
    held.push_back(frontend);
  }
  for (const auto& old : row.frontends)
    if (std::ranges::none_of(held, [&](const auto& f) { return equal(f.key, old.key); }))
      release_frontend(old.key, id, batch);
  row.frontends = std::move(held);
}

Result<> Services::write_port(const std::string* owner, std::uint32_t id, PortSpec& spec, Batch& batch) {
  Row& row = rows_[id];
  row.owner = owner;
  row.port_name = spec.name;
  row.port = spec.port;
  row.proto = spec.proto;
  row.v4 = spec.v4;
  row.outside = spec.outside;
  FL_TRY(row.backends, write_backends(id, row, spec, batch));
  FL_TRY(const bool moved, write_slots(row, spec.slots, row.backends, batch));
  fl_service value = spec.service;
  value.state_index = row.value.state_index;
  value.generation = row.value.generation;
  for (auto& level : value.levels)
    if (level.count != 0) level.first += row.first_slot;
  const bool was_maglev = row.value.algorithm == FL_MAGLEV;
  if (!spec.maglev.empty() && (moved || !was_maglev)) {
    fl_maglev& table = batch.maglevs.emplace_back();
    std::ranges::copy(spec.maglev, table.slot);
    batch.maglev_ids.push_back(id);
    if (batch.maglevs.size() >= kMaglevsAtOnce) FL_CHECK(write_maglevs(batch));
  } else if (was_maglev && value.algorithm != FL_MAGLEV) {
    batch.removed_maglevs.push_back(id);
  }
  const bool changed = std::memcmp(&value, &row.value, sizeof value) != 0;
  if (changed) {
    row.value = value;
    batch.service_ids.push_back(id);
    batch.services.push_back(value);
  }
  claim_frontends(id, row, spec.frontends, changed, batch);
  return {};
}

void Services::drop(std::uint32_t id, Batch& batch) {
  Row& row = rows_[id];
  if (auto info = service(id)) {
    info->frontends.clear();
    info->backends.clear();
    former_.insert_or_assign(id, std::move(*info));
  }
  for (const auto& frontend : row.frontends) release_frontend(frontend.key, id, batch);
  if (row.slot_count != 0) batch.free_slots.emplace_back(row.first_slot, row.slot_count);
  std::ranges::copy(row.backends, std::back_inserter(batch.gone_backends));
  if (row.value.algorithm == FL_MAGLEV) batch.removed_maglevs.push_back(id);
  batch.removed_services.push_back(id);
  row = {};
}

/// NodePorts that no client is led to.
void Services::name_unreached(Desired& desired) const {
  std::set<std::uint16_t> named;
  for (const auto& spec : desired.ports)
    for (const auto& frontend : spec.frontends) {
      const auto port = ntohs(frontend.key.port);
      const bool within = port >= options_.node_port_low && port <= options_.node_port_high;
      if (within || (frontend.flags & FL_FRONTEND_NODE_PORT) == 0 || !named.insert(port).second) continue;
      desired.warnings.push_back("nodePort " + std::to_string(port) + " is outside of node-ports " +
                                 std::to_string(options_.node_port_low) + "-" +
                                 std::to_string(options_.node_port_high) + ": not served");
    }
}

Result<> Services::compile(const Concerned& concerned, Batch& batch) {
  const auto& name = concerned.name;
  Desired desired;
  if (concerned.service != nullptr) {
    const auto& service = std::get<model::Service>(*concerned.service);
    const auto rule = rules_.find(service.metadata.ns, service.metadata.name);
    desired = desired_rows(service, *concerned.slices, rule.get(), topology_);
  }
  name_unreached(desired);
  warnings_.erase("Service " + name);
  if (!desired.warnings.empty()) warnings_["Service " + name] = std::move(desired.warnings);
  contested_.erase(name);
  if (desired.ports.empty() && !owners_.contains(name)) return {};
  ++batch.applied.services_changed;
  auto& [owner, ids] = *owners_.try_emplace(name).first;
  std::vector<std::uint32_t> kept;
  for (auto& spec : desired.ports) {
    const auto old = std::ranges::find_if(ids, [&](auto id) {
      const Row& row = rows_[id];
      return row.port == spec.port && row.proto == spec.proto && row.v4 == spec.v4 && row.outside == spec.outside;
    });
    std::uint32_t id = 0;
    if (old != ids.end()) {
      id = *old;
      ids.erase(old);
    } else {
      FL_TRY(id, new_service(spec));
    }
    kept.push_back(id);
    FL_CHECK(write_port(&owner, id, spec, batch));
  }
  for (const auto id : ids) drop(id, batch);
  ids = std::move(kept);
  if (ids.empty()) owners_.erase(name);
  return {};
}

/// Offsets in a table are bounded by their reader, so that a table may be newer than its service's levels.
Result<> Services::write_maglevs(Batch& batch) {
  FL_CHECK(tables_.maglevs.update(batch.maglev_ids, batch.maglevs));
  batch.applied.rows_written += batch.maglev_ids.size();
  batch.maglev_ids.clear();
  batch.maglevs.clear();
  return {};
}

/// Backends and slots stand; now services, then frontends, then what is gone.
Result<> Services::publish(Batch& batch) {
  FL_CHECK(write_maglevs(batch));
  FL_CHECK(tables_.services.update(batch.service_ids, batch.services));
  FL_CHECK(tables_.frontends.update(batch.frontend_keys, batch.frontends));
  batch.applied.rows_written += batch.service_ids.size() + batch.frontend_keys.size();
  // An address may have gone to another service within this very change.
  std::erase_if(batch.removed_frontends, [&](const auto& key) { return frontends_.contains(key); });
  FL_CHECK(tables_.frontends.remove(batch.removed_frontends));
  FL_CHECK(tables_.services.remove(batch.removed_services));
  FL_CHECK(tables_.maglevs.remove(batch.removed_maglevs));
  const auto now = options_.now();
  for (const auto index : batch.gone_backends) {
    __atomic_fetch_or(&tables_.backends[index].flags, std::uint32_t{FL_BACKEND_GONE}, __ATOMIC_RELAXED);
    backend_rows_.release(index, 1, now);
  }
  for (const auto& [first, count] : batch.free_slots) slot_rows_.release(first, count, now);
  for (const auto id : batch.removed_services) service_ids_.release(id, 1, now);
  batch.applied.backends_removed = batch.gone_backends.size();
  batch.applied.rows_deleted +=
      batch.removed_frontends.size() + batch.removed_services.size() + batch.removed_maglevs.size();
  return {};
}

Result<Applied> Services::apply(const model::Cluster& cluster, const model::ChangeSet& changes) {
  Batch batch;
  const auto now = options_.now();
  for (RunAllocator* rows : {&service_ids_, &backend_rows_, &slot_rows_}) rows->wake(now);
  std::vector<Concerned> all;
  for (auto& name : affected(cluster, changes)) all.push_back(look_up(cluster, std::move(name)));
  FL_CHECK(write_node_addresses(cluster, changes, batch.applied));
  FL_CHECK(reserve(all));
  for (const auto& one : all) FL_CHECK(compile(one, batch));
  if (first_apply_)
    for (const auto id : std::exchange(adopted_ids_, {})) drop(id, batch);
  first_apply_ = false;
  if (!batch.removed_frontends.empty())
    for (const auto& name : std::set(contested_)) FL_CHECK(compile(look_up(cluster, name), batch));
  FL_CHECK(publish(batch));
  return batch.applied;
}

}  // namespace fairlead::datapath
