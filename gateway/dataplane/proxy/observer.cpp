// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/observer.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "gateway/dataplane/proxy/connection.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {
namespace {

using telemetry::ResponseFlag;

constexpr std::size_t kMostSeries = 65536;  // remembered; rules that are gone are forgotten with all others
constexpr std::size_t kLineEnd = 2;
constexpr std::size_t kFieldExtra = 4;   // colon, space, line end
constexpr std::size_t kVersionText = 8;  // "HTTP/1.1"
constexpr std::size_t kStatusText = 3;

std::int64_t unix_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

std::uint64_t fields_bytes(const http::Fields& fields) {
  std::uint64_t sum = kLineEnd;
  for (const auto& field : fields) sum += field.name.size() + field.value.size() + kFieldExtra;
  return sum;
}

std::uint64_t length_bytes(http::Body body, bool shown, std::uint64_t length) {
  if (body == http::Body::kStream) return std::string_view("transfer-encoding: chunked\r\n").size();
  if (body != http::Body::kLength && !shown) return 0;
  std::uint64_t digits = 1;
  for (; length >= 10; length /= 10) ++digits;
  return std::string_view("content-length: \r\n").size() + digits;
}

ResponseFlag flag_of(std::uint16_t status) {
  if (status == 408) return ResponseFlag::kStreamIdleTimeout;
  return status == 413 || status == 414 || status == 431 ? ResponseFlag::kTooLarge
                                                         : ResponseFlag::kDownstreamProtocolError;
}

}  // namespace

std::uint64_t head_bytes(const http::RequestHead& head) {
  const auto host = head.authority.empty() ? 0 : std::string_view("host").size() + head.authority.size() + kFieldExtra;
  return head.method_text.size() + 1 + head.target.size() + 1 + kVersionText + kLineEnd + host +
         length_bytes(head.body, false, head.content_length) + fields_bytes(head.fields);
}

std::uint64_t head_bytes(const http::ResponseHead& head) {
  return kVersionText + 1 + kStatusText + 1 + head.reason.size() + kLineEnd +
         length_bytes(head.body, head.has_length, head.content_length) + fields_bytes(head.fields);
}

std::string_view slug(std::string_view text, Arena& arena) {
  char* out = arena.allocate(text.size());
  std::ranges::replace_copy(text, out, ' ', '_');
  return {out, text.size()};
}

Observer::Observer(event::Reactor& reactor, const WorkerProxy::Options& options)
    : reactor_(reactor),
      own_meter_(options.meter == nullptr ? std::make_unique<telemetry::Meter>() : nullptr),
      meter_(options.meter == nullptr ? own_meter_.get() : options.meter),
      worker_meter_(&meter_->add_worker()),
      kong_meter_(options.kong_meter),
      log_writer_(options.log_writer),
      tracing_(options.tracing) {
  if (tracing_ != nullptr && tracing_->exporter != nullptr)
    tracer_ = std::make_unique<telemetry::WorkerTracer>(*tracing_->exporter);
}

std::shared_ptr<telemetry::WorkerLog> Observer::log_of(const std::shared_ptr<const telemetry::AccessLog>& log) {
  if (log == nullptr || log_writer_ == nullptr) return nullptr;
  std::erase_if(logs_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = logs_[log.get()];
  auto found = known.lock();
  if (found == nullptr) known = found = std::make_shared<telemetry::WorkerLog>(log, *log_writer_);
  return found;
}

std::vector<std::shared_ptr<telemetry::WorkerLog>> Observer::logs_of(const ListenerSpec& listener) {
  std::vector<std::shared_ptr<telemetry::WorkerLog>> out;
  const auto add = [&](const auto& log) {
    if (auto mine = log_of(log); mine != nullptr) out.push_back(std::move(mine));
  };
  add(listener.log);
  for (const auto& log : listener.more_logs) add(log);
  return out;
}

bool Observer::shows(const Port& port) const { return !port.logs.empty() || tracer_ != nullptr; }

telemetry::SeriesId Observer::series_of(telemetry::ListenerId listener, Place place,
                                        const telemetry::RequestRecord& record) {
  if (listener >= Place::kNone) return telemetry::Meter::kOverflow;
  const auto key = (std::uint64_t{listener} << 48) | (std::uint64_t{place.backend} << 32) | place.rule;
  if (key == last_key_) return last_series_;
  auto found = series_.find(key);
  if (found == series_.end()) {
    if (series_.size() >= kMostSeries) series_.clear();
    const auto series = meter_->series({.listener = std::string(record.listener),
                                        .route = std::string(record.route),
                                        .rule = std::string(record.rule),
                                        .cluster = std::string(record.cluster),
                                        .istio = nullptr});
    found = series_.emplace(key, series).first;
  }
  last_key_ = key;
  return last_series_ = found->second;
}

void Observer::finished(Port& port, Place place, telemetry::RequestRecord& record) {
  worker_meter_->finish(series_of(port.meter_id, place, record), record);
  if (kong_meter_ != nullptr) kong_meter_->finish(record);
  if (port.logs.empty() && tracer_ == nullptr) return;
  record.start_unix_ns = unix_ns() - static_cast<std::int64_t>(record.times.end - record.times.start);
  for (const auto& log : port.logs) log->log(record);
  if (tracer_ != nullptr) tracer_->record(record);
}

void Observer::passed(Connection& connection, telemetry::RequestRecord& record) {
  record.stream = true;
  record.times.end = reactor_.now_ns();
  if (record.times.start == 0) record.times.start = record.times.end;
  record.start_unix_ns = unix_ns() - static_cast<std::int64_t>(record.times.end - record.times.start);
  record.listener = connection.port().spec->name;
  const auto& ends = connection.ends();
  record.client = record.peer = ends.peer;
  record.local = ends.local;
  record.connection_id = connection.id();
  for (const auto& log : connection.port().logs) log->log(record);
}

void Observer::refused(Connection& connection, const http::Refusal& refusal) {
  auto& port = connection.port();
  worker_meter_->count(port.meter_id, telemetry::ListenerCounter::kMalformed);
  telemetry::RequestRecord record;
  record.times.start = record.times.head = record.times.end = reactor_.now_ns();
  record.status = refusal.status;
  record.bytes.response_body = refusal.body_bytes;
  record.flags.set(flag_of(refusal.status));
  record.flags.set(ResponseFlag::kDownstreamProtocolError);
  record.listener = port.spec->name;
  const auto& ends = connection.ends();
  record.client = record.peer = ends.peer;
  record.local = ends.local;
  record.tls = connection.tls();
  record.connection_id = connection.id();
  Arena arena;
  if (!port.logs.empty()) record.details = slug(refusal.why, arena);
  finished(port, {}, record);
}

}  // namespace fairlead::proxy
