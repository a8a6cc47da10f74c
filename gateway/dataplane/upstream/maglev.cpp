// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "fairlead/upstream/hash.hpp"
#include "fairlead/upstream/hash_table.hpp"

namespace fairlead::upstream {

namespace {

constexpr std::uint32_t kFree = std::numeric_limits<std::uint32_t>::max();

struct Turn {
  std::uint32_t entry;
  std::uint32_t next;  // slot of its permutation
  std::uint32_t skip;
  double credit;       // takes a slot whenever it reaches 1
  double share;        // of the greatest weight
};

/// In the order of their names, so that the order in which entries are given does not matter.
std::vector<Turn> turns_of(std::span<const HashEntry> entries, std::uint32_t slots) {
  std::uint32_t greatest = 0;
  for (const auto& entry : entries) greatest = std::max(greatest, entry.weight);
  std::vector<Turn> turns;
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    if (entries[i].weight == 0) continue;
    const auto hash = hash64(entries[i].key);
    turns.push_back({.entry = i,
                     .next = static_cast<std::uint32_t>(hash % slots),
                     .skip = static_cast<std::uint32_t>(rehash(hash, 1) % (slots - 1)) + 1,
                     .credit = 0,
                     .share = static_cast<double>(entries[i].weight) / greatest});
  }
  std::ranges::sort(turns, [&](const Turn& a, const Turn& b) { return entries[a.entry].key < entries[b.entry].key; });
  return turns;
}

}  // namespace

Maglev::Maglev(std::span<const HashEntry> entries, std::uint32_t slots) {
  auto turns = turns_of(entries, slots);
  if (turns.empty()) return;
  slots_.assign(slots, kFree);
  std::uint32_t filled = 0;
  while (filled < slots) {
    for (auto& turn : turns) {
      turn.credit += turn.share;
      if (turn.credit < 1) continue;
      turn.credit -= 1;
      while (slots_[turn.next] != kFree)
        turn.next = static_cast<std::uint32_t>((std::uint64_t{turn.next} + turn.skip) % slots);
      slots_[turn.next] = turn.entry;
      if (++filled == slots) break;
    }
  }
}

bool is_prime(std::uint32_t number) {
  if (number < 2) return false;
  for (std::uint64_t divisor = 2; divisor * divisor <= number; ++divisor)
    if (number % divisor == 0) return false;
  return true;
}

}  // namespace fairlead::upstream
