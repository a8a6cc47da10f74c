// SPDX-License-Identifier: Apache-2.0
#include "fairlead/event/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace fairlead::event {
namespace {

constexpr std::uint64_t kDay = 86'400'000;

/// Calls a function, and notes when.
struct CountingAlarm final : Timer {
  explicit CountingAlarm(std::function<void()> callback = [] {}) : call(std::move(callback)) {}
  void on_timer() override {
    ++fired;
    call();
  }
  std::function<void()> call;
  int fired = 0;
};

TEST(TimerWheel, FiresAtItsDeadlineAndNotBefore) {
  // Distances around each level's border, from starts around them.
  for (const std::uint64_t start : {0UL, 1UL, 255UL, 256UL, 65'535UL, 16'777'215UL, 4'294'967'290UL, 1'000'000'007UL}) {
    for (const std::uint64_t delay : {1UL, 2UL, 255UL, 256UL, 257UL, 65'535UL, 65'536UL, 65'537UL, 16'777'216UL,
                                      4'294'967'295UL, 4'294'967'296UL, 5'000'000'000UL}) {
      TimerWheel wheel;
      wheel.advance(start);
      CountingAlarm alarm;
      wheel.arm(alarm, start + delay);
      EXPECT_EQ(alarm.deadline_ms(), start + delay);
      wheel.advance(start + delay - 1);
      EXPECT_EQ(alarm.fired, 0) << start << " + " << delay;
      EXPECT_EQ(wheel.wait_ms(start + delay - 1), 1) << start << " + " << delay;
      wheel.advance(start + delay);
      EXPECT_EQ(alarm.fired, 1) << start << " + " << delay;
      EXPECT_FALSE(alarm.armed());
      EXPECT_EQ(wheel.wait_ms(start + delay), -1);
    }
  }
}

TEST(TimerWheel, SaysHowLongNothingIsDue) {
  TimerWheel wheel;
  wheel.advance(1000);
  EXPECT_EQ(wheel.wait_ms(1000), -1);
  CountingAlarm near;
  CountingAlarm far;
  wheel.arm(far, 1000 + 10 * kDay);
  wheel.arm(near, 1010);
  EXPECT_EQ(wheel.wait_ms(1000), 10);
  EXPECT_EQ(wheel.wait_ms(1011), 0);  // late already
  wheel.cancel(near);
  // To sleep as it says meets the deadline exactly, in a few steps.
  std::uint64_t now = 1000;
  int steps = 0;
  for (; far.fired == 0; ++steps) {
    const int wait = wheel.wait_ms(now);
    ASSERT_GT(wait, 0);
    now += static_cast<std::uint64_t>(wait);
    wheel.advance(now);
  }
  EXPECT_EQ(now, 1000 + 10 * kDay);
  EXPECT_LE(steps, 5);
}

TEST(TimerWheel, JumpsADayInFewSteps) {
  TimerWheel wheel;
  wheel.advance(5);
  std::vector<int> order;
  CountingAlarm late([&] { order.push_back(3); });
  CountingAlarm middle([&] { order.push_back(2); });
  CountingAlarm early([&] { order.push_back(1); });
  CountingAlarm beyond;
  wheel.arm(late, kDay - 1);
  wheel.arm(middle, 70'000);
  wheel.arm(early, 6);
  wheel.arm(beyond, kDay + 6);
  // One that arms itself every millisecond does not make up for the day.
  CountingAlarm again;
  again.call = [&] { wheel.arm(again, again.deadline_ms() + 1); };
  wheel.arm(again, 6);
  wheel.advance(kDay + 5);
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
  EXPECT_EQ(again.fired, 1);
  EXPECT_EQ(beyond.fired, 0);
  wheel.advance(kDay + 6);
  EXPECT_EQ(beyond.fired, 1);
  EXPECT_EQ(again.fired, 2);
}

TEST(TimerWheel, ATimeThatGoesBackCountsAsTheLast) {
  TimerWheel wheel;
  wheel.advance(1000);
  CountingAlarm alarm;
  wheel.arm(alarm, 1100);
  wheel.advance(10);
  EXPECT_EQ(alarm.fired, 0);
  wheel.advance(1100);
  EXPECT_EQ(alarm.fired, 1);
}

TEST(TimerWheel, WhatIsArmedForThePastComesNextTimeNotNow) {
  for (const std::uint64_t start : {255UL, 299UL, 65'535UL}) {
    TimerWheel wheel;
    wheel.advance(10);
    CountingAlarm alarm;
    alarm.call = [&] { wheel.arm(alarm, 0); };
    wheel.arm(alarm, 11);
    wheel.advance(start);
    EXPECT_EQ(alarm.fired, 1) << start;
    EXPECT_TRUE(alarm.armed());
    wheel.advance(start + 1);
    EXPECT_EQ(alarm.fired, 2) << start;
  }
}

TEST(TimerWheel, RearmingMovesAndCancellingForgets) {
  TimerWheel wheel;
  wheel.advance(0);
  CountingAlarm alarm;
  for (std::uint64_t i = 0; i < 1000; ++i) wheel.arm(alarm, 10 + i * 7);
  EXPECT_EQ(wheel.armed(), 1U);
  wheel.advance(10 + 999 * 7 - 1);
  EXPECT_EQ(alarm.fired, 0);
  wheel.advance(10 + 999 * 7);
  EXPECT_EQ(alarm.fired, 1);
  wheel.arm(alarm, 100'000);
  wheel.cancel(alarm);
  wheel.cancel(alarm);
  wheel.advance(200'000);
  EXPECT_EQ(alarm.fired, 1);
  EXPECT_EQ(wheel.armed(), 0U);
}

TEST(TimerWheel, ATimerMayMoveFromOneWheelToAnother) {
  TimerWheel one;
  TimerWheel other;
  CountingAlarm alarm;
  one.arm(alarm, 5);
  other.arm(alarm, 5);
  one.advance(10);
  EXPECT_EQ(alarm.fired, 0);
  other.advance(10);
  EXPECT_EQ(alarm.fired, 1);
  one.arm(alarm, 20);
  other.cancel(alarm);
  EXPECT_EQ(one.armed(), 0U);
}

TEST(TimerWheel, ATimerMayDestroyItselfAndItsNeighbours) {
  TimerWheel wheel;
  wheel.advance(0);
  std::vector<std::unique_ptr<CountingAlarm>> alarms;
  int fired = 0;
  for (int i = 0; i < 3; ++i)
    alarms.push_back(std::make_unique<CountingAlarm>([&] {
      ++fired;
      alarms.clear();  // itself, one that fires at the same time, and one later
    }));
  wheel.arm(*alarms[0], 5);
  wheel.arm(*alarms[1], 5);
  wheel.arm(*alarms[2], 6);
  wheel.advance(10);
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(wheel.armed(), 0U);
}

TEST(TimerWheel, TimersOutliveTheWheel) {
  CountingAlarm near;
  CountingAlarm far;
  {
    TimerWheel wheel;
    wheel.arm(near, 5);
    wheel.arm(far, std::uint64_t{1} << 40);
  }
  EXPECT_FALSE(near.armed());
  EXPECT_FALSE(far.armed());
}

/// 10 000 timers against a map that does the same simply.
TEST(TimerWheel, AgreesWithASortedMapOnRandomWork) {
  struct Entry final : Timer {
    void on_timer() override { fire(*this); }
    std::function<void(Entry&)> fire;
    std::uint64_t due = 0;  // 0: not armed
  };
  std::mt19937_64 random(20);
  TimerWheel wheel;
  std::uint64_t now = 123'456'789;
  wheel.advance(now);
  std::uint64_t before = now;
  std::size_t fired = 0;
  std::uint64_t last_due = 0;
  std::vector<Entry> entries(10'000);
  const auto arm = [&](Entry& entry) {
    entry.due = now + 1 + random() % (std::uint64_t{1} << random() % 34);
    wheel.arm(entry, entry.due);
  };
  for (Entry& entry : entries) {
    entry.fire = [&](Entry& which) {
      ASSERT_NE(which.due, 0U);
      ASSERT_GT(which.due, before);
      ASSERT_LE(which.due, now);
      ASSERT_GE(which.due, last_due);
      last_due = which.due;
      which.due = 0;
      ++fired;
      if (random() % 2 == 0) arm(which);
    };
    arm(entry);
  }
  for (int step = 0; step < 3000; ++step) {
    for (int i = 0; i < 20; ++i) {
      Entry& entry = entries[random() % entries.size()];
      if (random() % 3 == 0) {
        wheel.cancel(entry);
        entry.due = 0;
      } else {
        arm(entry);
      }
    }
    before = now;
    now += random() % (std::uint64_t{1} << random() % 28);
    last_due = 0;
    wheel.advance(now);
    if (step % 100 != 0) continue;
    std::size_t armed = 0;
    for (const Entry& entry : entries) {
      ASSERT_EQ(entry.armed(), entry.due != 0);
      ASSERT_TRUE(entry.due == 0 || entry.due > now);
      armed += entry.armed() ? 1U : 0U;
    }
    ASSERT_EQ(wheel.armed(), armed);
  }
  EXPECT_GT(fired, 10'000U);
}

}  // namespace
}  // namespace fairlead::event
