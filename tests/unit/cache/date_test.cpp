// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/date.hpp"

#include <gtest/gtest.h>

#include <string>

#include "unit/cache/times.hpp"

namespace fairlead::cache {
namespace {

TEST(Date, IsParsedInItsThreeFormats) {
  struct {
    const char* text;
    std::optional<std::int64_t> seconds;
  } const rows[] = {
      {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},    // RFC 9110 5.6.7
      {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
      {"Sun Nov  6 08:49:37 1994", 784111777},
      {"Wed Nov 16 08:49:37 1994", 784975777},
      {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
      {"Tuesday, 14-Nov-73 22:13:20 GMT", 3277923200 - 0},  // 50 years ahead at most: 2073
      {"Wednesday, 14-Nov-74 22:13:20 GMT", 153699200},     // 1974
      {"Tue, 29 Feb 2000 23:59:60 GMT", 951868799},         // a leap second is the one before
      {"Mon, 29 Feb 1999 00:00:00 GMT", std::nullopt},
      {"Sun, 06 Nov 1994 08:49:37 UTC", std::nullopt},
      {"Sun, 06 Nov 1994 08:49:37 +0000", std::nullopt},
      {"Sun, 06 Nov 1994 24:00:00 GMT", std::nullopt},
      {"Sun, 6 Nov 1994 08:49:37 GMT", std::nullopt},
      {"sun, 06 nov 1994 08:49:37 gmt", std::nullopt},
      {"Sun, 06 Nov 1994 08:49:37 GMT ", std::nullopt},
      {"Sun, 06 Nov 19a4 08:49:37 GMT", std::nullopt},
      {"0", std::nullopt},
      {"-1", std::nullopt},
      {"", std::nullopt},
      {"784111777", std::nullopt},
  };
  for (const auto& row : rows) EXPECT_EQ(parse_date(row.text, kNow), row.seconds) << row.text;
}

TEST(Date, IsWrittenAsItIsParsed) {
  for (const std::int64_t at : {std::int64_t{0}, std::int64_t{784111777}, kNow, std::int64_t{951868799}}) {
    const auto text = format_date(at);
    EXPECT_EQ(parse_date({text.data(), text.size()}, kNow), at);
  }
  const auto text = format_date(784111777);
  EXPECT_EQ(std::string(text.data(), text.size()), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace fairlead::cache
