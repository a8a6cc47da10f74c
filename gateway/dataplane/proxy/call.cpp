// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/call.hpp"

#include <utility>

namespace fairlead::proxy {

CallHandle::~CallHandle() {
  if (call_ != nullptr) call_->abandon();
}

std::unique_ptr<filter::Call> Calls::begin(upstream::Cluster* cluster, const filter::CallSpec& spec,
                                           filter::CallHandler& handler) {
  if (cluster == nullptr || standing_.size() >= kMost) return nullptr;
  const auto begun = cluster->begin({}, false);
  if (begun.backend == nullptr) return nullptr;
  auto& call = *standing_.emplace_back(std::make_unique<OpenCall>(*this, *cluster, *begun.backend, handler));
  call.place_ = standing_.size() - 1;
  auto handle = std::make_unique<CallHandle>(call);
  call.handle_ = handle.get();
  return call.start(spec) ? std::move(handle) : nullptr;
}

void Calls::close() {
  while (!standing_.empty()) standing_.back()->end();
}

void Calls::forget(OpenCall& call) {
  const auto place = call.place_;
  auto gone = std::move(standing_[place]);
  if (place + 1 != standing_.size()) {
    standing_[place] = std::move(standing_.back());
    standing_[place]->place_ = place;
  }
  standing_.pop_back();
  reactor_.retire(std::move(gone));
}

bool OpenCall::start(const filter::CallSpec& spec) {
  head_ = *spec.head;
  head_.expects_continue = false;
  head_.body = spec.body.empty() ? http::Body::kNone : http::Body::kLength;
  head_.content_length = spec.body.size();
  http::keep(head_, arena_);
  body_ = spec.body;
  most_ = spec.most_answer;
  begin_ns_ = owner_.reactor_.now_ns();
  owner_.reactor_.timers().arm(*this, owner_.reactor_.now_ms() + static_cast<std::uint64_t>(spec.timeout.count()));
  const bool begun = acquire();
  starting_ = false;
  return begun && backend_ != nullptr;
}

/// False: over.
bool OpenCall::acquire() {
  const auto acquired = backend_->pool().acquire(*this, *this);
  if (acquired.stream != nullptr) {
    on_stream(*acquired.stream);
    return backend_ != nullptr;
  }
  waiting_ = !acquired.refused;
  if (!waiting_) give_up(upstream::Failure::kPool, upstream::pool_failure_name(*acquired.refused));
  return waiting_;
}

void OpenCall::on_stream(http::ClientStream& stream) {
  waiting_ = false;
  stream_ = &stream;
  stream_->send_head(head_, body_.empty());
  if (!body_.empty() && stream_ != nullptr) stream_->send_body(body_, true);
}

void OpenCall::on_pool_failure(upstream::PoolFailure why, std::string_view text) {
  waiting_ = false;
  using enum upstream::PoolFailure;
  const bool connect = why == kConnect || why == kConnectTimeout;
  give_up(connect ? upstream::Failure::kConnect : upstream::Failure::kPool, text);
}

void OpenCall::on_head(http::ResponseHead& head, bool end) {
  observe({.status = head.status, .latency_ns = owner_.reactor_.now_ns() - begin_ns_});
  answer_.head = head;
  http::keep(answer_.head, arena_);
  if (end) answered();
}

void OpenCall::on_body(std::string_view data, bool end) {
  if (answer_.body.size() + data.size() > most_)
    return give_up(upstream::Failure::kCancelled, "the answer is too long");
  answer_.body.append(data);
  if (end) answered();
}

void OpenCall::on_trailers(http::Fields& trailers) {
  answer_.trailers = trailers;
  http::keep(answer_.trailers, arena_);
  answered();
}

void OpenCall::on_reset(http::Reset why) {
  const bool reused = stream_ != nullptr && stream_->reused_connection();
  stream_ = nullptr;
  const auto failure = upstream::failure_of(why, reused, observed_, false);
  if (failure == upstream::Failure::kReusedClosed && !std::exchange(again_, true)) {
    acquire();
    return;
  }
  give_up(failure, "the connection ended");
}

void OpenCall::on_done() {
  stream_ = nullptr;
  end();
}

void OpenCall::observe(const upstream::Outcome& outcome) {
  if (!std::exchange(observed_, true)) cluster_.observe(*backend_, outcome);
}

void OpenCall::answered() {
  answered_ = true;
  auto* handler = std::exchange(handler_, nullptr);
  owner_.reactor_.timers().cancel(*this);
  if (handler != nullptr) handler->on_call_answer(answer_);
}

void OpenCall::give_up(upstream::Failure failure, std::string_view why) {
  if (backend_ == nullptr) return;
  observe({.failure = failure});
  auto* handler = std::exchange(handler_, nullptr);
  const bool told = !starting_ && handler != nullptr;
  const auto kept = arena_.copy(why);  // what says it may go with the stream
  end();
  if (told) handler->on_call_failure(kept);
}

void OpenCall::abandon() {
  handle_ = nullptr;
  handler_ = nullptr;
  if (!answered_) give_up(upstream::Failure::kCancelled, {});  // else its connection serves others
}

void OpenCall::end() {
  if (backend_ == nullptr) return;
  owner_.reactor_.timers().cancel(*this);
  if (handle_ != nullptr) std::exchange(handle_, nullptr)->call_ = nullptr;
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->reset(http::Reset::kCancelled);
  if (std::exchange(waiting_, false)) upstream::Pool::cancel(*this);
  if (!observed_) cluster_.observe(*backend_, {.failure = upstream::Failure::kCancelled});
  cluster_.finish(*std::exchange(backend_, nullptr), false);
  owner_.forget(*this);
}

}  // namespace fairlead::proxy
