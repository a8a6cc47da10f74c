// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/change/json.hpp"

namespace fairlead::change {
namespace {

/// A number as digits * 10^exponent, without zeros at either end of the digits; no digits: zero.
struct Decimal {
  bool negative = false;
  std::string digits;
  std::int64_t exponent = 0;  // of the last digit

  /// Of the first digit, above it.
  [[nodiscard]] std::int64_t height() const { return exponent + static_cast<std::int64_t>(digits.size()); }
};

/// Exponents beyond are all the same: no text of a bounded length has digits to tell them apart.
constexpr std::int64_t kMostExponent = 1'000'000'000'000;

std::int64_t exponent_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::int64_t out = 0;
  for (const char c : text) out = std::min(out * 10 + (c - '0'), kMostExponent);
  return negative ? -out : out;
}

Decimal decimal(std::string_view text) {
  Decimal out;
  out.negative = text.starts_with('-');
  if (out.negative) text.remove_prefix(1);
  const auto e = std::min(text.find_first_of("eE"), text.size());
  const auto mantissa = text.substr(0, e);
  if (e < text.size()) out.exponent = exponent_of(text.substr(e + 1));
  bool fraction = false;
  for (const char c : mantissa) {
    if (c == '.') {
      fraction = true;
      continue;
    }
    if (fraction) --out.exponent;
    if (c != '0' || !out.digits.empty()) out.digits.push_back(c);
  }
  while (!out.digits.empty() && out.digits.back() == '0') {
    out.digits.pop_back();
    ++out.exponent;
  }
  if (out.digits.empty()) out = {};
  return out;
}

int sign_of(int order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

/// By magnitude.
int compare_digits(const Decimal& a, const Decimal& b) {
  if (a.digits.empty() || b.digits.empty())
    return static_cast<int>(!a.digits.empty()) - static_cast<int>(!b.digits.empty());
  if (a.height() != b.height()) return a.height() < b.height() ? -1 : 1;
  return sign_of(a.digits.compare(b.digits));
}

/// Without a fraction or an exponent, and so without zeros in front.
bool is_plain(std::string_view number) { return number.find_first_of(".eE") == std::string_view::npos; }

}  // namespace

int compare_numbers(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  if (a.front() != '-' && b.front() != '-' && is_plain(a) && is_plain(b))
    return a.size() != b.size() ? (a.size() < b.size() ? -1 : 1) : sign_of(a.compare(b));
  const auto left = decimal(a), right = decimal(b);
  if (left.negative != right.negative) return left.negative ? -1 : 1;
  return left.negative ? compare_digits(right, left) : compare_digits(left, right);
}

bool is_integer(std::string_view number) { return is_plain(number) || decimal(number).exponent >= 0; }

bool is_multiple(std::string_view number, std::string_view divisor) {
  const auto value = decimal(number), by = decimal(divisor);
  if (value.digits.empty()) return true;
  if (by.digits.empty()) return false;
  if (by.digits.size() > 18) return compare_digits(value, by) == 0;
  const auto zeros = value.exponent - by.exponent;
  if (zeros < 0) return false;  // the value's last digit is no zero, as that of a multiple would be
  std::uint64_t modulus = 0;
  for (const char c : by.digits) modulus = modulus * 10 + static_cast<std::uint64_t>(c - '0');
  std::uint64_t rest = 0;  // below 10^18, so that ten times it fits
  for (const char c : value.digits) rest = (rest * 10 + static_cast<std::uint64_t>(c - '0')) % modulus;
  // A modulus of 64 bits has less than 64 factors 2 or 5: behind as many zeros nothing changes.
  for (auto left = std::min<std::int64_t>(zeros, 64); left > 0 && rest != 0; --left) rest = rest * 10 % modulus;
  return rest == 0;
}

}  // namespace fairlead::change
