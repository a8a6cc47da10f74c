// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/cache/shard.hpp"

#include <algorithm>

namespace fairlead::cache {
namespace {

constexpr std::size_t kSmallShare = 10;   // a tenth of the bytes
constexpr std::uint8_t kMostUses = 3;
constexpr std::size_t kLeastGhosts = 64;

}  // namespace

void Store::Queue::push(Node& node) {
  node.previous = nullptr;
  node.next = head;
  if (head != nullptr) head->previous = &node;
  else tail = &node;
  head = &node;
  bytes += node.bytes;
  ++count;
}

void Store::Queue::remove(Node& node) {
  if (node.previous != nullptr) node.previous->next = node.next;
  else head = node.next;
  if (node.next != nullptr) node.next->previous = node.previous;
  else tail = node.previous;
  bytes -= node.bytes;
  --count;
}

Store::Node* Store::Shard::find(const Key& key) {
  const auto found = nodes.find(key.hash);
  if (found == nodes.end() || found->second->key != key.text) return nullptr;
  auto& node = *found->second;
  if (node.uses < kMostUses) ++node.uses;
  return &node;
}

Store::Node& Store::Shard::emplace(const Key& key) {
  auto& place = nodes[key.hash];
  if (place != nullptr) {
    if (place->key == key.text) return *place;
    auto& other = *place;  // of the same hash
    unlink_url(other);
    (other.main ? main_ : small_).remove(other);
  }
  place = std::make_unique<Node>();
  auto& node = *place;
  node.key = key.text;
  node.url_size = key.url_size;
  node.hash = key.hash;
  node.url_hash = key.url_hash;
  auto& first = urls_[key.url_hash];
  node.url_next = first;
  if (first != nullptr) first->url_previous = &node;
  first = &node;
  node.main = forget(key.hash);
  (node.main ? main_ : small_).push(node);
  return node;
}

void Store::Shard::set(Node& node, Found found, std::size_t bytes) {
  auto& queue = node.main ? main_ : small_;
  queue.bytes += bytes - node.bytes;
  node.bytes = bytes;
  if (node.found != nullptr) dropped.push_back(std::move(node.found));
  node.found = std::move(found);
}

void Store::Shard::unlink_url(Node& node) {
  if (node.url_next != nullptr) node.url_next->url_previous = node.url_previous;
  if (node.url_previous != nullptr) node.url_previous->url_next = node.url_next;
  else if (node.url_next != nullptr) urls_[node.url_hash] = node.url_next;
  else urls_.erase(node.url_hash);
}

void Store::Shard::erase(Node& node) {
  unlink_url(node);
  (node.main ? main_ : small_).remove(node);
  dropped.push_back(std::move(node.found));
  nodes.erase(std::uint64_t{node.hash});  // a copy: the node goes
}

std::size_t Store::Shard::erase_url(std::uint64_t url_hash, std::string_view url) {
  std::size_t count = 0;
  const auto first = urls_.find(url_hash);
  for (auto* node = first == urls_.end() ? nullptr : first->second; node != nullptr;) {
    auto* const next = node->url_next;
    if (node->url() == url) {
      erase(*node);
      ++count;
    }
    node = next;
  }
  purged += count;
  return count;
}

void Store::Shard::evict(std::size_t limit) {
  while (bytes() > limit) {
    if (small_.count > 0 && (small_.bytes > limit / kSmallShare || main_.count == 0)) evict_small();
    else evict_main();
  }
}

void Store::Shard::evict_small() {
  auto& node = *small_.tail;
  if (node.uses == 0) {
    remember(node.hash);
    ++evictions;
    return erase(node);
  }
  small_.remove(node);
  node.uses = 0;
  node.main = true;
  main_.push(node);
}

void Store::Shard::evict_main() {
  auto& node = *main_.tail;
  if (node.uses == 0) {
    ++evictions;
    return erase(node);
  }
  --node.uses;
  main_.remove(node);
  main_.push(node);
}

void Store::Shard::remember(std::uint64_t hash) {
  ghosts_.push_back(hash);
  ++ghost_counts_[hash];
  const auto most_ghosts = std::max(kLeastGhosts, main_.count);
  while (ghosts_.size() > most_ghosts) {
    const auto oldest = ghosts_.front();
    ghosts_.pop_front();
    // Those that came again are in the map no more.
    const auto found = ghost_counts_.find(oldest);
    if (found != ghost_counts_.end() && --found->second == 0) ghost_counts_.erase(found);
  }
}

bool Store::Shard::forget(std::uint64_t hash) { return ghost_counts_.erase(hash) > 0; }

}  // namespace fairlead::cache
