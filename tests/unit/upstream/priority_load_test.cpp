// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/priority_load.hpp"

#include <gtest/gtest.h>

#include "fairlead/upstream/random.hpp"

namespace fairlead::upstream {

void PrintTo(const LevelLoad& load, std::ostream* out) { *out << load.percent << (load.panic ? "!" : ""); }

namespace {

TEST(PriorityLoadTest, SpreadsAsTheTableSays) {
  struct Row {
    std::vector<LevelHealth> levels;
    std::uint32_t panic;
    std::vector<LevelLoad> expected;
  };
  const Row rows[] = {
      {{{10, 10}}, 50, {{100, false}}},
      {{{10, 10}, {10, 10}}, 50, {{100, false}, {0, false}}},
      {{{8, 10}, {10, 10}}, 50, {{100, false}, {0, false}}},           // 1.4 * 80 % is enough
      {{{7, 10}, {10, 10}}, 50, {{98, false}, {2, false}}},            // 98 %
      {{{5, 10}, {10, 10}}, 50, {{70, false}, {30, false}}},
      {{{0, 10}, {10, 10}}, 50, {{0, false}, {100, false}}},
      {{{1, 4}, {1, 4}, {4, 4}}, 50, {{35, false}, {35, false}, {30, false}}},
      {{{1, 4}, {1, 4}}, 50, {{50, true}, {50, true}}},                // 35 and 35 of 70: both too few
      {{{4, 10}}, 50, {{100, true}}},
      {{{6, 10}}, 50, {{100, false}}},
      {{{4, 10}}, 30, {{100, false}}},
      {{{4, 10}}, 0, {{100, false}}},
      {{{0, 10}}, 50, {{100, true}}},
      {{{0, 10}}, 0, {{0, false}}},                                    // refused rather than overrun
      {{{0, 30}, {0, 10}}, 50, {{75, true}, {25, true}}},
      {{{0, 0}, {5, 5}}, 50, {{0, false}, {100, false}}},
      {{{0, 0}}, 50, {{0, false}}},
      {{}, 50, {}},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(level_loads(row.levels, 140, row.panic), row.expected)
        << row.levels.size() << " levels, first " << (row.levels.empty() ? 0 : row.levels[0].available);
  }
}

TEST(PriorityLoadTest, SharesAlwaysAddUpToAHundredOrNothing) {
  Random random(9);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<LevelHealth> levels(1 + random.below(5));
    std::uint32_t available = 0;
    for (auto& level : levels) {
      level.total = random.below(50);
      level.available = level.total == 0 ? 0 : random.below(level.total + 1);
      available += level.available;
    }
    const auto loads = level_loads(levels, 100 + random.below(100), 0);
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < loads.size(); ++i) {
      sum += loads[i].percent;
      if (levels[i].available == 0) {
        EXPECT_EQ(loads[i].percent, 0u);
      }
    }
    ASSERT_TRUE(sum == 100 || available == 0) << sum;
  }
}

TEST(PriorityLoadTest, LocalityWeightsShrinkWithWhatIsAvailable) {
  EXPECT_EQ(locality_weight(10, {.available = 10, .total = 10}, 140), 1000u);
  EXPECT_EQ(locality_weight(10, {.available = 5, .total = 10}, 140), 700u);
  EXPECT_EQ(locality_weight(10, {.available = 0, .total = 10}, 140), 0u);
  EXPECT_EQ(locality_weight(10, {.available = 0, .total = 0}, 140), 0u);
}

}  // namespace
}  // namespace fairlead::upstream
