// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
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

/// Cells by the hash of their keys, shared by all workers: shards with a lock each, of buckets of eight cells. A key
/// has two buckets and goes into the emptier one; where both are full, one of their cells goes to its other bucket
/// (Pagh and Rodler, "Cuckoo hashing", of one step). So a shard is some 90 % full before there is no room: then it
/// grows by a quarter, up to its share of `most`; from then on the cell of the two buckets that is least in use is
/// given up. As hashes are keyed, keys spread evenly whatever clients send, and a key that is at its limit goes only
/// where all of both buckets are. Memory does not shrink. A bucket is the line of its hashes, then their cells. Owner:
/// a limit. Thread: any; cells are used under their shard's lock.
class Table {
 public:
  static constexpr std::size_t kShards = 128;
  static constexpr std::size_t kWays = 8;

  struct alignas(64) Shard {
    Lock lock;
    std::uint32_t buckets = 0;
    std::uint32_t moves = 0;  // of cells to their other buckets
    std::uint64_t* data = nullptr;
  };

  /// cell_words: 64-bit words of a cell. most: cells, rounded up to whole buckets of each shard; 0: no bound.
  Table(std::size_t cell_words, std::size_t most);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  [[nodiscard]] Shard& shard(std::uint64_t hash) { return shards_[hash >> 57]; }
  /// Empty: not there. The caller has the lock.
  [[nodiscard]] std::span<std::uint64_t> find(const Shard& shard, std::uint64_t hash) const {
    if (shard.buckets == 0) return {};
    for (std::uint64_t* at : buckets_of(shard, hash))
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
        if (const auto free = put_free(shard, hash); !free.empty()) return free;
        std::uint64_t* least = nullptr;
        std::size_t least_way = 0;
        std::uint32_t least_use = UINT32_MAX;
        for (std::uint64_t* at : buckets_of(shard, hash))
          for (std::size_t way = 0; way < kWays && least_use != 0; ++way)
            if (const auto use = fullness(cell(at, way)); use < least_use) {
              least = at;
              least_way = way;
              least_use = use;
            }
        if (least_use == 0) return put(least, least_way, hash);
        if (most_buckets_ != 0 && shard.buckets >= most_buckets_) {
          note_eviction(least_use >= full);
          return put(least, least_way, hash);
        }
      }
      if (!grow(shard)) return {};
    }
  }
  /// The cell of that key is no more. The caller has the lock.
  void erase(const Shard& shard, std::uint64_t hash);

  /// Calls each(hash, cell) for all cells, under locks that are held for some tens of cells only. Where cells of a
  /// shard move meanwhile it is begun anew: mark() before it, rewind(mark) then.
  template <class Mark, class Rewind, class Each>
  void visit(Mark&& mark, Rewind&& rewind, Each&& each) {
    constexpr std::uint32_t kAtOnce = 16;  // buckets
    for (std::size_t number = 0; number < kShards; ++number) {
      auto& shard = shards_[number];
      const auto begin = mark();
      std::uint32_t buckets = 0, moves = 0, next = 0;
      do {
        shard.lock.lock();
        if (shard.buckets != buckets || shard.moves != moves) {
          rewind(begin);
          buckets = shard.buckets;
          moves = shard.moves;
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
  /// A multiple of a line, as kWays words are one.
  [[nodiscard]] std::size_t bytes_of(std::uint32_t buckets) const {
    return buckets * bucket_words() * sizeof(std::uint64_t);
  }
  /// The two of a hash: by what is left of it beside the number of the shard, and by that stirred.
  [[nodiscard]] std::array<std::uint64_t*, 2> buckets_of(const Shard& shard, std::uint64_t hash) const {
    const auto at = [&](std::uint64_t spread) {
      return shard.data + ((spread >> 32) * shard.buckets >> 32) * bucket_words();
    };
    const auto first = hash << 7;
    return {at(first), at((first ^ first >> 29) * 0x9e3779b97f4a7c15)};
  }
  [[nodiscard]] std::span<std::uint64_t> cell(std::uint64_t* bucket, std::size_t way) const {
    return {bucket + kWays + way * cell_words_, cell_words_};
  }
  std::span<std::uint64_t> put(std::uint64_t* bucket, std::size_t way, std::uint64_t hash) const;
  /// In the emptier of the two, or in the place of a cell that can go to its other bucket; empty: there is no room.
  std::span<std::uint64_t> put_free(Shard& shard, std::uint64_t hash) const;
  bool move_away(Shard& shard, std::uint64_t* from, std::size_t way) const;
  void note_eviction(bool at_limit);
  [[nodiscard]] std::uint64_t deal(const Shard& from, Shard& to) const;
  [[nodiscard]] std::uint32_t next_size(std::uint32_t buckets) const;
  bool grow(Shard& shard);

  std::size_t cell_words_;
  std::size_t most_buckets_;  // of a shard; 0: no bound
  std::unique_ptr<Shard[]> shards_;
  std::atomic<std::size_t> bytes_{0};
  TableCounts counts_;
};

}  // namespace fairlead::limit
