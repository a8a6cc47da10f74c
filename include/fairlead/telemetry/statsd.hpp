// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/model/client_logs.hpp"
#include "fairlead/telemetry/log_format.hpp"

namespace fairlead::telemetry {

/// Metrics of each request, one a line, in the words of Kong's plugins statsd and datadog.
[[nodiscard]] LogFormat statsd_format(const model::ClientLogStatsd& log);

}  // namespace fairlead::telemetry
