// SPDX-License-Identifier: Apache-2.0
// What an exchange remembers of itself for counters, log and spans.
#include <charconv>

#include "fairlead/http/date.hpp"
#include "fairlead/net/listener.hpp"
#include "gateway/dataplane/proxy/connection.hpp"
#include "gateway/dataplane/proxy/exchange.hpp"
#include "gateway/dataplane/proxy/kong_answers.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {
namespace {

bool is_grpc(const http::RequestHead& head) {
  if (head.method != http::Method::kPost) return false;
  const auto* type = http::find(head.fields, "content-type");
  return type != nullptr && type->value.starts_with("application/grpc") &&
         (type->value.size() == 16 || type->value[16] == '+' || type->value[16] == ';');
}

}  // namespace

void Exchange::begin_record() {
  record_ = {};
  record_.times.start = record_.times.head = worker_.reactor().now_ns();
  record_.listener = listener_->name;
  shown_ = as_kong() || worker_.observer().shows(connection_->port());  // it tells how long each part took
  client_known_ = false;
}

/// As received: what comes later changes the head.
void Exchange::record_head(bool end) {
  record_.version = head_.version;
  record_.method = head_.method_text;
  record_.scheme = head_.scheme;
  record_.authority = head_.authority;
  record_.target = head_.target;
  record_.grpc = is_grpc(head_);
  record_.bytes.request_head = head_bytes(head_);
  if (end) record_.times.request_end = record_.times.head;
  if (head_.body == http::Body::kLength) record_.request_length = static_cast<std::int64_t>(head_.content_length);
  if (shown_) {
    request_fields_ = head_.fields;
    record_.request = &request_fields_;
  }
  if (const auto* tracing = worker_.observer().tracing())
    record_.trace = telemetry::begin_trace(telemetry::extract(head_.fields, tracing->formats, arena_), tracing->policy,
                                           worker_.observer().ids());
}

void Exchange::record_grpc_status(const http::Fields& fields) {
  if (!record_.grpc) return;
  const auto* status = http::find(fields, "grpc-status");
  if (status != nullptr)
    std::from_chars(status->value.data(), status->value.data() + status->value.size(), record_.grpc_status);
}

void Exchange::record_response(const http::ResponseHead& head) {
  if (!connection_->port().shows_response) return;
  if (head.body == http::Body::kLength || head.has_length)
    record_.response_length = static_cast<std::int64_t>(head.content_length);
  response_fields_ = head.fields;
  http::keep(response_fields_, arena_);
  record_.response = &response_fields_;
}

/// The answer's head, on its way to the client.
void Exchange::send_head(http::ResponseHead& head, bool end) {
  if (http::find(head.fields, "date") == nullptr) head.fields.push_back({"date", http::date_now()});  // RFC 9110 6.6.1
  const bool upgraded = head.body == http::Body::kTunnel && !head_.protocol.empty();
  record_.status = upgraded && head_.version != http::Version::kHttp2 ? 101 : head.status;
  record_.bytes.response_head = head_bytes(head);
  record_grpc_status(head.fields);
  if (!as_kong()) {
    record_response(head);
    return client_->send_head(head, end);
  }
  auto told = head;
  // What is stored was a backend's.
  const bool from_backend = record_.details == "via_upstream" || record_.details == "cache";
  add_kong_fields(told, record_, from_backend, worker_.reactor().now_ns(), arena_);
  record_response(told);
  client_->send_head(told, end);
}

void Exchange::record_trailers(const http::Fields& trailers) {
  record_grpc_status(trailers);
  if (record_.response == nullptr) return;
  response_trailers_ = trailers;
  http::keep(response_trailers_, arena_);
  record_.trailers = &response_trailers_;
}

void Exchange::record_time(std::uint64_t telemetry::RequestTimes::* stage) {
  if (shown_) record_.times.*stage = worker_.reactor().now_ns();
}

void Exchange::record_try(http::ClientStream& stream) {
  if (!shown_) return;
  record_time(&telemetry::RequestTimes::connected);
  auto& connection = stream.connection();
  if (connection.local.port == 0)  // once for each connection
    if (const auto local = net::local_address(connection.fd())) connection.local = local->endpoint();
  record_.backend_local = connection.local;
}

/// All is over: counted, logged, exported.
void Exchange::tell() {
  record_.times.end = worker_.reactor().now_ns();
  record_.tls = connection_->tls();
  record_.attempts = static_cast<std::uint16_t>(record_.has_backend ? retries_ + 1 : 0);
  Place place;
  if (route_ != nullptr) {
    record_.route = route_->name;
    record_.kong = route_->kong.get();
  }
  if (action_ != nullptr) {
    record_.rule = action_->name;
    place.rule = action_->id;
  }
  if (target_backend_ != nullptr) {
    const auto number = target_backend_ - action_->backends.data();
    place.backend = static_cast<std::uint16_t>(std::min<std::ptrdiff_t>(number, Place::kNone));
    const auto& clusters = generation_->clusters;
    if (target_backend_->cluster < clusters.size() && clusters[target_backend_->cluster] != nullptr)
      record_.cluster = clusters[target_backend_->cluster]->name;
  }
  if (shown_) record_ends();
  auto& port = connection_->port();
  worker_.meter().count(port.meter_id, telemetry::ListenerCounter::kRequestsEnded);
  worker_.observer().finished(port, place, record_);
}

void Exchange::record_ends() {
  record_.path = target_.path;
  record_.details = slug(record_.details, arena_);
  const auto& ends = connection_->ends();
  record_.peer = ends.peer;
  record_.local = ends.local;
  record_.connection_id = connection_->id();
  if (!client_known_) find_client();
  record_.client = {client_addr_.address, client_addr_.port};
  if (!record_.trace.trace && worker_.observer().tracing() == nullptr) {
    const auto sent = telemetry::extract(request_fields_, {telemetry::Propagation::kW3c}, arena_);
    record_.trace.trace = sent.trace;
  }
  if (!record_.request_id.empty()) return;
  const auto* sent = http::find(request_fields_, "x-request-id");
  if (sent != nullptr && telemetry::valid_request_id(sent->value)) record_.request_id = sent->value;
}

}  // namespace fairlead::proxy
