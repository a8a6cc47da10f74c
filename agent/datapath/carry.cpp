// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/carry.hpp"

#include <cerrno>
#include <cstring>
#include <limits>
#include <map>

#include "agent/datapath/sockets.hpp"

namespace fairlead::datapath {
namespace {

struct KeyLess {
  bool operator()(const fl_carried_key& a, const fl_carried_key& b) const { return std::memcmp(&a, &b, sizeof a) < 0; }
};
using Places = std::map<fl_carried_key, fl_carried, KeyLess>;

fl_carried_key key_of(const fl_swept& socket) {
  return {.service_addr = socket.service_addr,
          .backend_addr = socket.backend_addr,
          .service_port = socket.service_port,
          .backend_port = socket.backend_port,
          .proto = socket.proto,
          .pad = {}};
}

Result<std::uint32_t> service_of(const Services& services, const fl_carried_key& key) {
  fl_frontend_key frontend{.addr = key.service_addr, .port = key.service_port, .proto = key.proto, .pad = 0};
  for (const bool node_port : {false, true}) {
    if (node_port) frontend.addr = any_address(Address(key.service_addr).is_v4()).raw();
    FL_TRY(const auto found, services.tables().frontends.find(frontend));
    if (found) return found->service_id;
  }
  return 0U;
}

/// Where such a connection stands with us. What is gone is told apart by a generation that row 0 never has, and keeps a
/// service that no other has, so that its peer's name stays as it was until it is ended.
Result<fl_carried> place_of(const Services& services, const fl_carried_key& key) {
  fl_carried place{.service_id = std::numeric_limits<std::uint32_t>::max(),
                   .service_state = 0,
                   .service_generation = 0,
                   .backend_id = 0,
                   .backend_generation = 1};
  FL_TRY(const auto id, service_of(services, key));
  const auto service = services.service(id);
  if (!service) return place;
  place.service_id = id;
  place.service_state = service->row.state_index;
  place.service_generation = service->row.generation;
  for (const auto row : service->backends) {
    const fl_backend& backend = services.tables().backends[row];
    if (backend.port != key.backend_port || Address(backend.addr) != Address(key.backend_addr)) continue;
    place.backend_id = row;
    place.backend_generation = backend.generation;
  }
  return place;
}

}  // namespace

Result<Carry> Carry::open(const kernel::Loaded& loaded, const std::vector<Fd>& old_socks) {
  FL_TRY(Fd carried, loaded.map("fl_carried"));
  FL_TRY(auto map, (kernel::HashMap<fl_carried_key, fl_carried>::from_fd(std::move(carried))));
  Carry self(std::move(map));
  for (const auto& socks : old_socks) {
    FL_TRY(auto list, kernel::Walk::open(loaded, "fl_sweep_list", "fl_socks", socks));
    FL_TRY(auto carry, kernel::Walk::open(loaded, "fl_carry", "fl_socks", socks));
    self.list_.push_back(std::move(list));
    self.carry_.push_back(std::move(carry));
  }
  return self;
}

Result<std::size_t> Carry::run(const Services& services) {
  Places places;
  std::size_t sockets = 0;
  for (const auto& list : list_) {
    FL_TRY(const auto rows, swept_rows(list));
    sockets += rows.size();
    for (const auto& socket : rows) {
      const auto key = key_of(socket);
      if (socket.service_port == 0 || places.contains(key)) continue;
      FL_TRY(places[key], place_of(services, key));
    }
  }
  std::vector<fl_carried_key> keys;
  std::vector<fl_carried> values;
  for (const auto& [key, value] : places) {
    keys.push_back(key);
    values.push_back(value);
  }
  FL_CHECK(carried_.update(keys, values));
  for (const auto& carry : carry_) FL_CHECK(carry.run([](auto) {}));
  FL_CHECK(carried_.remove(keys));
  return sockets;
}

}  // namespace fairlead::datapath
