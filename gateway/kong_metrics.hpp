// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "fairlead/metrics/exposition.hpp"
#include "fairlead/model/cluster.hpp"
#include "fairlead/proxy/view.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "fairlead/telemetry/kong_meter.hpp"
#include "fairlead/upstream/dns.hpp"

namespace fairlead::gateway {

/// How backends stand, and what names lead to.
struct KongBackends {
  std::vector<proxy::ClusterView> clusters;
  std::vector<upstream::NameState> names;
};

/// Lets it count what a Gateway asks for by its annotation fairlead.io/kong-metrics. Thread: main.
void set_kong_meter(telemetry::KongMeter& meter, const model::Cluster& objects);

/// The families of Kong's prometheus plugin that the annotation names; routes, services and upstreams by the names that
/// they have in Kong's file. `backends`: asked where targets are shown. Thread: main.
void add_kong_metrics(metrics::Page& page, const model::Cluster& objects, const telemetry::KongMeter& meter,
                      const proxy::Counters& counters, const std::function<KongBackends()>& backends);

}  // namespace fairlead::gateway
