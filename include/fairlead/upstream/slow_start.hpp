// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "fairlead/upstream/cluster_spec.hpp"

namespace fairlead::upstream {

/// The share of its weight, in (0, 1], that a backend has `age_ms` after it came (or returned): Envoy's
/// max(least_weight_percent, (age / window) ^ (1 / aggression)).
[[nodiscard]] inline double slow_start_factor(const SlowStartSpec& spec, std::uint64_t age_ms) {
  const auto window = static_cast<double>(spec.window.count());
  const auto age = static_cast<double>(std::max<std::uint64_t>(age_ms, 1));
  if (age >= window) return 1.0;
  const auto factor = std::pow(age / window, 1.0 / std::max(spec.aggression, 0.01));
  return std::clamp(factor, static_cast<double>(std::max(spec.least_weight_percent, 1u)) / 100.0, 1.0);
}

}  // namespace fairlead::upstream
