// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/calendar.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "fairlead/base/file.hpp"

namespace fairlead::limit {
namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kWeekday = 3;  // of 1970-01-01, with Monday as 0
constexpr std::int64_t kSecond = 1'000'000;
constexpr std::size_t kMostFile = 65536;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }

/// Reads big-endian numbers; past the end it says so and gives 0.
class Bytes {
 public:
  explicit Bytes(std::string_view data) : data_(data) {}
  std::uint64_t number(std::size_t bytes) {
    if (data_.size() < bytes) {
      short_ = true;
      return 0;
    }
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < bytes; ++i) out = out << 8 | static_cast<unsigned char>(data_[i]);
    data_.remove_prefix(bytes);
    return out;
  }
  std::string_view take(std::size_t bytes) {
    if (data_.size() < bytes) {
      short_ = true;
      return {};
    }
    const auto out = data_.substr(0, bytes);
    data_.remove_prefix(bytes);
    return out;
  }
  [[nodiscard]] bool was_short() const { return short_; }
  [[nodiscard]] std::string_view rest() const { return data_; }

 private:
  std::string_view data_;
  bool short_ = false;
};

struct Header {
  std::uint64_t is_utc = 0, is_standard = 0, leaps = 0, times = 0, types = 0, characters = 0;
};

bool read_header(Bytes& in, Header& out) {
  const auto magic = in.take(4);
  const auto version = in.take(1);
  in.take(15);
  out.is_utc = in.number(4);
  out.is_standard = in.number(4);
  out.leaps = in.number(4);
  out.times = in.number(4);
  out.types = in.number(4);
  out.characters = in.number(4);
  return !in.was_short() && magic == "TZif" && version >= "2" && out.types > 0 && out.times < kMostFile &&
         out.types < 256;
}

bool is_zone_name(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
           c == '-' || c == '+';
  };
  return !name.empty() && name.size() <= 64 && name.front() != '/' && std::ranges::all_of(name, good);
}

/// "+02:00" in seconds.
bool parse_offset(std::string_view text, std::int32_t& out) {
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return false;
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9' ? text[i] - '0' : 100; };
  const int hours = digit(1) * 10 + digit(2);
  const int minutes = digit(4) * 10 + digit(5);
  if (hours > 14 || minutes > 59) return false;
  out = (hours * 3600 + minutes * 60) * (text[0] == '-' ? -1 : 1);
  return true;
}

/// Where a zone has a rule for years that its table does not reach, and the table ends before `now`, days would be off
/// by an hour for half of the year.
bool needs_rule(std::string_view footer, std::int64_t last_change_s) {
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  return footer.find(',') != std::string_view::npos && last_change_s < now.count() + 365 * kDay;
}

}  // namespace

Result<std::shared_ptr<const Zone>> Zone::parse(std::string_view tzif) {
  Bytes in(tzif);
  Header header;
  if (!read_header(in, header)) return fail("no time zone data of version 2 or later");
  in.take(header.times * 5 + header.types * 6 + header.characters + header.leaps * 8 + header.is_standard +
          header.is_utc);  // the block of version 1
  if (!read_header(in, header)) return fail("time zone data that end early");
  auto out = std::make_shared<Zone>();
  out->changes_.resize(header.times);
  for (auto& change : out->changes_) change.at_s = static_cast<std::int64_t>(in.number(8));
  const auto types = in.take(header.times);
  std::vector<std::int32_t> offsets(header.types);
  for (auto& offset : offsets) {
    offset = static_cast<std::int32_t>(in.number(4));
    in.number(2);
  }
  in.take(header.characters + header.leaps * 12 + header.is_standard + header.is_utc);
  if (in.was_short()) return fail("time zone data that end early");
  for (std::size_t i = 0; i < types.size(); ++i) {
    const auto type = static_cast<unsigned char>(types[i]);
    if (type >= offsets.size()) return fail("time zone data that contradict themselves");
    out->changes_[i].offset_s = offsets[type];
  }
  out->first_offset_s_ = offsets[0];
  if (!std::ranges::is_sorted(out->changes_, {}, &Change::at_s)) return fail("time zone data out of order");
  if (needs_rule(in.rest(), out->changes_.empty() ? 0 : out->changes_.back().at_s))
    return fail("time zone data without the changes of the years to come (made by zic -b slim)");
  return out;
}

Result<std::shared_ptr<const Zone>> Zone::find(std::string_view name) {
  if (name.empty() || name == "UTC") return std::make_shared<const Zone>();
  std::int32_t offset = 0;
  if (parse_offset(name, offset)) {
    auto out = std::make_shared<Zone>();
    out->first_offset_s_ = offset;
    return out;
  }
  if (!is_zone_name(name)) return fail("a time zone such as UTC, +02:00 or Europe/Berlin expected");
  const auto path = "/usr/share/zoneinfo/" + std::string(name);
  auto data = read_file(path, kMostFile);
  if (!data) return fail(std::move(data.error()).in(path));
  auto zone = parse(*data);
  if (!zone) return fail(std::move(zone.error()).in(name));
  return zone;
}

std::int32_t Zone::offset_s(std::int64_t unix_s) const {
  const auto after = std::ranges::upper_bound(changes_, unix_s, {}, &Change::at_s);
  return after == changes_.begin() ? first_offset_s_ : (after - 1)->offset_s;
}

std::int64_t calendar_begin_us(Calendar calendar, const Zone* zone, std::int64_t number) {
  if (calendar == Calendar::kYear) return calendar_begin_us(Calendar::kMonth, zone, number * 12);
  std::int64_t day = calendar == Calendar::kWeek ? number * 7 - kWeekday : number;
  if (calendar == Calendar::kMonth) {
    const auto year = floor_div(number, 12) + 1970;
    const std::chrono::year_month_day first{std::chrono::year(static_cast<int>(year)),
                                            std::chrono::month(static_cast<unsigned>(number - (year - 1970) * 12 + 1)),
                                            std::chrono::day(1)};
    day = std::chrono::sys_days(first).time_since_epoch().count();
  }
  const auto local = day * kDay;
  if (zone == nullptr) return local * kSecond;
  // The offset at a time that is known by local time only: that of UTC's guess, then that of the better one.
  const auto guess = local - zone->offset_s(local);
  return (local - zone->offset_s(guess)) * kSecond;
}

CalendarWindow calendar_window(Calendar calendar, const Zone* zone, std::int64_t unix_us) {
  const auto unix_s = floor_div(unix_us, kSecond);
  const auto day = floor_div(unix_s + (zone == nullptr ? 0 : zone->offset_s(unix_s)), kDay);
  CalendarWindow out{.number = calendar == Calendar::kWeek ? floor_div(day + kWeekday, 7) : day};
  if (calendar == Calendar::kMonth || calendar == Calendar::kYear) {
    const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
    if (calendar == Calendar::kYear) out.number = static_cast<int>(date.year()) - 1970;
    else
      out.number = (static_cast<int>(date.year()) - 1970) * std::int64_t{12} + static_cast<unsigned>(date.month()) - 1;
  }
  out.begin_us = calendar_begin_us(calendar, zone, out.number);
  out.end_us = calendar_begin_us(calendar, zone, out.number + 1);
  return out;
}

}  // namespace fairlead::limit
