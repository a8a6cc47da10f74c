// SPDX-License-Identifier: Apache-2.0
#include "gateway/cluster_metrics.hpp"

#include <string>
#include <string_view>

namespace fairlead::gateway {
namespace {

using metrics::Type;
using upstream::ClusterCounters;

struct Family {
  const char* name;
  const char* help;
  std::string_view label;  // beside the cluster's name; empty: none
};
constexpr Family kTries{"fairlead_gateway_backend_tries", "tries at backends that have ended, retries included",
                        "result"};
constexpr Family kRetries{"fairlead_gateway_backend_retries", "tries after the first", ""};
constexpr Family kRefusals{"fairlead_gateway_backend_refusals", "requests and retries that no backend was asked for",
                           "reason"};
constexpr Family kPicks{"fairlead_gateway_backend_picks",
                        "choices of a backend that balancing alone would not have made", "how"};
constexpr Family kEjections{"fairlead_gateway_backend_ejections", "backends put aside for their failures", "event"};
constexpr Family kConnects{"fairlead_gateway_backend_connects",
                           "connections to backends: begun, and of these what did not come to stand", "result"};
constexpr Family kPool{"fairlead_gateway_backend_pool", "requests that found a connection, and that waited for one",
                       "result"};

struct Row {
  const Family& family;
  std::string_view value;  // of its label
  std::uint64_t ClusterCounters::* member;
};
constexpr Row kRows[] = {
    {kTries, "response", &ClusterCounters::responses},
    {kTries, "failure", &ClusterCounters::failures},
    {kRetries, "", &ClusterCounters::retries},
    {kRefusals, "no_endpoints", &ClusterCounters::no_endpoints},
    {kRefusals, "none_available", &ClusterCounters::none_available},
    {kRefusals, "all_limited", &ClusterCounters::all_limited},
    {kRefusals, "connections", &ClusterCounters::overflow_connections},
    {kRefusals, "pending", &ClusterCounters::overflow_pending},
    {kRefusals, "pending_timeout", &ClusterCounters::pending_timeouts},
    {kRefusals, "requests", &ClusterCounters::overflow_requests},
    {kRefusals, "retries", &ClusterCounters::overflow_retries},
    {kRefusals, "retry_budget", &ClusterCounters::retries_over_budget},
    {kPicks, "persistent", &ClusterCounters::picks_persistent},
    {kPicks, "persistence_lost", &ClusterCounters::persistence_lost},
    {kPicks, "panic", &ClusterCounters::picks_panic},
    {kPicks, "tried_before", &ClusterCounters::picks_tried},
    {kEjections, "ejected", &ClusterCounters::ejections},
    {kEjections, "suppressed", &ClusterCounters::ejections_suppressed},
    {kEjections, "returned", &ClusterCounters::ejection_returns},
    {kConnects, "begun", &ClusterCounters::connects},
    {kConnects, "failure", &ClusterCounters::connect_failures},
    {kConnects, "timeout", &ClusterCounters::connect_timeouts},
    {kPool, "hit", &ClusterCounters::pool_hits},
    {kPool, "wait", &ClusterCounters::pool_waits},
};

void add_counters(metrics::Page& page, const proxy::ClusterTotals& cluster) {
  for (const auto& row : kRows) {
    const auto count = cluster.counters.*row.member;
    if (count == 0) continue;
    metrics::Labels labels{{"backend", cluster.name}};
    if (!row.family.label.empty()) labels.emplace_back(row.family.label, std::string(row.value));
    page.family(row.family.name, Type::kCounter, row.family.help).add(metrics::label_text(labels), count);
  }
}

void add_endpoints(metrics::Page& page, const proxy::ClusterTotals& cluster) {
  auto& family = page.family("fairlead_gateway_backend_endpoints", Type::kGauge, "endpoints by how they stand");
  for (std::size_t i = 0; i < proxy::kBackendStates; ++i) {
    const auto state = static_cast<proxy::BackendState>(i);
    if (cluster.backends[i] == 0 && state != proxy::BackendState::kAvailable) continue;
    family.add(metrics::label_text({{"backend", cluster.name}, {"state", std::string(proxy::name_of(state))}}),
               static_cast<double>(cluster.backends[i]));
  }
}

}  // namespace

void add_clusters(metrics::Page& page, const std::vector<proxy::ClusterTotals>& clusters) {
  for (const auto& cluster : clusters) {
    add_counters(page, cluster);
    add_endpoints(page, cluster);
  }
}

}  // namespace fairlead::gateway
