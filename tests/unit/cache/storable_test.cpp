// SPDX-License-Identifier: Apache-2.0
// What a shared cache may store, and for how long: the lines of RFC 9111 sections 3, 4.2 and 5, RFC 5861.
#include "fairlead/cache/storable.hpp"

#include <gtest/gtest.h>

#include <string>

#include "fairlead/cache/date.hpp"
#include "unit/cache/times.hpp"

namespace fairlead::cache {
namespace {

std::string date(std::int64_t offset) {
  const auto text = format_date(kNow + offset);
  return {text.data(), text.size()};
}

struct StorableRow {
  const char* what;
  std::uint16_t status = 200;
  std::vector<std::pair<std::string, std::string>> fields;
  Reason reason = Reason::kStorable;
  std::int64_t left = 0;  ///< seconds that it is still fresh; with kStorable
  Asked asked{};
  Defaults defaults{};
};

Terms judge_row(const StorableRow& row) {
  http::ResponseHead head;
  head.status = row.status;
  for (const auto& [name, value] : row.fields) head.fields.push_back({name, value});
  return judge(head, row.asked, row.defaults, kNow, 0);
}

using enum Reason;
const std::string kOld = date(-1000);
constexpr Asked kAuthorized{.authorized = true};
constexpr Asked kOwn{.authorized = true, .own_key = true};
constexpr Asked kCookies{.cookies = true};
constexpr StatusTtl kTimes[] = {{404, 30}, {503, 5}};

const StorableRow kRows[] = {
    // 3: methods and statuses
    {"a time makes it fresh", 200, {{"cache-control", "max-age=60"}}, kStorable, 60},
    {"not to another method", 200, {{"cache-control", "max-age=60"}}, kMethod, 0, {.get = false}},
    {"no part", 206, {{"cache-control", "max-age=60"}}, kStatus},
    {"no 304 by itself", 304, {{"cache-control", "max-age=60"}}, kStatus},
    {"no interim response", 103, {{"cache-control", "max-age=60"}}, kStatus},
    {"any final status with a time", 500, {{"cache-control", "max-age=60"}}, kStorable, 60},
    {"a status that nobody knows, with a time", 299, {{"cache-control", "max-age=60"}}, kStorable, 60},
    {"none without a time", 500, {}, kNotFresh},
    {"404 without a time", 404, {}, kNotFresh},
    // 5.2.2: directives
    {"no-store", 200, {{"cache-control", "no-store, max-age=60"}}, kNoStore},
    {"NO-STORE", 200, {{"cache-control", "NO-STORE, max-age=60"}}, kNoStore},
    {"no-store in another line", 200, {{"cache-control", "max-age=60"}, {"cache-control", "no-store"}}, kNoStore},
    {"must-understand over no-store", 200, {{"cache-control", "no-store, must-understand, max-age=6"}}, kStorable, 6},
    {"must-understand, not understood", 299, {{"cache-control", "must-understand, max-age=60"}}, kStatus},
    {"private", 200, {{"cache-control", "private, max-age=60"}}, kPrivate},
    {"private to its caller's key too", 200, {{"cache-control", "private, max-age=60"}}, kPrivate, 0, kOwn},
    {"private fields only", 200, {{"cache-control", "private=\"x-user\", max-age=60"}}, kStorable, 60},
    {"no-cache with a validator", 200, {{"cache-control", "no-cache, max-age=60"}, {"etag", "\"a\""}}, kStorable, 60},
    {"no-cache without", 200, {{"cache-control", "no-cache, max-age=60"}}, kNotFresh},
    {"Pragma says nothing in a response",
     200,
     {{"pragma", "no-cache"}, {"cache-control", "max-age=60"}},
     kStorable,
     60},
    {"the request's no-store", 200, {{"cache-control", "max-age=60"}}, kNoStore, 0, {.no_store = true}},
    // 4.2.1: lifetime
    {"s-maxage goes first", 200, {{"cache-control", "max-age=1, s-maxage=60"}}, kStorable, 60},
    {"s-maxage=0 too", 200, {{"cache-control", "max-age=60, s-maxage=0"}}, kNotFresh},
    {"max-age over Expires", 200, {{"cache-control", "max-age=60"}, {"expires", kOld}}, kStorable, 60},
    {"Expires", 200, {{"expires", date(60)}, {"date", date(0)}}, kStorable, 60},
    {"Expires without Date", 200, {{"expires", date(60)}}, kStorable, 60},
    {"Expires against Date, not our clock", 200, {{"expires", date(-40)}, {"date", date(-100)}}, kNotFresh},
    {"Expires that is no date has passed", 200, {{"expires", "0"}}, kNotFresh},
    {"the earlier of two Expires", 200, {{"expires", date(60)}, {"expires", kOld}}, kNotFresh},
    {"a bad max-age is none that is fresh", 200, {{"cache-control", "max-age=abc"}, {"expires", date(60)}}, kNotFresh},
    {"a very long time", 200, {{"cache-control", "max-age=99999999999"}}, kStorable, kMostSeconds},
    {"max-age=0 with a validator", 200, {{"cache-control", "max-age=0"}, {"last-modified", kOld}}, kStorable, 0},
    // 4.2.2: heuristics
    {"a tenth of the time since Last-Modified", 200, {{"last-modified", kOld}}, kStorable, 100},
    {"a day at most", 200, {{"last-modified", date(-100'000'000)}}, kStorable, 86400},
    {"Last-Modified ahead of Date", 200, {{"last-modified", date(100)}}, kStorable, 0},
    {"404 by Last-Modified", 404, {{"last-modified", kOld}}, kStorable, 100},
    {"302 not", 302, {{"last-modified", kOld}}, kNotFresh},
    {"302 if public", 302, {{"last-modified", kOld}, {"cache-control", "public"}}, kStorable, 100},
    {"only an ETag: to be validated each time", 200, {{"etag", "\"a\""}}, kStorable, 0},
    {"of 302 an ETag is no reason", 302, {{"etag", "\"a\""}}, kNotFresh},
    // 4.2.3: age
    {"Age counts", 200, {{"cache-control", "max-age=60"}, {"age", "20"}}, kStorable, 40},
    {"an Age beyond", 200, {{"cache-control", "max-age=60"}, {"age", "60"}}, kNotFresh},
    {"an Age that is none", 200, {{"cache-control", "max-age=60"}, {"age", "x"}}, kStorable, 60},
    {"a negative Age", 200, {{"cache-control", "max-age=60"}, {"age", "-10"}}, kStorable, 60},
    {"the first Age", 200, {{"cache-control", "max-age=60"}, {"age", "10, 50"}}, kStorable, 50},
    {"a huge Age", 200, {{"cache-control", "max-age=60"}, {"age", "99999999999"}}, kNotFresh},
    {"a Date that has passed", 200, {{"cache-control", "max-age=60"}, {"date", date(-20)}}, kStorable, 40},
    {"the older of Date and Age",
     200,
     {{"cache-control", "max-age=60"}, {"date", date(-20)}, {"age", "30"}},
     kStorable,
     30},
    {"a Date ahead", 200, {{"cache-control", "max-age=60"}, {"date", date(500)}}, kStorable, 60},
    // 3.5: Authorization
    {"authorized, max-age alone", 200, {{"cache-control", "max-age=60"}}, kAuthorization, 0, kAuthorized},
    {"authorized, public", 200, {{"cache-control", "public, max-age=60"}}, kStorable, 60, kAuthorized},
    {"authorized, must-revalidate",
     200,
     {{"cache-control", "must-revalidate, max-age=60"}},
     kStorable,
     60,
     kAuthorized},
    {"authorized, s-maxage", 200, {{"cache-control", "s-maxage=60"}}, kStorable, 60, kAuthorized},
    {"authorized, proxy-revalidate is not named",
     200,
     {{"cache-control", "proxy-revalidate, max-age=60"}},
     kAuthorization,
     0,
     kAuthorized},
    {"authorized, its own key", 200, {{"cache-control", "max-age=60"}}, kStorable, 60, kOwn},
    // Cookies
    {"Set-Cookie", 200, {{"cache-control", "max-age=60"}, {"set-cookie", "a=b"}}, kSetCookie},
    {"Set-Cookie, public", 200, {{"cache-control", "public, max-age=60"}, {"set-cookie", "a=b"}}, kSetCookie},
    {"Set-Cookie that is not stored",
     200,
     {{"cache-control", "private=\"Set-Cookie\", max-age=60"}, {"set-cookie", "a=b"}},
     kStorable,
     60},
    {"cookies and a time", 200, {{"cache-control", "max-age=60"}}, kStorable, 60, kCookies},
    {"cookies and none", 200, {{"last-modified", kOld}}, kCookie, 0, kCookies},
    {"cookies and a default", 200, {}, kCookie, 0, kCookies, {.ttl = 60}},
    // Vary
    {"Vary: *", 200, {{"cache-control", "max-age=60"}, {"vary", "accept, *"}}, kVaryAny},
    {"Vary", 200, {{"cache-control", "max-age=60"}, {"vary", "accept"}}, kStorable, 60},
    // Settings
    {"a default", 200, {}, kStorable, 60, {}, {.ttl = 60}},
    {"a default is not for 404", 404, {}, kNotFresh, 0, {}, {.ttl = 60}},
    {"a default is not over no-store", 200, {{"cache-control", "no-store"}}, kNoStore, 0, {}, {.ttl = 60}},
    {"a default is not over a time", 200, {{"cache-control", "max-age=5"}}, kStorable, 5, {}, {.ttl = 60}},
    {"a default goes before heuristics", 200, {{"last-modified", kOld}}, kStorable, 60, {}, {.ttl = 60}},
    {"negative", 404, {}, kStorable, 30, {}, {.statuses = kTimes}},
    {"negative, 503", 503, {}, kStorable, 5, {}, {.statuses = kTimes}},
    {"negative, but it says otherwise", 404, {{"cache-control", "max-age=0"}}, kNotFresh, 0, {}, {.statuses = kTimes}},
    {"negative, authorized", 404, {}, kAuthorization, 0, kAuthorized, {.statuses = kTimes}},
};

TEST(Storable, IsWhatTheRfcSays) {
  for (const auto& row : kRows) {
    const auto terms = judge_row(row);
    ASSERT_EQ(name_of(terms.reason), name_of(row.reason)) << row.what;
    if (row.reason != kStorable) continue;
    EXPECT_EQ(std::max<std::int64_t>(0, terms.lifetime - terms.age), row.left * 1000) << row.what;
  }
}

TEST(Storable, HasTimesBeyondItsOwn) {
  struct {
    const char* control;
    std::int64_t while_revalidate, if_error;
    bool validate_stale;
  } const rows[] = {
      {"max-age=1", 7, 9, false},  // the defaults
      {"max-age=1, stale-while-revalidate=3, stale-if-error=4", 3, 4, false},
      {"max-age=1, stale-if-error=0", 7, 0, false},
      {"max-age=1, must-revalidate, stale-if-error=4", 0, 0, true},
      {"max-age=1, proxy-revalidate", 0, 0, true},
      {"s-maxage=1", 0, 0, true},  // 5.2.2.10
  };
  for (const auto& row : rows) {
    const StorableRow asked{.what = row.control,
                            .fields = {{"cache-control", row.control}},
                            .defaults = {.stale_while_revalidate = 7, .stale_if_error = 9}};
    const auto terms = judge_row(asked);
    EXPECT_EQ(terms.stale_while_revalidate, row.while_revalidate * 1000) << row.control;
    EXPECT_EQ(terms.stale_if_error, row.if_error * 1000) << row.control;
    EXPECT_EQ(terms.validate_stale, row.validate_stale) << row.control;
  }
}

TEST(Storable, CountsTheTimeThatTheResponseTook) {
  http::ResponseHead head;
  head.fields = {{"cache-control", "max-age=60"}, {"age", "10"}};
  EXPECT_EQ(judge(head, {}, {}, kNow, 2500).age, 12500);
}

}  // namespace
}  // namespace fairlead::cache
