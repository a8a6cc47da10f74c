// SPDX-License-Identifier: Apache-2.0
#include "gateway/redis_watch.hpp"

#include <spdlog/spdlog.h>

namespace fairlead::gateway {

void RedisWatch::look(const FilterPlan& filters) {
  const auto numbers = redis_numbers(filters);
  for (const auto& [of, n] : numbers)
    if (n.fallback > 0 && away_.try_emplace(of, Clock::now()).second)
      spdlog::warn("redis {}, for {}: away for {} of {} workers, which do without it as their policies say: {}",
                   of.name, of.use, n.fallback, n.clients, n.failure.empty() ? "no answer in time" : n.failure);
  std::erase_if(away_, [&](const auto& away) {
    const auto& [of, since] = away;
    const auto now = numbers.find(of);
    if (now != numbers.end() && now->second.fallback > 0) return false;
    if (now != numbers.end() && now->second.clients > 0)
      spdlog::info("redis {}, for {}: back after {} s", of.name, of.use,
                   std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - since).count());
    return true;
  });
}

}  // namespace fairlead::gateway
