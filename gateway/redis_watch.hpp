// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>

#include "gateway/redis_metrics.hpp"

namespace fairlead::gateway {

/// Says in the log when a Redis that policies use is away, and when it is back.
/// Owner: Gateway. Thread: main.
class RedisWatch {
 public:
  void look(const FilterPlan& filters);

 private:
  using Clock = std::chrono::steady_clock;

  std::map<RedisName, Clock::time_point> away_;  // since when
};

}  // namespace fairlead::gateway
