// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/base/address.hpp"
#include "gateway/dataplane/change/schema_parts.hpp"

namespace fairlead::change {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

/// Whether `text` has the shape: 9 is a digit, x a hexadecimal one, others are themselves.
bool has_shape(std::string_view text, std::string_view shape) {
  return text.size() == shape.size() && std::ranges::equal(text, shape, [](char c, char kind) {
           return kind == '9' ? is_digit(c) : kind == 'x' ? is_hex(c) : c == kind;
         });
}

int number(std::string_view text, std::size_t from, std::size_t count) {
  int out = 0;
  for (const char c : text.substr(from, count)) out = out * 10 + (c - '0');
  return out;
}

bool is_date(std::string_view text) {
  if (!has_shape(text, "9999-99-99")) return false;
  const int year = number(text, 0, 4), month = number(text, 5, 2), day = number(text, 8, 2);
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1) return false;
  const bool leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return day <= kDays[month - 1] + (leap ? 1 : 0);
}

/// RFC 3339. A second of 60 is taken at any time: leap seconds are not foreseen.
bool is_date_time(std::string_view text) {
  constexpr std::size_t kDate = 10, kTime = 8;
  if (text.size() < kDate + 1 + kTime + 1 || (text[kDate] | 0x20) != 't' || !is_date(text.substr(0, kDate)))
    return false;
  text.remove_prefix(kDate + 1);
  if (!has_shape(text.substr(0, kTime), "99:99:99")) return false;
  if (number(text, 0, 2) > 23 || number(text, 3, 2) > 59 || number(text, 6, 2) > 60) return false;
  text.remove_prefix(kTime);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0) return false;
    text.remove_prefix(digits);
  }
  if (text == "Z" || text == "z") return true;
  if (!text.starts_with('+') && !text.starts_with('-')) return false;
  return has_shape(text.substr(1), "99:99") && number(text, 1, 2) <= 23 && number(text, 4, 2) <= 59;
}

bool is_email(std::string_view text) {
  const auto at = text.rfind('@');
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         std::ranges::none_of(text, [](char c) { return c <= ' ' || c == 0x7f; });
}

}  // namespace

bool has_format(Format format, std::string_view text) {
  switch (format) {
    case Format::kDate: return is_date(text);
    case Format::kDateTime: return is_date_time(text);
    case Format::kUuid: return has_shape(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    case Format::kIpv4: return text.find(':') == std::string_view::npos && Address::parse(text).has_value();
    case Format::kIpv6: return text.find(':') != std::string_view::npos && Address::parse(text).has_value();
    case Format::kEmail: return is_email(text);
    case Format::kNone:
    case Format::kInt32:
    case Format::kInt64: return true;  // of numbers
  }
  return true;
}

}  // namespace fairlead::change
