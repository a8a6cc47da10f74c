// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/retiring.hpp"

namespace fairlead::telemetry {

std::vector<fl_pair_key> Retiring::due(std::span<const Pair> pairs, const IsGone& is_gone, Clock::time_point now) {
  std::vector<fl_pair_key> due;
  Gone still;
  for (const auto& pair : pairs) {
    if (!is_gone(pair.key)) continue;
    const auto known = gone_.find(pair.key);
    const bool idle = known != gone_.end() && std::memcmp(&known->second.stats, &pair.stats, sizeof pair.stats) == 0;
    const auto since = idle ? known->second.since : now;
    if (now - since >= keep_) due.push_back(pair.key);
    else still.insert({pair.key, {pair.stats, since}});
  }
  gone_ = std::move(still);
  return due;
}

}  // namespace fairlead::telemetry
