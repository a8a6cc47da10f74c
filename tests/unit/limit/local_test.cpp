// SPDX-License-Identifier: Apache-2.0
// Limits that many threads meet at the same time: never one over, never one short, all or nothing.
#include "fairlead/limit/local.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "fairlead/limit/key.hpp"
#include "unit/limit/times.hpp"

namespace fairlead::limit {
namespace {

constexpr int kThreads = 8;

Rule window(std::uint64_t requests) {
  Rule rule{.algorithm = Algorithm::kFixedWindow, .requests = requests, .per_us = 3'600'000'000};
  rule.settle();
  return rule;
}

template <class F>
void in_threads(F&& work) {
  std::vector<std::thread> threads;
  std::atomic<int> ready{0};
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      ++ready;
      while (ready < kThreads) std::this_thread::yield();
      work(i);
    });
  for (auto& thread : threads) thread.join();
}

TEST(LocalLimits, AreExactUnderContention) {
  for (const auto algorithm : {Algorithm::kTokenBucket, Algorithm::kFixedWindow, Algorithm::kSlidingWindow}) {
    Rule rule{.algorithm = algorithm, .requests = 20'001, .burst = 20'001, .per_us = 3'600'000'000};
    rule.settle();
    Counts counts(algorithm);
    std::atomic<std::uint64_t> allowed{0};
    in_threads([&](int) {
      for (int i = 0; i < 10'000; ++i) {
        std::array items{Item{.rule = &rule, .counts = &counts, .hash = 77}};
        allowed += take_all(items, kNow);
      }
    });
    EXPECT_EQ(allowed, 20'001U);
  }
}

TEST(LocalLimits, TakeFromAllOrFromNone) {
  const auto wide = window(50'000), narrow = window(30'000);
  Counts all(Algorithm::kFixedWindow), each(Algorithm::kFixedWindow), third(Algorithm::kFixedWindow);
  std::atomic<std::uint64_t> allowed{0};
  in_threads([&](int thread) {
    for (int i = 0; i < 10'000; ++i) {
      // Two clients of 30000 each share 50000; the shards are the same ones in another order.
      const std::uint64_t client = keyed_hash(thread % 2 == 0 ? "a" : "b");
      std::array items{Item{.rule = &wide, .counts = &all, .hash = 1},
                       Item{.rule = &narrow, .counts = &each, .hash = client},
                       Item{.rule = &wide, .counts = &third, .hash = client}};
      if (thread % 2 == 0) std::swap(items[0], items[2]);
      allowed += take_all(items, kNow);
    }
  });
  EXPECT_EQ(allowed, 50'000U);
  const auto left = [&](const Rule& rule, Counts& counts, std::uint64_t hash) {
    std::array items{Item{.rule = &rule, .counts = &counts, .hash = hash, .cost = 0}};
    take_all(items, kNow);
    return items[0].level.remaining;
  };
  EXPECT_EQ(left(wide, all, 1), 0U);
  EXPECT_EQ(left(narrow, each, keyed_hash("a")) + left(narrow, each, keyed_hash("b")), 10'000U)
      << "what one limit refuses takes nothing from the others";
}

TEST(LocalLimits, CountNothingForRefusals) {
  const auto rule = window(5);
  Counts counts(Algorithm::kFixedWindow);
  const auto ask = [&](std::uint64_t cost) {
    std::array items{Item{.rule = &rule, .counts = &counts, .hash = 3, .cost = cost}};
    return take_all(items, kNow);
  };
  EXPECT_TRUE(ask(3));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(ask(3));
  EXPECT_TRUE(ask(2)) << "the refused ones have not counted";
  EXPECT_FALSE(ask(1));
  EXPECT_TRUE(ask(0));
}

TEST(LocalLimits, MakeNoCellsForRefusedKeys) {
  const auto rule = window(5);
  Counts counts(Algorithm::kFixedWindow);
  for (std::uint64_t key = 1; key < 1000; ++key) {
    std::array items{Item{.rule = &rule, .counts = &counts, .hash = key << 50 | key, .cost = 6}};
    EXPECT_FALSE(take_all(items, kNow));
  }
  EXPECT_EQ(counts.table().bytes(), 0U);
}

TEST(LocalLimits, KeepKeysApartUnderChurn) {
  const auto rule = window(10);
  Counts counts(Algorithm::kFixedWindow, 1 << 16);
  std::atomic<std::uint64_t> allowed{0};
  in_threads([&](int) {
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const auto key = keyed_hash(std::to_string(i % 1000));
      std::array items{Item{.rule = &rule, .counts = &counts, .hash = key}};
      allowed += take_all(items, kNow);
    }
  });
  EXPECT_EQ(allowed, 10'000U);  // each of 1000 keys is asked for 160 times
  EXPECT_EQ(counts.table().counts().evicted, 0U);
}

}  // namespace
}  // namespace fairlead::limit
