// SPDX-License-Identifier: Apache-2.0
#include "gateway/telemetry_parts.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "gateway/tracing_settings.hpp"

namespace fairlead::gateway {
namespace {

using metrics::Type;

/// What goes to one target by several ways is one row.
std::vector<telemetry::LogOutputCounts> by_target(std::vector<telemetry::LogOutputCounts> all) {
  std::vector<telemetry::LogOutputCounts> out;
  for (auto& one : all) {
    const auto known = std::ranges::find(out, one.target, &telemetry::LogOutputCounts::target);
    if (known == out.end()) {
      out.push_back(std::move(one));
      continue;
    }
    known->lines += one.lines;
    known->bytes += one.bytes;
    for (std::size_t i = 0; i < telemetry::kLogDrops; ++i) known->dropped[i] += one.dropped[i];
  }
  return out;
}

void add_logs(metrics::Page& page, const AccessLogs& logs) {
  for (const auto& log : by_target(logs.counts())) {
    const auto target = metrics::label_text({{"target", log.target}});
    page.family("fairlead_gateway_log_lines", Type::kCounter, "lines of access logs that were written")
        .add(target, log.lines);
    page.family("fairlead_gateway_log_bytes", Type::kCounter, "bytes of access logs that were written")
        .add(target, log.bytes);
    auto& dropped = page.family("fairlead_gateway_log_lines_dropped", Type::kCounter,
                                "lines of access logs that were lost, as no request waits for its log");
    for (std::size_t i = 0; i < telemetry::kLogDrops; ++i) {
      const auto reason = std::string(telemetry::name_of(static_cast<telemetry::LogDrop>(i)));
      dropped.add(metrics::label_text({{"target", log.target}, {"reason", reason}}), log.dropped[i]);
    }
  }
}

void add_spans(metrics::Page& page, const telemetry::SpanCounts& counts) {
  page.family("fairlead_gateway_spans_exported", Type::kCounter, "spans that the collector took")
      .add("", counts.exported);
  page.family("fairlead_gateway_otlp_requests", Type::kCounter, "requests to the collector").add("", counts.requests);
  page.family("fairlead_gateway_otlp_failures", Type::kCounter, "requests to the collector that failed")
      .add("", counts.failures);
  auto& dropped = page.family("fairlead_gateway_spans_dropped", Type::kCounter,
                              "spans that were lost, as no request waits for its trace");
  for (std::size_t i = 0; i < telemetry::kSpanDrops; ++i) {
    const auto reason = std::string(telemetry::name_of(static_cast<telemetry::SpanDrop>(i)));
    dropped.add(metrics::label_text({{"reason", reason}}), counts.dropped[i]);
  }
}

}  // namespace

Result<std::unique_ptr<TelemetryParts>> TelemetryParts::create(const Arguments& arguments) {
  std::unique_ptr<TelemetryParts> self(new TelemetryParts);
  FL_TRY(self->logs_, AccessLogs::create(arguments));
  const auto variable = [&](const char* name) -> const char* {
    const char* const found = std::getenv(name);
    const auto ours = arguments.otel_variables.find(name);
    return found != nullptr || ours == arguments.otel_variables.end() ? found : ours->second.c_str();
  };
  FL_TRY(const auto tracing, tracing_settings(arguments, variable));
  if (!tracing) return self;
  if (tracing->otlp) {
    FL_TRY(self->exporter_, telemetry::SpanExporter::create(*tracing->otlp));
  }
  self->tracing_ = {.policy = tracing->policy, .formats = tracing->formats, .exporter = self->exporter_.get()};
  return self;
}

void TelemetryParts::give(proxy::WorkerProxy::Options& options) {
  options.meter = &meter_;
  options.kong_meter = &kong_meter_;
  options.log_writer = &logs_->writer();
  if (tracing_) options.tracing = &*tracing_;
}

void TelemetryParts::add_to(metrics::Page& page) const {
  meter_.add_to(page);
  add_logs(page, *logs_);
  if (exporter_ != nullptr) add_spans(page, exporter_->counts());
}

}  // namespace fairlead::gateway
