// SPDX-License-Identifier: Apache-2.0
#include "fairlead/filter/chain.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "fairlead/filter/filter.hpp"

namespace fairlead::filter {
namespace {

TEST(Chain, TheDocumentedOrderIsTheOrder) {
  std::ifstream in(FL_REFERENCE "/request-policy.md");
  std::stringstream text;
  text << in.rdbuf();
  auto page = text.str();
  page.erase(0, page.find("\n## Order"));
  std::size_t at = 0;
  for (std::size_t i = 0; i < kSlots; ++i) {
    const auto row = "\n| `" + std::string(slot_name(static_cast<Slot>(i))) + "` |";
    const auto found = page.find(row);
    ASSERT_NE(found, std::string::npos) << row;
    EXPECT_GT(found, at) << row;
    at = found;
  }
}

TEST(Chain, KnowsItsSlots) {
  Chain chain;
  chain.set(Slot::kCache, std::make_shared<const Filter>(), "RequestPolicy default/a");
  EXPECT_EQ(chain.mask, 1U << static_cast<unsigned>(Slot::kCache));
  EXPECT_EQ(chain.origins[static_cast<std::size_t>(Slot::kCache)], "RequestPolicy default/a");
  chain.set(Slot::kCache, nullptr, "");
  EXPECT_EQ(chain.mask, 0U);
}

}  // namespace
}  // namespace fairlead::filter
