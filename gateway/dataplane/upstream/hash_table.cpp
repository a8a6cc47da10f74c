// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/hash_table.hpp"

#include "fairlead/upstream/hash.hpp"

namespace fairlead::upstream {

namespace {

std::variant<RingHash, Maglev> make_table(std::span<const HashEntry> entries, const BalancingSpec& spec) {
  if (spec.policy == Balancing::kMaglev) return Maglev(entries, spec.maglev_table_size);
  return RingHash(entries, spec.least_ring_size, spec.greatest_ring_size);
}

}  // namespace

HashTable::HashTable(std::span<const HashEntry> entries, const BalancingSpec& spec)
    : table_(make_table(entries, spec)),
      empty_(std::visit([](const auto& table) { return table.size() == 0; }, table_)) {}

HashTable::Walk::Walk(const HashTable& table, std::uint64_t hash) : table_(table), hash_(hash) {
  if (const auto* ring = std::get_if<RingHash>(&table_.table_)) point_ = ring->find(hash);
}

std::uint32_t HashTable::Walk::entry() const {
  if (const auto* ring = std::get_if<RingHash>(&table_.table_)) return ring->entry_at(point_);
  return std::get<Maglev>(table_.table_).find(turn_ == 0 ? hash_ : rehash(hash_, turn_));
}

void HashTable::Walk::advance() {
  ++turn_;
  if (const auto* ring = std::get_if<RingHash>(&table_.table_)) point_ = ring->next_entry(point_);
}

}  // namespace fairlead::upstream
