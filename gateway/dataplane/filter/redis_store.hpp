// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/limit/lease_desk.hpp"
#include "fairlead/limit/redis_client.hpp"
#include "fairlead/limit/shared_places.hpp"
#include "fairlead/model/request_limits.hpp"

namespace fairlead::filter {

/// From settings to what a client needs, secrets and authorities with it. Null: a fault is noted. Who uses other
/// scripts has connections of his own, so that long values hold up no count.
std::shared_ptr<const limit::RedisConfig> make_redis_config(
    const model::RedisSettings& settings, Context& context,
    std::span<const std::string_view> scripts = limit::limit_scripts());

/// Who finds addresses on that thread; null: nobody has to be asked, or can be.
std::unique_ptr<limit::Names> make_redis_names(event::Reactor& reactor, const limit::RedisConfig& config);

/// The worker's client for that Redis.
limit::RedisClient& redis_client(Request& request, const std::shared_ptr<const limit::RedisConfig>& config);
/// What asks it in nobody's name.
limit::LeaseDesk& lease_desk(Request& request, const std::shared_ptr<const limit::RedisConfig>& config);
/// Of those that are under way. Good as long as somebody holds `config`.
limit::SharedPlaces& shared_places(Request& request, const std::shared_ptr<const limit::RedisConfig>& config);

}  // namespace fairlead::filter
