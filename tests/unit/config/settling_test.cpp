// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/settling.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "directory_fixture.hpp"
#include "gateway/dataplane/config/watcher.hpp"

namespace fairlead::config {
namespace {

using namespace std::chrono_literals;
using Time = Settling::Clock::time_point;

constexpr Pace kPace{.moved = 1ms, .closed = 5ms};

TEST(Settling, OneFileWaitsAsLongAsItsUrgencySays) {
  const Time start{10s};
  Settling settling(kPace);
  EXPECT_EQ(settling.due(), std::nullopt);
  settling.note(Urgency::kMoved, start);
  EXPECT_EQ(settling.due(), start + 1ms);
  settling.done(start + 2ms);
  EXPECT_EQ(settling.due(), std::nullopt);
  settling.note(Urgency::kClosed, start + 60ms);
  EXPECT_EQ(settling.due(), start + 65ms);
  settling.done(start + 66ms);
  settling.note(Urgency::kUnderWay, start + 200ms);
  EXPECT_EQ(settling.due(), start + 200ms + Settling::kQuiet);
}

TEST(Settling, WhatFollowsSoonPutsItOffUntilItIsQuiet) {
  const Time start{10s};
  Settling settling(kPace);
  settling.note(Urgency::kMoved, start);
  settling.note(Urgency::kMoved, start + 500us);
  EXPECT_EQ(settling.due(), start + 500us + Settling::kQuiet);
  settling.note(Urgency::kClosed, start + 30ms);
  EXPECT_EQ(settling.due(), start + 30ms + Settling::kQuiet);
}

TEST(Settling, WhatCameWhileItWasReadBelongsToIt) {
  const Time start{10s};
  Settling settling(kPace);
  settling.note(Urgency::kMoved, start);
  settling.done(start + 300ms);
  settling.note(Urgency::kMoved, start + 301ms);
  EXPECT_EQ(settling.due(), start + 301ms + Settling::kQuiet);
  settling.done(start + 352ms);
  settling.note(Urgency::kMoved, start + 352ms + Settling::kNear);
  EXPECT_EQ(settling.due(), start + 353ms + Settling::kNear);
}

TEST(Settling, WhoNeverStopsIsReadNowAndThen) {
  const Time start{10s};
  Settling settling(kPace);
  auto now = start;
  for (; now < start + 5s && (!settling.due() || *settling.due() > now); now += 2ms)
    settling.note(Urgency::kClosed, now);
  EXPECT_EQ(now, start + Settling::kBound);
}

class FollowTest : public DirectoryTest {
 protected:
  void follow(Pace pace) {
    auto opened = Directory::open(root_, agent_kinds(), pace);
    ASSERT_TRUE(opened) << opened.error().message;
    directory_ = std::move(*opened);
    take(directory_->load());
  }
  bool has(const char* name) { return get<model::Service>(Kind::kService, "default", name) != nullptr; }
  /// Until something is read.
  void await() {
    for (bool read = false; !read;) {
      pollfd waiting{.fd = directory_->fd(), .events = POLLIN, .revents = 0};
      ASSERT_EQ(poll(&waiting, 1, 5000), 1);
      auto update = directory_->follow();
      ASSERT_TRUE(update) << update.error().message;
      read = update->has_value();
      if (read) take(std::move(**update));
    }
  }
};

TEST_F(FollowTest, FilesOneAfterTheOtherAreOneUpdate) {
  follow({.moved = 1h, .closed = 1h});  // none is read before another has come
  write("a.yaml", service("a", "10.0.0.1"));
  auto update = directory_->follow();
  ASSERT_TRUE(update);
  EXPECT_FALSE(update->has_value());
  write("b.yaml", service("b", "10.0.0.2"));
  await();
  EXPECT_TRUE(has("a"));
  EXPECT_TRUE(has("b"));
}

TEST_F(FollowTest, OneFileAloneIsReadWithoutAnother) {
  follow({.moved = 1ms, .closed = 1h});
  write("a.yaml", service("a", "10.0.0.1"));
  await();
  EXPECT_TRUE(has("a"));
  follow({.moved = 1h, .closed = 1ms});
  std::ofstream(root_ / "b.yaml") << service("b", "10.0.0.2");
  await();
  EXPECT_TRUE(has("b"));
}

TEST_F(FollowTest, WhoAsksForItReadsAtOnceWhatWaits) {
  follow({.moved = 1h, .closed = 1h});
  write("a.yaml", service("a", "10.0.0.1"));
  ASSERT_TRUE(directory_->follow());
  take(directory_->changed());
  EXPECT_TRUE(has("a"));
}

class UrgencyTest : public DirectoryTest {
 protected:
  void SetUp() override {
    DirectoryTest::SetUp();
    write("a.yaml", "");
    write("b.yaml", "");
    auto opened = Watcher::open(root_);
    ASSERT_TRUE(opened);
    watcher_ = std::move(*opened);
    ASSERT_TRUE(watcher_.list());
  }
  void in_place(const char* name) const { std::ofstream(root_ / name) << "#"; }
  Urgency take() { return watcher_.take().urgency; }

  Watcher watcher_;
};

TEST_F(UrgencyTest, IsByWhatWasDone) {
  EXPECT_EQ(take(), Urgency::kNone);
  write("a.yaml", "#");
  EXPECT_EQ(take(), Urgency::kMoved);
  in_place("a.yaml");
  EXPECT_EQ(take(), Urgency::kClosed);
  in_place("new.yaml");
  EXPECT_EQ(take(), Urgency::kClosed);
  in_place("readme.txt");
  EXPECT_EQ(take(), Urgency::kNone);
  std::filesystem::remove(root_ / "new.yaml");
  EXPECT_EQ(take(), Urgency::kUnderWay);
  std::filesystem::create_directory(root_ / "more");
  EXPECT_EQ(take(), Urgency::kUnderWay);
}

TEST_F(UrgencyTest, OfASecondFileIsThatOfMany) {
  write("a.yaml", "#");
  write("b.yaml", "#");
  EXPECT_EQ(take(), Urgency::kUnderWay);
  in_place("a.yaml");
  in_place("a.yaml");
  EXPECT_EQ(take(), Urgency::kClosed);
  in_place("a.yaml");
  in_place("b.yaml");
  EXPECT_EQ(take(), Urgency::kUnderWay);
}

}  // namespace
}  // namespace fairlead::config
