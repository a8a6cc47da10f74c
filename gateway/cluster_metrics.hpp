// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "fairlead/metrics/exposition.hpp"
#include "fairlead/proxy/view.hpp"

namespace fairlead::gateway {

/// The families fairlead_gateway_backend_*: what became of the tries at each cluster, and how its backends stand. A
/// counter is added once it is not 0.
void add_clusters(metrics::Page& page, const std::vector<proxy::ClusterTotals>& clusters);

}  // namespace fairlead::gateway
