// SPDX-License-Identifier: Apache-2.0
#include "fairlead/base/name.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

namespace fairlead {
namespace {

TEST(Name, IsTheTextThatItWasMadeOf) {
  const Name web("web"), same(std::string("web")), other(std::string_view("a-name-that-no-string-holds-in-itself"));
  EXPECT_EQ(web, same);
  EXPECT_NE(web, other);
  EXPECT_EQ(&web.text(), &same.text()) << "one text for both";
  EXPECT_EQ(web, "web");
  EXPECT_EQ(other.size(), 37u);
  const std::string& text = other;
  EXPECT_EQ(text, "a-name-that-no-string-holds-in-itself");
  EXPECT_EQ("at " + web + ":" + same, "at web:web");
}

TEST(Name, TheEmptyTextIsNone) {
  EXPECT_TRUE(Name().empty());
  EXPECT_EQ(Name(), Name(""));
  EXPECT_EQ(Name(), "");
  EXPECT_EQ(Name().text(), "");
  EXPECT_FALSE(Name("a").empty());
}

TEST(Name, IsInTheOrderOfTexts) {
  std::map<Name, int> by_name{{"b", 2}, {"", 0}, {"ab", 1}, {"a-name-that-no-string-holds-in-itself", 3}};
  std::string order;
  for (const auto& [name, value] : by_name) order += std::to_string(value);
  EXPECT_EQ(order, "0312");
  EXPECT_LT(Name("a"), "b");
  EXPECT_GT(Name("b"), std::string("a"));
}

TEST(Name, StaysWithWhoeverHasItLast) {
  Name kept;
  {
    const Name first("passing");
    kept = first;
    Name moved = kept;
    Name taken = std::move(moved);
    EXPECT_EQ(taken, "passing");
  }
  EXPECT_EQ(kept, "passing");
  kept = kept.text() + "-on";
  EXPECT_EQ(kept, "passing-on");
}

/// Ends of the last use beside looks for the same text.
TEST(Name, ComesAndGoesInManyThreads) {
  constexpr int kRounds = 20'000;
  std::vector<std::jthread> threads;
  std::vector<int> wrong(4);
  for (auto& mine : wrong)
    threads.emplace_back([&mine] {
      for (int i = 0; i < kRounds; ++i) {
        const auto text = "name-" + std::to_string(i % 3);
        const Name name(text);
        const auto copy = name;
        mine += copy != text || copy != Name(text);
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

}  // namespace
}  // namespace fairlead
