// SPDX-License-Identifier: Apache-2.0
#include "fairlead/change/gzip.hpp"

#include <gtest/gtest.h>

namespace fairlead::change {
namespace {

std::string packed(std::string_view text) {
  std::string out;
  EXPECT_TRUE(gzip(text, out));
  return out;
}

TEST(Gzip, GoesThereAndBack) {
  for (const std::string& text : {std::string(), std::string("{}"), std::string(100'000, 'a')}) {
    std::string out = "x";
    EXPECT_EQ(expand(packed(text), {.bytes = 200'000, .ratio = 2000}, out), Expanded::kWhole);
    EXPECT_EQ(out, "x" + text);
  }
  std::string out;
  EXPECT_EQ(expand(packed("ab") + packed("cd"), {}, out), Expanded::kWhole);
  EXPECT_EQ(out, "abcd");
}

TEST(Gzip, RefusesBombs) {
  std::string out;
  const auto bomb = packed(std::string(10'000'000, '\0'));
  ASSERT_LT(bomb.size(), 60'000U);
  EXPECT_EQ(expand(bomb, {.bytes = 1'000'000, .ratio = 100'000}, out), Expanded::kTooLarge);
  EXPECT_LT(out.size(), 1'100'000U);
  out.clear();
  EXPECT_EQ(expand(bomb, {.bytes = 100'000'000, .ratio = 100}, out), Expanded::kTooLarge);
  EXPECT_LT(out.size(), 100 * bomb.size() + 20'000);
  std::string members;
  for (int i = 0; i < 50; ++i) members += packed(std::string(100'000, ' '));
  out.clear();
  EXPECT_EQ(expand(members, {.bytes = 1'000'000, .ratio = 100}, out), Expanded::kTooLarge);
}

TEST(Gzip, TellsBrokenOnes) {
  const auto good = packed("{\"a\":1}");
  std::string out;
  for (std::size_t length = 0; length < good.size(); ++length)
    EXPECT_EQ(expand(std::string_view(good).substr(0, length), {}, out), Expanded::kBroken) << length;
  EXPECT_EQ(expand(good + "x", {}, out), Expanded::kBroken);
  EXPECT_EQ(expand("{\"a\":1}", {}, out), Expanded::kBroken);
  auto wrong = good;
  wrong[wrong.size() - 6] = static_cast<char>(wrong[wrong.size() - 6] ^ 1);
  EXPECT_EQ(expand(wrong, {}, out), Expanded::kBroken);
}

}  // namespace
}  // namespace fairlead::change
