// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/table.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>

namespace fairlead::limit {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kMapped = std::size_t{128} << 10;  // bytes from which a block goes back to the kernel when freed

/// Zeros; null: there is no memory.
std::uint64_t* allocate(std::size_t size) {
  if (size >= kMapped) {
    void* out = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return out == MAP_FAILED ? nullptr : static_cast<std::uint64_t*>(out);
  }
  auto* out = static_cast<std::uint64_t*>(std::aligned_alloc(kLine, size));
  if (out != nullptr) std::memset(out, 0, size);
  return out;
}

void release(std::uint64_t* data, std::size_t size) {
  if (size >= kMapped) ::munmap(data, size);
  else std::free(data);
}

auto free_in(const std::uint64_t* bucket) { return std::count(bucket, bucket + Table::kWays, 0); }
/// kWays: none.
std::size_t find_free(const std::uint64_t* bucket) {
  return static_cast<std::size_t>(std::find(bucket, bucket + Table::kWays, 0) - bucket);
}

}  // namespace

Table::Table(std::size_t cell_words, std::size_t most)
    : cell_words_(cell_words),
      most_buckets_((most + kShards * kWays - 1) / kShards / kWays),
      shards_(new Shard[kShards]) {}

Table::~Table() {
  for (std::size_t i = 0; i < kShards; ++i) release(shards_[i].data, bytes_of(shards_[i].buckets));
}

std::span<std::uint64_t> Table::put(std::uint64_t* bucket, std::size_t way, std::uint64_t hash) const {
  bucket[way] = hash;
  const auto out = cell(bucket, way);
  std::ranges::fill(out, 0);
  return out;
}

std::span<std::uint64_t> Table::put_free(Shard& shard, std::uint64_t hash) const {
  const auto two = buckets_of(shard, hash);
  std::uint64_t* at = free_in(two[1]) > free_in(two[0]) ? two[1] : two[0];
  if (const auto way = find_free(at); way < kWays) return put(at, way, hash);
  for (std::uint64_t* full : two)
    for (std::size_t way = 0; way < kWays; ++way)
      if (move_away(shard, full, way)) return put(full, way, hash);
  return {};
}

/// Into the other of its two buckets; false: that is full.
bool Table::move_away(Shard& shard, std::uint64_t* from, std::size_t way) const {
  const auto two = buckets_of(shard, from[way]);
  std::uint64_t* to = two[0] == from ? two[1] : two[0];
  const auto free = find_free(to);
  if (free == kWays) return false;
  to[free] = from[way];
  std::ranges::copy(cell(from, way), cell(to, free).begin());
  ++shard.moves;
  return true;
}

void Table::erase(const Shard& shard, std::uint64_t hash) {
  if (shard.buckets == 0) return;
  for (std::uint64_t* at : buckets_of(shard, hash))
    for (std::size_t way = 0; way < kWays; ++way)
      if (at[way] == hash) at[way] = 0;
}

void Table::note_eviction(bool at_limit) {
  counts_.evicted.fetch_add(1, std::memory_order_relaxed);
  if (at_limit) counts_.evicted_at_limit.fetch_add(1, std::memory_order_relaxed);
}

/// How many found no room. Buckets are taken here and there, as neighbours would go to neighbours, all at once.
std::uint64_t Table::deal(const Shard& from, Shard& to) const {
  std::uint64_t lost = 0;
  std::uint64_t step = from.buckets * 5 / 8 | 1;
  while (std::gcd(step, from.buckets) > 1) step += 2;
  for (std::uint64_t i = 0; i < from.buckets; ++i) {
    std::uint64_t* at = from.data + i * step % from.buckets * bucket_words();
    for (std::size_t way = 0; way < kWays; ++way) {
      if (at[way] == 0) continue;
      const auto free = put_free(to, at[way]);
      if (free.empty()) ++lost;
      else std::ranges::copy(cell(at, way), free.begin());
    }
  }
  return lost;
}

/// A quarter more; where there is a bound, so that the last step is as large as the others.
std::uint32_t Table::next_size(std::uint32_t buckets) const {
  if (most_buckets_ == 0 || buckets >= most_buckets_) return buckets + buckets / 4 + 1;
  const auto below = [](std::uint32_t size) { return size - std::max<std::uint32_t>(1, size / 5); };
  auto next = static_cast<std::uint32_t>(most_buckets_);
  while (below(next) > buckets) next = below(next);
  return next;
}

bool Table::grow(Shard& shard) {
  for (auto after = next_size(shard.buckets);; after = next_size(after)) {
    Shard grown{.lock = {}, .buckets = after, .moves = 0, .data = allocate(bytes_of(after))};
    if (grown.data == nullptr) return false;
    const auto lost = deal(shard, grown);
    if (lost != 0 && after != most_buckets_) {
      release(grown.data, bytes_of(after));
      continue;
    }
    counts_.evicted.fetch_add(lost, std::memory_order_relaxed);
    release(shard.data, bytes_of(shard.buckets));
    bytes_.fetch_add(bytes_of(after) - bytes_of(shard.buckets), std::memory_order_relaxed);
    shard.data = grown.data;
    shard.buckets = after;
    return true;
  }
}

}  // namespace fairlead::limit
