// SPDX-License-Identifier: Apache-2.0
#include "fairlead/event/worker.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include <array>
#include <csignal>
#include <memory>
#include <thread>
#include <vector>

#include "fairlead/event/mailbox.hpp"

namespace fairlead::event {
namespace {

TEST(Worker, MakesAndDestroysWhatItOwnsOnItsThread) {
  std::vector<std::thread::id> seen;
  {
    auto worker = Worker::start(
        {.name = "a-name-of-more-than-15"},
        [&](Reactor&) -> Result<> {
          seen.push_back(std::this_thread::get_id());
          return {};
        },
        [&] { seen.push_back(std::this_thread::get_id()); });
    ASSERT_TRUE(worker);
    ASSERT_EQ(seen.size(), 1U);
    std::array<char, 16> name{};
    (*worker)->call([&] {
      seen.push_back(std::this_thread::get_id());
      pthread_getname_np(pthread_self(), name.data(), name.size());
      sigset_t blocked;
      pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
      EXPECT_TRUE(sigismember(&blocked, SIGTERM));
    });
    EXPECT_STREQ(name.data(), "a-name-of-more-");
  }
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_NE(seen[0], std::this_thread::get_id());
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(seen[0], seen[2]);
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  EXPECT_FALSE(sigismember(&blocked, SIGTERM));  // as before
}

TEST(Worker, HandsOnAnErrorOfItsBeginning) {
  bool ended = false;
  const auto worker = Worker::start({}, [](Reactor&) -> Result<> { return fail("no port"); }, [&] { ended = true; });
  ASSERT_FALSE(worker);
  EXPECT_EQ(worker.error().message, "no port");
  EXPECT_FALSE(ended);
}

TEST(Worker, RunsOnTheCpuThatItIsGiven) {
  const int cpu = allowed_cpus().back();
  auto worker = Worker::start({.cpu = cpu});
  ASSERT_TRUE(worker);
  (*worker)->call([&] {
    EXPECT_EQ(allowed_cpus(), std::vector{cpu});
    EXPECT_EQ(sched_getcpu(), cpu);
  });
  const auto none = Worker::start({.name = "w", .cpu = CPU_SETSIZE - 1});
  ASSERT_FALSE(none);
  EXPECT_TRUE(none.error().message.starts_with("w: run on CPU 1023: ")) << none.error().message;
}

TEST(Worker, RunsWhatWasPostedBeforeItStops) {
  for (int round = 0; round < 50; ++round) {
    int ran = 0;
    auto worker = Worker::start({});
    ASSERT_TRUE(worker);
    for (int i = 0; i < 100; ++i) (*worker)->post([&] { ++ran; });
    (*worker)->stop();
    (*worker)->join();
    EXPECT_EQ(ran, 100);
  }
}

TEST(Cpus, AreAtLeastOneAndNoMoreThanAllowed) {
  EXPECT_GE(usable_cpus(), 1U);
  EXPECT_LE(usable_cpus(), allowed_cpus().size());
  EXPECT_EQ(parse_cpu_max("150000 100000\n"), 1.5);
  EXPECT_EQ(parse_cpu_max("50000 100000"), 0.5);
  for (const char* text : {"", "max 100000", "max", "100000", "0 100000", "100000 0", "-1 100000"})
    EXPECT_FALSE(parse_cpu_max(text)) << text;
}

TEST(Memory, IsSomeAndNoMoreThanTheMachineHas) {
  EXPECT_GE(usable_memory(), std::uint64_t{1} << 20);
  EXPECT_LE(usable_memory(),
            static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
}

TEST(Mailbox, DeliversEverySendersMessagesInItsOrder) {
  struct Message {
    std::size_t sender = 0;
    int number = 0;
    std::unique_ptr<int> owned;
  };
  auto box = std::move(*Mailbox<Message>::create());
  constexpr int kEach = 10'000;
  std::array<int, 4> next{};
  std::vector<std::thread> senders;
  for (std::size_t sender = 0; sender < next.size(); ++sender)
    senders.emplace_back([&, sender] {
      for (int i = 0; i < kEach; ++i) box->send({.sender = sender, .number = i, .owned = std::make_unique<int>(i)});
    });
  int left = kEach * static_cast<int>(next.size());
  while (left > 0) {
    pollfd waited{.fd = box->fd(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&waited, 1, 20'000), 1);
    box->receive([&](Message message) {
      EXPECT_EQ(message.number, next[message.sender]++);
      EXPECT_EQ(*message.owned, message.number);
      --left;
    });
  }
  for (auto& sender : senders) sender.join();
  pollfd idle{.fd = box->fd(), .events = POLLIN, .revents = 0};
  box->receive([](const Message&) { FAIL() << "none is left"; });
  EXPECT_EQ(::poll(&idle, 1, 0), 0);
}

}  // namespace
}  // namespace fairlead::event
