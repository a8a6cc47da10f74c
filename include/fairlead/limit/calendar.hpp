// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"

namespace fairlead::limit {

/// How far local time is from UTC, and when that changes (RFC 9636, TZif). Owner: rules share it. Thread: any.
class Zone {
 public:
  struct Change {
    std::int64_t at_s = 0;  ///< unix time from which `offset_s` holds
    std::int32_t offset_s = 0;
  };

  /// "UTC", "+02:00", or a name of the system's time zone database: "Europe/Berlin". Read once, here.
  static Result<std::shared_ptr<const Zone>> find(std::string_view name);
  /// The content of a TZif file of version 2 or later.
  static Result<std::shared_ptr<const Zone>> parse(std::string_view tzif);

  /// Seconds east of UTC at that time.
  [[nodiscard]] std::int32_t offset_s(std::int64_t unix_s) const;

 private:
  std::int32_t first_offset_s_ = 0;  // before the first change
  std::vector<Change> changes_;      // by time
};

enum class Calendar : std::uint8_t { kNone, kDay, kWeek, kMonth, kYear };

/// One day, week (from Monday on, as ISO 8601 has it), month or year of a calendar.
struct CalendarWindow {
  std::int64_t number = 0;    ///< days since 1970-01-01, weeks since that of it, months, years; of local time
  std::int64_t begin_us = 0;  ///< unix time
  std::int64_t end_us = 0;    ///< that of the next one's begin
};

/// The one that `unix_us` lies in. A day has 23 or 25 hours where the offset changes.
[[nodiscard]] CalendarWindow calendar_window(Calendar calendar, const Zone* zone, std::int64_t unix_us);
/// When the day, week, month or year of that number begins.
[[nodiscard]] std::int64_t calendar_begin_us(Calendar calendar, const Zone* zone, std::int64_t number);

}  // namespace fairlead::limit
