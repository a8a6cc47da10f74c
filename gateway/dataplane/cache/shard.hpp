// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "fairlead/cache/store.hpp"

namespace fairlead::cache {

/// One key and its place in a queue and among those of its URL.
struct Store::Node {
  std::string key;
  std::size_t url_size = 0;
  std::uint64_t hash = 0;
  std::uint64_t url_hash = 0;
  Found found;
  std::size_t bytes = 0;
  Node* next = nullptr;  // in its queue, towards the tail
  Node* previous = nullptr;
  Node* url_next = nullptr;  // keys of the same URL
  Node* url_previous = nullptr;
  std::uint8_t uses = 0;  // since it came into its queue; 3 at most
  bool main = false;      // which queue

  [[nodiscard]] std::string_view url() const { return std::string_view(key).substr(0, url_size); }
};

/// First in, first out.
struct Store::Queue {
  Node* head = nullptr;
  Node* tail = nullptr;
  std::size_t bytes = 0;
  std::size_t count = 0;

  void push(Node& node);
  void remove(Node& node);
};

/// A share of the keys, with the mutex that guards it. S3-FIFO: what comes waits in a small queue (a tenth), and goes
/// from there into the main one if it was used meanwhile; what was not leaves, and its hash is remembered for a while:
/// when it comes again it comes into the main queue. So one pass over many URLs evicts nothing that is in use.
class Store::Shard {
 public:
  std::mutex mutex;

  // All with the mutex held.
  [[nodiscard]] Node* find(const Key& key);
  Node& emplace(const Key& key);
  void set(Node& node, Found found, std::size_t bytes);
  void erase(Node& node);
  void evict(std::size_t most);
  std::size_t erase_url(std::uint64_t url_hash, std::string_view url);
  [[nodiscard]] std::uint32_t& epoch(std::uint64_t url_hash) { return epochs_[(url_hash >> 32) % epochs_.size()]; }

  std::unordered_map<std::uint64_t, std::unique_ptr<Node>> nodes;
  /// What was stored under keys that are gone: for the caller to let go once the mutex is free, as bodies may be long.
  std::vector<Found> dropped;
  std::uint64_t evictions = 0;
  std::uint64_t purged = 0;
  std::size_t most = 0;  // bytes
  [[nodiscard]] std::size_t bytes() const { return small_.bytes + main_.bytes; }

 private:
  void unlink_url(Node& node);
  void evict_small();
  void evict_main();
  void remember(std::uint64_t hash);
  [[nodiscard]] bool forget(std::uint64_t hash);

  std::unordered_map<std::uint64_t, Node*> urls_;  // the first key of each
  Queue small_;
  Queue main_;
  std::deque<std::uint64_t> ghosts_;  // hashes of what has left the small queue unused, the oldest first
  std::unordered_map<std::uint64_t, std::uint32_t> ghost_counts_;
  std::array<std::uint32_t, 64> epochs_{};
};

}  // namespace fairlead::cache
