// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace fairlead::telemetry {

/// Whether `number`, evenly distributed in its lower 56 bits (the random part of W3C trace ids, level 2), is within
/// `fraction` (0 to 1): the same for the same number, whoever asks.
[[nodiscard]] constexpr bool within_fraction(std::uint64_t number, double fraction) {
  constexpr std::uint64_t kAll = std::uint64_t{1} << 56;
  if (fraction >= 1) return true;
  if (!(fraction > 0)) return false;
  return (number & (kAll - 1)) < static_cast<std::uint64_t>(fraction * static_cast<double>(kAll));
}

}  // namespace fairlead::telemetry
