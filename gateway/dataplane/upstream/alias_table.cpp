// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/alias_table.hpp"

#include <algorithm>
#include <numeric>

namespace fairlead::upstream {

AliasTable::AliasTable(std::span<const std::uint32_t> weights) {
  total_ = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  if (total_ == 0) return;
  uniform_ = std::ranges::all_of(weights, [&](auto weight) { return weight == weights[0]; });
  columns_.resize(weights.size());
  if (uniform_) return;
  // Every column holds total_; an entry brings weight * n. What lacks is filled from what is over.
  std::vector<std::uint32_t> small;
  std::vector<std::uint32_t> large;
  for (std::uint32_t i = 0; i < weights.size(); ++i) {
    columns_[i] = {.cut = std::uint64_t{weights[i]} * weights.size(), .alias = i};
    (columns_[i].cut < total_ ? small : large).push_back(i);
  }
  while (!small.empty() && !large.empty()) {
    const auto poor = small.back();
    small.pop_back();
    const auto rich = large.back();
    columns_[poor].alias = rich;
    columns_[rich].cut -= total_ - columns_[poor].cut;
    if (columns_[rich].cut < total_) {
      large.pop_back();
      small.push_back(rich);
    }
  }
}

}  // namespace fairlead::upstream
