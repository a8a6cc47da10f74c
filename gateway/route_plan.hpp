// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "fairlead/config/gateway_state.hpp"
#include "fairlead/proxy/snapshot.hpp"
#include "gateway/cluster_plan.hpp"
#include "gateway/filter_plan.hpp"
#include "gateway/remarks.hpp"

namespace fairlead::gateway {

/// What becomes of requests, by HTTPRoute and GRPCRoute: one action for each that is attached somewhere, whatever the
/// number of listeners, but for those of Gateways that show backends a certificate. An action that comes out the same
/// stays the same object. Owner: ConfigPlan. Thread: main.
class RoutePlan {
 public:
  using ActionPtr = std::shared_ptr<const proxy::RouteAction>;
  using Credential = ClusterPlan::Credential;

  RoutePlan(ClusterPlan& clusters, FilterPlan& filters, Remarks& remarks)
      : clusters_(clusters), filters_(filters), remarks_(remarks) {}

  /// The action of an HTTPRoute or GRPCRoute at a listener with these filters and this certificate for backends;
  /// counted, see release().
  ActionPtr use(const config::CompiledRoutePtr& route, const filter::ChainPtr& listener, const Credential& credential);
  void release(const model::ObjectKey& key, const Credential& credential);
  [[nodiscard]] std::size_t size() const { return routes_.size(); }

 private:
  struct Entry {
    config::CompiledRoutePtr from;
    ActionPtr action;                                     // without a listener's filters
    std::vector<std::pair<filter::ChainPtr, ActionPtr>> at_listeners;  // with them
    std::vector<std::uint32_t> clusters;  // one for each use of theirs
    std::uint32_t uses = 0;
  };
  void plan(Entry& entry, const config::CompiledRoutePtr& route, const Credential& credential);

  ClusterPlan& clusters_;
  FilterPlan& filters_;
  Remarks& remarks_;
  std::map<std::pair<model::ObjectKey, Credential>, Entry> routes_;
};

}  // namespace fairlead::gateway
