// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "fairlead/limit/lock.hpp"

namespace fairlead::limit {

/// What a table has met; kept from the start of the process.
struct TableCounts {
  std::atomic<std::uint64_t> evicted{0};  ///< keys forgotten though they were in use, since there was no room
  std::atomic<std::uint64_t> evicted_at_limit{0};  ///< of these: at their limit, as were all that shared the bucket
};

/// Cells by the hash of their keys, shared by all workers: shards with a lock each, of buckets of eight cells. A shard
/// doubles where a bucket is full, up to its share of `most`; then a bucket gives up the cell that is least in use. As
/// hashes are keyed, keys spread evenly whatever clients send, and a key that is at its limit goes only where all eight
/// of its bucket are. Memory does not shrink. A bucket is the line of its hashes, then their cells.
/// Owner: a limit. Thread: any; cells are used under their shard's lock.
class Table {
 public:
  static constexpr std::size_t kShards = 128;
  static constexpr std::size_t kWays = 8;

  struct alignas(64) Shard {
    Lock lock;
    std::uint32_t buckets = 0;  // a power of two, or none yet
    std::uint64_t* data = nullptr;
  };

  /// cell_words: 64-bit words of a cell. most: cells, rounded up to a power of two of each shard; 0: no bound.
  Table(std::size_t cell_words, std::size_t most);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  [[nodiscard]] Shard& shard(std::uint64_t hash) { return shards_[hash >> 57]; }
  /// Empty: not there. The caller has the lock.
  [[nodiscard]] std::span<std::uint64_t> find(const Shard& shard, std::uint64_t hash) const {
    if (shard.buckets == 0) return {};
    std::uint64_t* at = bucket(shard, hash);
    for (std::size_t way = 0; way < kWays; ++way)
      if (at[way] == hash) return cell(at, way);
    return {};
  }
  /// A new cell, zeros. fullness(cell): 0 where it may be forgotten, kFull where it is at its limit. Empty where there
  /// is no memory for one.
  template <class Fullness>
  [[nodiscard]] std::span<std::uint64_t> insert(Shard& shard, std::uint64_t hash, std::uint32_t full,
                                                Fullness&& fullness) {
    for (;;) {
      if (shard.buckets != 0) {
        std::uint64_t* at = bucket(shard, hash);
        std::size_t least = 0;
        std::uint32_t least_use = UINT32_MAX;
        for (std::size_t way = 0; way < kWays && least_use != 0; ++way) {
          const auto use = at[way] == 0 ? 0 : fullness(cell(at, way));
          if (use < least_use) {
            least = way;
            least_use = use;
          }
        }
        if (least_use == 0) return put(at, least, hash);
        if (most_buckets_ != 0 && shard.buckets >= most_buckets_) {
          note_eviction(least_use >= full);
          return put(at, least, hash);
        }
      }
      if (!grow(shard)) return {};
    }
  }
  /// The cell of that key is no more. The caller has the lock.
  void erase(const Shard& shard, std::uint64_t hash);

  /// Calls each(hash, cell) for all cells, under locks that are held for some tens of cells only. Where a shard grows
  /// meanwhile it is begun anew: mark() before it, rewind(mark) then.
  template <class Mark, class Rewind, class Each>
  void visit(Mark&& mark, Rewind&& rewind, Each&& each) {
    constexpr std::uint32_t kAtOnce = 16;  // buckets
    for (std::size_t number = 0; number < kShards; ++number) {
      auto& shard = shards_[number];
      const auto begin = mark();
      std::uint32_t buckets = 0, next = 0;
      do {
        shard.lock.lock();
        if (shard.buckets != buckets) {
          rewind(begin);
          buckets = shard.buckets;
          next = 0;
        }
        for (const auto end = std::min(buckets, next + kAtOnce); next < end; ++next) {
          std::uint64_t* at = shard.data + next * bucket_words();
          for (std::size_t way = 0; way < kWays; ++way)
            if (at[way] != 0) each(at[way], cell(at, way));
        }
        shard.lock.unlock();
      } while (next < buckets);
    }
  }

  [[nodiscard]] const TableCounts& counts() const { return counts_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  [[nodiscard]] std::size_t bucket_words() const { return kWays + kWays * cell_words_; }
  [[nodiscard]] std::uint64_t* bucket(const Shard& shard, std::uint64_t hash) const {
    return shard.data + (hash & (shard.buckets - 1)) * bucket_words();
  }
  [[nodiscard]] std::span<std::uint64_t> cell(std::uint64_t* bucket, std::size_t way) const {
    return {bucket + kWays + way * cell_words_, cell_words_};
  }
  std::span<std::uint64_t> put(std::uint64_t* bucket, std::size_t way, std::uint64_t hash) const;
  void note_eviction(bool at_limit);
  bool grow(Shard& shard);

  std::size_t cell_words_;
  std::size_t most_buckets_;  // of a shard; 0: no bound
  std::unique_ptr<Shard[]> shards_;
  std::atomic<std::size_t> bytes_{0};
  TableCounts counts_;
};

}  // namespace fairlead::limit
