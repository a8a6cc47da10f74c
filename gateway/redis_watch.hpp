// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>

#include "gateway/redis_metrics.hpp"

namespace fairlead::gateway {

/// Says in the log when a Redis that policies use is away or full, and when it is back.
/// Owner: Gateway. Thread: main.
class RedisWatch {
 public:
  void look(const FilterPlan& filters);

 private:
  using Clock = std::chrono::steady_clock;

  /// Of errors that it says, such as OOM and READONLY.
  struct Answers {
    std::uint64_t errors = 0;
    bool refuses = false;
    Clock::time_point last;  // of an error
  };
  void look(const RedisName& of, const limit::RedisNumbers& n);

  std::map<RedisName, Clock::time_point> away_;  // since when
  std::map<RedisName, Answers> answers_;
};

}  // namespace fairlead::gateway
