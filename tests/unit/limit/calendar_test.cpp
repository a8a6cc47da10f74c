// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/calendar.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace fairlead::limit {
namespace {

using namespace std::chrono_literals;

std::int64_t utc_s(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
  const std::chrono::sys_days days{std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(day)};
  return days.time_since_epoch().count() * std::int64_t{86400} + hour * 3600 + minute * 60;
}

struct CalendarRow {
  const char* zone;
  Calendar calendar;
  std::int64_t at, begin, end;  ///< seconds
};

TEST(CalendarWindows, BeginAtLocalMidnight) {
  const CalendarRow rows[] = {
      {"UTC", Calendar::kDay, utc_s(2026, 11, 28, 19, 30), utc_s(2026, 11, 28), utc_s(2026, 11, 29)},
      {"UTC", Calendar::kMonth, utc_s(2024, 2, 29, 23, 59), utc_s(2024, 2, 1), utc_s(2024, 3, 1)},
      {"UTC", Calendar::kMonth, utc_s(2026, 12, 31), utc_s(2026, 12, 1), utc_s(2027, 1, 1)},
      {"UTC", Calendar::kWeek, utc_s(2026, 11, 29, 23, 59), utc_s(2026, 11, 23), utc_s(2026, 11, 30)},  // a Sunday
      {"UTC", Calendar::kWeek, utc_s(2026, 1, 1), utc_s(2025, 12, 29), utc_s(2026, 1, 5)},
      {"UTC", Calendar::kWeek, utc_s(1969, 12, 28, 12), utc_s(1969, 12, 22), utc_s(1969, 12, 29)},
      {"-03:00", Calendar::kWeek, utc_s(2026, 11, 30, 2, 59), utc_s(2026, 11, 23, 3), utc_s(2026, 11, 30, 3)},
      {"Europe/Berlin", Calendar::kWeek, utc_s(2026, 3, 29, 12), utc_s(2026, 3, 22, 23), utc_s(2026, 3, 29, 22)},
      {"UTC", Calendar::kYear, utc_s(2024, 12, 31, 23, 59), utc_s(2024, 1, 1), utc_s(2025, 1, 1)},
      {"-03:00", Calendar::kYear, utc_s(2026, 1, 1, 2, 59), utc_s(2025, 1, 1, 3), utc_s(2026, 1, 1, 3)},
      {"+05:30", Calendar::kDay, utc_s(2026, 1, 1, 18, 30), utc_s(2026, 1, 1, 18, 30), utc_s(2026, 1, 2, 18, 30)},
      {"-03:00", Calendar::kMonth, utc_s(2026, 3, 1, 2, 59), utc_s(2026, 2, 1, 3), utc_s(2026, 3, 1, 3)},
      // Summer time: days of 23 and 25 hours, and a month with one of them
      {"Europe/Berlin", Calendar::kDay, utc_s(2026, 3, 29, 12), utc_s(2026, 3, 28, 23), utc_s(2026, 3, 29, 22)},
      {"Europe/Berlin", Calendar::kDay, utc_s(2026, 10, 25, 0, 30), utc_s(2026, 10, 24, 22), utc_s(2026, 10, 25, 23)},
      {"Europe/Berlin", Calendar::kDay, utc_s(2026, 10, 25, 22, 30), utc_s(2026, 10, 24, 22), utc_s(2026, 10, 25, 23)},
      {"Europe/Berlin", Calendar::kMonth, utc_s(2026, 3, 15), utc_s(2026, 2, 28, 23), utc_s(2026, 3, 31, 22)},
      {"America/New_York", Calendar::kDay, utc_s(2026, 7, 4, 3), utc_s(2026, 7, 3, 4), utc_s(2026, 7, 4, 4)},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.zone);
    const auto zone = Zone::find(row.zone);
    ASSERT_TRUE(zone) << zone.error().message;
    const auto window = calendar_window(row.calendar, zone->get(), row.at * 1'000'000);
    EXPECT_EQ(window.begin_us, row.begin * 1'000'000);
    EXPECT_EQ(window.end_us, row.end * 1'000'000);
  }
}

TEST(CalendarWindows, FollowOneAnother) {
  const auto zone = Zone::find("Europe/Berlin");
  ASSERT_TRUE(zone);
  for (const auto calendar : {Calendar::kDay, Calendar::kWeek, Calendar::kMonth, Calendar::kYear}) {
    auto window = calendar_window(calendar, zone->get(), utc_s(2026, 1, 1) * 1'000'000);
    for (int i = 0; i < 400; ++i) {
      const auto last = calendar_window(calendar, zone->get(), window.end_us - 1);
      EXPECT_EQ(last.number, window.number);
      const auto next = calendar_window(calendar, zone->get(), window.end_us);
      EXPECT_EQ(next.number, window.number + 1);
      EXPECT_EQ(next.begin_us, window.end_us);
      window = next;
    }
  }
}

TEST(Zones, AreRefusedWhereTheyAreNone) {
  for (const char* name : {"Europe/Atlantis", "../../etc/passwd", "/etc/localtime", "+2:00", "+15:00", "a b", "+02:60"})
    EXPECT_FALSE(Zone::find(name)) << name;
}

TEST(Zones, RefuseSpoiledFiles) {
  EXPECT_FALSE(Zone::parse(""));
  EXPECT_FALSE(Zone::parse("TZif2"));
  EXPECT_FALSE(Zone::parse(std::string("TZif2") + std::string(39, '\xff')));
  EXPECT_FALSE(Zone::parse(std::string("TZif1") + std::string(100, '\0')));
}

}  // namespace
}  // namespace fairlead::limit
