// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "fairlead/http/h2_limits.hpp"

namespace fairlead::http {

/// The token buckets of one connection. Owner: an H2Connection. Thread: its worker's.
class H2Budgets {
 public:
  H2Budgets(const std::array<H2Budget, kH2Floods>& budgets, std::uint64_t now_ms)
      : budgets_(budgets), filled_ms_(now_ms) {
    for (std::size_t i = 0; i < kH2Floods; ++i) tokens_[i] = budgets[i].burst;
  }

  /// False: the budget is used up.
  [[nodiscard]] bool spend(H2Flood flood, std::uint64_t now_ms) {
    auto& tokens = tokens_[static_cast<std::size_t>(flood)];
    if (tokens == 0) fill(now_ms);
    if (tokens == 0) return false;
    --tokens;
    return true;
  }

  /// Useful work explains this much of it.
  void refund(H2Flood flood, std::uint32_t count) {
    const auto i = static_cast<std::size_t>(flood);
    tokens_[i] = static_cast<std::uint16_t>(std::min<std::uint32_t>(tokens_[i] + count, budgets_[i].burst));
  }

 private:
  // Whole seconds only, and only when some bucket is empty: nothing is computed for well-behaved peers.
  void fill(std::uint64_t now_ms) {
    const std::uint64_t seconds = std::min<std::uint64_t>((now_ms - filled_ms_) / 1000, 65'536);
    if (seconds == 0) return;
    filled_ms_ += (now_ms - filled_ms_) / 1000 * 1000;
    for (std::size_t i = 0; i < kH2Floods; ++i)
      tokens_[i] = static_cast<std::uint16_t>(
          std::min<std::uint64_t>(tokens_[i] + seconds * budgets_[i].per_second, budgets_[i].burst));
  }

  const std::array<H2Budget, kH2Floods>& budgets_;
  std::array<std::uint16_t, kH2Floods> tokens_{};
  std::uint64_t filled_ms_;
};

}  // namespace fairlead::http
