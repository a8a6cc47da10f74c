// SPDX-License-Identifier: Apache-2.0
// What applications rely on, with and without redirection: the same. One agent serves the whole table, as its start is
// what takes long on an emulated machine.
#include <gtest/gtest.h>

#include "agent/telemetry/counters.hpp"
#include "live/redirect/fixture.hpp"
#include "live/redirect/rows.hpp"

namespace fairlead {
namespace {

class SemanticsTest : public test::RedirectTest {
 protected:
  std::string observe(const test::Row& row, fl_redirect_mode mode) {
    set_mode(mode);
    auto pair = connect_pair(row.flags);
    return row.observe(pair, [&] {
      if (mode == FL_REDIRECT_ALL && redirects_at_first(row)) {
        EXPECT_TRUE(warm_up(pair));
      } else {
        for (int i = 0; i < 40; ++i) test::ping(pair);
      }
    });
  }
  static bool splices(const test::Row& row) { return row.excluded == FL_C_REDIRECT_EXCL_SPLICE; }
  bool traces() const { return settings().redirect_unguarded == 0; }
  /// Redirected until the row does what excludes it; else excluded from the start.
  bool redirects_at_first(const test::Row& row) const {
    return row.traced ? traces() : row.excluded == FL_COUNTERS || row.meanwhile;
  }
  /// Where functions cannot be traced, programs that are not named are left out altogether.
  fl_counter why(const test::Row& row) const {
    return row.traced && !traces() ? FL_C_REDIRECT_EXCL_PROGRAM : row.excluded;
  }
  void compare(const test::Row& row) {
    SCOPED_TRACE(row.name);
    const auto without = observe(row, FL_REDIRECT_OFF);
    EXPECT_EQ(without, row.expected) << "without";
    const bool excludes = why(row) != FL_COUNTERS;
    const auto excluded = excludes ? counter(why(row)) : 0;
    const auto with = observe(row, FL_REDIRECT_ALL);
    EXPECT_EQ(with, row.different.empty() ? row.expected : row.different) << "with";
    if (excludes) {
      EXPECT_TRUE(test::eventually([&] { return counter(why(row)) > excluded; }));
    }
    tell(row, without, with);
  }
  /// A line for scripts/redirect-table.
  void tell(const test::Row& row, const std::string& without, const std::string& with) const {
    std::string reason = "redirected";
    for (const auto& kind : telemetry::counter_kinds())
      if (kind.index == why(row)) reason = kind.value;
    std::printf("row|%s|%s|%s|%s\n", row.name, without.c_str(), with.c_str(), reason.c_str());
  }
};

TEST_F(SemanticsTest, AreTheSame) {
  const auto agent = start_all();
  for (const auto& row : test::rows())
    if (!row.traced) compare(row);
}

TEST_F(SemanticsTest, WhatNeedsTracingIsTheSameOrLeftOut) {
  const auto agent = start({"--redirect", "all"});
  for (const auto& row : test::rows())
    if (row.traced && !splices(row)) compare(row);
}

// Its program is remembered: an agent of its own.
TEST_F(SemanticsTest, AReaderThatSplicesIsLeftOut) {
  const auto agent = start({"--redirect", "all"});
  for (const auto& row : test::rows())
    if (splices(row)) compare(row);
}

}  // namespace
}  // namespace fairlead
