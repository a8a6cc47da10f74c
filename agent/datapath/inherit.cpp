// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/inherit.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>

#include "agent/kernel/layout.hpp"
#include "fairlead/abi/policy.h"

namespace fairlead::datapath {
namespace {

constexpr std::uint64_t kEjectedMark = 1;  // FL_EJECTED_MARK of bpf/lib/outlier.h

template <class T>
T load(const T& word) {
  return __atomic_load_n(&word, __ATOMIC_RELAXED);
}
template <class T>
void add(T& word, T more) {
  __atomic_fetch_add(&word, more, __ATOMIC_RELAXED);
}

template <class K, class V>
Result<kernel::Rows<K, V>> rows_of(const Fd& map) {
  FL_TRY(Fd copy, kernel::duplicate(map.get()));
  FL_TRY(const auto typed, (kernel::HashMap<K, V>::from_fd(std::move(copy))));
  return typed.dump();
}

template <class V>
Result<kernel::Array<V>> array_of(const Fd& map) {
  FL_TRY(Fd copy, kernel::duplicate(map.get()));
  return kernel::Array<V>::from_fd(std::move(copy));
}

/// A row that is there already is newer.
template <class K, class V>
Result<> put(const Fd& map, const K& key, const V& value) {
  if (bpf_map_update_elem(map.get(), &key, &value, BPF_NOEXIST) == 0 || errno == EEXIST) return {};
  return fail(system_error("carrying a row over", errno));
}

/// Where a service has its endpoint.
struct EndpointKey {
  std::uint32_t service;
  Address address;
  std::uint16_t port;
  bool operator==(const EndpointKey&) const = default;
};
struct EndpointHash {
  std::size_t operator()(const EndpointKey& key) const noexcept {
    return (std::hash<Address>{}(key.address) * 31 + key.port) * 31 + key.service;
  }
};

}  // namespace

std::optional<Inheritance::Both> Inheritance::both(const kernel::MapSet& old, const MapOf& ours, const char* name) {
  const auto found = old.find(name);
  if (found == old.end()) return std::nullopt;
  auto own = ours(name);
  if (!own || !kernel::same_rows(found->second.get(), own->get())) return std::nullopt;
  auto copy = kernel::duplicate(found->second.get());
  if (!copy) return std::nullopt;
  return Both{.old = std::move(*copy), .ours = std::move(*own)};
}

Result<Inheritance> Inheritance::open(const kernel::MapSet& old, const MapOf& ours, const Services& services) {
  Inheritance self(services);
  const auto frontends = both(old, ours, "fl_frontends");
  const auto rows = both(old, ours, "fl_services");
  const auto backends = both(old, ours, "fl_backends");
  if (!frontends || !rows || !backends) {
    self.missing_ = {"session affinity", "peers of unconnected UDP sockets", "ejections and totals of endpoints"};
  } else {
    FL_CHECK(self.match_services(*frontends));
    FL_CHECK(self.match_backends(*backends));
    FL_TRY(const auto old_rows, (rows_of<std::uint32_t, fl_service>(rows->old)));
    for (const auto& [id, row] : old_rows)
      if (const auto known = self.service(id))
        if (const auto info = services.service(*known)) self.state_rows_[row.state_index] = info->row.state_index;
    self.affinity_ = both(old, ours, "fl_affinity");
    if (!self.affinity_) self.missing_.emplace_back("session affinity");
    self.udp_peers_ = both(old, ours, "fl_udp_peers");
    if (!self.udp_peers_) self.missing_.emplace_back("peers of unconnected UDP sockets");
    const auto backend_states = both(old, ours, "fl_be_state");
    const auto service_states = both(old, ours, "fl_svc_state");
    if (backend_states && service_states) {
      FL_TRY(self.old_backends_, array_of<fl_backend_state>(backend_states->old));
      FL_TRY(self.old_services_, array_of<fl_service_state>(service_states->old));
    } else {
      self.missing_.emplace_back("ejections and totals of endpoints");
    }
  }
  self.asked_ = both(old, ours, "fl_udp_asked");
  if (!self.asked_) self.missing_.emplace_back("who asked whom by datagrams");
  return self;
}

Result<> Inheritance::match_services(const Both& frontends) {
  FL_TRY(const auto old, (rows_of<fl_frontend_key, fl_frontend>(frontends.old)));
  for (const auto& [key, value] : old) {
    FL_TRY(const auto found, services_.tables().frontends.find(key));
    if (found) service_ids_.try_emplace(value.service_id, found->service_id);
  }
  return {};
}

Result<> Inheritance::match_backends(const Both& backends) {
  const auto& ours = services_.tables().backends;
  std::unordered_map<EndpointKey, Place, EndpointHash> places;
  for (std::uint32_t row = 1; row < ours.size(); ++row) {
    const fl_backend& backend = ours[row];
    if (backend.service_id == 0 || (backend.flags & FL_BACKEND_GONE) != 0) continue;
    places[{backend.service_id, Address(backend.addr), backend.port}] = {row, backend.generation};
  }
  FL_TRY(const auto old, array_of<fl_backend>(backends.old));
  for (std::uint32_t row = 1; row < old.size(); ++row) {
    const fl_backend& backend = old[row];
    const auto id = service(backend.service_id);
    if (!id || (backend.flags & FL_BACKEND_GONE) != 0) continue;
    const auto found = places.find({*id, Address(backend.addr), backend.port});
    if (found == places.end()) continue;
    backend_rows_[row] = found->second;
    generations_[row] = backend.generation;
  }
  return {};
}

std::optional<std::uint32_t> Inheritance::service(std::uint32_t old_id) const {
  const auto found = service_ids_.find(old_id);
  return found == service_ids_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<Inheritance::Place> Inheritance::backend(std::uint32_t old_row, std::uint32_t old_generation) const {
  const auto found = backend_rows_.find(old_row);
  if (found == backend_rows_.end() || generations_.at(old_row) != old_generation) return std::nullopt;
  return found->second;
}

Result<std::size_t> Inheritance::take_affinity() const {
  if (!affinity_) return 0U;
  std::size_t count = 0;
  FL_TRY(const auto rows, (rows_of<fl_affinity_key, fl_affinity>(affinity_->old)));
  for (auto [key, value] : rows) {
    const auto id = service(key.service_id);
    const auto place = backend(value.backend_id, value.generation);
    if (!id || !place) continue;
    key.service_id = *id;
    value.backend_id = place->row;
    value.generation = place->generation;
    FL_CHECK(put(affinity_->ours, key, value));
    ++count;
  }
  return count;
}

Result<std::size_t> Inheritance::take_udp_peers() const {
  if (!udp_peers_) return 0U;
  std::size_t count = 0;
  FL_TRY(const auto rows, (rows_of<fl_udp_peer_key, fl_udp_peer>(udp_peers_->old)));
  for (auto [key, value] : rows) {
    const auto id = service(value.service_id);
    const auto place = backend(value.backend_id, value.generation);
    // An answer that is still under way comes from what was asked, even where that is gone.
    if ((!id || !place) && key.kind != FL_UDP_ANSWER) continue;
    value.service_id = id.value_or(0);
    value.backend_id = place ? place->row : 0;
    value.generation = place ? place->generation : 0;
    FL_CHECK(put(udp_peers_->ours, key, value));
    ++count;
  }
  return count;
}

/// By addresses alone: as they are.
Result<std::size_t> Inheritance::take_asked() const {
  if (!asked_) return 0U;
  FL_TRY(const auto rows, (rows_of<fl_udp_asked_key, std::uint64_t>(asked_->old)));
  for (const auto& [key, value] : rows) FL_CHECK(put(asked_->ours, key, value));
  return rows.size();
}

/// What was ejected stays out for as long as it was to. A row that another has written since is newer.
void Inheritance::take_ejection(std::uint32_t old_row, const Place& place) {
  const std::uint64_t until = load((*old_backends_)[old_row].ejected_until_ns);
  __u64 expected = ejected_until_[old_row];  // as the row has it
  if (until == expected) return;
  auto& ours = services_.tables().backend_states[place.row];
  if (!__atomic_compare_exchange_n(&ours.ejected_until_ns, &expected, until, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    return;
  const auto marked = static_cast<std::uint32_t>((until & kEjectedMark) - (ejected_until_[old_row] & kEjectedMark));
  const auto info = services_.service(services_.tables().backends[place.row].service_id);
  if (marked != 0 && info) add(services_.tables().service_states[info->row.state_index].ejected, marked);
  ejected_until_[old_row] = until;
}

void Inheritance::take_states() {
  if (!old_backends_) return;
  const bool first = ejected_until_.empty();
  for (const auto& [row, place] : backend_rows_) {
    if (row >= old_backends_->size() || (*old_backends_)[row].generation != generations_.at(row)) continue;
    auto& ours = services_.tables().backend_states[place.row];
    if (first && load(ours.ejections) == 0 && load(ours.failures) == 0) {
      const auto& old = (*old_backends_)[row];
      __atomic_store_n(&ours.failures, load(old.failures), __ATOMIC_RELAXED);
      __atomic_store_n(&ours.ejections, load(old.ejections), __ATOMIC_RELAXED);
      __atomic_store_n(&ours.srtt_us, load(old.srtt_us), __ATOMIC_RELAXED);
    }
    take_ejection(row, place);
  }
}

Result<std::size_t> Inheritance::take_rows() {
  take_states();
  FL_TRY(const auto affinity, take_affinity());
  FL_TRY(const auto peers, take_udp_peers());
  FL_TRY(const auto asked, take_asked());
  return affinity + peers + asked;
}

void Inheritance::add_totals() {
  if (!old_backends_) return;
  for (const auto& [row, place] : backend_rows_) {
    if (row >= old_backends_->size()) continue;
    const auto& old = (*old_backends_)[row];
    if (old.generation != generations_.at(row)) continue;
    auto& ours = services_.tables().backend_states[place.row];
    add(ours.total, load(old.total));
    add(ours.connect_failures, load(old.connect_failures));
    add(ours.resets, load(old.resets));
    add(ours.retransmissions, load(old.retransmissions));
  }
  for (const auto& [row, own] : state_rows_) {
    if (row >= old_services_->size()) continue;
    const auto& old = (*old_services_)[row];
    auto& ours = services_.tables().service_states[own];
    add(ours.total, load(old.total));
    add(ours.no_backend, load(old.no_backend));
    add(ours.over_limit, load(old.over_limit));
    add(ours.all_ejected, load(old.all_ejected));
  }
}

}  // namespace fairlead::datapath
