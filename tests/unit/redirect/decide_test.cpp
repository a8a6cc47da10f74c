// SPDX-License-Identifier: Apache-2.0
#include "fairlead/abi/redirect.h"

#include <gtest/gtest.h>

#include <cstring>

namespace fairlead {
namespace {

void read_all(fl_redir_dir& dir) {
  dir.read = dir.sent;
  ++dir.reads;
}

fl_redir_dir begun() {
  fl_redir_dir dir{};
  dir.reads = FL_REDIR_BEGIN_READS;
  EXPECT_EQ(fl_redir_decide(&dir, 64), FL_REDIR_BEGIN);
  read_all(dir);
  return dir;
}

TEST(RedirectDecide, BeginsAfterSixteenReads) {
  fl_redir_dir dir{};
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(fl_redir_decide(&dir, 64), FL_REDIR_TCP) << i;
    read_all(dir);
  }
  EXPECT_EQ(fl_redir_decide(&dir, 64), FL_REDIR_BEGIN);
  EXPECT_EQ(fl_redir_decide(&dir, 64), FL_REDIR_STAY);
}

TEST(RedirectDecide, DoesNotBeginWhileAnythingIsUnread) {
  fl_redir_dir dir{};
  dir.reads = FL_REDIR_BEGIN_READS;
  dir.sent = 1;
  EXPECT_EQ(fl_redir_decide(&dir, 64), FL_REDIR_TCP);
  dir.read = dir.sent + 1;
  EXPECT_EQ(fl_redir_decide(&dir, 1), FL_REDIR_TCP) << "or when more was read than sent: sent=0 wraps";
  read_all(dir);
  EXPECT_EQ(fl_redir_decide(&dir, 64), FL_REDIR_BEGIN);
}

TEST(RedirectDecide, EndsAtTheEighthBulkMessageInARow) {
  fl_redir_dir dir = begun();
  for (int i = 0; i < 7; ++i, read_all(dir)) EXPECT_EQ(fl_redir_decide(&dir, 16384), FL_REDIR_STAY) << i;
  EXPECT_EQ(fl_redir_decide(&dir, 16383), FL_REDIR_STAY);
  read_all(dir);
  for (int i = 0; i < 7; ++i, read_all(dir)) EXPECT_EQ(fl_redir_decide(&dir, 16384), FL_REDIR_STAY) << i;
  EXPECT_EQ(fl_redir_decide(&dir, 16384), FL_REDIR_END_BULK);
  read_all(dir);
  EXPECT_EQ(fl_redir_decide(&dir, 16384), FL_REDIR_TCP);
  read_all(dir);
  EXPECT_EQ(fl_redir_decide(&dir, 64), FL_REDIR_BEGIN);
}

TEST(RedirectDecide, EndsWhenMoreThan256KiBAreUnread) {
  fl_redir_dir dir = begun();
  for (int i = 0; i < 256; ++i) EXPECT_EQ(fl_redir_decide(&dir, 1024), FL_REDIR_STAY) << i;
  EXPECT_EQ(fl_redir_decide(&dir, 1), FL_REDIR_STAY);
  EXPECT_EQ(fl_redir_decide(&dir, 1), FL_REDIR_END_UNREAD);
  EXPECT_EQ(fl_redir_decide(&dir, 1), FL_REDIR_TCP);
}

TEST(RedirectDecide, ExcludedEndsOnceAndNeverBegins) {
  fl_redir_dir dir = begun();
  dir.excluded = 1;
  EXPECT_EQ(fl_redir_decide(&dir, 64), FL_REDIR_END_EXCL);
  read_all(dir);
  EXPECT_EQ(fl_redir_decide(&dir, 64), FL_REDIR_TCP);
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
