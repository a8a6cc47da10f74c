// SPDX-License-Identifier: Apache-2.0
// The backend's side: tries, one after the other, until one answers or none may follow.
#include "fairlead/upstream/retry.hpp"
#include "gateway/dataplane/proxy/connection.hpp"
#include "gateway/dataplane/proxy/exchange.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {

void Exchange::attempt() {
  cluster_ = worker_.cluster(generation_, cluster_number_);
  if (cluster_ == nullptr) return reply(503, Flag::kNoHealthyUpstream, "the backend is gone");
  is_retry_ = retries_ > 0;
  const auto begun = begin_try();
  if (begun.refusal) return reply(503, Flag::kUpstreamOverflow, upstream::refusal_name(*begun.refusal));
  if (begun.backend == nullptr) {
    const bool limited = begun.reason == upstream::PickReason::kAllLimited;
    if (begun.reason == upstream::PickReason::kNoEndpoints && !cluster_->spec().dns.empty())
      return reply(503, Flag::kDnsFailed, "the backend's name has no address");
    return reply(503, limited ? Flag::kUpstreamOverflow : Flag::kNoHealthyUpstream,
                 upstream::pick_reason_name(begun.reason));
  }
  backend_ = begun.backend;
  record_.has_backend = true;
  record_.backend = backend_->endpoint().address;
  record_.backend_tls = cluster_->spec().tls != nullptr;
  record_.backend_target = head_.target;
  record_.times.first_byte = record_.times.connected = 0;
  observed_try_ = false;
  arm_try_timeout();
  arm_idle_timeout();
  arm_hedge();
  const auto acquired = connection_->pool_of(*backend_).acquire(try_, try_);
  if (acquired.stream != nullptr) return send_request(*acquired.stream);
  if (acquired.refused) return on_pool_failure(*acquired.refused, upstream::pool_failure_name(*acquired.refused));
  waiting_ = true;
}

void Exchange::on_backend_stream(http::ClientStream& stream) {
  waiting_ = false;
  send_request(stream);
}

/// Host for that backend: its own name where the cluster says so, or where an HTTP/1.0 client has sent none, which
/// HTTP/1.1 must have (RFC 9112 section 3.2); with a port that is not the scheme's.
std::string_view Exchange::authority_for(const upstream::Backend& backend) {
  const auto& spec = cluster_->spec();
  if (!spec.host_of_backend && !head_.authority.empty()) return head_.authority;
  const auto& [address, port] = backend.endpoint().address;
  auto host = backend.endpoint().hostname;
  if (host.empty()) host = address.is_v4() ? address.text() : "[" + address.text() + "]";
  if (port != (spec.tls != nullptr ? 443 : 80)) host += ":" + std::to_string(port);
  return arena_.copy(host);
}

void Exchange::send_request(http::ClientStream& stream) {
  backend_stream_ = &stream;
  head_.authority = authority_for(*backend_);
  record_try(stream);
  const bool body_follows = !kept_.empty() || !request_ended_ || has_trailers_;
  request_sent_ = !body_follows;
  backend_stream_->send_head(head_, !body_follows);
  if (!body_follows || backend_stream_ == nullptr) return;
  const bool end = request_ended_ && !has_trailers_;
  if (!kept_.empty() || end) {
    request_sent_ = end;
    const bool more = backend_stream_->send_body(kept_, end);
    if (backend_stream_ == nullptr) return;
    if (tunnel_) forget_kept();
    if (!more) return;  // on_backend_writable goes on
  }
  if (has_trailers_) {
    request_sent_ = true;
    backend_stream_->send_trailers(trailers_);
  }
  on_backend_writable();
}

/// The backend takes more of the request.
void Exchange::on_backend_writable() {
  if (!client_paused_ || client_ == nullptr) return;
  client_paused_ = false;
  client_->resume();
}

void Exchange::on_pool_failure(upstream::PoolFailure why, std::string_view text) {
  waiting_ = false;
  using enum upstream::PoolFailure;
  connect_timed_out_ = why == kConnectTimeout;
  const bool connect = why == kConnect || connect_timed_out_;
  failed(connect ? upstream::Failure::kConnect : upstream::Failure::kPool, arena_.copy(text));
}

void Exchange::on_backend_reset(http::Reset why) {
  const bool reused = backend_stream_ != nullptr && backend_stream_->reused_connection();
  backend_stream_ = nullptr;
  stop_splices();
  const auto failure = upstream::failure_of(why, reused, response_started_, false);
  if (why == http::Reset::kReset) return failed(failure, "the backend reset the stream", Flag::kUpstreamRemoteReset);
  failed(failure, "the backend's connection ended");
}

void Exchange::failed(upstream::Failure failure, std::string_view why, Flag lost) {
  if (failure == upstream::Failure::kConnect) record_.failure = why;
  if (response_started_) {
    observe({.failure = failure});
    record_.flags.set(lost);
    // Where the response is whole only the rest of the request was lost, which nobody waits for.
    if (response_ended_) return end_try();
    return reset_client(http::Reset::kClosed);
  }
  const upstream::Outcome outcome{.failure = failure};
  if (!hedges_.empty() && backend_ != nullptr) {  // another try is under way and may answer
    observe(outcome);
    end_try();
    return arm_try_timeout();
  }
  drop_hedges();  // they had the time of a try too
  if (retry(outcome, nullptr)) return;
  observe(outcome);
  using enum upstream::Failure;
  switch (failure) {
    case kConnect: return reply(503, Flag::kUpstreamConnectionFailure, why);
    case kPool: return reply(503, Flag::kUpstreamOverflow, why);
    case kTimeout: return reply(504, Flag::kUpstreamRequestTimeout, "the backend did not answer in time");
    case kProtocol: return reply(502, Flag::kUpstreamProtocolError, "the backend sent no valid response");
    default: return reply(502, lost, why);
  }
}

void Exchange::on_backend_done() {
  backend_stream_ = nullptr;
  stop_splices();
  end_try();
  if (client_ == nullptr) over();
}

void Exchange::on_try_timeout() {
  if (backend_stream_ != nullptr) std::exchange(backend_stream_, nullptr)->reset(http::Reset::kTimeout);
  stop_splices();
  if (waiting_) {
    upstream::Pool::cancel(try_);
    waiting_ = false;
  }
  failed(upstream::Failure::kTimeout, "the backend did not answer in time");
}

void Exchange::on_request_timeout() {
  if (!response_started_) return reply(504, Flag::kUpstreamRequestTimeout, "the request took too long");
  record_.flags.set(Flag::kUpstreamRequestTimeout);
  reset_client(http::Reset::kTimeout);
}

/// True: the try that ended so is forgotten, and another will follow.
bool Exchange::retry(const upstream::Outcome& outcome, std::uint32_t* grpc_status) {
  const upstream::Try tried{.method = head_.method,
                            .retries = retries_,
                            .replayable = replayable_,
                            .response_started = response_started_,
                            .has_attempt_left = true,
                            .grpc_status = grpc_status != nullptr ? std::optional(*grpc_status) : std::nullopt,
                            .outcome = outcome};
  const auto verdict = upstream::decide_retry(retry_spec(), tried);
  if (verdict == upstream::RetryVerdict::kExhausted) record_.flags.set(Flag::kUpstreamRetryLimitExceeded);
  if (verdict != upstream::RetryVerdict::kRetry) return false;
  // A connection that was closed while it was kept says nothing of the backend: no reason to wait.
  const bool at_once = outcome.failure == upstream::Failure::kReusedClosed;
  const auto pause = at_once ? milliseconds{0} : upstream::retry_backoff(retry_spec(), retries_, worker_.random());
  observe(outcome);
  tried_ = at_once ? nullptr : backend_;
  drop_try();
  ++retries_;
  worker_.reactor().timers().arm(backoff_alarm_,
                                 worker_.reactor().now_ms() + static_cast<std::uint64_t>(pause.count()));
  return true;
}

void Exchange::observe(const upstream::Outcome& outcome) {
  if (backend_ == nullptr || observed_try_) return;
  observed_try_ = true;
  cluster_->observe(*backend_, outcome);
}

/// The try is over: its backend is free of it.
void Exchange::end_try() {
  worker_.reactor().timers().cancel(try_alarm_);
  if (backend_ == nullptr) return;
  observe({.failure = upstream::Failure::kCancelled});
  cluster_->finish(*std::exchange(backend_, nullptr), is_retry_);
}

void Exchange::drop_try() {
  if (backend_stream_ != nullptr) std::exchange(backend_stream_, nullptr)->reset(http::Reset::kCancelled);
  stop_splices();
  if (waiting_) {
    upstream::Pool::cancel(try_);
    waiting_ = false;
  }
  worker_.reactor().timers().cancel(backoff_alarm_);
  drop_hedges();
  end_try();
}

}  // namespace fairlead::proxy
