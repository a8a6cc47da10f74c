// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/local.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace fairlead::limit {
namespace {

/// The locks of some shards, taken in the order of their addresses.
class Locks {
 public:
  explicit Locks(std::span<Item> items) {
    if (items.size() > kMostItems) std::abort();
    for (const auto& item : items) all_[size_++] = &item.counts->table().shard(item.hash);
    if (size_ > 1) std::sort(all_.begin(), all_.begin() + size_);
    for (std::size_t i = 0; i < size_; ++i)
      if (i == 0 || all_[i] != all_[i - 1]) all_[i]->lock.lock();
  }
  ~Locks() {
    for (std::size_t i = size_; i-- > 0;)
      if (i == 0 || all_[i] != all_[i - 1]) all_[i]->lock.unlock();
  }
  Locks(const Locks&) = delete;
  Locks& operator=(const Locks&) = delete;

 private:
  std::array<Table::Shard*, kMostItems> all_;
  std::size_t size_ = 0;
};

Cell insert(const Item& item, std::int64_t now_us) {
  auto& table = item.counts->table();
  return table.insert(table.shard(item.hash), item.hash, kFull,
                      [&](Cell cell) { return fullness(*item.rule, cell, now_us); });
}

}  // namespace

void charge(Item& item, std::int64_t now_us) {
  const Locks locks({&item, 1});
  auto& table = item.counts->table();
  auto cell = table.find(table.shard(item.hash), item.hash);
  if (cell.empty()) cell = insert(item, now_us);
  if (cell.empty()) return;  // no memory: uncounted, as take_all() does
  owe(*item.rule, cell, now_us, item.cost);
  item.level = judge(*item.rule, cell, now_us, 0);
}

bool take_all(std::span<Item> items, std::int64_t now_us) {
  const Locks locks(items);
  std::array<Cell, kMostItems> cells;
  bool allowed = true;
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto& item = items[i];
    auto& table = item.counts->table();
    cells[i] = table.find(table.shard(item.hash), item.hash);
    std::array<std::uint64_t, kMostCellWords> nothing{};
    const auto cell = cells[i].empty() ? Cell(nothing) : cells[i];
    item.level = judge(*item.rule, cell, now_us, item.cost);
    allowed &= item.level.allowed;
  }
  if (!allowed) return false;
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto& item = items[i];
    if (item.cost == 0) continue;
    if (cells[i].empty()) {
      cells[i] = insert(item, now_us);
      if (cells[i].empty()) continue;  // no memory: let in, uncounted
      item.level = judge(*item.rule, cells[i], now_us, item.cost);
    }
    take(*item.rule, cells[i], item.cost, item.level);
  }
  return true;
}

}  // namespace fairlead::limit
