// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/limit/lease_desk.hpp"
#include "fairlead/limit/redis_client.hpp"
#include "fairlead/model/request_limits.hpp"

namespace fairlead::filter {

/// From settings to what a client needs, secrets and authorities with it. Null: a fault is noted.
std::shared_ptr<const limit::RedisConfig> make_redis_config(const model::RedisSettings& settings, Context& context);

/// The worker's client for that Redis.
limit::RedisClient& redis_client(Request& request, const std::shared_ptr<const limit::RedisConfig>& config);
/// What asks it in nobody's name.
limit::LeaseDesk& lease_desk(Request& request, const std::shared_ptr<const limit::RedisConfig>& config);

}  // namespace fairlead::filter
