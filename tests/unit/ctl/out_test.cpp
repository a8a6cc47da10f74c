// SPDX-License-Identifier: Apache-2.0
#include "agent/ctl/out.hpp"

#include <gtest/gtest.h>

namespace fairlead::ctl {
namespace {

TEST(Numbers, AreShortAndNeverRoundUpIntoTheNextUnit) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(0.25), "0.2");
  EXPECT_EQ(count_text(1000), "1.0k");
  EXPECT_EQ(count_text(99949), "99.9k");
  EXPECT_EQ(count_text(99950), "100k");
  EXPECT_EQ(count_text(999949), "1000k");
  EXPECT_EQ(count_text(999950), "1.0M");
  EXPECT_EQ(count_text(3.4e15), "3400T");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1.0 KiB");
  EXPECT_EQ(bytes_text(1.5 * 1024 * 1024), "1.5 MiB");
  EXPECT_EQ(micros_text(85), "85 us");
  EXPECT_EQ(micros_text(1200), "1.2 ms");
  EXPECT_EQ(micros_text(3.4e6), "3.4 s");
}

TEST(Numbers, OfTimeHaveTheTwoLargestUnits) {
  EXPECT_EQ(seconds_text(0), "0s");
  EXPECT_EQ(seconds_text(12), "12s");
  EXPECT_EQ(seconds_text(7500), "2h 5m");
  EXPECT_EQ(seconds_text(3 * 86400 + 4 * 3600 + 59), "3d 4h");
}

TEST(Cut, CountsCharactersNotBytes) {
  EXPECT_EQ(cut("größe", 5), "größe");
  EXPECT_EQ(cut("größer", 5), "größ…");
}

}  // namespace
}  // namespace fairlead::ctl
