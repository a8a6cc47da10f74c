// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "fairlead/config/gateway_state.hpp"
#include "fairlead/proxy/snapshot.hpp"
#include "gateway/access_logs.hpp"
#include "gateway/cluster_plan.hpp"
#include "gateway/remarks.hpp"
#include "gateway/tls_plan.hpp"

namespace fairlead::gateway {

/// The ports of listeners of protocol TLS, TCP and UDP, and what becomes of their connections. A port that HTTPS
/// listeners share is theirs too: merge() adds the names that are not HTTP's. Made anew as a whole, where a listener or
/// a route of these kinds has changed.
/// Owner: ConfigPlan. Thread: main.
class StreamPlan {
 public:
  /// `logs`: null opens none.
  StreamPlan(ClusterPlan& clusters, Remarks& remarks, TlsPlan& tls, AccessLogs* logs)
      : clusters_(clusters), remarks_(remarks), tls_(tls), logs_(logs) {}

  void apply(const model::Cluster& cluster, const config::GatewayState& state, const config::GatewayChange& change);
  /// Adds to `specs`, those of HTTP's ports.
  void merge(std::vector<std::shared_ptr<const proxy::ListenerSpec>>& specs) const;

 private:
  using PortKey = std::tuple<model::ObjectKey, std::uint16_t, bool>;  // Gateway, port, UDP
  struct Port {
    std::vector<const config::CompiledListener*> listeners;  // while apply() runs
    TlsPlan::Context tls;
    std::shared_ptr<const proxy::ListenerSpec> spec;
  };

  void make(const PortKey& key, Port& port, const model::Cluster& cluster, std::vector<std::uint32_t>& used);
  void add_names(const config::CompiledListener& listener, const std::vector<std::string>& hostnames,
                 proxy::StreamTable& table, std::vector<std::uint32_t>& used);
  proxy::RuleAction action_of(const config::CompiledRoute& route, const ClusterPlan::Credential& credential,
                              std::vector<std::uint32_t>& used);

  ClusterPlan& clusters_;
  Remarks& remarks_;
  TlsPlan& tls_;
  AccessLogs* logs_;
  std::map<PortKey, Port> ports_;
  std::vector<std::string> subjects_;  // of remarks
  std::vector<std::uint32_t> used_;  // clusters, one for each use
};

}  // namespace fairlead::gateway
