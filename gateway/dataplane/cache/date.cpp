// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/date.hpp"

#include <algorithm>
#include <chrono>

namespace fairlead::cache {
namespace {

using namespace std::chrono;

constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view kLongDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/// Takes pieces off the front; once one is missing nothing else is taken.
struct Scanner {
  std::string_view text;
  bool good = true;

  void literal(std::string_view expected) {
    good = good && text.starts_with(expected);
    if (good) text.remove_prefix(expected.size());
  }
  int number(std::size_t digits) {
    good = good && text.size() >= digits;
    int value = 0;
    for (std::size_t i = 0; good && i < digits; ++i) {
      good = text[i] >= '0' && text[i] <= '9';
      value = value * 10 + (text[i] - '0');
    }
    if (good) text.remove_prefix(digits);
    return value;
  }
  template <std::size_t N>
  int word(const std::string_view (&words)[N]) {
    const auto found = std::ranges::find_if(words, [&](std::string_view one) { return text.starts_with(one); });
    good = good && found != std::end(words);
    if (good) text.remove_prefix(found->size());
    return static_cast<int>(found - std::begin(words));
  }
  void time(int& hour, int& minute, int& second) {
    hour = number(2);
    literal(":");
    minute = number(2);
    literal(":");
    second = number(2);
  }
};

struct Parts {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
};

std::optional<std::int64_t> seconds_of(const Parts& p) {
  const year_month_day date{year{p.year}, month{static_cast<unsigned>(p.month + 1)}, day{static_cast<unsigned>(p.day)}};
  // 60: a leap second, which this scale does not have.
  if (!date.ok() || p.hour > 23 || p.minute > 59 || p.second > 60) return std::nullopt;
  const auto days = sys_days{date}.time_since_epoch().count();
  return std::int64_t{days} * 86400 + p.hour * 3600 + p.minute * 60 + std::min(p.second, 59);
}

Parts imf_fixdate(Scanner& in) {
  Parts out;
  (void)in.word(kDays);
  in.literal(", ");
  out.day = in.number(2);
  in.literal(" ");
  out.month = in.word(kMonths);
  in.literal(" ");
  out.year = in.number(4);
  in.literal(" ");
  in.time(out.hour, out.minute, out.second);
  in.literal(" GMT");
  return out;
}

Parts rfc850(Scanner& in, std::int64_t now) {
  Parts out;
  (void)in.word(kLongDays);
  in.literal(", ");
  out.day = in.number(2);
  in.literal("-");
  out.month = in.word(kMonths);
  in.literal("-");
  out.year = in.number(2);
  in.literal(" ");
  in.time(out.hour, out.minute, out.second);
  in.literal(" GMT");
  const auto this_year = static_cast<int>(year_month_day{floor<days>(sys_seconds{seconds{now}})}.year());
  out.year += this_year / 100 * 100;
  if (out.year > this_year + 50) out.year -= 100;
  return out;
}

Parts asctime(Scanner& in) {
  Parts out;
  (void)in.word(kDays);
  in.literal(" ");
  out.month = in.word(kMonths);
  in.literal(" ");
  if (in.text.starts_with(' ')) {
    in.literal(" ");
    out.day = in.number(1);
  } else {
    out.day = in.number(2);
  }
  in.literal(" ");
  in.time(out.hour, out.minute, out.second);
  in.literal(" ");
  out.year = in.number(4);
  return out;
}

}  // namespace

std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) {
  if (text.size() < 24 || text.size() > 33) return std::nullopt;
  Scanner in{text};
  const Parts parts = text[3] == ',' ? imf_fixdate(in) : text[3] == ' ' ? asctime(in) : rfc850(in, now);
  if (!in.good || !in.text.empty()) return std::nullopt;
  return seconds_of(parts);
}

DateText format_date(std::int64_t value) {
  const sys_seconds at{seconds{value}};
  const auto days_part = floor<days>(at);
  const year_month_day date{days_part};
  const hh_mm_ss time{at - days_part};
  DateText out;
  auto* end = out.begin();
  const auto text = [&](std::string_view piece) { end = std::ranges::copy(piece, end).out; };
  const auto number = [&](int n, int digits) {
    for (int i = digits; i-- > 0; n /= 10) end[i] = static_cast<char>('0' + n % 10);
    end += digits;
  };
  text(kDays[weekday{days_part}.c_encoding()]);
  text(", ");
  number(static_cast<int>(static_cast<unsigned>(date.day())), 2);
  text(" ");
  text(kMonths[static_cast<unsigned>(date.month()) - 1]);
  text(" ");
  number(static_cast<int>(date.year()), 4);
  text(" ");
  number(static_cast<int>(time.hours().count()), 2);
  text(":");
  number(static_cast<int>(time.minutes().count()), 2);
  text(":");
  number(static_cast<int>(time.seconds().count()), 2);
  text(" GMT");
  return out;
}

}  // namespace fairlead::cache
