// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/breaker.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <latch>
#include <thread>

#include "fairlead/upstream/random.hpp"

namespace fairlead::upstream {
namespace {

constexpr auto kInFlight = Breaker::kRequests;

/// The breakers of one thing on each of several workers.
struct OnWorkers {
  explicit OnWorkers(std::uint32_t workers) {
    for (std::uint32_t i = 0; i < workers; ++i) of.emplace_back(shared, i);
  }
  void set_limits(const BreakerSpec& spec) {
    for (auto& breakers : of) breakers.set_limits(spec);
  }
  std::uint32_t count(Breaker breaker) {
    std::uint32_t sum = 0;
    for (const auto& breakers : of) sum += breakers.count(breaker);
    return sum;
  }
  std::shared_ptr<SharedBreakers> shared = std::make_shared<SharedBreakers>(8);
  std::deque<Breakers> of;
};

std::uint32_t free_tokens(Tokens& tokens) {
  std::uint32_t count = 0;
  while (tokens.take(kInFlight, count % 2)) ++count;
  for (std::uint32_t i = 0; i < count; ++i) tokens.give(kInFlight, 0);
  return count;
}

TEST(BreakersTest, LimitsAreThoseOfAllWorkersThroughEveryChange) {
  OnWorkers workers(3);
  Random random(5);
  std::array<std::uint32_t, kBreakers> limits{};
  for (int step = 0; step < 200'000; ++step) {
    const auto i = random.below(kBreakers);
    const auto breaker = static_cast<Breaker>(i);
    auto& breakers = workers.of[random.below(3)];
    const auto before = workers.count(breaker);
    if (random.below(500) == 0) {
      for (auto& limit : limits) limit = random.below(3) == 0 ? 0 : random.below(60);
      workers.set_limits({limits[0], limits[1], limits[2], limits[3]});
    } else if (random.below(20) < 11) {
      const bool room = limits[i] == 0 || before < limits[i];
      ASSERT_EQ(breakers.try_enter(breaker), room) << before << " of " << limits[i];
      ASSERT_EQ(workers.count(breaker), before + room);
    } else {
      breakers.leave(breaker);
    }
    ASSERT_EQ(breakers.allows(breaker) || breakers.try_enter(breaker),
              limits[i] == 0 || workers.count(breaker) < limits[i]);
  }
}

TEST(BreakersTest, ALowerLimitRefusesUntilEnoughHaveLeft) {
  OnWorkers workers(2);
  workers.set_limits({.max_requests = 40});
  for (std::uint32_t i = 0; i < 40; ++i) ASSERT_TRUE(workers.of[i % 2].try_enter(kInFlight));
  for (int i = 0; i < 36; ++i) workers.of[1].leave(kInFlight);  // 20 are its own, the rest says nothing
  for (int i = 0; i < 16; ++i) workers.of[0].leave(kInFlight);
  workers.set_limits({.max_requests = 2});
  for (auto& one : workers.of) EXPECT_FALSE(one.try_enter(kInFlight)) << "four are in";
  workers.of[0].leave(kInFlight);
  workers.of[0].leave(kInFlight);
  EXPECT_FALSE(workers.of[1].try_enter(kInFlight));
  workers.of[0].leave(kInFlight);
  EXPECT_TRUE(workers.of[1].try_enter(kInFlight));
  EXPECT_FALSE(workers.of[0].try_enter(kInFlight));
}

TEST(BreakersTest, WhoGoesWithAllThatItHoldsGivesItBack) {
  const auto shared = std::make_shared<SharedBreakers>(2);
  Breakers stays(shared, 0);
  stays.set_limits({.max_requests = 3});
  {
    Breakers goes(shared, 1);
    ASSERT_TRUE(goes.try_enter(kInFlight));
    goes.set_limits({.max_requests = 3});
    ASSERT_TRUE(goes.try_enter(kInFlight));
    EXPECT_TRUE(stays.try_enter(kInFlight));
    EXPECT_FALSE(stays.try_enter(kInFlight)) << "who came in without a limit counts";
  }
  EXPECT_TRUE(stays.try_enter(kInFlight));
  EXPECT_TRUE(stays.try_enter(kInFlight));
  EXPECT_FALSE(stays.try_enter(kInFlight));
}

TEST(BreakersTest, BothOrNeither) {
  Breakers backend, cluster;
  backend.set_limits({.max_requests = 2});
  cluster.set_limits({.max_requests = 1});
  EXPECT_TRUE(try_enter(backend, cluster, kInFlight));
  EXPECT_FALSE(try_enter(backend, cluster, kInFlight));
  EXPECT_EQ(backend.count(kInFlight), 1u);
  leave(backend, cluster, kInFlight);
  EXPECT_TRUE(try_enter(backend, cluster, kInFlight));
}

constexpr std::uint32_t kContenders = 4;
constexpr int kSteps = 1'500'000;

/// Runs work(worker, random) on each of some threads, at the same time.
void on_threads(auto&& work) {
  std::latch ready(kContenders);
  std::vector<std::jthread> threads;
  for (std::uint32_t worker = 0; worker < kContenders; ++worker)
    threads.emplace_back([&, worker] {
      Random random(worker + 1);
      ready.arrive_and_wait();
      work(worker, random);
    });
}

TEST(TokensTest, NeverOneMoreUnderContentionAndAllComeBack) {
  for (const std::uint32_t limit : {1u, 3u, 10u, 50u, 200u}) {
    Tokens tokens(kContenders);
    tokens.set_limit(kInFlight, limit);
    std::atomic<std::uint32_t> in = 0;
    std::atomic<std::uint64_t> refused = 0;
    on_threads([&](std::uint32_t worker, Random& random) {
      std::uint32_t held = 0;
      for (int step = 0; step < kSteps; ++step) {
        if (random.below(100) < 55) {
          if (!tokens.take(kInFlight, worker)) {
            ++refused;
            continue;
          }
          ++held;
          ASSERT_LE(in.fetch_add(1) + 1, limit);
        } else if (held > 0) {
          --held;
          in.fetch_sub(1);
          tokens.give(kInFlight, worker);
        }
      }
      for (; held > 0; --held) {
        in.fetch_sub(1);
        tokens.give(kInFlight, worker);
      }
    });
    EXPECT_GT(refused, 0u) << limit;
    EXPECT_EQ(free_tokens(tokens), limit);
  }
}

TEST(TokensTest, NobodyIsRefusedWhileOneIsFree) {
  for (const std::uint32_t each : {1u, 5u, 40u}) {
    Tokens tokens(kContenders);
    tokens.set_limit(kInFlight, each * kContenders);
    on_threads([&](std::uint32_t worker, Random& random) {
      std::uint32_t held = 0;
      bool up = true;
      for (int step = 0; step < kSteps; ++step) {
        // To all that it may have and back to none, so that slots fill, and are emptied by others; now and then it
        // turns.
        if (random.below(8) == 0) up = !up;
        if (held == each) up = false;
        if (held == 0) up = true;
        if (up) {
          ASSERT_TRUE(tokens.take(kInFlight, worker)) << "of " << each << " each, it holds " << held;
          ++held;
        } else {
          --held;
          tokens.give(kInFlight, worker);
        }
      }
      for (; held > 0; --held) tokens.give(kInFlight, worker);
    });
    EXPECT_EQ(free_tokens(tokens), each * kContenders);
  }
}

TEST(TokensTest, ALimitThatIsLoweredAndRaisedMeanwhileHoldsAtOnce) {
  Tokens tokens(kContenders);
  constexpr std::uint32_t kLimits[] = {5, 60, 1, 100, 20, 35};
  tokens.set_limit(kInFlight, kLimits[0]);
  std::atomic<std::uint32_t> in = 0;
  std::atomic<std::uint32_t> phase = 0;  // odd: the limit is about to change
  std::atomic<std::uint32_t> running = kContenders;
  std::jthread changes([&] {
    Random random(99);
    while (running > 0) {
      for (auto i = random.below(2000); i > 0; --i) std::this_thread::yield();
      ++phase;
      tokens.set_limit(kInFlight, kLimits[(phase + 1) / 2 % std::size(kLimits)]);
      ++phase;
    }
  });
  on_threads([&](std::uint32_t worker, Random& random) {
    std::uint32_t held = 0;
    for (int step = 0; step < kSteps; ++step) {
      const auto before = phase.load();
      if (random.below(100) < 55 && tokens.take(kInFlight, worker)) {
        ++held;
        const auto now_in = in.fetch_add(1) + 1;
        if (before % 2 == 0 && phase == before) {
          ASSERT_LE(now_in, kLimits[before / 2 % std::size(kLimits)]);
        }
      } else if (held > 0) {
        --held;
        in.fetch_sub(1);
        tokens.give(kInFlight, worker);
      }
    }
    for (; held > 0; --held) {
      in.fetch_sub(1);
      tokens.give(kInFlight, worker);
    }
    --running;
  });
  changes.join();
  tokens.set_limit(kInFlight, 77);
  EXPECT_EQ(free_tokens(tokens), 77u);
}

}  // namespace
}  // namespace fairlead::upstream
