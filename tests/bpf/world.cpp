// SPDX-License-Identifier: Apache-2.0
#include "bpf/world.hpp"

#include <arpa/inet.h>

namespace fairlead::test {
namespace {

template <class Key>
std::string bytes(const Key& key) {
  return {reinterpret_cast<const char*>(&key), sizeof key};
}

template <class Row>
void* row_at(std::vector<Row>& rows, const void* key) {
  const auto index = *static_cast<const std::uint32_t*>(key);
  return index < rows.size() ? &rows[index] : nullptr;
}

template <class Map, class Key>
void* value_at(Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

fl_addr address(std::uint32_t number) { return Address::from_v4(htonl(0x0a600000U + number)).raw(); }

}  // namespace

World::World(std::uint64_t seed, const fl_settings& settings)
    : dice_(seed),
      settings_(settings),
      slots_(kSlots),
      backends_(kBackends),
      backend_states_(kBackends),
      service_states_(kServices + 1) {
  for (std::uint32_t id = 1; id <= kServices; ++id) make_service(id);
  make_frontends();
}

void World::make_service(std::uint32_t id) {
  fl_service row{};
  row.state_index = id;
  row.generation = 1 + dice_.below(3);
  row.algorithm = static_cast<std::uint8_t>(dice_.below(4));
  if (dice_.percent(30)) row.flags |= FL_SERVICE_AFFINITY;
  if (dice_.percent(60)) row.flags |= FL_SERVICE_OUTLIER;
  row.affinity_seconds = 1 + dice_.below(20);
  if (dice_.percent(25)) row.max_connections = 1 + dice_.below(12);
  if (dice_.percent(25)) row.max_pending = 1 + dice_.below(6);
  if (dice_.percent(40)) row.backend_connections = 1 + dice_.below(6);
  if (dice_.percent(50)) row.return_ms = 1 + dice_.below(20'000);
  row.connect_timeout_ms = dice_.below(5000);
  const std::uint32_t first = next_backend_;
  make_backends(id);
  make_levels(id, row, first, next_backend_ - first);
  service_states_[id] = {.generation = dice_.percent(95) ? row.generation : 9,
                         .active = dice_.below(8),
                         .pending = dice_.below(4),
                         .ejected = 0,
                         .round_robin = dice_.below(0xffffffff),
                         .pad = 0,
                         .total = 0,
                         .no_backend = 0,
                         .over_limit = 0,
                         .all_ejected = 0,
                         .reserved = 0};
  services_[id] = row;
}

void World::make_backends(std::uint32_t service) {
  const bool bad_day = dice_.percent(20);  // all of them full or ejected
  for (std::uint32_t left = 1 + dice_.below(20); left > 0; --left) {
    const std::uint32_t id = next_backend_++;
    auto& row = backends_[id];
    row.addr = address(0x10000 + id);
    row.port = htons(static_cast<std::uint16_t>(1024 + id));
    row.proto = FL_TCP;
    row.generation = 1 + dice_.below(3);
    row.service_id = dice_.percent(97) ? service : service + 1;
    row.workload_id = dice_.below(100);
    if (dice_.percent(85)) row.flags |= FL_BACKEND_READY;
    if (dice_.percent(10)) row.flags |= FL_BACKEND_TERMINATING;
    if (dice_.percent(4)) row.flags |= FL_BACKEND_GONE;
    auto& state = backend_states_[id];
    state.generation = dice_.percent(95) ? row.generation : 9;
    state.active = dice_.below(bad_day ? 12 : 4);
    state.pending = dice_.below(3);
    if (dice_.percent(bad_day ? 90 : 40))
      state.ejected_until_ns = kNow - 10'000'000'000 + dice_.word() % 20'000'000'000;
  }
}

fl_slot World::make_slot(std::uint32_t backend, std::uint32_t count) {
  const auto& row = backends_[backend];
  fl_slot slot{};
  slot.backend_id = backend;
  slot.alias = dice_.below(count);
  slot.threshold = dice_.percent(30) ? 0xffffffff : static_cast<std::uint32_t>(dice_.word());
  slot.weight = 1 + dice_.below(5);
  slot.addr = row.addr;
  slot.port = row.port;
  slot.generation = row.generation;
  slot.service_id = (row.flags & FL_BACKEND_GONE) != 0 ? 0 : row.service_id;
  slot.flags = row.flags;
  slot.workload_id = row.workload_id;
  return slot;
}

void World::make_levels(std::uint32_t id, fl_service& row, std::uint32_t first_backend, std::uint32_t backends) {
  const std::uint32_t levels = dice_.below(FL_LEVELS + 1);
  for (std::uint32_t number = 0; number < levels; ++number) {
    auto& level = row.levels[number];
    level.first = next_slot_;
    level.count = dice_.percent(90) ? 1 + dice_.below(10) : 1 + dice_.below(80);
    for (std::uint32_t i = 0; i < level.count; ++i) {
      const auto backend = first_backend + dice_.below(backends);
      slots_[next_slot_++] = make_slot(backend, level.count);
    }
  }
  if (row.algorithm != FL_MAGLEV || levels == 0 || dice_.percent(5)) return;
  auto& table = maglevs_[id];
  for (auto& entry : table.slot) entry = static_cast<std::uint16_t>(dice_.below(row.levels[0].count));
}

void World::make_frontends() {
  const fl_addr node = address(0xffff);
  const fl_addr loopback = Address::from_v4(htonl(0x7f000001U)).raw();
  nodes_[bytes(node)] = nodes_[bytes(loopback)] = 1;
  for (std::uint32_t id = 1; id <= kServices; ++id) {
    const bool udp = dice_.percent(30);
    fl_frontend_key key{
        .addr = address(id), .port = htons(80), .proto = static_cast<std::uint8_t>(udp ? FL_UDP : FL_TCP), .pad = 0};
    frontends_[bytes(key)] = {.service_id = id, .flags = FL_FRONTEND_CLUSTER_IP, .service = services_[id]};
    asked_.push_back(key);
    if (!dice_.percent(30)) continue;
    key.port = htons(static_cast<std::uint16_t>(ntohs(settings_.node_port_low) + id));
    key.addr = Address(node).is_v4() ? Address::from_v4(0).raw() : fl_addr{};
    frontends_[bytes(key)] = {.service_id = id, .flags = FL_FRONTEND_NODE_PORT, .service = services_[id]};
    for (const auto& address : {node, loopback}) {
      key.addr = address;
      asked_.push_back(key);
    }
  }
}

fl_choice World::question() {
  auto key = asked_[dice_.below(static_cast<std::uint32_t>(asked_.size()))];
  if (dice_.percent(2)) key.port = htons(static_cast<std::uint16_t>(dice_.below(65536)));
  if (dice_.percent(1)) key.addr = address(dice_.below(2 * kServices));
  fl_choice choice{};
  choice.asked = key.addr;
  choice.port = key.port;
  choice.proto = key.proto;
  choice.flags = dice_.percent(25) ? FL_CHOOSE_DRY : 0;
  choice.client = dice_.percent(5) ? settings_.host_netns : 1 + dice_.below(40);
  choice.now_ns = kNow + dice_.word() % 30'000'000'000;
  choice.chance = dice_.word();
  return choice;
}

Result<> World::load(datapath::ServiceTables& tables) const {
  FL_CHECK(tables.slots.reserve(kSlots));
  FL_CHECK(tables.backends.reserve(kBackends));
  FL_CHECK(tables.backend_states.reserve(kBackends));
  FL_CHECK(tables.service_states.reserve(kServices + 1));
  for (std::uint32_t i = 0; i < kSlots; ++i) tables.slots[i] = slots_[i];
  for (std::uint32_t i = 0; i < kBackends; ++i) {
    tables.backends[i] = backends_[i];
    tables.backend_states[i] = backend_states_[i];
  }
  for (std::uint32_t i = 0; i <= kServices; ++i) tables.service_states[i] = service_states_[i];
  const auto replace = [](auto& table, const auto& rows, auto key_of) -> Result<> {
    FL_TRY(const auto before, table.dump());
    for (const auto& row : before) FL_CHECK(table.remove(row.first));
    for (const auto& row : rows) FL_CHECK(table.update(key_of(row.first), row.second));
    return {};
  };
  const auto same = [](std::uint32_t key) { return key; };
  const auto typed = [](auto key) {
    return [key](const Bytes& text) mutable {
      std::memcpy(&key, text.data(), sizeof key);
      return key;
    };
  };
  FL_CHECK(replace(tables.services, services_, same));
  FL_CHECK(replace(tables.maglevs, maglevs_, same));
  FL_CHECK(replace(tables.frontends, frontends_, typed(fl_frontend_key{})));
  return replace(tables.node_addrs, nodes_, typed(fl_addr{}));
}

void* World::find(native_table table, const void* key) {
  const auto text = [key](std::size_t length) { return Bytes(static_cast<const char*>(key), length); };
  const auto number = [key] { return *static_cast<const std::uint32_t*>(key); };
  switch (table) {
    case NATIVE_FRONTENDS: return value_at(frontends_, text(sizeof(fl_frontend_key)));
    case NATIVE_SERVICES: return value_at(services_, number());
    case NATIVE_MAGLEVS: return value_at(maglevs_, number());
    case NATIVE_NODE_ADDRS: return value_at(nodes_, text(sizeof(fl_addr)));
    case NATIVE_SLOTS: return row_at(slots_, key);
    case NATIVE_BACKENDS: return row_at(backends_, key);
    case NATIVE_BACKEND_STATES: return row_at(backend_states_, key);
    case NATIVE_SERVICE_STATES: return row_at(service_states_, key);
    case NATIVE_SETTINGS: return &settings_;
    case NATIVE_AFFINITY: return value_at(affinity_, text(sizeof(fl_affinity_key)));
    case NATIVE_OTHER: break;
  }
  return nullptr;
}

void World::store(native_table table, const void* key, const void* value) {
  if (table != NATIVE_AFFINITY) return;
  std::memcpy(&affinity_[Bytes(static_cast<const char*>(key), sizeof(fl_affinity_key))], value, sizeof(fl_affinity));
}

std::string World::difference(const datapath::ServiceTables& tables) const {
  for (std::uint32_t i = 0; i <= kServices; ++i)
    if (std::memcmp(&tables.service_states[i], &service_states_[i], sizeof(fl_service_state)) != 0)
      return "state of service " + std::to_string(i);
  for (std::uint32_t i = 0; i < kBackends; ++i)
    if (std::memcmp(&tables.backend_states[i], &backend_states_[i], sizeof(fl_backend_state)) != 0)
      return "state of backend " + std::to_string(i);
  return {};
}

}  // namespace fairlead::test
