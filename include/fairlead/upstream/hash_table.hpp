// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/upstream/cluster_spec.hpp"

namespace fairlead::upstream {

/// An entry of a hash policy: `key` names it for good (its address), so that it keeps its place when others come and
/// go.
struct HashEntry {
  std::string_view key;
  std::uint32_t weight = 1;
};

/// Consistent hashing on a ring (ketama): each entry stands at as many points as its weight asks for; a key belongs to
/// the next point. At least `least` points in all, and at least 40 for an entry of mean weight, so that shares stay
/// within about 1/sqrt(40) of their due, and at most `greatest`. A lookup begins at an index of the ring's sectors:
/// O(1). Owner: a HashTable, immutable. Thread: any.
class RingHash {
 public:
  static constexpr std::uint32_t kPointsPerEntry = 40;

  RingHash(std::span<const HashEntry> entries, std::uint32_t least, std::uint32_t greatest);

  [[nodiscard]] std::size_t size() const { return points_.size(); }
  /// The point of the key; not empty.
  [[nodiscard]] std::size_t find(std::uint64_t hash) const;
  [[nodiscard]] std::uint32_t entry_at(std::size_t point) const { return points_[point].entry; }
  /// The next point that belongs to another entry (or `point`, where there is none).
  [[nodiscard]] std::size_t next_entry(std::size_t point) const;

 private:
  struct Point {
    std::uint64_t hash;
    std::uint32_t entry;
  };
  void index_sectors();

  std::vector<Point> points_;
  std::vector<std::uint32_t> sectors_;  // first point at or above sector << shift_
  unsigned shift_ = 63;
};

/// Google's Maglev (Eisenbud et al., NSDI 2016, section 3.4): entries take turns, in proportion to their weights, each
/// taking the next free slot of its own permutation. A lookup is one access; shares are even to a slot.
/// Owner: a HashTable, immutable. Thread: any.
class Maglev {
 public:
  /// `slots`: a prime above the count of entries.
  Maglev(std::span<const HashEntry> entries, std::uint32_t slots);

  [[nodiscard]] std::size_t size() const { return slots_.size(); }
  [[nodiscard]] std::uint32_t find(std::uint64_t hash) const { return slots_[hash % slots_.size()]; }
  [[nodiscard]] std::uint32_t entry_at(std::size_t slot) const { return slots_[slot]; }

 private:
  std::vector<std::uint32_t> slots_;
};

[[nodiscard]] bool is_prime(std::uint32_t number);

/// A ring or a Maglev table over all endpoints of one level, whether they are healthy or not: those that cannot be used
/// are passed over at the pick, so a health change costs nothing and moves only its own keys.
/// Owner: shared by workers, immutable. Thread: any.
class HashTable {
 public:
  HashTable(std::span<const HashEntry> entries, const BalancingSpec& spec);

  [[nodiscard]] bool empty() const { return empty_; }
  /// A walk over candidates of a key, best first; the same for every worker and instance.
  class Walk {
   public:
    Walk(const HashTable& table, std::uint64_t hash);
    [[nodiscard]] std::uint32_t entry() const;
    void advance();

   private:
    const HashTable& table_;
    std::uint64_t hash_;
    std::uint64_t turn_ = 0;
    std::size_t point_ = 0;
  };

 private:
  std::variant<RingHash, Maglev> table_;
  bool empty_;
};

}  // namespace fairlead::upstream
