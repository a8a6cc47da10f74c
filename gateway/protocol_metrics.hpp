// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/metrics/exposition.hpp"
#include "fairlead/proxy/protocol_counters.hpp"

namespace fairlead::gateway {

/// What connections were refused or ended for, by protocol.
void add_protocols(metrics::Page& page, const proxy::ProtocolCounters& counters);

}  // namespace fairlead::gateway
