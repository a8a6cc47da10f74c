// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/conditional.hpp"

#include <algorithm>
#include <charconv>

#include "fairlead/cache/control.hpp"
#include "fairlead/cache/date.hpp"

namespace fairlead::cache {
namespace {

bool is_weak(std::string_view etag) { return etag.starts_with("W/"); }

std::string_view opaque(std::string_view etag) {
  if (is_weak(etag)) etag.remove_prefix(2);
  return etag;
}

/// Digits only, 18 at most: longer than any body.
std::optional<std::uint64_t> position(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// "0-99", "100-", "-5".
RangeAnswer resolve(std::string_view spec, std::uint64_t length, Range& out) {
  const auto dash = spec.find('-');
  if (dash == std::string_view::npos) return RangeAnswer::kWhole;
  const auto first = spec.substr(0, dash);
  const auto last = spec.substr(dash + 1);
  if (first.empty()) {
    const auto count = position(last);
    if (!count) return RangeAnswer::kWhole;
    if (*count == 0 || length == 0) return RangeAnswer::kUnsatisfiable;
    out = {length - std::min(*count, length), length - 1};
    return RangeAnswer::kParts;
  }
  const auto from = position(first);
  const auto to = last.empty() ? std::optional(UINT64_MAX) : position(last);
  if (!from || !to || *to < *from) return RangeAnswer::kWhole;
  if (*from >= length) return RangeAnswer::kUnsatisfiable;
  out = {*from, std::min(*to, length - 1)};
  return RangeAnswer::kParts;
}

/// Joins what overlaps or is near, whatever its order; each stands where the first of its own stood. A few at most.
void join_ranges(std::vector<Range>& ranges) {
  for (std::size_t i = 0; i < ranges.size();) {
    const auto& one = ranges[i];
    const auto near = std::find_if(
        ranges.begin() + static_cast<std::ptrdiff_t>(i) + 1, ranges.end(),
        [&](const Range& other) { return other.first <= one.last + kRangeGap && one.first <= other.last + kRangeGap; });
    if (near == ranges.end()) {
      ++i;
      continue;
    }
    ranges[i] = {std::min(one.first, near->first), std::max(one.last, near->last)};
    ranges.erase(near);
    i = 0;  // it may have grown towards any other
  }
}

/// A strong validator, or a date that is exactly ours (RFC 9110 section 13.1.5).
bool if_range_holds(std::string_view value, const Validators& validators) {
  if (value.starts_with('"') || is_weak(value)) return strongly_equal(value, validators.etag);
  return !validators.last_modified.empty() && value == validators.last_modified;
}

}  // namespace

Validators validators_of(const http::Fields& fields, std::int64_t now) {
  Validators out;
  if (const auto* etag = http::find(fields, "etag"); etag != nullptr) out.etag = etag->value;
  const auto* changed = http::find(fields, "last-modified");
  if (changed != nullptr) out.last_modified = changed->value;
  const auto* date = changed != nullptr ? changed : http::find(fields, "date");
  out.modified = date == nullptr ? now : parse_date(date->value, now).value_or(now);
  return out;
}

bool weakly_equal(std::string_view a, std::string_view b) { return !a.empty() && opaque(a) == opaque(b); }
bool strongly_equal(std::string_view a, std::string_view b) { return !a.empty() && a == b && !is_weak(a); }

bool is_conditional(const http::Fields& request) {
  return std::ranges::any_of(request, [](const http::Field& field) {
    return field.name == "if-none-match" || field.name == "if-modified-since";
  });
}

bool is_for_origin(const http::Fields& request) {
  return std::ranges::any_of(request, [](const http::Field& field) {
    return field.name == "if-match" || field.name == "if-unmodified-since";
  });
}

bool not_modified(const http::Fields& request, const Validators& validators, std::int64_t now) {
  bool by_etag = false;
  const http::Field* since = nullptr;
  for (const auto& field : request) {
    if (field.name == "if-modified-since") since = &field;
    if (field.name != "if-none-match") continue;
    by_etag = true;
    if (field.value == "*") return true;
    auto list = field.value;
    std::string_view member;
    while (next_member(list, member))
      if (weakly_equal(member, validators.etag)) return true;
  }
  if (by_etag || since == nullptr) return false;
  const auto date = parse_date(since->value, now);
  return date && validators.modified <= *date;
}

RangeAnswer ranges_of(const http::Fields& request, const Validators& validators, std::uint64_t length,
                      std::vector<Range>& out) {
  out.clear();
  const auto* range = http::find(request, "range");
  if (range == nullptr) return RangeAnswer::kWhole;
  const auto* condition = http::find(request, "if-range");
  if (condition != nullptr && !if_range_holds(condition->value, validators)) return RangeAnswer::kWhole;
  constexpr std::string_view kUnit = "bytes=";
  if (range->value.size() < kUnit.size() || !equal_ignoring_case(range->value.substr(0, kUnit.size()), kUnit))
    return RangeAnswer::kWhole;
  auto list = range->value.substr(kUnit.size());
  std::string_view spec;
  std::size_t count = 0;
  while (next_member(list, spec)) {
    if (++count > kMostRanges) return RangeAnswer::kWhole;
    Range one;
    const auto answer = resolve(spec, length, one);
    if (answer == RangeAnswer::kWhole) return RangeAnswer::kWhole;  // one that is wrong makes all of them wrong
    if (answer == RangeAnswer::kParts) out.push_back(one);
  }
  if (count == 0) return RangeAnswer::kWhole;
  if (out.empty()) return RangeAnswer::kUnsatisfiable;
  if (out.size() > 1) join_ranges(out);
  return RangeAnswer::kParts;
}

}  // namespace fairlead::cache
