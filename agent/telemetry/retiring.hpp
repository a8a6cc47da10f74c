// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "agent/telemetry/counters.hpp"

namespace fairlead::telemetry {

/// Finds the series that nobody will add to any more: one of their ends or their service is gone, and nothing was added
/// for a while, in which scrapers have seen their last values.
/// Owner: Telemetry. Thread: its.
class Retiring {
 public:
  using Clock = std::chrono::steady_clock;
  using IsGone = std::function<bool(const fl_pair_key& key)>;

  explicit Retiring(Clock::duration keep) : keep_(keep) {}

  /// To be called now and then with all series; gives those to remove.
  [[nodiscard]] std::vector<fl_pair_key> due(std::span<const Pair> pairs, const IsGone& is_gone, Clock::time_point now);

 private:
  struct Less {
    bool operator()(const fl_pair_key& a, const fl_pair_key& b) const { return std::memcmp(&a, &b, sizeof a) < 0; }
  };
  struct Last {
    fl_pair_stats stats;
    Clock::time_point since;
  };
  using Gone = std::map<fl_pair_key, Last, Less>;

  Clock::duration keep_;
  Gone gone_;
};

}  // namespace fairlead::telemetry
