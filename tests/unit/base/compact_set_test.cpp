// SPDX-License-Identifier: Apache-2.0
#include "fairlead/base/compact_set.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <set>

namespace fairlead {
namespace {

/// Few places, so that most things stand elsewhere than where they belong.
struct Crowding {
  std::size_t operator()(std::uint32_t key) const { return (key % 7 + 1) * (SIZE_MAX / 8); }
};
using Set = CompactSet<std::unique_ptr<std::uint32_t>, Crowding>;

bool has(const Set& set, std::uint32_t key) {
  return set.find(Crowding{}(key), [&](auto one) { return one == key; }) != nullptr;
}

TEST(CompactSet, HoldsWhatASetHolds) {
  Set set;
  std::set<std::uint32_t> known;
  std::mt19937 random(3);
  EXPECT_FALSE(has(set, 1));
  for (int i = 0; i < 20'000; ++i) {
    const auto key = static_cast<std::uint32_t>(random() % 100);
    auto* found = set.find(Crowding{}(key), [&](auto one) { return one == key; });
    ASSERT_EQ(found != nullptr, known.contains(key)) << key;
    if (found != nullptr) {
      set.erase(found);
      known.erase(key);
    } else {
      set.insert(std::make_unique<std::uint32_t>(key));
      known.insert(key);
    }
    ASSERT_EQ(set.size(), known.size());
    if (i % 100 != 0) continue;
    for (std::uint32_t other = 0; other < 100; ++other) ASSERT_EQ(has(set, other), known.contains(other)) << other;
  }
}

TEST(CompactSet, TakesLittleMoreThanItsPointers) {
  Set set;
  for (std::uint32_t i = 0; i < 2000; ++i) set.insert(std::make_unique<std::uint32_t>(i));
  EXPECT_LE(set.bytes(), 2000 * sizeof(void*) * 5 / 3);
}

}  // namespace
}  // namespace fairlead
