// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/cache/entry.hpp"

namespace fairlead::cache {

/// What a response is found by: the URL ("https://shop.example/a?b"), then whatever else decides on it, a line each.
struct Key {
  std::string_view text;
  std::size_t url_size = 0;  ///< bytes of text that are the URL
  std::uint64_t hash = 0;
  std::uint64_t url_hash = 0;

  [[nodiscard]] std::string_view url() const { return text.substr(0, url_size); }
};

/// What is stored under one key. Immutable. Thread: any.
struct Variants {
  std::vector<EntryPtr> entries;  ///< the latest first; each of other values of what it varies by
  std::int64_t pass_until = 0;    ///< CLOCK_MONOTONIC in ms: until then nobody waits for others' responses
  /// The one for a request of these fields; nullptr: none. `scratch` is any string.
  [[nodiscard]] const EntryPtr* select(const http::Fields& request, std::string& scratch) const;
};
using Found = std::shared_ptr<const Variants>;

struct StoreCounts {
  std::uint64_t entries = 0;  ///< keys now
  std::uint64_t bytes = 0;    ///< now
  std::uint64_t evictions = 0;
  std::uint64_t purged = 0;
};

/// What a store holds for all workers, bounded in bytes, evicted by S3-FIFO (docs/decisions/0026-cache-eviction.md).
/// Sharded by URL: a worker holds a shard's mutex for a lookup, some pointers and a shared_ptr's count.
/// Owner: filters, by shared_ptr. Thread: any.
class Store {
 public:
  static constexpr std::size_t kMostVariants = 32;  ///< of a key; the oldest goes

  Store(std::size_t most_bytes, std::size_t most_object);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Fills in the hashes; they are of this store alone (seeded, so that nobody can choose keys that collide).
  void hash(Key& key) const;

  [[nodiscard]] Found find(const Key& key);
  /// What has to be the same when a response that was asked for now is stored: a purge or an invalidation in between
  /// changes it.
  [[nodiscard]] std::uint64_t epoch(const Key& key);
  /// False: purged meanwhile, or larger than a shard holds.
  bool insert(const Key& key, EntryPtr entry, std::uint64_t epoch);
  /// Responses of this key are not stored at present: hit-for-miss. What was stored is gone.
  void pass(const Key& key, std::int64_t until);

  /// Every key of that URL. Returns how many were there.
  std::size_t invalidate(std::string_view url);
  std::size_t purge_url(std::string_view url) { return invalidate(url); }
  /// URLs that begin so; an empty prefix is everything.
  std::size_t purge_prefix(std::string_view prefix);
  /// Responses that named this tag.
  std::size_t purge_tag(std::string_view tag);

  [[nodiscard]] StoreCounts counts();

 private:
  struct Node;
  struct Queue;
  class Shard;
  static constexpr std::size_t kMostShards = 16;

  [[nodiscard]] Shard& shard_of(std::uint64_t url_hash);
  template <class Match>
  std::size_t purge_if(const Match& match);

  std::uint64_t seed_;
  std::size_t shard_count_;
  std::unique_ptr<Shard[]> shards_;
  std::atomic<std::uint64_t> purges_{0};
};

}  // namespace fairlead::cache
