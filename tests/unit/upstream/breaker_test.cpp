// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/breaker.hpp"

#include <gtest/gtest.h>

#include "fairlead/upstream/random.hpp"

namespace fairlead::upstream {
namespace {

TEST(WorkerShareTest, PartsAddUpToTheLimitAndNoneIsZero) {
  for (const std::uint32_t limit : {0u, 1u, 2u, 7u, 8u, 1000u, 1003u})
    for (const std::uint32_t workers : {1u, 2u, 3u, 8u}) {
      std::uint32_t sum = 0;
      for (std::uint32_t worker = 0; worker < workers; ++worker) {
        const auto share = worker_share(limit, worker, workers);
        EXPECT_EQ(share == 0, limit == 0);
        sum += share;
      }
      EXPECT_EQ(sum, limit == 0 ? 0 : std::max(limit, workers)) << limit << " over " << workers;
    }
}

TEST(BreakersTest, NeverPassTheirLimitsNorGoBelowZero) {
  Breakers breakers;
  breakers.set_limits({.max_connections = 3, .max_pending = 5, .max_requests = 0, .max_retries = 1}, 0, 1);
  Random random(5);
  std::array<std::uint32_t, kBreakers> expected{};
  const std::array<std::uint32_t, kBreakers> limits = {3, 5, 0, 1};
  for (int step = 0; step < 100'000; ++step) {
    const auto i = random.below(kBreakers);
    const auto breaker = static_cast<Breaker>(i);
    if (random.below(2) == 0) {
      EXPECT_EQ(breakers.allows(breaker), limits[i] == 0 || expected[i] < limits[i]);
      if (!breakers.allows(breaker)) continue;
      breakers.enter(breaker);
      ++expected[i];
    } else {
      breakers.leave(breaker);
      if (expected[i] > 0) --expected[i];
    }
    ASSERT_EQ(breakers.count(breaker), expected[i]);
    if (limits[i] > 0) {
      ASSERT_LE(breakers.count(breaker), limits[i]);
    }
  }
}

TEST(BreakersTest, ALowerLimitRefusesUntilEnoughHaveLeft) {
  Breakers breakers;
  breakers.set_limits({.max_requests = 4}, 0, 1);
  for (int i = 0; i < 4; ++i) breakers.enter(Breaker::kRequests);
  breakers.set_limits({.max_requests = 2}, 0, 1);
  EXPECT_FALSE(breakers.allows(Breaker::kRequests));
  breakers.leave(Breaker::kRequests);
  breakers.leave(Breaker::kRequests);
  EXPECT_FALSE(breakers.allows(Breaker::kRequests));
  breakers.leave(Breaker::kRequests);
  EXPECT_TRUE(breakers.allows(Breaker::kRequests));
  EXPECT_EQ(breaker_name(Breaker::kRequests), "requests");
}

}  // namespace
}  // namespace fairlead::upstream
