// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/metrics/exposition.hpp"
#include "fairlead/model/cluster.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "fairlead/telemetry/meter.hpp"

namespace fairlead::gateway {

/// The families of Kong's prometheus plugin, where a Gateway asks for them by its annotation
/// fairlead.io/kong-metrics; routes and services by the names that they have in Kong's file.
void add_kong_metrics(metrics::Page& page, const model::Cluster& objects, const telemetry::Meter& meter,
                      const proxy::Counters& counters);

}  // namespace fairlead::gateway
