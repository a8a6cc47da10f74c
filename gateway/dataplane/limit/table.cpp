// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/table.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

namespace fairlead::limit {
namespace {

constexpr std::size_t kLine = 64;

}  // namespace

Table::Table(std::size_t cell_words, std::size_t most)
    : cell_words_(cell_words),
      most_buckets_(most == 0 ? 0 : std::bit_ceil(std::max<std::size_t>(1, most / kShards / kWays))),
      shards_(new Shard[kShards]) {}

Table::~Table() {
  for (std::size_t i = 0; i < kShards; ++i) std::free(shards_[i].data);
}

std::span<std::uint64_t> Table::put(std::uint64_t* bucket, std::size_t way, std::uint64_t hash) const {
  bucket[way] = hash;
  const auto out = cell(bucket, way);
  std::ranges::fill(out, 0);
  return out;
}

void Table::erase(const Shard& shard, std::uint64_t hash) {
  if (shard.buckets == 0) return;
  std::uint64_t* at = bucket(shard, hash);
  for (std::size_t way = 0; way < kWays; ++way)
    if (at[way] == hash) at[way] = 0;
}

void Table::note_eviction(bool at_limit) {
  counts_.evicted.fetch_add(1, std::memory_order_relaxed);
  if (at_limit) counts_.evicted_at_limit.fetch_add(1, std::memory_order_relaxed);
}

/// Twice the buckets: each of the old ones is dealt out to two, so that none can overflow.
bool Table::grow(Shard& shard) {
  const auto before = shard.buckets;
  const auto after = std::max<std::uint32_t>(1, before * 2);
  const auto size = after * bucket_words() * sizeof(std::uint64_t);  // a multiple of kLine, as kWays words are one
  auto* data = static_cast<std::uint64_t*>(std::aligned_alloc(kLine, size));
  if (data == nullptr) return false;
  std::memset(data, 0, size);
  const Shard old{.lock = {}, .buckets = before, .data = shard.data};
  shard.data = data;
  shard.buckets = after;
  for (std::uint32_t i = 0; i < before; ++i) {
    std::uint64_t* from = old.data + i * bucket_words();
    for (std::size_t way = 0; way < kWays; ++way) {
      if (from[way] == 0) continue;
      std::uint64_t* to = bucket(shard, from[way]);
      const auto free = static_cast<std::size_t>(std::find(to, to + kWays, 0) - to);
      to[free] = from[way];
      std::ranges::copy(cell(from, way), cell(to, free).begin());
    }
  }
  std::free(old.data);
  bytes_.fetch_add(size - before * bucket_words() * sizeof(std::uint64_t), std::memory_order_relaxed);
  return true;
}

}  // namespace fairlead::limit
