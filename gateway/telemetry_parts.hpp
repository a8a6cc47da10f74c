// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "fairlead/base/result.hpp"
#include "fairlead/metrics/exposition.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "fairlead/telemetry/kong_meter.hpp"
#include "gateway/access_logs.hpp"
#include "gateway/arguments.hpp"

namespace fairlead::gateway {

/// What tells of traffic: counters, access logs, traces. Outlives the workers, which write to it.
/// Owner: Gateway. Thread: main; add_to() any one.
class TelemetryParts {
 public:
  /// Reads the environment, too: see TracingSettings.
  static Result<std::unique_ptr<TelemetryParts>> create(const Arguments& arguments);

  [[nodiscard]] telemetry::Meter& meter() { return meter_; }
  [[nodiscard]] const telemetry::Meter& meter() const { return meter_; }
  [[nodiscard]] telemetry::KongMeter& kong_meter() { return kong_meter_; }
  [[nodiscard]] const telemetry::KongMeter& kong_meter() const { return kong_meter_; }
  [[nodiscard]] AccessLogs& logs() { return *logs_; }
  /// Points a worker's proxy at all of it.
  void give(proxy::WorkerProxy::Options& options);
  /// Families of requests, of listeners, of logs and spans.
  void add_to(metrics::Page& page) const;

 private:
  TelemetryParts() = default;

  telemetry::Meter meter_;
  telemetry::KongMeter kong_meter_;
  std::unique_ptr<AccessLogs> logs_;
  std::unique_ptr<telemetry::SpanExporter> exporter_;  // null: spans go nowhere
  std::optional<proxy::Tracing> tracing_;
};

}  // namespace fairlead::gateway
