// SPDX-License-Identifier: Apache-2.0
#include "fairlead/event/reactor.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "fairlead/base/fd.hpp"

namespace fairlead::event {
namespace {

struct Pair {
  Fd ours;
  Fd theirs;
};

Pair make_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

struct Handler final : IoHandler {
  explicit Handler(std::function<void(std::uint32_t)> callback) : call(std::move(callback)) {}
  void on_io(std::uint32_t events) override { call(events); }
  std::function<void(std::uint32_t)> call;
};

struct Work final : Deferred {
  explicit Work(std::function<void()> callback) : call(std::move(callback)) {}
  void on_turn_end() override { call(); }
  std::function<void()> call;
};

struct Alarm final : Timer {
  explicit Alarm(std::function<void()> callback) : call(std::move(callback)) {}
  void on_timer() override { call(); }
  std::function<void()> call;
};

struct Object final : Retired {
  explicit Object(std::function<void()> callback) : call(std::move(callback)) {}
  ~Object() override { call(); }
  std::function<void()> call;
};

std::unique_ptr<Reactor> make_reactor() {
  auto reactor = Reactor::create();
  EXPECT_TRUE(reactor);
  return std::move(*reactor);
}

bool send_byte(const Fd& fd) { return ::send(fd.get(), "x", 1, MSG_NOSIGNAL) == 1; }

TEST(Reactor, TellsEachEdgeOnceWithoutAnotherRegistration) {
  const auto reactor = make_reactor();
  Pair pair = make_pair();
  std::vector<std::uint32_t> seen;
  Handler handler([&](std::uint32_t events) {
    seen.push_back(events);
    if (seen.size() == 1) send_byte(pair.theirs);  // the first is that it may be written
    if (seen.size() == 2) pair.theirs.reset();                  // unread data are no second event
    if (seen.size() == 3) reactor->stop();
  });
  ASSERT_TRUE(reactor->add(pair.ours.get(), handler));
  reactor->run();
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0], std::uint32_t{EPOLLOUT});
  EXPECT_TRUE(seen[1] & EPOLLIN);
  EXPECT_TRUE(seen[2] & EPOLLRDHUP);
}

TEST(Reactor, AHandlerThatIsRemovedGetsNoMoreOfItsBatch) {
  const auto reactor = make_reactor();
  std::array<Pair, 3> pairs{make_pair(), make_pair(), make_pair()};
  std::array<std::unique_ptr<Handler>, 3> handlers;
  int calls = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    handlers[i] = std::make_unique<Handler>([&, i](std::uint32_t) {
      ++calls;
      // All three are in one batch: whoever comes first ends all, itself too.
      for (std::size_t other = 0; other < 3; ++other) reactor->remove(pairs[other].ours.get(), *handlers[other]);
      reactor->stop();
      const auto self = std::move(handlers[i]);
      for (auto& handler : handlers) handler.reset();
    });
    ASSERT_TRUE(reactor->add(pairs[i].ours.get(), *handlers[i]));
  }
  reactor->run();
  EXPECT_EQ(calls, 1);
}

TEST(Reactor, LevelTriggeredDescriptorsAreToldUntilTheyAreRead) {
  const auto reactor = make_reactor();
  const Pair pair = make_pair();
  int calls = 0;
  Handler handler([&](std::uint32_t) {
    if (++calls < 3) return;
    reactor->remove(pair.ours.get(), handler);
    reactor->stop();
  });
  ASSERT_TRUE(reactor->add_level(pair.ours.get(), handler));
  ASSERT_TRUE(send_byte(pair.theirs));
  reactor->run();
  EXPECT_EQ(calls, 3);
}

TEST(Reactor, ADescriptorThatCannotBeWatchedIsAnError) {
  const auto reactor = make_reactor();
  Handler handler([](std::uint32_t) {});
  const auto added = reactor->add(-1, handler);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, EBADF);
}

TEST(Reactor, DefersOnceToTheEndOfTheTurnAndRetiresAfterIt) {
  const auto reactor = make_reactor();
  std::vector<int> order;
  Work second([&] { order.push_back(4); });
  Work first([&] {
    order.push_back(3);
    reactor->defer(second);  // still this turn
  });
  Work forgotten([&] { order.push_back(-1); });
  reactor->post([&] {
    order.push_back(1);
    reactor->retire(std::make_unique<Object>([&] {
      order.push_back(5);
      reactor->retire(std::make_unique<Object>([&] { order.push_back(6); }));
    }));
    reactor->defer(first);
    reactor->defer(forgotten);
    reactor->defer(first);
    EXPECT_TRUE(forgotten.deferred());
    reactor->forget(forgotten);
    EXPECT_FALSE(forgotten.deferred());
    reactor->stop();
    order.push_back(2);
  });
  reactor->run();
  EXPECT_EQ(order, (std::vector{1, 2, 3, 4, 5, 6}));
}

TEST(Reactor, WorkThatDefersItselfForEverHoldsNothingUp) {
  const auto reactor = make_reactor();
  int rounds = 0;
  Work endless([&] {
    ++rounds;
    reactor->defer(endless);
  });
  Work other([] {});
  Pair pair = make_pair();
  Handler handler([&](std::uint32_t events) {
    if ((events & EPOLLIN) != 0) reactor->stop();
  });
  ASSERT_TRUE(reactor->add(pair.ours.get(), handler));
  reactor->post([&] {
    reactor->defer(endless);
    reactor->defer(other);
    EXPECT_TRUE(send_byte(pair.theirs));
  });
  reactor->run();
  EXPECT_GE(rounds, Reactor::kDeferRounds);
  EXPECT_GE(reactor->counts().overruns, 1U);
  EXPECT_TRUE(endless.deferred());
  reactor->forget(endless);
}

TEST(Reactor, WorkOfTheNextTurnLetsEventsComeFirst) {
  const auto reactor = make_reactor();
  Pair pair = make_pair();
  std::vector<int> order;
  Work later([&] {
    order.push_back(2);
    reactor->stop();
  });
  Work forgotten([&] { order.push_back(-1); });
  Work now([&] { order.push_back(0); });
  Handler handler([&](std::uint32_t events) {
    if ((events & EPOLLIN) != 0) order.push_back(1);
  });
  ASSERT_TRUE(reactor->add(pair.ours.get(), handler));
  reactor->post([&] {
    reactor->defer_to_next_turn(later);
    reactor->defer(later);  // in a queue already
    reactor->defer_to_next_turn(forgotten);
    reactor->forget(forgotten);
    reactor->defer(now);
    send_byte(pair.theirs);
  });
  reactor->run();
  EXPECT_EQ(order, (std::vector{0, 1, 2}));
}

TEST(Reactor, RunsTimersThatAreDue) {
  const auto reactor = make_reactor();
  std::uint64_t came = 0;
  Alarm alarm([&] {
    came = reactor->now_ms();
    reactor->stop();
  });
  const auto due = reactor->now_ms() + 20;
  reactor->timers().arm(alarm, due);
  reactor->run();
  EXPECT_GE(came, due);
  EXPECT_GE(reactor->now_ns() / 1'000'000, came);
}

TEST(Reactor, TakesFunctionsOfManyThreadsInTheOrderOfEach) {
  const auto reactor = make_reactor();
  constexpr int kThreads = 4;
  constexpr int kEach = 20'000;
  std::array<int, kThreads> next{};
  int left = kThreads * kEach;
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i)
        reactor->post([&, thread, i] {
          EXPECT_EQ(next[thread]++, i);
          if (--left == 0) reactor->stop();
        });
    });
  reactor->run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(left, 0);
  // Each thread's functions, and that of stop(), which may be left.
  EXPECT_GE(reactor->counts().posted, static_cast<std::uint64_t>(kThreads * kEach));
}

TEST(Reactor, AFunctionMayPostAnother) {
  const auto reactor = make_reactor();
  int depth = 0;
  std::function<void()> again = [&] {
    if (++depth == 5) reactor->stop();
    else reactor->post(again);
  };
  reactor->post(again);
  reactor->run();
  EXPECT_EQ(depth, 5);
}

TEST(Reactor, AStopBeforeTheRunIsNotLost) {
  const auto reactor = make_reactor();
  reactor->stop();
  reactor->run();  // returns
  bool ran = false;
  reactor->post([&] {
    ran = true;
    reactor->stop();
  });
  reactor->run();
  EXPECT_TRUE(ran);
}

TEST(Reactor, DestroysWhatWasPostedAndRetiredButNeverRun) {
  auto reactor = make_reactor();
  const auto held = std::make_shared<int>(1);
  reactor->post([held] {});
  bool destroyed = false;
  reactor->retire(std::make_unique<Object>([&] { destroyed = true; }));
  reactor.reset();
  EXPECT_TRUE(destroyed);
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace fairlead::event
