// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>

#include "fairlead/abi/redirect.h"

namespace fairlead {
namespace {

/// A direction whose ends are in the sockhash, and what went by TCP in it.
struct Direction {
  fl_redir_dir dir{};
  std::uint64_t tcp_sent = 0;

  Direction() { dir.ends = FL_REDIR_BOTH_IN; }
  fl_redir_verdict send(std::uint32_t bytes) {
    const auto verdict = fl_redir_decide(&dir, bytes, tcp_sent);
    if (verdict != FL_REDIR_BEGIN && verdict != FL_REDIR_STAY) tcp_sent += bytes;
    return verdict;
  }
  void read_all() {
    dir.read = dir.redirected + tcp_sent;
    ++dir.reads;
  }
};

Direction begun() {
  Direction direction;
  direction.dir.reads = FL_REDIR_BEGIN_READS;
  EXPECT_EQ(direction.send(64), FL_REDIR_BEGIN);
  direction.read_all();
  return direction;
}

TEST(RedirectDecide, BeginsAfterSixteenReads) {
  Direction way;
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(way.send(64), FL_REDIR_TCP) << i;
    way.read_all();
  }
  EXPECT_EQ(way.send(64), FL_REDIR_BEGIN);
  EXPECT_EQ(way.send(64), FL_REDIR_STAY);
}

TEST(RedirectDecide, DoesNotBeginWhileAnythingIsUnread) {
  Direction way;
  way.dir.reads = FL_REDIR_BEGIN_READS;
  way.tcp_sent = 1;
  EXPECT_EQ(way.send(64), FL_REDIR_TCP);
  way.dir.read = way.tcp_sent + 1;
  EXPECT_EQ(way.send(2), FL_REDIR_TCP) << "or when more was read than sent";
  way.read_all();
  EXPECT_EQ(way.send(64), FL_REDIR_BEGIN);
}

TEST(RedirectDecide, EndsAtTheEighthBulkMessageInARow) {
  Direction way = begun();
  for (int i = 0; i < 7; ++i, way.read_all()) EXPECT_EQ(way.send(16384), FL_REDIR_STAY) << i;
  EXPECT_EQ(way.send(16383), FL_REDIR_STAY);
  way.read_all();
  for (int i = 0; i < 7; ++i, way.read_all()) EXPECT_EQ(way.send(16384), FL_REDIR_STAY) << i;
  EXPECT_EQ(way.send(16384), FL_REDIR_END_BULK);
  way.read_all();
  EXPECT_EQ(way.send(16384), FL_REDIR_TCP);
  way.read_all();
  EXPECT_EQ(way.send(64), FL_REDIR_BEGIN);
}

TEST(RedirectDecide, EndsWhenMoreThan256KiBAreUnread) {
  Direction way = begun();
  for (int i = 0; i < 256; ++i) EXPECT_EQ(way.send(1024), FL_REDIR_STAY) << i;
  EXPECT_EQ(way.send(1), FL_REDIR_STAY);
  EXPECT_EQ(way.send(1), FL_REDIR_END_UNREAD);
  EXPECT_EQ(way.send(1), FL_REDIR_TCP);
}

TEST(RedirectDecide, DoesNotBeginBeforeBothEndsAreAdded) {
  for (const std::uint32_t ends : {0U, 1U, 2U}) {
    Direction way;
    way.dir.reads = FL_REDIR_BEGIN_READS;
    way.dir.ends = ends;
    EXPECT_EQ(way.send(64), FL_REDIR_TCP) << ends;
  }
}

TEST(RedirectDecide, EndsWhenTooManyMessagesWait) {
  Direction way = begun();
  for (int i = 0; i <= FL_REDIR_WAITING; ++i) ASSERT_EQ(way.send(1), FL_REDIR_STAY) << i;
  EXPECT_EQ(way.send(1), FL_REDIR_END_UNREAD);
  way.read_all();
  EXPECT_EQ(way.send(1), FL_REDIR_BEGIN);
}

TEST(RedirectDecide, DoesNotTakeBytesThatWereNeverSeenReadForRead) {
  Direction way;
  way.dir.reads = FL_REDIR_BEGIN_READS;
  way.tcp_sent = std::uint64_t{1} << 32;  // spliced, all of it: no recv saw them
  EXPECT_EQ(way.send(64), FL_REDIR_TCP);
  way.dir.read = way.tcp_sent;
  EXPECT_EQ(way.send(64), FL_REDIR_BEGIN);
}

TEST(RedirectSent, FollowsTheSequencePastFourGigabytes) {
  const std::uint64_t wraps = std::uint64_t{7} << 32;
  for (const std::uint64_t sent : {std::uint64_t{0}, std::uint64_t{1000}, wraps - 1, wraps, wraps + 1})
    for (const int off : {-2, -1, 0, 1, 2})
      EXPECT_EQ(fl_redir_sent(static_cast<std::uint32_t>(sent), sent + static_cast<std::uint64_t>(off)), sent) << off;
}

TEST(RedirectLeft, IsWhatWasRedirectedAndNotRead) {
  const std::uint64_t redirected = (std::uint64_t{1} << 32) + 100;
  const std::uint64_t read = (std::uint64_t{3} << 32) + 90;  // 40 of them by TCP, and two times 4 GiB
  EXPECT_EQ(fl_redir_left(redirected, read, 40), 50U);
  EXPECT_EQ(fl_redir_left(redirected, read + 50, 40), 0U);
  EXPECT_GT(fl_redir_left(redirected, read + 50, 41), 0U) << "taken from TCP by a recv that has not returned yet";
}

TEST(RedirectDecide, UndoneMessagesCountAsTcp) {
  Direction way = begun();
  EXPECT_EQ(way.send(64), FL_REDIR_STAY);
  fl_redir_undo(&way.dir, 64);
  way.tcp_sent += 64;
  EXPECT_EQ(way.send(64), FL_REDIR_TCP) << "the message that went by TCP is unread";
  way.read_all();
  EXPECT_EQ(way.send(64), FL_REDIR_BEGIN);
}

TEST(RedirectDecide, ExcludedEndsOnceAndNeverBegins) {
  Direction way = begun();
  way.dir.excluded = 1;
  EXPECT_EQ(way.send(64), FL_REDIR_END_EXCL);
  way.read_all();
  EXPECT_EQ(way.send(64), FL_REDIR_TCP);
}

TEST(RedirectKey, PeerOfPeerIsOneself) {
  fl_redir_key own{{{1, 2, 3, 4}}, {{5, 6, 7, 8}}, 80, 40000, 100, 200}, peer{}, back{};
  fl_redir_peer(&own, &peer);
  EXPECT_NE(std::memcmp(&own, &peer, sizeof own), 0);
  EXPECT_EQ(peer.snd_nxt, own.rcv_nxt);
  fl_redir_peer(&peer, &back);
  EXPECT_EQ(std::memcmp(&own, &back, sizeof own), 0);
}

}  // namespace
}  // namespace fairlead
