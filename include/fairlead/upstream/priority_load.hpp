// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fairlead::upstream {

struct LevelHealth {
  std::uint32_t available = 0;
  std::uint32_t total = 0;
};

struct LevelLoad {
  std::uint32_t percent = 0;  ///< of the requests; over all levels 100, or 0 where there is nothing to pick
  bool panic = false;         ///< health is ignored in this level
  bool operator==(const LevelLoad&) const = default;
};

/// Spreads load over levels as Envoy does: a level's health is min(100, overprovisioning * available / total); a level
/// gets what those before it leave, up to its health; where all together are below 100, shares grow in proportion, and
/// a level with fewer than panic_percent available panics: its load goes to all of it, as those left would be overrun.
/// With nothing available at all and panic allowed, levels share by their totals; with panic_percent 0 all get 0.
[[nodiscard]] std::vector<LevelLoad> level_loads(std::span<const LevelHealth> levels, std::uint32_t overprovisioning,
                                                 std::uint32_t panic_percent);

/// The weight of a locality scaled by how much of it is available (Envoy's locality weighted balancing).
[[nodiscard]] std::uint64_t locality_weight(std::uint32_t weight, LevelHealth health, std::uint32_t overprovisioning);

}  // namespace fairlead::upstream
