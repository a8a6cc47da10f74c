// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fairlead::telemetry {

/// A counter by number. 0 and those up to kMostInSet are read by nobody: a set of them is for what is not shown.
using CounterId = std::uint32_t;
inline constexpr CounterId kMostInSet = 64;  ///< counters

/// A family of counters, and the label whose values tell those of one set apart: their numbers follow one another in
/// the order of `values`. A family has one label and one list of values, always. All are literals.
struct CounterFamily {
  const char* name;  ///< without `_total`
  const char* help;
  const char* label;
  std::span<const std::string_view> values;  ///< at most kMostInSet
};

/// Whose counters they are: a section of a policy.
struct CounterOwner {
  std::string policy;   ///< "RequestPolicy default/limits"
  std::string section;  ///< "rateLimits"
  auto operator<=>(const CounterOwner&) const = default;
};

/// One label more, where a section has several sets of a family: ("limit", "per-minute"). No name: none.
using CounterPart = std::pair<std::string_view, std::string>;

/// What one counter has counted, over all workers.
struct CounterValue {
  std::string_view value;  ///< of the label
  std::uint64_t count = 0;
};
struct CounterSetValues {
  const CounterFamily* family = nullptr;
  const CounterOwner* owner = nullptr;
  const CounterPart* part = nullptr;
  std::vector<CounterValue> values;  ///< those that are not 0
};

}  // namespace fairlead::telemetry
