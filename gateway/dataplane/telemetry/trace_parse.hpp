// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "fairlead/telemetry/trace_context.hpp"
#include "gateway/dataplane/telemetry/text.hpp"

namespace fairlead::telemetry {

[[nodiscard]] TraceParent read_w3c(const http::Fields& fields, Arena& arena);
[[nodiscard]] TraceParent read_b3_single(const http::Fields& fields);
[[nodiscard]] TraceParent read_b3(const http::Fields& fields);
[[nodiscard]] TraceParent read_jaeger(const http::Fields& fields);
[[nodiscard]] TraceParent read_datadog(const http::Fields& fields, Arena& arena);

}  // namespace fairlead::telemetry
