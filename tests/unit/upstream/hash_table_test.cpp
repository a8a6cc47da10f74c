// SPDX-License-Identifier: Apache-2.0
// Ring hash and Maglev: shares, disruption, independence of order, walks.
#include "fairlead/upstream/hash_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "fairlead/upstream/hash.hpp"

namespace fairlead::upstream {
namespace {

struct Names {
  explicit Names(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      names.push_back("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ":80");
  }
  [[nodiscard]] std::vector<HashEntry> entries(std::uint32_t weight = 1) const {
    std::vector<HashEntry> out;
    for (const auto& name : names) out.push_back({name, weight});
    return out;
  }
  std::vector<std::string> names;
};

TEST(HashTest, ValuesArePartOfTheProduct) {
  // A change of these moves every session of every consistent policy.
  EXPECT_EQ(hash64(""), hash64("", 0));
  const std::uint64_t expected[] = {0x4bc84d4be8d47094, 0xb453ed341560029e, 0x6204bfdfaf833608, 0x2a03e3dbe40ed961};
  const std::string_view texts[] = {"", "a", "10.0.0.1:80", "a text that is longer than one word"};
  for (std::size_t i = 0; i < std::size(texts); ++i) EXPECT_EQ(hash64(texts[i]), expected[i]) << texts[i];
  EXPECT_NE(hash64("a", 1), hash64("a"));
}

TEST(HashTest, NoCollisionsAndEvenBitsAmongAMillionSimilarTexts) {
  std::vector<std::uint64_t> hashes;
  std::array<int, 64> ones{};
  constexpr int kTexts = 1'000'000;
  for (int i = 0; i < kTexts; ++i) {
    hashes.push_back(hash64("user-" + std::to_string(i)));
    for (unsigned bit = 0; bit < 64; ++bit) ones[bit] += static_cast<int>(hashes.back() >> bit & 1);
  }
  for (const int count : ones) EXPECT_NEAR(count, kTexts / 2, 2500);  // five standard deviations of 500
  std::ranges::sort(hashes);
  EXPECT_EQ(std::ranges::unique(hashes).size(), 0u);
}

TEST(RingHashTest, HasItsLeastSizeAndSharesNearTheirDue) {
  const Names names(10);
  const RingHash ring(names.entries(), 1024, 8388608);
  EXPECT_GE(ring.size(), 1024u);
  std::vector<double> counts(10);
  constexpr int kKeys = 200'000;
  for (std::uint64_t key = 0; key < kKeys; ++key) ++counts[ring.entry_at(ring.find(rehash(key, 7)))];
  // Each has at least 102 points, so a share's deviation is about 10 % of it: within three of them.
  for (const double count : counts) EXPECT_NEAR(count / (kKeys / 10.0), 1.0, 0.3);
}

TEST(RingHashTest, ObeysTheGreatestSizeAndWeights) {
  const Names names(100);
  EXPECT_LE(RingHash(names.entries(), 1024, 512).size(), 512u);
  EXPECT_LE(RingHash(names.entries(1000), 1024, 8388608).size(), 8192u);  // weights are relative
  EXPECT_GE(RingHash(names.entries(1000), 1024, 8388608).size(), 4000u);
  const Names few(4);
  auto entries = few.entries();
  entries[0].weight = 3;
  entries[1].weight = 0;
  const RingHash ring(entries, 4096, 8388608);
  std::vector<double> counts(4);
  for (std::uint64_t key = 0; key < 100'000; ++key) ++counts[ring.entry_at(ring.find(rehash(key, 9)))];
  EXPECT_EQ(counts[1], 0);
  EXPECT_NEAR(counts[0] / 60'000, 1.0, 0.1);
  EXPECT_NEAR(counts[2] / 20'000, 1.0, 0.15);
}

TEST(RingHashTest, FindAgreesWithASearchThroughAllPoints) {
  const Names names(37);
  const RingHash ring(names.entries(), 64, 4096);
  // The definition: walking all keys upwards, the point of a key never goes down but at the wrap.
  for (std::uint64_t key = 0; key < 10'000; ++key) {
    const auto hash = rehash(key, 3);
    const auto point = ring.find(hash);
    const auto again = ring.find(hash + 1);
    EXPECT_TRUE(again == point || again == (point + 1) % ring.size()) << key;
  }
}

/// Share of keys that change their entry between two tables whose entries have the names given.
double moved(auto&& before, auto&& after) {
  int changed = 0;
  constexpr int kKeys = 100'000;
  for (std::uint64_t key = 0; key < kKeys; ++key) changed += before(rehash(key, 5)) != after(rehash(key, 5));
  return static_cast<double>(changed) / kKeys;
}

TEST(RingHashTest, RemovalMovesOnlyTheKeysOfTheRemoved) {
  for (const std::size_t count : {5u, 20u, 100u}) {
    Names names(count);
    const RingHash before(names.entries(), 1024, 8388608);
    auto fewer = names.entries();
    fewer.erase(fewer.begin() + 2);
    const RingHash after(fewer, 1024, 8388608);
    int wrong = 0;
    const auto share = moved([&](auto hash) { return names.names[before.entry_at(before.find(hash))]; },
                             [&](auto hash) { return std::string(fewer[after.entry_at(after.find(hash))].key); });
    for (std::uint64_t key = 0; key < 10'000; ++key) {
      const auto old = before.entry_at(before.find(rehash(key, 5)));
      wrong += old != 2 && names.names[old] != fewer[after.entry_at(after.find(rehash(key, 5)))].key;
    }
    EXPECT_LT(share, 2.0 / static_cast<double>(count)) << count;
    EXPECT_EQ(wrong, 0) << count;  // no key of another entry moves at all
  }
}

TEST(MaglevTest, SharesAreEvenToASlot) {
  const Names names(100);
  const Maglev table(names.entries(), 65537);
  std::vector<int> slots(100);
  for (std::size_t i = 0; i < table.size(); ++i) ++slots[table.entry_at(i)];
  EXPECT_LE(*std::ranges::max_element(slots) - *std::ranges::min_element(slots), 1);
}

TEST(MaglevTest, SlotsFollowWeights) {
  const Names names(4);
  auto entries = names.entries();
  entries[0].weight = 1;
  entries[1].weight = 2;
  entries[2].weight = 0;
  entries[3].weight = 5;
  const Maglev table(entries, 65537);
  std::vector<double> slots(4);
  for (std::size_t i = 0; i < table.size(); ++i) ++slots[table.entry_at(i)];
  EXPECT_NEAR(slots[0], 65537 / 8.0, 2);
  EXPECT_NEAR(slots[1], 65537 / 4.0, 2);
  EXPECT_EQ(slots[2], 0);
  EXPECT_NEAR(slots[3], 65537 * 5 / 8.0, 2);
}

TEST(MaglevTest, RemovalDisruptsAtMostTwiceTheIdeal) {
  struct Row {
    std::size_t count;
    std::uint32_t slots;
  };
  // The paper asks for at least a hundred slots an entry; the last row has ten times the usual table for that.
  for (const auto& [count, slots] : {Row{3, 65537}, Row{10, 65537}, Row{100, 65537}, Row{1000, 655373}}) {
    Names names(count);
    const Maglev before(names.entries(), slots);
    auto fewer = names.entries();
    fewer.erase(fewer.begin() + 1);
    const Maglev after(fewer, slots);
    int changed = 0;
    for (std::size_t i = 0; i < before.size(); ++i)
      changed += names.names[before.entry_at(i)] != fewer[after.entry_at(i)].key;
    // Twice the ideal, and half a percent of the table for the slots that change hands between those that stay.
    EXPECT_LE(static_cast<double>(changed) / slots, 2.0 / static_cast<double>(count) + 0.005) << count;
  }
}

TEST(HashTableTest, OrderOfEntriesDoesNotMatter) {
  const Names names(50);
  auto entries = names.entries();
  auto reversed = entries;
  std::ranges::reverse(reversed);
  for (const auto policy : {Balancing::kRingHash, Balancing::kMaglev}) {
    const BalancingSpec spec{.policy = policy};
    const HashTable one(entries, spec);
    const HashTable two(reversed, spec);
    for (std::uint64_t key = 0; key < 5000; ++key)
      ASSERT_EQ(entries[HashTable::Walk(one, rehash(key, 1)).entry()].key,
                reversed[HashTable::Walk(two, rehash(key, 1)).entry()].key);
  }
}

TEST(HashTableTest, AWalkReachesOtherEntriesAndIsTheSameEachTime) {
  const Names names(5);
  for (const auto policy : {Balancing::kRingHash, Balancing::kMaglev}) {
    const HashTable table(names.entries(), BalancingSpec{.policy = policy});
    for (std::uint64_t key = 0; key < 200; ++key) {
      std::set<std::uint32_t> seen;
      HashTable::Walk walk(table, rehash(key, 2));
      HashTable::Walk again(table, rehash(key, 2));
      for (int step = 0; step < 100 && seen.size() < 5; ++step, walk.advance(), again.advance()) {
        ASSERT_EQ(walk.entry(), again.entry());
        seen.insert(walk.entry());
      }
      ASSERT_EQ(seen.size(), 5u) << key;
    }
  }
  EXPECT_TRUE(HashTable({}, BalancingSpec{.policy = Balancing::kMaglev}).empty());
  EXPECT_TRUE(HashTable({}, BalancingSpec{.policy = Balancing::kRingHash}).empty());
}

TEST(HashTableTest, KnowsPrimes) {
  for (const std::uint32_t prime : {2u, 3u, 251u, 65537u, 655373u}) EXPECT_TRUE(is_prime(prime)) << prime;
  for (const std::uint32_t other : {0u, 1u, 4u, 65535u, 65539u * 3u}) EXPECT_FALSE(is_prime(other)) << other;
}

}  // namespace
}  // namespace fairlead::upstream
