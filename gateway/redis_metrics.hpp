// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "fairlead/limit/redis_counters.hpp"
#include "fairlead/metrics/exposition.hpp"
#include "gateway/filter_plan.hpp"

namespace fairlead::gateway {

/// A Redis, and what it is used for: "limits", "cache".
struct RedisName {
  std::string name;
  std::string use;
  auto operator<=>(const RedisName&) const = default;
};

/// What the clients of each have met.
[[nodiscard]] std::map<RedisName, limit::RedisNumbers> redis_numbers(const FilterPlan& filters);

/// The same as series.
void add_redis(metrics::Page& page, const FilterPlan& filters);
/// The same for people, as an array.
[[nodiscard]] nlohmann::json redis_json(const FilterPlan& filters);

}  // namespace fairlead::gateway
