// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a limit allows, and what is counted for one key of it. Pure arithmetic in whole numbers, without rounding: so a
// limit is never one over, nor one short. The script for Redis computes the same.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "fairlead/limit/calendar.hpp"

namespace fairlead::limit {

enum class Algorithm : std::uint8_t {
  kTokenBucket,    ///< GCRA: `burst` at once, then requests / per evenly
  kFixedWindow,    ///< `requests` in each window of the clock or calendar
  kSlidingWindow,  ///< `requests` in any span of `per`; what was taken comes back in steps of per / kSlices
};

inline constexpr std::size_t kSlices = 16;  ///< of a sliding window
inline constexpr std::uint64_t kMostCost = 1'000'000;
inline constexpr std::uint64_t kMostRequests = 1'000'000'000;

/// Immutable once made. Owner: a limit.
struct Rule {
  Algorithm algorithm = Algorithm::kTokenBucket;
  Calendar calendar = Calendar::kNone;  ///< with kFixedWindow; then per_us is for people only
  std::uint64_t requests = 1;           ///< 1 to kMostRequests
  std::uint64_t burst = 1;              ///< with kTokenBucket; 1 to kMostRequests
  std::int64_t per_us = 1'000'000;      ///< at least 1000
  std::shared_ptr<const Zone> zone{};   ///< null: UTC
  /// A bucket counts in units of time, so that it stays exact: microseconds, or coarser ones where burst * per is too
  /// large for a double (Redis' scripts have no other numbers). settle() sets them.
  std::int64_t unit_us = 1;
  std::uint64_t per_units = 1'000'000;

  void settle();
  /// With kSlidingWindow: of one slice.
  [[nodiscard]] std::int64_t slice_us() const {
    return (per_us + static_cast<std::int64_t>(kSlices) - 1) / static_cast<std::int64_t>(kSlices);
  }
  /// How many at once, or in a window.
  [[nodiscard]] std::uint64_t most() const { return algorithm == Algorithm::kTokenBucket ? burst : requests; }
};

/// What a request meets at one limit.
struct Level {
  bool allowed = true;
  std::uint64_t limit = 0;  ///< Rule::most()
  std::uint64_t remaining = 0;  ///< after it; where it is refused, as it is
  std::int64_t reset_us = 0;  ///< until all of it is there again
  std::int64_t retry_us = 0;  ///< where it is refused: until it would not be; -1: never
};

/// The state of one key: `words` of 64 bits, zero where nothing is counted.
/// Bucket: taken units, time in units. Fixed window: its number, taken. Sliding: number of the newest slice, then the
/// counts of it and those before (newest first), two to a word.
using Cell = std::span<std::uint64_t>;
[[nodiscard]] std::size_t cell_words(Algorithm algorithm);
inline constexpr std::size_t kMostCellWords = 1 + kSlices / 2 + 1;

/// Brings the cell to `now_us` (unix time) and says what a request of that cost meets; nothing is taken. A clock that
/// is behind the cell's by a little counts as the cell's, so that workers' clocks may differ; by more, the cell is
/// rebased.
[[nodiscard]] Level judge(const Rule& rule, Cell cell, std::int64_t now_us, std::uint64_t cost);
/// Takes what judge() has just allowed, and brings `level` up to date.
void take(const Rule& rule, Cell cell, std::uint64_t cost, Level& level);
/// Takes it whatever is left, until a whole limit is owed: what an answer has cost is known only after it.
void owe(const Rule& rule, Cell cell, std::int64_t now_us, std::uint64_t cost);
/// How much of the limit is in use now, 0 (the cell may be forgotten) to kFull (a request would be refused).
inline constexpr std::uint32_t kFull = 1'000'000;
[[nodiscard]] std::uint32_t fullness(const Rule& rule, Cell cell, std::int64_t now_us);

}  // namespace fairlead::limit
