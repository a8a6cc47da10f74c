// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/rule.hpp"

#include <algorithm>
#include <array>

namespace fairlead::limit {
namespace {

constexpr std::int64_t kJitter = 5'000'000;  // microseconds that clocks of one machine may seem to differ, and more

std::uint64_t ceil_div(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }
std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }

// ---- Token bucket -------------------------------------------------------------------------------------------------

void settle_bucket(const Rule& rule, Cell cell, std::int64_t now_us) {
  const auto now = floor_div(now_us, rule.unit_us);
  auto last = static_cast<std::int64_t>(cell[1]);
  if (cell[0] == 0 || last - now > kJitter / rule.unit_us) last = now;
  if (now > last) {
    const auto elapsed = static_cast<std::uint64_t>(now - last);
    // At most kMostRequests * 2^52 / ... would not fit: what is long ago is compared by division.
    cell[0] = elapsed > cell[0] / rule.requests ? 0 : cell[0] - elapsed * rule.requests;
    last = now;
  }
  cell[1] = static_cast<std::uint64_t>(last);
}

std::int64_t units_to_us(const Rule& rule, std::uint64_t taken) {
  constexpr std::int64_t kMost = std::int64_t{1} << 60;  // what a burst of millions a month may come to
  const auto units = static_cast<std::int64_t>(std::min(ceil_div(taken, rule.requests), std::uint64_t{1} << 60));
  return units > kMost / rule.unit_us ? kMost : units * rule.unit_us;
}

Level judge_bucket(const Rule& rule, Cell cell, std::int64_t now_us, std::uint64_t cost) {
  settle_bucket(rule, cell, now_us);
  const auto capacity = rule.burst * rule.per_units;
  Level out{.limit = rule.burst};
  out.remaining = (capacity - std::min(capacity, cell[0])) / rule.per_units;
  out.reset_us = units_to_us(rule, cell[0]);
  if (cost <= out.remaining) return out;
  out.allowed = false;
  out.retry_us = cost > rule.burst ? -1 : units_to_us(rule, cell[0] + cost * rule.per_units - capacity);
  return out;
}

// ---- Fixed window -------------------------------------------------------------------------------------------------

CalendarWindow window_of(const Rule& rule, std::int64_t now_us) {
  if (rule.calendar != Calendar::kNone) return calendar_window(rule.calendar, rule.zone.get(), now_us);
  const auto number = floor_div(now_us, rule.per_us);
  return {.number = number, .begin_us = number * rule.per_us, .end_us = (number + 1) * rule.per_us};
}

/// The window that counts, the cell brought to it.
CalendarWindow settle_window(const Rule& rule, Cell cell, std::int64_t now_us) {
  auto window = window_of(rule, now_us);
  const auto held = static_cast<std::int64_t>(cell[0]);
  if (cell[1] != 0 && held > window.number) {
    const auto ahead = window_of(rule, now_us + kJitter);
    if (held <= ahead.number && rule.calendar == Calendar::kNone)
      return {.number = held, .begin_us = held * rule.per_us, .end_us = (held + 1) * rule.per_us};
    if (held == ahead.number) return ahead;
  } else if (held != window.number) {
    cell[1] = 0;
  }
  cell[0] = static_cast<std::uint64_t>(window.number);
  return window;
}

Level judge_window(const Rule& rule, Cell cell, std::int64_t now_us, std::uint64_t cost) {
  const auto window = settle_window(rule, cell, now_us);
  Level out{.limit = rule.requests};
  out.remaining = rule.requests - std::min(rule.requests, cell[1]);
  out.reset_us = window.end_us - now_us;
  if (cost <= out.remaining) return out;
  out.allowed = false;
  out.retry_us = cost > rule.requests ? -1 : out.reset_us;
  return out;
}

// ---- Sliding window -----------------------------------------------------------------------------------------------

// The current slice and kSlices whole ones before it: a span of at least `per`.
constexpr std::size_t kCounts = kSlices + 1;
using Counts = std::array<std::uint32_t, kCounts>;

Counts load(Cell cell) {
  Counts out{};
  for (std::size_t i = 0; i < kCounts; ++i) out[i] = static_cast<std::uint32_t>(cell[1 + i / 2] >> (i % 2 * 32));
  return out;
}

void store(Cell cell, const Counts& counts) {
  for (std::size_t i = 0; i < kCounts; i += 2)
    cell[1 + i / 2] = counts[i] | (i + 1 < kCounts ? std::uint64_t{counts[i + 1]} << 32 : 0);
}

/// The counts, moved to the slice of `now_us`.
Counts settle_slices(const Rule& rule, Cell cell, std::int64_t now_us) {
  auto counts = load(cell);
  const auto now = floor_div(now_us, rule.slice_us());
  const auto held = static_cast<std::int64_t>(cell[0]);
  if (held > now && held - now <= kJitter / rule.slice_us() + 1) return counts;
  if (now > held) {
    const auto steps = static_cast<std::size_t>(std::min<std::int64_t>(now - held, kCounts));
    for (std::size_t i = kCounts; i-- > 0;) counts[i] = i >= steps ? counts[i - steps] : 0;
    store(cell, counts);
  }
  cell[0] = static_cast<std::uint64_t>(now);
  return counts;
}

Level judge_slices(const Rule& rule, Cell cell, std::int64_t now_us, std::uint64_t cost) {
  const auto counts = settle_slices(rule, cell, now_us);
  std::uint64_t used = 0;
  std::size_t newest = kCounts;
  for (std::size_t i = 0; i < kCounts; ++i) {
    used += counts[i];
    if (counts[i] != 0 && newest == kCounts) newest = i;
  }
  // Slice i leaves when the current one has become number held + kCounts - i.
  const auto leaves_us = [&](std::size_t i) {
    return (static_cast<std::int64_t>(cell[0]) + static_cast<std::int64_t>(kCounts - i)) * rule.slice_us() - now_us;
  };
  Level out{.limit = rule.requests};
  out.remaining = rule.requests - std::min(rule.requests, used);
  if (newest < kCounts) out.reset_us = leaves_us(newest);
  if (cost <= out.remaining) return out;
  out.allowed = false;
  out.retry_us = -1;
  if (cost > rule.requests) return out;
  for (std::size_t i = kCounts; i-- > 0 && used + cost > rule.requests;) {
    used -= counts[i];
    out.retry_us = leaves_us(i);
  }
  return out;
}

/// How much may be taken until a whole limit is owed; of a cell that judge() has settled.
std::uint64_t owable(const Rule& rule, Cell cell) {
  if (rule.algorithm == Algorithm::kTokenBucket) {
    const auto most = 2 * rule.burst * rule.per_units;
    return (most - std::min(most, cell[0])) / rule.per_units;
  }
  std::uint64_t used = cell[1];
  if (rule.algorithm == Algorithm::kSlidingWindow) {
    used = 0;
    for (const auto count : load(cell)) used += count;
  }
  return 2 * rule.requests - std::min(2 * rule.requests, used);
}

}  // namespace

void Rule::settle() {
  constexpr std::uint64_t kExact = std::uint64_t{1} << 52;
  for (unit_us = 1;; unit_us *= 1000) {
    per_units = static_cast<std::uint64_t>(std::max<std::int64_t>(1, per_us / unit_us));
    if (per_units <= kExact / burst / 2 || unit_us >= 1'000'000) return;
  }
}

std::size_t cell_words(Algorithm algorithm) {
  return algorithm == Algorithm::kSlidingWindow ? 1 + (kCounts + 1) / 2 : 2;
}

Level judge(const Rule& rule, Cell cell, std::int64_t now_us, std::uint64_t cost) {
  switch (rule.algorithm) {
    case Algorithm::kTokenBucket: return judge_bucket(rule, cell, now_us, cost);
    case Algorithm::kFixedWindow: return judge_window(rule, cell, now_us, cost);
    case Algorithm::kSlidingWindow: return judge_slices(rule, cell, now_us, cost);
  }
  return {};
}

void take(const Rule& rule, Cell cell, std::uint64_t cost, Level& level) {
  level.remaining -= cost;
  if (cost == 0) return;
  switch (rule.algorithm) {
    case Algorithm::kTokenBucket:
      cell[0] += cost * rule.per_units;
      level.reset_us = units_to_us(rule, cell[0]);
      break;
    case Algorithm::kFixedWindow: cell[1] += cost; break;
    case Algorithm::kSlidingWindow:
      cell[1] += cost;  // the current slice: limits are below 2^32, so it cannot overflow into its neighbour
      level.reset_us = rule.slice_us() * static_cast<std::int64_t>(kCounts);
      break;
  }
}

void owe(const Rule& rule, Cell cell, std::int64_t now_us, std::uint64_t cost) {
  auto level = judge(rule, cell, now_us, 0);
  const auto amount = std::min(cost, owable(rule, cell));
  level.remaining += amount;  // take() is made for what judge() allows
  take(rule, cell, amount, level);
}

std::uint32_t fullness(const Rule& rule, Cell cell, std::int64_t now_us) {
  const auto level = judge(rule, cell, now_us, 0);
  if (level.remaining == 0) return kFull;
  // A bucket that is full but for a part of one request is no zero: forgetting it would give that part away.
  const bool untouched = rule.algorithm == Algorithm::kTokenBucket ? cell[0] == 0 : level.remaining == level.limit;
  if (untouched) return 0;
  const auto used = (level.limit - level.remaining) * (kFull - 2) / level.limit;
  return static_cast<std::uint32_t>(used) + 1;
}

}  // namespace fairlead::limit
