// SPDX-License-Identifier: Apache-2.0
// The client's side: what comes in, and what goes back.
#include "gateway/dataplane/proxy/exchange.hpp"

#include <algorithm>
#include <charconv>

#include "fairlead/upstream/retry.hpp"
#include "gateway/dataplane/proxy/connection.hpp"
#include "gateway/dataplane/proxy/hedge.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {
namespace {

constexpr std::size_t kMostKept = 64 * 1024;  // bytes of a request's body held for a retry, or until a backend is there
constexpr std::uint16_t kClientGoneStatus = 499;  // nginx's, in logs only

/// Why a client's side ended early.
Flag flag_of(http::Reset why) {
  switch (why) {
    case http::Reset::kProtocol: return Flag::kDownstreamProtocolError;
    case http::Reset::kTooLarge: return Flag::kTooLarge;
    case http::Reset::kTimeout: return Flag::kStreamIdleTimeout;
    case http::Reset::kCancelled:
    case http::Reset::kInternal: return Flag::kLocalReset;
    case http::Reset::kReset: return Flag::kDownstreamRemoteReset;
    default: return Flag::kDownstreamConnectionTermination;
  }
}

}  // namespace

Exchange::Exchange(Worker& worker) : worker_(worker) {}
Exchange::~Exchange() = default;

void Exchange::begin(Connection& connection, http::ServerStream& client) {
  connection_ = &connection;
  client_ = &client;
  generation_ = connection.port().generation;
  listener_ = connection.port().spec;
  arena_.reset();
  trailers_.clear();
  kept_.clear();
  head_.method_text = {};
  host_ = prefix_ = {};
  target_ = {};
  target_backend_ = nullptr;
  cors_ = nullptr;
  route_ = nullptr;
  action_ = nullptr;
  cluster_ = nullptr;
  tried_ = nullptr;
  retries_ = 0;
  session_ = {};
  idle_ms_ = 0;
  waiting_ = is_retry_ = request_ended_ = request_sent_ = has_trailers_ = false;
  response_started_ = response_ended_ = client_paused_ = tunnel_ = over_ = false;
  replayable_ = true;
  begin_record();
}

void Exchange::on_head(http::RequestHead& head, bool end) {
  std::swap(head_, head);  // both keep their room for fields
  http::keep(head_, arena_);
  request_ended_ = end;
  tunnel_ = head_.body == http::Body::kTunnel;
  record_head(end);
  if (worker_.overloaded()) return reply(503, Flag::kOverloaded, "overloaded, try again");
  if (worker_.queues()) return reply(503, Flag::kOverloaded, "overloaded, requests wait for too long: try again");
  limit_request();
  if (too_large()) return reply(413, Flag::kTooLarge, "the request's body is too large");
  if (normalise()) route();
}

void Exchange::on_body(std::string_view data, bool end) {
  record_.bytes.request_body += data.size();
  if (end) record_time(&telemetry::RequestTimes::request_end);
  request_ended_ = request_ended_ || end;
  if (too_large() && !response_ended_) {
    if (!response_started_) return reply(413, Flag::kTooLarge, "the request's body is too large");
    record_.flags.set(Flag::kTooLarge);
    return reset_client(http::Reset::kTooLarge);
  }
  moved();
  if (holds() && !response_started_) return hold_body(data);
  for (auto i = mirrors_.size(); i-- > 0;) mirrors_[i]->on_request_body(data, end);
  if ((response_ended_ && !tunnel_) || !trying()) {
    // Answered already, or between two tries: what a retry sends first is what was kept.
    if (backoff_alarm_.armed()) keep(data);
    return;
  }
  if (backend_stream_ == nullptr) return keep(data);
  request_sent_ = end;
  const bool goes_on = pass_on(data, end);
  if (end || client_ == nullptr || backend_stream_ == nullptr) return;
  if (goes_on) return splice_request(data.size());
  client_paused_ = true;
  client_->pause();
}

/// Sends it, and keeps it too as long as another try might want it.
bool Exchange::pass_on(std::string_view data, bool end) {
  // What has begun to pass through a tunnel is nobody's to repeat.
  if (tunnel_ || response_started_ || kept_.size() + data.size() > kMostKept) forget_kept();
  // Most bodies are those of requests that are not sent twice once something of them has left: no copy of those.
  const bool spares = replayable_ && !upstream::may_repeat(retry_spec(), head_.method);
  if (replayable_ && !spares) kept_.append(data);
  auto& stream = *backend_stream_;
  const bool goes_on = stream.send_body(data, end);
  if (!spares) return goes_on;
  if (backend_stream_ == &stream && stream.beyond_refusal()) forget_kept();
  else kept_.append(data);
  return goes_on;
}

void Exchange::keep(std::string_view data) {
  kept_.append(data);
  hold_client();
}

/// Until a backend takes what is kept.
void Exchange::hold_client() {
  if (kept_.size() <= kMostKept || client_paused_) return;
  client_paused_ = true;
  client_->pause();
}

void Exchange::on_trailers(http::Fields& trailers) {
  request_ended_ = true;
  has_trailers_ = true;
  trailers_ = trailers;
  strip_trailers();
  http::keep(trailers_, arena_);
  if (holds() && !response_started_) return hold_body({});
  for (auto i = mirrors_.size(); i-- > 0;) mirrors_[i]->on_request_trailers(trailers_);
  if (backend_stream_ == nullptr || response_ended_) return;
  request_sent_ = true;
  backend_stream_->send_trailers(trailers_);
}

void Exchange::forget_kept() {
  replayable_ = false;
  kept_ = {};
}

/// The client reads again.
void Exchange::on_writable() {
  moved();
  if (backend_stream_ != nullptr && !response_ended_) backend_stream_->resume();
}

void Exchange::on_refused(const http::Refusal& refusal) {
  record_.status = refusal.status;
  record_.details =
      refusal.status == 408 ? "the request's body did not come in time" : "the request's body is malformed";
  record_.bytes.response_body = refusal.body_bytes;
}

void Exchange::on_reset(http::Reset why) {
  client_ = nullptr;
  stop_splices();
  record_.flags.set(flag_of(why));
  if (!response_started_) {
    if (record_.status == 0) {
      record_.status = kClientGoneStatus;
      record_.details = "the client ended the request";
    }
    connection_->on_cancelled();
  }
  drop_try();
  over();
}

void Exchange::on_done() {
  client_ = nullptr;
  stop_splices();
  if (!trying()) return over();
  // The response is whole, the request is whole, and the backend's session has still to say so: nothing is lost by
  // giving up what is left of its stream.
  drop_try();
  over();
}

void Exchange::on_informational(http::ResponseHead& head) {
  if (client_ != nullptr && !response_started_) client_->send_informational(head);
}

void Exchange::on_response_head(http::ResponseHead& head, bool end) {
  upstream::Outcome outcome;
  outcome.status = head.status;
  record_.times.first_byte = worker_.reactor().now_ns();
  outcome.latency_ns = record_.times.first_byte - record_.times.start;
  std::uint32_t grpc_status = 0;
  const auto* grpc = end ? http::find(head.fields, "grpc-status") : nullptr;
  if (grpc != nullptr) std::from_chars(grpc->value.data(), grpc->value.data() + grpc->value.size(), grpc_status);
  if (retry(outcome, grpc != nullptr ? &grpc_status : nullptr)) return;
  observe(outcome);
  if (!switched(head)) return reply(502, Flag::kUpstreamProtocolError, "the backend has not switched protocols");
  moved();
  drop_hedges();
  connection_->on_answered();
  response_started_ = true;
  response_ended_ = end;
  record_.backend_version = head.version;
  record_.backend_status = head.status;
  record_.details = "via_upstream";
  if (end) record_.times.response_end = record_.times.first_byte;
  kept_ = {};
  tunnel_ = tunnel_ && head.body == http::Body::kTunnel;
  if (end) take_rest();
  if (tunnel_) {
    worker_.reactor().timers().cancel(request_alarm_);
    worker_.reactor().timers().cancel(try_alarm_);
  }
  change_response(head);
  if (filters_ != nullptr && filters_->active() && !filters_->on_response(head, !end)) return;
  send_head(head, end);
}

/// In HTTP/2 any 2xx takes an extended CONNECT (RFC 8441 5), while a backend of HTTP/1 may answer so without a 101.
bool Exchange::switched(const http::ResponseHead& head) const {
  const bool asked = tunnel_ && head_.version == http::Version::kHttp2;
  return !asked || head.body == http::Body::kTunnel || head.status / 100 != 2;
}

/// What is left of a request that is answered has to come in, that it may be thrown away.
void Exchange::take_rest() {
  if (!client_paused_ || client_ == nullptr || tunnel_) return;
  client_paused_ = false;
  client_->resume();
}

void Exchange::on_response_body(std::string_view data, bool end) {
  response_ended_ = end;
  if (end) take_rest();
  if (end) record_time(&telemetry::RequestTimes::response_end);
  moved();
  if (client_ == nullptr) return;
  if (changes_body()) return send_piece(data, end);
  record_.bytes.response_body += data.size();
  const bool goes_on = client_->send_body(data, end);
  if (end || client_ == nullptr || backend_stream_ == nullptr) return;
  if (goes_on) return splice_response(data.size());
  backend_stream_->pause();
}

void Exchange::on_response_trailers(http::Fields& trailers) {
  response_ended_ = true;
  take_rest();
  record_time(&telemetry::RequestTimes::response_end);
  record_trailers(trailers);
  if (changes_body()) {
    const auto rest = filters_->on_data({}, true);
    if (!rest) return reset_client(http::Reset::kInternal);
    record_.bytes.response_body += rest->size();
    if (client_ != nullptr && !rest->empty()) client_->send_body(*rest, false);
  }
  if (client_ != nullptr) client_->send_trailers(trailers);
}

void Exchange::reply(std::uint16_t status, Flag flag, std::string_view text) {
  record_.flags.set(flag);
  // Kept: a backend's session or pool that says why may be gone before the exchange is.
  char* body = arena_.allocate(text.size() + 1);
  text.copy(body, text.size());
  body[text.size()] = '\n';
  text = record_.details = {body, text.size()};
  record_.status = status;
  drop_try();
  if (filters_ != nullptr) filters_->stop();
  if (client_ == nullptr) return over();
  if (as_kong()) return answer_as_kong({.status = status, .flag = flag}, true);
  // No valid backend is UNAVAILABLE by Gateway API, and not what gRPC makes of a 500.
  if (record_.grpc) return reply_grpc({}, grpc_status_of(flag == Flag::kNoClusterFound ? 503 : status), text);
  http::ResponseHead head;
  head.status = status;
  head.fields.push_back({"content-type", "text/plain; charset=utf-8"});
  if (status == 503) head.fields.push_back({"retry-after", "1"});
  send_whole(head, {body, text.size() + 1});
}

std::string_view Exchange::grpc_status_of(std::uint16_t status) {
  switch (status) {
    case 400: return "13";
    case 401: return "16";
    case 403: return "7";
    case 404: return "12";
    case 429:
    case 502:
    case 503:
    case 504: return "14";
    default: return "2";
  }
}

/// As grpc-message has it: percent-encoded where it is no visible ASCII.
std::string_view Exchange::grpc_message(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  const auto plain = [](char c) { return c >= ' ' && c <= '~' && c != '%'; };
  if (std::ranges::all_of(text, plain)) return arena_.copy(text);
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (plain(c)) out += c;
    else out.append("%").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
  }
  return arena_.copy(out);
}

/// gRPC clients read the status from the trailers, which stand in the head where nothing else follows.
void Exchange::reply_grpc(http::Fields fields, std::string_view status, std::string_view text) {
  response_started_ = response_ended_ = true;
  http::ResponseHead head;
  head.status = 200;
  head.fields = std::move(fields);
  for (const http::Field& field :
       {http::Field{"content-type", "application/grpc"}, {"grpc-status", status}, {"grpc-message", grpc_message(text)}})
    head.fields.push_back(field);
  send_head(head, true);
}

void Exchange::reset_client(http::Reset why) {
  drop_try();  // stops what passes us by, too
  if (client_ != nullptr) std::exchange(client_, nullptr)->reset(why);
  over();
}

void Exchange::over() {
  if (over_) return;
  over_ = true;
  auto& timers = worker_.reactor().timers();
  timers.cancel(request_alarm_);
  timers.cancel(receive_alarm_);
  timers.cancel(try_alarm_);
  timers.cancel(backoff_alarm_);
  timers.cancel(idle_alarm_);
  drop_hedges();  // over_: the adopted one too
  if (!mirrors_.empty()) worker_.mirrors().leave(mirrors_);
  tell();
  if (filters_ != nullptr) filters_->end();
  worker_.finished(*this);
}

}  // namespace fairlead::proxy
