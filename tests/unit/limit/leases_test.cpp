// SPDX-License-Identifier: Apache-2.0
// What a process holds of a limit, and what it may: the arithmetic of leases.
#include "fairlead/limit/leases.hpp"

#include <gtest/gtest.h>

#include "unit/limit/times.hpp"

namespace fairlead::limit {
namespace {

Rule rule_of(Algorithm algorithm, std::uint64_t requests, std::int64_t per_us, std::uint64_t burst = 0) {
  Rule rule{.algorithm = algorithm, .requests = requests, .burst = burst == 0 ? requests : burst, .per_us = per_us};
  rule.settle();
  return rule;
}

TEST(LeaseTerms, HoldBackWhatIsUsedLater) {
  using enum Algorithm;
  struct Row {
    const char* what;
    Rule rule;
    unsigned percent;
    std::int64_t most_us;
    std::uint64_t share;
    std::int64_t time_us;
    std::uint64_t most;
    std::int64_t per_us;
  };
  const Row rows[] = {
      {"a window is as it is", rule_of(kFixedWindow, 1000, 60 * kSecond), 5, 2 * kSecond, 50, 2 * kSecond, 1000,
       60 * kSecond},
      {"for a quarter of it", rule_of(kFixedWindow, 1000, kSecond), 5, 2 * kSecond, 50, kSecond / 4, 1000, kSecond},
      {"a bucket holds back what comes meanwhile", rule_of(kTokenBucket, 100, 10 * kSecond, 1000), 5, 2 * kSecond, 49,
       2 * kSecond, 980, 10 * kSecond},
      {"a quarter of the time of a burst", rule_of(kTokenBucket, 100, kSecond, 100), 10, 2 * kSecond, 7, kSecond / 4,
       75, kSecond},
      {"a sliding window is longer", rule_of(kSlidingWindow, 200, 60 * kSecond), 10, 2 * kSecond, 20, 2 * kSecond, 200,
       62 * kSecond},
      {"too small a share", rule_of(kTokenBucket, 10, kSecond, 10), 5, 2 * kSecond, 0, kSecond / 4, 10, kSecond},
      {"too short a time", rule_of(kFixedWindow, 1000, kSecond / 50), 5, 2 * kSecond, 0, kSecond / 200, 1000,
       kSecond / 50},
      {"a bucket of one", rule_of(kTokenBucket, 1000, kSecond, 1), 50, 2 * kSecond, 0, 250, 1, kSecond},
  };
  for (const auto& row : rows) {
    const auto terms = lease_terms(row.rule, row.percent, row.most_us);
    EXPECT_EQ(terms.share, row.share) << row.what;
    EXPECT_EQ(terms.time_us, row.time_us) << row.what;
    EXPECT_EQ(terms.rule.most(), row.most) << row.what;
    EXPECT_EQ(terms.rule.per_us, row.per_us) << row.what;
    EXPECT_EQ(terms.rule.unit_us, row.rule.unit_us) << row.what;
  }
}

using Found = Leases::Found;

TEST(Leases, AreTakenUntilTheirEndAndNoLonger) {
  Leases leases(1024);
  EXPECT_EQ(leases.take(7, 1, 100, 50).found, Found::kLease);
  EXPECT_EQ(leases.take(7, 1, 120, 50).found, Found::kAsk) << "one asks for a lease at a time";
  EXPECT_EQ(leases.grant(7, {.count = 3, .until_us = 1000, .window = 5}, 90, 400, 130).count, 0U);
  const auto taken = leases.take(7, 2, 999, 50);
  EXPECT_EQ(taken.found, Found::kTaken);
  EXPECT_EQ(taken.remaining, 91U);
  EXPECT_EQ(taken.until_us, 1000);
  EXPECT_EQ(leases.take(7, 2, 999, 50).found, Found::kLease) << "less than the cost is left";
  EXPECT_EQ(leases.take(8, 1, 999, 50).found, Found::kLease) << "another key has its own";
  leases.failed(7);
  EXPECT_EQ(leases.take(7, 1, 1000, 50).found, Found::kLease) << "it is over";
  EXPECT_EQ(leases.take(7, 1, 1051, 50).found, Found::kLease) << "the answer did not come";
}

TEST(Leases, GiveBackWhatIsLeftOnce) {
  Leases leases(1024);
  static_cast<void>(leases.grant(7, {.count = 10, .until_us = 1000, .window = 5}, 0, 0, 100));
  EXPECT_EQ(leases.take(7, 4, 200, 50).found, Found::kTaken);
  EXPECT_EQ(leases.end(7, 999), 0U) << "that is another lease";
  EXPECT_EQ(leases.end(7, 1000), 6U);
  EXPECT_EQ(leases.end(7, 1000), 0U);
  EXPECT_EQ(leases.take(7, 1, 200, 50).found, Found::kLease) << "what was given back is not used";
}

TEST(Leases, AreToldApartWhereOneFollowsTheOther) {
  Leases leases(1024);
  static_cast<void>(leases.grant(7, {.count = 10, .until_us = 1000, .window = 5}, 0, 0, 100));
  const auto taken = leases.take(7, 4, 200, 50);
  const auto over = leases.grant(7, {.count = 20, .until_us = 3000, .window = 6}, 0, 0, 2000);
  EXPECT_EQ(over.count, 6U);
  EXPECT_EQ(over.window, 5);
  leases.put_back(7, 4, taken.until_us);
  EXPECT_EQ(leases.end(7, 3000), 20U) << "what was taken of the one before is not the other's";
}

TEST(Leases, RepeatWhatRedisRefused) {
  Leases leases(1024);
  EXPECT_EQ(leases.take(7, 5, 100, 50).found, Found::kLease);
  leases.refused(7, 5, {.allowed = false, .limit = 10, .remaining = 3, .reset_us = 900, .retry_us = 400}, 250, 100);
  const auto taken = leases.take(7, 5, 200, 50);
  EXPECT_EQ(taken.found, Found::kRefused);
  EXPECT_EQ(taken.remaining, 3U);
  EXPECT_EQ(taken.reset_us, 800);
  EXPECT_EQ(taken.retry_us, 300);
  EXPECT_EQ(leases.take(7, 6, 200, 50).found, Found::kRefused);
  EXPECT_EQ(leases.take(7, 4, 200, 50).found, Found::kLease) << "less may be met";
  EXPECT_EQ(leases.take(7, 5, 349, 50).found, Found::kRefused);
  EXPECT_EQ(leases.take(7, 5, 350, 50).found, Found::kLease) << "others may have given back";
  leases.refused(7, 5, {.allowed = false, .limit = 10, .remaining = 3, .reset_us = 900, .retry_us = 100}, 250, 400);
  EXPECT_EQ(leases.take(7, 5, 500, 50).found, Found::kLease) << "it would be met now";
  leases.refused(7, 50, {.allowed = false, .limit = 10, .remaining = 3, .reset_us = 900, .retry_us = -1}, 250, 600);
  EXPECT_EQ(leases.take(7, 50, 700, 50).retry_us, -1);
}

TEST(Leases, ForgetARefusalWhenTheyGiveBack) {
  Leases leases(1024);
  static_cast<void>(leases.grant(7, {.count = 4, .until_us = 1000, .window = 5}, 0, 0, 100));
  leases.refused(7, 5, {.allowed = false, .limit = 10, .reset_us = 9000, .retry_us = 9000}, 5000, 200);
  EXPECT_EQ(leases.take(7, 5, 300, 50).found, Found::kRefused);
  EXPECT_EQ(leases.take(7, 3, 300, 50).found, Found::kTaken) << "the lease has it";
  EXPECT_EQ(leases.end(7, 1000), 1U);
  EXPECT_EQ(leases.take(7, 5, 1001, 50).found, Found::kLease);
}

TEST(Leases, EndWithTheEarlierOfTwoThatAreOne) {
  Leases leases(1024);
  static_cast<void>(leases.grant(7, {.count = 2, .until_us = 1000, .window = 5}, 0, 0, 100));
  EXPECT_EQ(leases.grant(7, {.count = 10, .until_us = 2000, .window = 5}, 0, 0, 500).count, 0U);
  EXPECT_EQ(leases.take(7, 12, 999, 50).found, Found::kTaken);
  leases.put_back(7, 12, 1000);
  EXPECT_EQ(leases.take(7, 1, 1000, 50).found, Found::kLease);
  EXPECT_EQ(leases.end(7, 1000), 12U);
}

}  // namespace
}  // namespace fairlead::limit
