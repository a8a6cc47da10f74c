// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/priority_load.hpp"

#include <algorithm>

namespace fairlead::upstream {

namespace {

std::uint64_t health_of(LevelHealth level, std::uint32_t overprovisioning) {
  if (level.total == 0) return 0;
  return std::min<std::uint64_t>(100, std::uint64_t{overprovisioning} * level.available / level.total);
}

/// Shares in proportion to `parts`, in whole percents that add up to 100; what rounding leaves goes to the first.
void share_out(std::span<const std::uint64_t> parts, std::vector<LevelLoad>& loads) {
  std::uint64_t sum = 0;
  for (const auto part : parts) sum += part;
  if (sum == 0) return;
  std::uint32_t left = 100;
  for (std::size_t i = 0; i < parts.size(); ++i)
    left -= loads[i].percent = static_cast<std::uint32_t>(100 * parts[i] / sum);
  const auto first = std::ranges::find_if(parts, [](auto part) { return part > 0; }) - parts.begin();
  loads[static_cast<std::size_t>(first)].percent += left;
}

}  // namespace

std::vector<LevelLoad> level_loads(std::span<const LevelHealth> levels, std::uint32_t overprovisioning,
                                   std::uint32_t panic_percent) {
  std::vector<LevelLoad> loads(levels.size());
  std::vector<std::uint64_t> parts(levels.size());
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    parts[i] = std::min(health_of(levels[i], overprovisioning), 100 - total);
    total += parts[i];
  }
  if (total == 0 && panic_percent > 0)
    for (std::size_t i = 0; i < levels.size(); ++i) parts[i] = levels[i].total;
  share_out(parts, loads);
  if (total == 100) return loads;
  for (std::size_t i = 0; i < levels.size(); ++i)
    loads[i].panic = levels[i].total > 0 &&
                     std::uint64_t{100} * levels[i].available < std::uint64_t{panic_percent} * levels[i].total;
  return loads;
}

std::uint64_t locality_weight(std::uint32_t weight, LevelHealth health, std::uint32_t overprovisioning) {
  return weight * health_of(health, overprovisioning);
}

}  // namespace fairlead::upstream
