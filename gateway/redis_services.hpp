// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "fairlead/config/gateway_state.hpp"
#include "fairlead/limit/redis_config.hpp"
#include "gateway/remarks.hpp"

namespace fairlead::gateway {

/// Services that policies name as their Redis, and the endpoints that these have now. One that is not there, not
/// granted or without an endpoint is a Redis that is away: no policy is made anew for it. Owner: FilterPlan. Thread:
/// main.
class RedisServices {
 public:
  explicit RedisServices(Remarks& remarks) : remarks_(remarks) {}

  /// For policies of namespace `ns`.
  std::shared_ptr<const limit::RedisPlaces> of(const std::string& ns, const model::BackendTarget& target,
                                               const model::Cluster& objects, config::GatewayState& state);
  /// After a change; what nobody asks for any more is let go.
  void renew(const model::Cluster& objects, config::GatewayState& state);

 private:
  struct Entry {
    std::string ns;  // of the policies
    model::BackendTarget target;
    config::BackendClusterPtr from;
    std::shared_ptr<limit::RedisPlaces> places;
  };
  void look(const std::string& name, Entry& entry, const model::Cluster& objects, config::GatewayState& state);

  Remarks& remarks_;
  std::map<std::string, Entry> entries_;  // by the remarks' subject
};

}  // namespace fairlead::gateway
