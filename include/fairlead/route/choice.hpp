// SPDX-License-Identifier: Apache-2.0
#pragma once

// Choices by lot. The random number is the caller's: 64 bits, all of them random.

#include <cstddef>
#include <cstdint>
#include <optional>

namespace fairlead::route {

/// A number from 0 to `below` - 1, each as likely as the others.
[[nodiscard]] inline std::uint64_t lot(std::uint64_t random, std::uint64_t below) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(random) * below) >> 64);
}

/// Which of `backends` (elements with a `weight`) takes the request, by their shares of the sum. One of weight 0 takes
/// none; nothing where all are, or there are none (BackendRef.weight).
template <class Backends>
[[nodiscard]] std::optional<std::size_t> pick_weighted(const Backends& backends, std::uint64_t random) {
  std::uint64_t sum = 0;
  for (const auto& backend : backends) sum += backend.weight;
  if (sum == 0) return std::nullopt;
  auto left = lot(random, sum);
  std::size_t index = 0;
  for (const auto& backend : backends) {
    if (left < backend.weight) break;
    left -= backend.weight;
    ++index;
  }
  return index;
}

/// Whether a request is among `numerator` of `denominator` (HTTPRequestMirrorFilter.fraction and percent).
[[nodiscard]] inline bool in_fraction(std::uint32_t numerator, std::uint32_t denominator, std::uint64_t random) {
  return lot(random, denominator) < numerator;
}

}  // namespace fairlead::route
