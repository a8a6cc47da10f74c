// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/limits.hpp"

#include <charconv>
#include <optional>
#include <string_view>

namespace fairlead::datapath {
namespace {

constexpr std::uint32_t kLargest = 0x7fffffff;

struct Unit {
  std::string_view name;
  std::uint64_t microseconds;
};
constexpr Unit kUnits[] = {{"us", 1}, {"ms", 1000}, {"s", 1'000'000}};

std::optional<std::uint32_t> number_of(std::string_view text, std::string_view& rest) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number == 0 || number > kLargest) return std::nullopt;
  rest = text.substr(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<std::uint32_t> count_of(std::string_view text) {
  std::string_view rest;
  const auto number = number_of(text, rest);
  return rest.empty() ? number : std::nullopt;
}

std::optional<std::uint32_t> microseconds_of(std::string_view text) {
  std::string_view rest;
  const auto number = number_of(text, rest);
  if (!number) return std::nullopt;
  for (const auto& unit : kUnits)
    if (rest == unit.name && *number * unit.microseconds <= kLargest)
      return static_cast<std::uint32_t>(*number * unit.microseconds);
  return std::nullopt;
}

}  // namespace

void read_limits(const model::Labels& annotations, fl_service& row, std::vector<std::string>& warnings) {
  const auto take = [&](std::string_view key, auto read, std::uint32_t& out, std::string_view expected) {
    const auto* text = model::find_label(annotations, key);
    if (text == nullptr) return;
    if (const auto value = read(*text)) out = *value;
    else
      warnings.push_back("annotation " + std::string(key) + ": found \"" + *text + "\", expected " +
                         std::string(expected) + "; it is not in force");
  };
  constexpr std::string_view kNumber = "a number from 1 to 2147483647";
  take("fairlead.io/max-connections-per-endpoint", count_of, row.backend_connections, kNumber);
  take("fairlead.io/max-pending-connects", count_of, row.max_pending, kNumber);
  take("fairlead.io/max-retransmissions", count_of, row.retrans_limit, kNumber);
  take("fairlead.io/max-rtt", microseconds_of, row.rtt_limit_us, "a time like 500us, 50ms or 2s");
}

}  // namespace fairlead::datapath
