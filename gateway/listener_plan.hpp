// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fairlead/config/gateway_state.hpp"
#include "fairlead/proxy/snapshot.hpp"
#include "gateway/access_logs.hpp"
#include "gateway/remarks.hpp"
#include "gateway/route_plan.hpp"
#include "gateway/tls_plan.hpp"

namespace fairlead::gateway {

/// The ports of Gateways: listeners that share one become one ListenerSpec, with the routes of all of them and a TLS
/// context for all of their names. A request belongs to the most special listener of its host name, and to its routes
/// only. Parts that an update does not touch stay the same objects.
/// Owner: ConfigPlan. Thread: main.
class ListenerPlan {
 public:
  ListenerPlan(RoutePlan& routes, FilterPlan& filters, Remarks& remarks, TlsPlan& tls, AccessLogs* logs)
      : routes_(routes), filters_(filters), remarks_(remarks), tls_(tls), logs_(logs) {}

  void apply(const model::Cluster& cluster, const config::GatewayState& state, const config::GatewayChange& change);
  /// Of ports that can be served, by Gateway and port.
  [[nodiscard]] std::vector<std::shared_ptr<const proxy::ListenerSpec>> specs() const;

 private:
  struct Attached {
    config::CompiledRoutePtr from;
    RoutePlan::ActionPtr action;
    route::RoutePtr route;  // null: could not be compiled, or other listeners have all of its hosts
  };
  struct Listener {
    std::string hostname;
    filter::ChainPtr chain;  // of policies, with what guards identity headers; null: none
    filter::ChainPtr policies;  // the same without
    std::set<std::string> guarded;  // identity headers
    RoutePlan::Credential credential;  // for backends; null: none
    std::map<model::ObjectKey, Attached> routes;
  };
  using PortKey = std::pair<model::ObjectKey, std::uint16_t>;  // of a Gateway
  struct Port {
    std::map<config::ListenerKey, Listener> listeners;
    std::vector<std::string> hostnames;                     // of the listeners, sorted
    std::vector<route::RoutePtr> fences;                    // see fence()
    std::vector<const config::CompiledListener*> compiled;  // while apply() runs
    std::vector<route::RoutePtr> removed, added;            // while apply() runs
    std::shared_ptr<const route::Router> router;
    std::shared_ptr<const model::ClientSettings> settings;
    std::shared_ptr<const proxy::ClientLimits> limits;
    std::shared_ptr<std::atomic<std::uint32_t>> open_connections = std::make_shared<std::atomic<std::uint32_t>>(0);
    TlsPlan::Context tls;
    std::shared_ptr<const proxy::ListenerSpec> spec;  // null: cannot be served
  };

  bool take_chain(Listener& listener, const config::CompiledListener& compiled, bool routed);
  void group(const config::GatewayState& state);
  void fence(Port& port);
  void drop(Port& port, Listener& listener);
  void attach(Port& port, Listener& listener, const config::CompiledRoutePtr& compiled);
  void detach(Port& port, Listener& listener, const model::ObjectKey& key);
  void attach_all(Port& port, Listener& listener, const config::CompiledListener& compiled);
  void finish_router(Port& port);
  void finish(const PortKey& key, Port& port, const model::Cluster& cluster);

  RoutePlan& routes_;
  FilterPlan& filters_;
  Remarks& remarks_;
  TlsPlan& tls_;
  AccessLogs* logs_;  // null: none is opened
  std::map<PortKey, Port> ports_;
  std::map<config::ListenerKey, PortKey> places_;
};

}  // namespace fairlead::gateway
