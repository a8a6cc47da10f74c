// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/store.hpp"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <random>

#include "gateway/dataplane/cache/shard.hpp"

namespace fairlead::cache {
namespace {

constexpr std::size_t kNodeBytes = 256;  // of a key, beside its text: the node, its places in two tables

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

/// So many that the largest object fills a quarter of one at most.
std::size_t shards_for(std::size_t most_bytes, std::size_t most_object, std::size_t most_shards) {
  const auto room = most_bytes / (4 * std::max<std::size_t>(most_object, 1));
  return std::bit_floor(std::clamp<std::size_t>(room, 1, most_shards));
}

/// The entry takes the place of the one that varies by the same values; those of other fields stay, behind it.
Found with(const Found& standing, EntryPtr entry) {
  auto out = std::make_shared<Variants>();
  const auto& added = *out->entries.emplace_back(std::move(entry));
  if (standing == nullptr) return out;
  for (const auto& other : standing->entries) {
    if (out->entries.size() == Store::kMostVariants) break;
    if (other->vary != added.vary || other->vary_values != added.vary_values) out->entries.push_back(other);
  }
  return out;
}

std::size_t bytes_of(const Variants& variants, std::string_view key) {
  std::size_t out = kNodeBytes + key.size() + sizeof variants + variants.entries.capacity() * sizeof(EntryPtr);
  for (const auto& entry : variants.entries) out += entry->bytes();
  return out;
}

}  // namespace

const EntryPtr* Variants::select(const http::Fields& request, std::string& scratch) const {
  const std::vector<std::string_view>* names = nullptr;
  for (const auto& entry : entries) {
    if (entry->vary.empty()) return &entry;
    if (names == nullptr || *names != entry->vary) {
      scratch.clear();
      append_vary(entry->vary, request, scratch);
      names = &entry->vary;
    }
    if (entry->vary_values == scratch) return &entry;
  }
  return nullptr;
}

Store::Store(std::size_t most_bytes, std::size_t most_object)
    : seed_(random_seed()),
      shard_count_(shards_for(most_bytes, most_object, kMostShards)),
      shards_(std::make_unique<Shard[]>(shard_count_)) {
  for (std::size_t i = 0; i < shard_count_; ++i) shards_[i].most = most_bytes / shard_count_;
}

Store::~Store() = default;

Store::Shard& Store::shard_of(std::uint64_t url_hash) { return shards_[(url_hash >> 48) & (shard_count_ - 1)]; }

void Store::hash(Key& key) const {
  key.hash = XXH3_64bits_withSeed(key.text.data(), key.text.size(), seed_);
  key.url_hash = XXH3_64bits_withSeed(key.text.data(), key.url_size, seed_);
}

Found Store::find(const Key& key) {
  auto& shard = shard_of(key.url_hash);
  const std::scoped_lock lock(shard.mutex);
  const auto* node = shard.find(key);
  return node == nullptr ? nullptr : node->found;
}

std::uint64_t Store::epoch(const Key& key) {
  auto& shard = shard_of(key.url_hash);
  const std::scoped_lock lock(shard.mutex);
  return (purges_.load(std::memory_order_relaxed) << 32) | shard.epoch(key.url_hash);
}

bool Store::insert(const Key& key, EntryPtr entry, std::uint64_t epoch) {
  auto& shard = shard_of(key.url_hash);
  std::vector<Found> gone;
  const std::scoped_lock lock(shard.mutex);
  if (((purges_.load(std::memory_order_relaxed) << 32) | shard.epoch(key.url_hash)) != epoch) return false;
  auto* standing = shard.find(key);
  auto made = with(standing == nullptr ? nullptr : standing->found, std::move(entry));
  const auto bytes = bytes_of(*made, key.text);
  if (bytes > shard.most) return false;
  shard.set(standing != nullptr ? *standing : shard.emplace(key), std::move(made), bytes);
  shard.evict(shard.most);
  gone.swap(shard.dropped);
  return true;
}

void Store::pass(const Key& key, std::int64_t until) {
  auto& shard = shard_of(key.url_hash);
  std::vector<Found> gone;
  const std::scoped_lock lock(shard.mutex);
  auto& node = shard.emplace(key);
  auto made = std::make_shared<Variants>();
  made->pass_until = until;
  const auto bytes = bytes_of(*made, key.text);
  shard.set(node, std::move(made), bytes);
  shard.evict(shard.most);
  gone.swap(shard.dropped);
}

std::size_t Store::invalidate(std::string_view url) {
  Key key{.text = url, .url_size = url.size()};
  hash(key);
  auto& shard = shard_of(key.url_hash);
  std::vector<Found> gone;
  const std::scoped_lock lock(shard.mutex);
  ++shard.epoch(key.url_hash);
  const auto count = shard.erase_url(key.url_hash, url);
  gone.swap(shard.dropped);
  return count;
}

/// A chunk of buckets at a time, so that nobody waits long for a mutex. Where the table grows meanwhile the shard is
/// begun anew; what was asked for before the purge is stored no more, so nothing is missed.
template <class Match>
std::size_t Store::purge_if(const Match& match) {
  constexpr std::size_t kChunk = 64;
  purges_.fetch_add(1, std::memory_order_relaxed);
  std::size_t count = 0;
  std::vector<Node*> found;
  for (std::size_t i = 0; i < shard_count_; ++i) {
    auto& shard = shards_[i];
    std::size_t buckets = 0;
    for (std::size_t at = 0;; at += kChunk) {
      std::vector<Found> gone;
      const std::scoped_lock lock(shard.mutex);
      if (shard.nodes.bucket_count() != buckets) {
        buckets = shard.nodes.bucket_count();
        at = 0;
      }
      if (at >= buckets) break;
      found.clear();
      for (auto bucket = at; bucket < std::min(at + kChunk, buckets); ++bucket)
        for (auto node = shard.nodes.begin(bucket); node != shard.nodes.end(bucket); ++node)
          if (match(*node->second)) found.push_back(node->second.get());
      for (auto* node : found) shard.erase(*node);
      shard.purged += found.size();
      count += found.size();
      gone.swap(shard.dropped);
    }
  }
  return count;
}

std::size_t Store::purge_prefix(std::string_view prefix) {
  return purge_if([&](const Node& node) { return node.url().starts_with(prefix); });
}

std::size_t Store::purge_tag(std::string_view tag) {
  return purge_if([&](const Node& node) {
    return std::ranges::any_of(node.found->entries, [&](const EntryPtr& entry) {
      return std::ranges::find(entry->tags, tag) != entry->tags.end();
    });
  });
}

StoreCounts Store::counts() {
  StoreCounts out;
  for (std::size_t i = 0; i < shard_count_; ++i) {
    auto& shard = shards_[i];
    const std::scoped_lock lock(shard.mutex);
    out.entries += shard.nodes.size();
    out.bytes += shard.bytes();
    out.evictions += shard.evictions;
    out.purged += shard.purged;
  }
  return out;
}

}  // namespace fairlead::cache
