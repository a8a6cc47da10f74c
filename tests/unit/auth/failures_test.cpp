// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/failures.hpp"

#include <gtest/gtest.h>

namespace fairlead::auth {
namespace {

Address at(std::string_view text) { return *Address::parse(text); }

TEST(Failures, StopASourceForTheRestOfItsWindow) {
  Failures failures(3, 1000);
  for (const std::uint64_t now : {100U, 200U}) EXPECT_TRUE(failures.count(at("192.0.2.1"), now));
  EXPECT_EQ(failures.wait(at("192.0.2.1"), 300), 0U);
  EXPECT_TRUE(failures.count(at("192.0.2.1"), 300));
  EXPECT_EQ(failures.wait(at("192.0.2.1"), 400), 700U);
  EXPECT_FALSE(failures.count(at("192.0.2.1"), 400));  // it had begun before, and is one too many
  EXPECT_EQ(failures.wait(at("192.0.2.2"), 400), 0U);
  EXPECT_EQ(failures.wait(at("192.0.2.1"), 1100), 0U);
  EXPECT_TRUE(failures.count(at("192.0.2.1"), 1200));  // a new window
  EXPECT_EQ(failures.wait(at("192.0.2.1"), 1200), 0U);
}

TEST(Failures, TakeA64OfIpv6ForOneSource) {
  Failures failures(2, 1000);
  EXPECT_TRUE(failures.count(at("2001:db8::1"), 1));
  EXPECT_TRUE(failures.count(at("2001:db8::ffff:2"), 1));
  EXPECT_GT(failures.wait(at("2001:db8::3"), 2), 0U);
  EXPECT_EQ(failures.wait(at("2001:db8:0:1::3"), 2), 0U);
}

TEST(Failures, OutlastARushOfOtherSources) {
  Failures failures(5, 1'000'000);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(failures.count(at("192.0.2.1"), 1));
  for (int i = 0; i < 100'000; ++i)
    EXPECT_TRUE(failures.count(
        at("10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255)), 2));
  EXPECT_GT(failures.wait(at("192.0.2.1"), 3), 0U);
}

}  // namespace
}  // namespace fairlead::auth
