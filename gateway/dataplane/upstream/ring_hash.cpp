// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cmath>

#include "fairlead/upstream/hash.hpp"
#include "fairlead/upstream/hash_table.hpp"

namespace fairlead::upstream {

namespace {

/// Points of one unit of weight: a power of two, so that entries that come or go leave the points of the others as they
/// are, but where the count of entries passes a power of two.
double points_per_weight(double total, std::size_t entries, std::uint32_t least, std::uint32_t greatest) {
  const auto wanted = std::max<std::uint64_t>(least, std::uint64_t{RingHash::kPointsPerEntry} * entries);
  auto points = std::exp2(std::ceil(std::log2(static_cast<double>(wanted) / total)));
  while (points * total > greatest) points /= 2;
  return points;
}

}  // namespace

RingHash::RingHash(std::span<const HashEntry> entries, std::uint32_t least, std::uint32_t greatest) {
  double total = 0;
  for (const auto& entry : entries) total += entry.weight;
  if (total == 0) return;
  const auto per_weight = points_per_weight(total, entries.size(), least, greatest);
  points_.reserve(static_cast<std::size_t>(per_weight * total) + entries.size());
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    if (entries[i].weight == 0) continue;
    const auto count = std::max<std::int64_t>(1, std::llround(per_weight * entries[i].weight));
    const auto name = hash64(entries[i].key);
    for (std::int64_t n = 0; n < count; ++n)
      points_.push_back({.hash = rehash(name, static_cast<std::uint64_t>(n) + 1), .entry = i});
  }
  // Equal hashes (practically none) are told apart by name, so that the order of entries does not matter.
  std::ranges::sort(points_, [&](const Point& a, const Point& b) {
    return a.hash != b.hash ? a.hash < b.hash : entries[a.entry].key < entries[b.entry].key;
  });
  index_sectors();
}

void RingHash::index_sectors() {
  const auto bits = std::min(static_cast<unsigned>(std::bit_width(points_.size())), 24u);
  shift_ = 64 - bits;
  sectors_.assign((std::size_t{1} << bits) + 1, 0);
  std::size_t point = 0;
  for (std::size_t sector = 0; sector + 1 < sectors_.size(); ++sector) {
    const auto begin = static_cast<std::uint64_t>(sector) << shift_;
    while (point < points_.size() && points_[point].hash < begin) ++point;
    sectors_[sector] = static_cast<std::uint32_t>(point);
  }
  sectors_.back() = static_cast<std::uint32_t>(points_.size());
}

std::size_t RingHash::find(std::uint64_t hash) const {
  std::size_t point = sectors_[hash >> shift_];
  while (point < points_.size() && points_[point].hash < hash) ++point;
  return point == points_.size() ? 0 : point;
}

std::size_t RingHash::next_entry(std::size_t point) const {
  for (std::size_t step = 1; step < points_.size(); ++step) {
    const auto at = (point + step) % points_.size();
    if (points_[at].entry != points_[point].entry) return at;
  }
  return point;
}

}  // namespace fairlead::upstream
