// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fairlead/event/reactor.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "fairlead/telemetry/access_log.hpp"
#include "fairlead/telemetry/meter.hpp"
#include "fairlead/telemetry/otlp.hpp"

namespace fairlead::proxy {

class Connection;
struct ListenerSpec;
struct Port;

/// Where a request went, by numbers: its series is found without a look at names.
struct Place {
  static constexpr std::uint16_t kNone = 0xffff;
  std::uint32_t rule = 0;       ///< RuleAction::id; 0: none matched
  std::uint16_t backend = kNone;  ///< of the rule's
};

/// What one worker tells of its requests: counters, lines of logs, spans.
/// Owner: a Worker. Thread: its reactor's.
class Observer {
 public:
  Observer(event::Reactor& reactor, const WorkerProxy::Options& options);

  [[nodiscard]] telemetry::WorkerMeter& meter() { return *worker_meter_; }
  [[nodiscard]] telemetry::IdGenerator& ids() { return ids_; }
  [[nodiscard]] const Tracing* tracing() const { return tracing_; }

  // While an update is applied: these wait for locks.
  [[nodiscard]] telemetry::ListenerId listener(const std::string& name) { return meter_->listener(name); }
  [[nodiscard]] std::shared_ptr<telemetry::WorkerLog> log_of(const std::shared_ptr<const telemetry::AccessLog>& log);

  [[nodiscard]] std::vector<std::shared_ptr<telemetry::WorkerLog>> logs_of(const ListenerSpec& listener);

  /// A request that was refused before it became an exchange.
  void refused(Connection& connection, const http::Refusal& refusal);
  /// `record` is whole but for what only logs and spans show, see shows().
  void finished(Port& port, Place place, telemetry::RequestRecord& record);
  /// A connection that was passed on as it is has ended, or none wanted it: `record` says what is its own.
  void passed(Connection& connection, telemetry::RequestRecord& record);
  /// Whether anybody is told more of a request than counters are.
  [[nodiscard]] bool shows(const Port& port) const;

 private:
  telemetry::SeriesId series_of(telemetry::ListenerId listener, Place place, const telemetry::RequestRecord& record);

  event::Reactor& reactor_;
  std::unique_ptr<telemetry::Meter> own_meter_;
  telemetry::Meter* meter_;
  telemetry::WorkerMeter* worker_meter_;
  telemetry::KongMeter* kong_meter_;  // null: none
  telemetry::LogWriter* log_writer_;
  const Tracing* tracing_;
  std::unique_ptr<telemetry::WorkerTracer> tracer_;
  telemetry::IdGenerator ids_;
  std::unordered_map<std::uint64_t, telemetry::SeriesId> series_;  // by listener, backend and rule
  std::uint64_t last_key_ = ~std::uint64_t{0};
  telemetry::SeriesId last_series_ = 0;
  std::unordered_map<const telemetry::AccessLog*, std::weak_ptr<telemetry::WorkerLog>> logs_;
};

/// Bytes of a head as HTTP/1.1 has it.
[[nodiscard]] std::uint64_t head_bytes(const http::RequestHead& head);
[[nodiscard]] std::uint64_t head_bytes(const http::ResponseHead& head);
/// A text without white space, as log formats have details: "no_route_matches"; in `arena`.
[[nodiscard]] std::string_view slug(std::string_view text, Arena& arena);

}  // namespace fairlead::proxy
