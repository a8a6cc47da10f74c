// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/retiring.hpp"

#include <gtest/gtest.h>

namespace fairlead::telemetry {
namespace {

using namespace std::chrono_literals;

class RetiringTest : public ::testing::Test {
 protected:
  /// Sources of the series that are due after so long.
  std::vector<std::uint32_t> due(std::chrono::seconds after) {
    std::vector<std::uint32_t> sources;
    const auto is_gone = [](const fl_pair_key& key) { return key.source_workload >= 10; };
    for (const auto& key : retiring_.due(pairs_, is_gone, Retiring::Clock::time_point(1000s) + after))
      sources.push_back(key.source_workload);
    return sources;
  }
  static Pair pair(std::uint32_t source) {
    Pair made{};
    made.key.source_workload = source;
    return made;
  }

  Retiring retiring_{60s};
  std::vector<Pair> pairs_ = {pair(1), pair(10), pair(11)};
  using Due = std::vector<std::uint32_t>;
};

TEST_F(RetiringTest, WhatIsGoneGoesAfterItsTime) {
  EXPECT_EQ(due(0s), Due{});
  EXPECT_EQ(due(59s), Due{});
  EXPECT_EQ(due(60s), (Due{10, 11}));
  EXPECT_EQ(due(600s), Due{});  // not removed: seen as new
}

TEST_F(RetiringTest, WhatIsAddedToStays) {
  EXPECT_EQ(due(0s), Due{});
  pairs_[1].stats.sent_bytes = 1;
  EXPECT_EQ(due(50s), Due{});
  EXPECT_EQ(due(100s), Due{11});
  pairs_.pop_back();
  EXPECT_EQ(due(110s), Due{10});
}

TEST_F(RetiringTest, WhatComesBackBeginsAnew) {
  EXPECT_EQ(due(0s), Due{});
  pairs_[1] = pair(2);  // in the configuration again
  EXPECT_EQ(due(60s), Due{11});
  pairs_[1] = pair(10);
  EXPECT_EQ(due(70s), Due{});
  EXPECT_EQ(due(130s), (Due{10, 11}));
}

}  // namespace
}  // namespace fairlead::telemetry
