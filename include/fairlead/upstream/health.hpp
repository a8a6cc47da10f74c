// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fairlead/upstream/cluster_spec.hpp"

namespace fairlead::upstream {

/// Names what is probed: an endpoint and how. Equal for all clusters that ask for the same, so it is probed once.
using TargetId = std::uint64_t;

/// `tls`: the cluster's context; it counts where the check uses TLS.
[[nodiscard]] TargetId target_id(const EndpointSpec& endpoint, const HealthCheckSpec& check, const void* tls = nullptr);

/// What the checker tells every worker, in a message.
struct HealthChange {
  TargetId target = 0;
  bool healthy = true;
};

/// All targets that fail, sorted; for workers that start later. Immutable.
using HealthSnapshot = std::shared_ptr<const std::vector<TargetId>>;

}  // namespace fairlead::upstream
