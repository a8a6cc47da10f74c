// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/table.hpp"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>
#include <vector>

namespace fairlead::limit {
namespace {

constexpr std::uint32_t kAtLimit = 100;
std::uint32_t use(std::span<std::uint64_t> cell) { return static_cast<std::uint32_t>(cell[0]); }

std::span<std::uint64_t> put(Table& table, std::uint64_t hash, std::uint64_t value) {
  auto cell = table.insert(table.shard(hash), hash, kAtLimit, use);
  if (!cell.empty()) cell[0] = value;
  return cell;
}

TEST(Tables, KeepEveryKeyBelowTheirBound) {
  Table table(2, 0);
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> keys(100'000);
  for (auto& key : keys) {
    key = random() | 1;
    put(table, key, key | 1)[1] = ~key;
  }
  for (const auto key : keys) {
    const auto cell = table.find(table.shard(key), key);
    ASSERT_EQ(cell.size(), 2U);
    EXPECT_EQ(cell[0], key | 1);
    EXPECT_EQ(cell[1], ~key);
  }
  EXPECT_TRUE(table.find(table.shard(2), 2).empty());
  EXPECT_EQ(table.counts().evicted, 0U);
}

TEST(Tables, TakeLittleMoreThanTheirCells) {
  std::mt19937_64 random(10);
  for (const std::size_t count : std::initializer_list<std::size_t>{10'000, 60'000, 75'000, 100'000, 200'000}) {
    Table table(2, 0);
    for (std::size_t i = 0; i < count; ++i) put(table, random() | 1, 1);
    EXPECT_LE(table.bytes(), count * (8 + 16) * 3 / 2) << count;
  }
}

/// Keys that fill most of the room that there may be all find some.
TEST(Tables, AreFullBeforeTheyForget) {
  constexpr std::size_t kMost = 131'072;
  Table table(2, kMost);
  std::mt19937_64 random(11);
  for (std::size_t i = 0; i < kMost * 85 / 100; ++i) put(table, random() | 1, kAtLimit);
  EXPECT_EQ(table.counts().evicted, 0U);
}

TEST(Tables, EraseAndUseAgain) {
  Table table(1, 0);
  put(table, 5, 1);
  table.erase(table.shard(5), 5);
  EXPECT_TRUE(table.find(table.shard(5), 5).empty());
  table.erase(table.shard(9), 9);
  EXPECT_EQ(put(table, 5, 0)[0], 0U) << "a new cell is zeros";
}

TEST(Tables, StayWithinTheirBound) {
  constexpr std::size_t kMost = 16'384;
  Table table(2, kMost);
  std::mt19937_64 random(8);
  for (int i = 0; i < 200'000; ++i) put(table, random() | 1, 50);
  EXPECT_LE(table.bytes(), kMost * (8 + 16));
  EXPECT_GT(table.counts().evicted, 0U);
  EXPECT_EQ(table.counts().evicted_at_limit, 0U);
}

/// A flood of new keys pushes out new keys, not those that are at their limit.
TEST(Tables, KeepWhoIsAtTheLimit) {
  constexpr std::size_t kMost = 16'384;
  Table table(2, kMost);
  std::mt19937_64 random(9);
  std::vector<std::uint64_t> limited(kMost / 16);
  for (auto& key : limited) put(table, key = random() | 1, kAtLimit);
  for (int i = 0; i < 500'000; ++i) put(table, random() | 1, 1);
  std::size_t lost = 0;
  for (const auto key : limited) lost += table.find(table.shard(key), key).empty();
  EXPECT_EQ(lost, table.counts().evicted_at_limit) << "each that goes is counted";
  EXPECT_EQ(lost, 0U);
}

TEST(Tables, ForgetWhatIsNotInUseFirst) {
  Table table(1, Table::kShards * Table::kWays);  // one bucket a shard
  for (std::uint64_t key = 1; key <= 8; ++key) put(table, key, key == 4 ? 0 : kAtLimit);
  put(table, 9, 1);
  EXPECT_TRUE(table.find(table.shard(4), 4).empty());
  EXPECT_EQ(table.counts().evicted, 0U);
  put(table, 10, 1);
  EXPECT_TRUE(table.find(table.shard(9), 9).empty()) << "the one least in use";
  EXPECT_EQ(table.counts().evicted, 1U);
  EXPECT_EQ(table.counts().evicted_at_limit, 0U);
}

}  // namespace
}  // namespace fairlead::limit
