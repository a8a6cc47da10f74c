// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/concurrent.hpp"

#include <mutex>

namespace fairlead::limit {

bool Concurrent::enter(std::uint64_t hash, std::uint64_t most) {
  auto& shard = table_.shard(hash);
  const std::scoped_lock lock(shard.lock);
  auto cell = table_.find(shard, hash);
  if (cell.empty()) {
    if (most == 0) return false;
    cell = table_.insert(shard, hash, 1, [](std::span<std::uint64_t> one) { return one[0] == 0 ? 0U : 1U; });
    if (cell.empty()) return false;  // no memory: what is not counted could not be let go
  }
  if (cell[0] >= most) return false;
  ++cell[0];
  return true;
}

void Concurrent::leave(std::uint64_t hash) {
  auto& shard = table_.shard(hash);
  const std::scoped_lock lock(shard.lock);
  const auto cell = table_.find(shard, hash);
  if (!cell.empty() && --cell[0] == 0) table_.erase(shard, hash);
}

std::uint64_t Concurrent::count(std::uint64_t hash) {
  auto& shard = table_.shard(hash);
  const std::scoped_lock lock(shard.lock);
  const auto cell = table_.find(shard, hash);
  return cell.empty() ? 0 : cell[0];
}

}  // namespace fairlead::limit
