// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "fairlead/metrics/exposition.hpp"
#include "gateway/filter_plan.hpp"

namespace fairlead::gateway {

/// What the clients of each Redis have met, by its name and what it is used for.
void add_redis(metrics::Page& page, const FilterPlan& filters);
/// The same for people, as an array.
[[nodiscard]] nlohmann::json redis_json(const FilterPlan& filters);

}  // namespace fairlead::gateway
