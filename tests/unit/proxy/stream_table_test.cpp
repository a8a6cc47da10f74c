// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "fairlead/proxy/snapshot.hpp"
#include "fairlead/proxy/stream_refusal.hpp"

namespace fairlead::proxy {
namespace {

TEST(StreamTableTest, TheMostSpecialNameCounts) {
  StreamTable table;
  for (const char* name : {"a.example", "*.example", "*.deep.example", ""}) table.names[name];
  const struct {
    const char* asked;
    const char* found;
  } kRows[] = {{"a.example", "a.example"},
               {"b.example", "*.example"},
               {"x.a.example", "*.example"},
               {"x.deep.example", "*.deep.example"},
               {"deep.example", "*.example"},
               {"example", ""},
               {"other", ""},
               {"", ""}};
  for (const auto& [asked, found] : kRows) EXPECT_EQ(table.find(asked), &table.names.at(found)) << asked;
  table.names.erase("");
  EXPECT_EQ(table.find("other"), nullptr);
  EXPECT_EQ(table.find(""), nullptr);
}

TEST(StreamTableTest, EachRefusalHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kStreamRefusals; ++i) names.insert(name_of(static_cast<StreamRefusal>(i)));
  EXPECT_EQ(names.size(), kStreamRefusals);
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace fairlead::proxy
