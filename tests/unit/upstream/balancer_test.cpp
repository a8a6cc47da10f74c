// SPDX-License-Identifier: Apache-2.0
// Round robin, weighted random, power of two choices, peak EWMA, slow start.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "fairlead/upstream/alias_table.hpp"
#include "fairlead/upstream/peak_ewma.hpp"
#include "fairlead/upstream/power_of_two.hpp"
#include "fairlead/upstream/round_robin.hpp"
#include "fairlead/upstream/slow_start.hpp"

namespace fairlead::upstream {
namespace {

using Numbers = std::vector<std::uint32_t>;

Numbers sequence(RoundRobin& turn, std::size_t count) {
  Numbers out(count);
  for (auto& index : out) index = turn.next();
  return out;
}

TEST(RoundRobinTest, GivesTheSequencesComputedByHand) {
  struct Row {
    Numbers weights;
    std::uint32_t start;
    Numbers expected;
  };
  const Row rows[] = {
      {{1, 1, 1}, 0, {0, 1, 2, 0, 1, 2}},
      {{1, 1, 1}, 2, {2, 0, 1, 2, 0, 1}},
      {{7, 0, 7}, 0, {0, 2, 0, 2}},
      // Due at 1/10 3/10 5/10 7/10 9/10 of a round; 1/2; 1/2.
      {{5, 1, 1}, 0, {0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 1, 2, 0, 0}},
      // 1/4 3/4; 1/2; then anew.
      {{2, 1}, 0, {0, 1, 0, 0, 1, 0}},
      // 1/6 3/6 5/6; 1/4 3/4.
      {{3, 2}, 0, {0, 1, 0, 1, 0, 0, 1, 0, 1, 0}},
      {{3, 2}, 1, {1, 0, 1, 0, 0}},
      {{0, 0, 4}, 0, {2, 2, 2}},
  };
  for (const auto& row : rows) {
    RoundRobin turn(row.weights, row.start);
    EXPECT_EQ(sequence(turn, row.expected.size()), row.expected) << testing::PrintToString(row.weights);
  }
  EXPECT_TRUE(RoundRobin(Numbers{}).empty());
  EXPECT_TRUE(RoundRobin(Numbers{0, 0}).empty());
}

TEST(RoundRobinTest, EveryRoundHasEachWeightsCountAndNoEntryLagsByMoreThanOne) {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    Numbers weights(2 + random.below(20));
    for (auto& weight : weights) weight = 1 + random.below(16);
    const auto total = std::accumulate(weights.begin(), weights.end(), 0u);
    RoundRobin turn(weights);
    std::vector<double> seen(weights.size());
    for (std::uint32_t pick = 1; pick <= 3 * total; ++pick) {
      ++seen[turn.next()];
      if (pick % total != 0) continue;
      for (std::size_t i = 0; i < weights.size(); ++i) {
        ASSERT_EQ(seen[i], static_cast<double>(weights[i] * (pick / total))) << "round " << round << ", entry " << i;
      }
    }
  }
}

TEST(RoundRobinTest, RunsForeverWithoutOverflow) {
  RoundRobin turn(Numbers{1, 2});
  // Virtual time reaches its end after 2^62 / stride picks; far beyond it shares still hold.
  Numbers seen(2);
  for (int i = 0; i < 3'000'000; ++i) ++seen[turn.next()];
  EXPECT_EQ(seen[0], 1'000'000u);
  EXPECT_EQ(seen[1], 2'000'000u);
}

/// Counts of `draws` stay within five standard deviations of their due: a false alarm in about 1.7 million.
void expect_shares(const std::vector<double>& counts, const Numbers& weights, double draws) {
  const auto total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto share = weights[i] / total;
    EXPECT_NEAR(counts[i], draws * share, 5 * std::sqrt(draws * share * (1 - share)) + 1e-9) << "entry " << i;
  }
}

TEST(AliasTableTest, DrawsByWeight) {
  for (const Numbers& weights : {Numbers{1, 1, 1, 1}, Numbers{1, 2, 3, 4}, Numbers{0, 5, 0, 95}, Numbers{1000, 1},
                                 Numbers{7}, Numbers{4000000000u, 4000000000u, 1}}) {
    const AliasTable table(weights);
    Random random(42);
    std::vector<double> counts(weights.size());
    constexpr int kDraws = 200'000;
    for (int i = 0; i < kDraws; ++i) ++counts[table.draw(random)];
    expect_shares(counts, weights, kDraws);
  }
  EXPECT_TRUE(AliasTable(Numbers{}).empty());
  EXPECT_TRUE(AliasTable(Numbers{0, 0}).empty());
}

/// Backends that finish `speed[i]` requests a step, with `arrivals` a step and the cost given.
std::vector<std::uint32_t> simulate(const Numbers& speed, int steps, std::uint32_t arrivals, auto&& choose) {
  std::vector<std::uint32_t> active(speed.size());
  for (int step = 0; step < steps; ++step) {
    for (std::uint32_t i = 0; i < arrivals; ++i) ++active[choose(active)];
    for (std::size_t i = 0; i < speed.size(); ++i) active[i] -= std::min(active[i], speed[i]);
  }
  return active;
}

TEST(PowerOfTwoTest, KeepsASlowBackendFromFillingUp) {
  const Numbers speed = {10, 10, 10, 10, 10, 10, 10, 10, 10, 1};  // the last is ten times slower
  Random random(7);
  const AliasTable table(Numbers(speed.size(), 1));
  const auto blind = simulate(speed, 2000, 60, [&](auto&) { return table.draw(random); });
  const auto seeing = simulate(speed, 2000, 60, [&](auto& active) {
    return power_of_two([&] { return table.draw(random); }, [&](auto i) { return least_request_cost(active[i], 1); });
  });
  // Blind, it takes 6 a step and finishes 1: 5 more at every step. With two choices its queue stays with the others'.
  EXPECT_GT(blind[9], 8000u);
  EXPECT_LT(seeing[9], 40u);
}

TEST(PowerOfTwoTest, WeightsHoldWithAndWithoutLoad) {
  const Numbers weights = {1, 2, 3, 4};
  const AliasTable table(weights);
  Random random(3);
  std::vector<std::uint32_t> active(4);
  std::vector<double> idle(4);
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {  // every request is over before the next
    ++idle[power_of_two([&] { return table.draw(random); }, [&](auto) { return 1.0; })];
    ++active[power_of_two([&] { return table.draw(random); },
                          [&](auto b) { return least_request_cost(active[b], weights[b]); })];
  }
  // Without load the first draw wins. With requests that never end, loads per weight stay level: within 1 %.
  expect_shares(idle, weights, kDraws);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(active[i] / (kDraws * weights[i] / 10.0), 1.0, 0.01) << i;
}

TEST(PeakEwmaTest, FollowsItsDefinition) {
  constexpr double kDecay = 10e9;
  PeakEwma ewma;
  EXPECT_DOUBLE_EQ(ewma.cost(0, 5, kDecay, 30e6), 30e6);  // nobody asked yet
  EXPECT_DOUBLE_EQ(ewma.cost(2, 5, kDecay, 30e6), 90e6);
  ewma.observe(10e6, 1'000'000'000, kDecay);
  EXPECT_DOUBLE_EQ(ewma.mean_ns(), 10e6);  // the first counts alone
  ewma.observe(50e6, 2'000'000'000, kDecay);
  EXPECT_DOUBLE_EQ(ewma.mean_ns(), 50e6);  // a peak is taken at once
  ewma.observe(10e6, 12'000'000'000, kDecay);  // one time constant later
  const auto expected = 50e6 * std::exp(-1.0) + 10e6 * (1 - std::exp(-1.0));
  EXPECT_NEAR(ewma.mean_ns(), expected, 1);
  EXPECT_NEAR(ewma.cost(3, 12'000'000'000, kDecay, 30e6), expected * 4, 1);
  EXPECT_NEAR(ewma.cost(0, 32'000'000'000, kDecay, 30e6), expected * std::exp(-2.0), 1);  // forgotten with time
  ewma.observe(1e6, 11'000'000'000, kDecay);  // a clock that stands still or goes back decays nothing
  EXPECT_NEAR(ewma.mean_ns(), expected, 1);
}

TEST(PeakEwmaTest, LeavesASlowBackendAlone) {
  constexpr double kDecay = 10e9;
  std::vector<PeakEwma> backends(5);
  const AliasTable table(Numbers(5, 1));
  Random random(11);
  std::vector<int> picks(5);
  std::uint64_t now = 1'000'000'000;
  for (int i = 0; i < 20'000; ++i, now += 1'000'000) {
    const auto b = power_of_two([&] { return table.draw(random); },
                                [&](auto c) { return backends[c].cost(0, now, kDecay, 30e6); });
    ++picks[b];
    backends[b].observe(b == 4 ? 500e6 : 5e6, now, kDecay);
  }
  // Of 20 s, less than one pick a decay time or so goes to the slow one; blind it would be 4 000.
  EXPECT_LT(picks[4], 60);
  EXPECT_GT(*std::min_element(picks.begin(), picks.begin() + 4), 3000);
}

TEST(SlowStartTest, GrowsAsEnvoysFormulaSays) {
  struct Row {
    int window_ms;
    double aggression;
    std::uint32_t least;
    std::uint64_t age_ms;
    double expected;
  };
  const Row rows[] = {
      {0, 1, 10, 0, 1.0},        {10000, 1, 10, 0, 0.1},       {10000, 1, 10, 500, 0.1},
      {10000, 1, 10, 5000, 0.5}, {10000, 1, 10, 9000, 0.9},    {10000, 1, 10, 10000, 1.0},
      {10000, 2, 10, 2500, 0.5}, {10000, 0.5, 10, 5000, 0.25}, {10000, 1, 0, 50, 0.01},
  };
  for (const auto& row : rows) {
    const SlowStartSpec spec{
        .window = milliseconds(row.window_ms), .aggression = row.aggression, .least_weight_percent = row.least};
    EXPECT_NEAR(slow_start_factor(spec, row.age_ms), row.expected, 1e-9) << row.age_ms << " of " << row.window_ms;
  }
}

}  // namespace
}  // namespace fairlead::upstream
