// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/telemetry/otlp.hpp"
#include "fairlead/telemetry/trace_context.hpp"
#include "gateway/arguments.hpp"

namespace fairlead::gateway {

/// Which traces are kept or begun, and where their spans go.
struct TracingSettings {
  telemetry::TracePolicy policy;
  telemetry::Propagations formats;
  std::optional<telemetry::OtlpOptions> otlp;  ///< nothing: contexts are passed on only
};

/// The value of a variable of the environment; null: not set.
using Environment = std::function<const char*(const char* name)>;

/// By the command line, else by OpenTelemetry's variables (OTEL_EXPORTER_OTLP_*, OTEL_SERVICE_NAME,
/// OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, OTEL_PROPAGATORS,
/// OTEL_SDK_DISABLED); an empty value is none. Nothing where neither asks for traces. Thread: any.
Result<std::optional<TracingSettings>> tracing_settings(const Arguments& arguments, const Environment& environment);

}  // namespace fairlead::gateway
