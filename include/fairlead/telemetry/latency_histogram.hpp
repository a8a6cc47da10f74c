// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <vector>

namespace fairlead::telemetry {

/// Durations in nanoseconds, log-linear: 32 buckets for each doubling from 1 us to 2^42 ns (73 min), so a quantile is
/// at most 1/32 too high, never too low. Shorter ones share the first bucket, longer ones the last. Owner: one worker's
/// meter. Thread: add() one; readers any.
class LatencyHistogram {
 public:
  static constexpr unsigned kSubBits = 5;
  static constexpr unsigned kLowest = 10;  // 2^10 ns
  static constexpr unsigned kHighest = 42;  // 2^42 ns
  static constexpr std::size_t kBuckets = ((kHighest - kLowest) << kSubBits) + 2;

  [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t ns) {
    if (ns < (std::uint64_t{1} << kLowest)) return 0;
    const auto octave = static_cast<unsigned>(std::bit_width(ns)) - 1;
    if (octave >= kHighest) return kBuckets - 1;
    const auto sub = (ns >> (octave - kSubBits)) & ((1U << kSubBits) - 1);
    return 1 + ((octave - kLowest) << kSubBits) + static_cast<std::size_t>(sub);
  }
  /// The least duration beyond the bucket, nanoseconds.
  [[nodiscard]] static constexpr std::uint64_t upper_edge(std::size_t bucket) {
    if (bucket == 0) return std::uint64_t{1} << kLowest;
    const auto octave = kLowest + static_cast<unsigned>((bucket - 1) >> kSubBits);
    const auto sub = (bucket - 1) & ((1U << kSubBits) - 1);
    return (std::uint64_t{1} << octave) + ((static_cast<std::uint64_t>(sub) + 1) << (octave - kSubBits));
  }

  void add(std::uint64_t ns) {
    auto& bucket = counts_[bucket_of(ns)];
    bucket.store(bucket.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  /// Adds what was counted to `sum`, which has kBuckets elements.
  void add_to(std::vector<std::uint64_t>& sum) const {
    for (std::size_t i = 0; i < kBuckets; ++i) sum[i] += counts_[i].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
};

/// The `q`-quantile (0 to 1) of counts summed by add_to(), nanoseconds; 0 where nothing was counted.
[[nodiscard]] inline std::uint64_t quantile(const std::vector<std::uint64_t>& counts, double q) {
  std::uint64_t all = 0;
  for (const auto count : counts) all += count;
  if (all == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(q * static_cast<double>(all - 1));  // 0 is the least
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    below += counts[i];
    if (below > rank) return LatencyHistogram::upper_edge(i);
  }
  return LatencyHistogram::upper_edge(counts.size() - 1);
}

}  // namespace fairlead::telemetry
