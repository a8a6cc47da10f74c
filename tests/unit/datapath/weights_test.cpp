// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/weights.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace fairlead::datapath {
namespace {

TEST(AliasTable, GivesEachItsShare) {
  const std::vector<std::uint32_t> weights{1, 2, 7, 90};
  const auto table = alias_table(weights);
  std::vector<double> share(weights.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    const double keep = table[i].threshold == 0xffffffff ? 1.0 : table[i].threshold / 4294967296.0;
    share[i] += keep / 4;
    share[table[i].alias] += (1 - keep) / 4;
  }
  for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(share[i], weights[i] / 100.0, 1e-6) << i;
}

TEST(RoundRobin, SpreadsTurnsByWeight) {
  const std::vector<std::uint32_t> weights{20, 10, 10};
  EXPECT_EQ(round_robin_sequence(weights), (std::vector<std::uint32_t>{0, 1, 2, 0}));
  EXPECT_EQ(round_robin_sequence(std::vector<std::uint32_t>{5, 5}), (std::vector<std::uint32_t>{0, 1}));
}

TEST(Maglev, IsEvenAndMovesLittle) {
  std::vector<std::uint64_t> seeds{11, 22, 33, 44, 55};
  const std::vector<std::uint32_t> weights(5, 1);
  const auto before = maglev_table(seeds, weights);
  for (std::uint16_t i = 0; i < 5; ++i)
    EXPECT_NEAR(static_cast<double>(std::ranges::count(before, i)), FL_MAGLEV_SIZE / 5.0, FL_MAGLEV_SIZE * 0.01);
  seeds.pop_back();
  const auto after = maglev_table(seeds, std::span(weights).first(4));
  int moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) moved += before[i] != 4 && before[i] != after[i];
  EXPECT_LT(moved, FL_MAGLEV_SIZE / 10);
}

TEST(Maglev, GivesWeightedShares) {
  const auto table = maglev_table(std::vector<std::uint64_t>{1, 2}, std::vector<std::uint32_t>{3, 1});
  EXPECT_NEAR(static_cast<double>(std::ranges::count(table, 0)), FL_MAGLEV_SIZE * 0.75, 3);
}

}  // namespace
}  // namespace fairlead::datapath
