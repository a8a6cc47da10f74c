// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fairlead/model/policy_objects.hpp"
#include "fairlead/upstream/cluster_spec.hpp"
#include "gateway/remarks.hpp"

namespace fairlead::gateway {

/// Of either side's policy. Thread: any.
[[nodiscard]] net::KeepAlive keep_alive_of(const model::TcpKeepalive& from);

/// A BackendPolicy's settings, but for the protocol, into the cluster. `zone`: where the gateway is; may be empty.
/// `texts` gets a line for each that is not served. Thread: any.
void take_settings(const model::BackendSettings& from, const std::string& zone, upstream::ClusterSpec& to,
                   Remarks::Texts& texts);

}  // namespace fairlead::gateway
