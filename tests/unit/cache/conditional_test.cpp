// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/conditional.hpp"

#include <gtest/gtest.h>

#include <string>

#include "unit/cache/times.hpp"

namespace fairlead::cache {
namespace {

constexpr const char* kDate = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr const char* kBefore = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr const char* kAfter = "Sun, 06 Nov 1994 08:49:38 GMT";

TEST(Conditional, IsEvaluatedAsRfc9110Says) {
  const http::Fields strong = {{"etag", "\"a\""}, {"last-modified", kDate}};
  const http::Fields weak = {{"etag", "W/\"a\""}};
  const http::Fields dated = {{"last-modified", kDate}};
  const http::Fields only_date = {{"date", kDate}};
  const http::Fields none = {};
  struct {
    const http::Fields& stored;
    http::Fields request;
    bool not_modified;
  } const rows[] = {
      {strong, {}, false},
      {strong, {{"if-none-match", "\"a\""}}, true},
      {strong, {{"if-none-match", "W/\"a\""}}, true},  // weak comparison, 13.1.2
      {weak, {{"if-none-match", "\"a\""}}, true},
      {strong, {{"if-none-match", "\"b\""}}, false},
      {strong, {{"if-none-match", "\"b\", \"a\""}}, true},
      {strong, {{"if-none-match", "\"b\""}, {"if-none-match", "\"a\""}}, true},
      {strong, {{"if-none-match", "\"b, \", \"a\""}}, true},  // a comma within an etag
      {strong, {{"if-none-match", "a"}}, false},
      {strong, {{"if-none-match", "*"}}, true},
      {none, {{"if-none-match", "*"}}, true},
      {none, {{"if-none-match", "\"a\""}}, false},
      {strong, {{"if-none-match", "\"b\""}, {"if-modified-since", kAfter}}, false},  // 13.2.2: the etag decides
      {strong, {{"if-modified-since", kDate}}, true},
      {strong, {{"if-modified-since", kAfter}}, true},
      {strong, {{"if-modified-since", kBefore}}, false},
      {strong, {{"if-modified-since", "yesterday"}}, false},
      {dated, {{"if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT"}}, true},
      {only_date, {{"if-modified-since", kDate}}, true},  // RFC 9111 4.3.2: Date where nothing else is known
      {only_date, {{"if-modified-since", kBefore}}, false},
  };
  for (std::size_t i = 0; i < std::size(rows); ++i)
    EXPECT_EQ(not_modified(rows[i].request, validators_of(rows[i].stored, kNow), kNow), rows[i].not_modified) << i;
}

TEST(Conditional, ComparesETags) {  // RFC 9110 8.8.3.2, its table
  struct {
    const char *a, *b;
    bool strong, weak;
  } const rows[] = {{"W/\"1\"", "W/\"1\"", false, true},
                    {"W/\"1\"", "W/\"2\"", false, false},
                    {"W/\"1\"", "\"1\"", false, true},
                    {"\"1\"", "\"1\"", true, true},
                    {"", "", false, false}};
  for (const auto& row : rows) {
    EXPECT_EQ(strongly_equal(row.a, row.b), row.strong) << row.a;
    EXPECT_EQ(weakly_equal(row.a, row.b), row.weak) << row.a;
  }
}

/// "0-4,20-29": those that are sent.
std::string sent(const char* range, std::uint64_t length) {
  std::vector<Range> ranges;
  if (ranges_of({{"range", range}}, {}, length, ranges) != RangeAnswer::kParts) return {};
  std::string out;
  for (const auto& one : ranges)
    out += (out.empty() ? "" : ",") + std::to_string(one.first) + "-" + std::to_string(one.last);
  return out;
}

TEST(Range, SeveralAreJoinedWhereTheyAreNear) {
  struct {
    const char* range;
    const char* sent;
  } const rows[] = {
      {"bytes=0-9,200-209", "0-9,200-209"},
      {"bytes=200-209, 0-9", "200-209,0-9"},         // as the client orders them
      {"bytes=0-9,89-99", "0-99"},                   // the head of a part would be longer than what is between
      {"bytes=0-9,90-99", "0-9,90-99"},
      {"bytes=0-99,50-149,100-199", "0-199"},
      {"bytes=0-9,400-409,300-310,5-6", "0-9,400-409,300-310"},
      {"bytes=0-9,400-409,100-350", "0-9,100-409"},  // where the first of those that are joined stood
      {"bytes=0-9,2000-,-5", "0-9,995-999"},         // what cannot be satisfied is left out
      {"bytes=0-,0-,0-,0-", "0-999"},
      {"bytes=0-0,200-200,5-4", ""},                 // wrong: all of them are passed over
      {"bytes=2000-,3000-", ""},
      {"bytes=0-0,200-,x", ""},
  };
  for (const auto& row : rows) EXPECT_EQ(sent(row.range, 1000), row.sent) << row.range;
  std::vector<Range> ranges;
  EXPECT_EQ(ranges_of({{"range", "bytes=2000-,3000-"}}, {}, 1000, ranges), RangeAnswer::kUnsatisfiable);
  std::string many = "bytes=0-0";
  for (std::size_t i = 1; i < kMostRanges; ++i) many += "," + std::to_string(i * 1000) + "-" + std::to_string(i * 1000);
  ASSERT_EQ(ranges_of({{"range", many}}, {}, 100'000, ranges), RangeAnswer::kParts);
  EXPECT_EQ(ranges.size(), kMostRanges);
  many += ",90000-90000";
  EXPECT_EQ(ranges_of({{"range", many}}, {}, 100'000, ranges), RangeAnswer::kWhole);
}

TEST(Range, IsOneOfBytes) {
  using enum RangeAnswer;
  struct {
    const char* range;
    std::uint64_t length;
    RangeAnswer answer;
    std::uint64_t first, last;
  } const rows[] = {
      {"bytes=0-0", 10, kParts, 0, 0},
      {"bytes=2-4", 10, kParts, 2, 4},
      {"bytes=2-", 10, kParts, 2, 9},
      {"bytes=2-99999999999", 10, kParts, 2, 9},
      {"bytes=-3", 10, kParts, 7, 9},
      {"bytes=-30", 10, kParts, 0, 9},
      {"Bytes=1-1", 10, kParts, 1, 1},
      {"bytes= 1-1 ,", 10, kParts, 1, 1},
      {"bytes=-0", 10, kUnsatisfiable, 0, 0},
      {"bytes=10-", 10, kUnsatisfiable, 0, 0},
      {"bytes=0-", 0, kUnsatisfiable, 0, 0},
      {"bytes=4-2", 10, kWhole, 0, 0},     // invalid, 14.1.1: passed over
      {"bytes=0-1,3-4", 10, kParts, 0, 4},
      {"bytes=a-b", 10, kWhole, 0, 0},
      {"bytes=-", 10, kWhole, 0, 0},
      {"bytes=", 10, kWhole, 0, 0},
      {"bytes=1", 10, kWhole, 0, 0},
      {"bytes=+1-2", 10, kWhole, 0, 0},
      {"bytes=0-99999999999999999999999", 10, kWhole, 0, 0},
      {"lines=0-1", 10, kWhole, 0, 0},
      {"", 10, kWhole, 0, 0},
  };
  for (const auto& row : rows) {
    std::vector<Range> ranges;
    const http::Fields request = {{"range", row.range}};
    ASSERT_EQ(ranges_of(request, {}, row.length, ranges), row.answer) << row.range;
    if (row.answer != kParts) continue;
    ASSERT_EQ(ranges.size(), 1U) << row.range;
    EXPECT_EQ(ranges[0].first, row.first) << row.range;
    EXPECT_EQ(ranges[0].last, row.last) << row.range;
  }
}

TEST(Range, HoldsOnlyWithItsCondition) {
  const http::Fields stored = {{"etag", "\"a\""}, {"last-modified", kDate}};
  const http::Fields weak = {{"etag", "W/\"a\""}};
  struct {
    const http::Fields& stored;
    const char* condition;
    bool part;
  } const rows[] = {{stored, "\"a\"", true},   {stored, "\"b\"", false}, {stored, kDate, true},
                    {stored, kAfter, false},   {weak, "W/\"a\"", false}, {weak, kDate, false},
                    {stored, "W/\"a\"", false}};
  for (const auto& row : rows) {
    std::vector<Range> ranges;
    const http::Fields request = {{"range", "bytes=0-1"}, {"if-range", row.condition}};
    EXPECT_EQ(ranges_of(request, validators_of(row.stored, kNow), 10, ranges) == RangeAnswer::kParts, row.part)
        << row.condition;
  }
}

}  // namespace
}  // namespace fairlead::cache
