// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/hedge.hpp"

#include <algorithm>
#include <utility>

#include "fairlead/upstream/extra_tries.hpp"
#include "gateway/dataplane/proxy/connection.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {

void Hedge::start() {
  const auto acquired = exchange_.connection_->pool_of(*backend_).acquire(*this, *this);
  if (acquired.stream != nullptr) return on_stream(*acquired.stream);
  if (acquired.refused) return fail(upstream::Failure::kPool);
  waiting_ = true;
}

void Hedge::on_stream(http::ClientStream& stream) {
  waiting_ = false;
  stream_ = &stream;
  const bool body = !exchange_.kept_.empty() || exchange_.has_trailers_;
  const auto own = std::exchange(exchange_.head_.authority, exchange_.authority_for(*backend_));
  stream_->send_head(exchange_.head_, !body);
  exchange_.head_.authority = own;
  if (!exchange_.kept_.empty() && stream_ != nullptr) stream_->send_body(exchange_.kept_, !exchange_.has_trailers_);
  if (exchange_.has_trailers_ && stream_ != nullptr) stream_->send_trailers(exchange_.trailers_);
}

void Hedge::on_pool_failure(upstream::PoolFailure why, std::string_view) {
  waiting_ = false;
  using enum upstream::PoolFailure;
  fail(why == kConnect || why == kConnectTimeout ? upstream::Failure::kConnect : upstream::Failure::kPool);
}

void Hedge::on_head(http::ResponseHead& head, bool end) {
  if (!exchange_.on_hedge_answer(*this, head.status)) return;
  exchange_.on_response_head(head, end);
}

void Hedge::on_body(std::string_view data, bool end) {
  if (adopted_) exchange_.on_response_body(data, end);
}

void Hedge::on_trailers(http::Fields& trailers) {
  if (adopted_) exchange_.on_response_trailers(trailers);
}

void Hedge::on_reset(http::Reset why) {
  if (adopted_) return exchange_.on_backend_reset(why);
  const bool reused = stream_ != nullptr && stream_->reused_connection();
  stream_ = nullptr;
  fail(upstream::failure_of(why, reused, false, false));
}

void Hedge::on_done() {
  if (adopted_) return exchange_.on_backend_done();
  stream_ = nullptr;
  fail(upstream::Failure::kReset);
}

void Hedge::fail(upstream::Failure failure) {
  if (backend_ == nullptr) return;
  cluster_.observe(*backend_, {.failure = failure});
  finish();
  exchange_.on_hedge_failure(*this, failure);
}

void Hedge::drop() {
  if (backend_ == nullptr) return;
  cluster_.observe(*backend_, {.failure = upstream::Failure::kCancelled});
  finish();
}

void Hedge::finish() {
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->reset(http::Reset::kCancelled);
  if (std::exchange(waiting_, false)) upstream::Pool::cancel(*this);
  cluster_.finish(*std::exchange(backend_, nullptr), true);
}

void Exchange::arm_hedge() {
  const auto extra = static_cast<std::uint32_t>(hedges_.size());
  const auto after =
      upstream::hedge_after(cluster_->spec().hedge, head_.method, replayable_ && request_ended_ && !tunnel_, extra);
  if (!after) return;
  // hedge_after() counts from the first try; what is armed here from the one before.
  const auto pause = static_cast<std::uint64_t>(cluster_->spec().hedge.delay.count());
  worker_.reactor().timers().arm(hedge_alarm_, worker_.reactor().now_ms() + pause);
}

/// The first try has no answer yet.
void Exchange::hedge() {
  if (over_ || response_started_ || cluster_ == nullptr || backend_ == nullptr) return;
  std::vector<const upstream::Backend*> tried{backend_};
  for (const auto& hedge : hedges_) tried.push_back(hedge->backend());
  upstream::PickRequest request{.tried = tried};
  const auto picked = cluster_->pick(request);
  if (picked.backend == nullptr || picked.reason == upstream::PickReason::kOnlyTried) return;
  if (cluster_->admit(*picked.backend, true)) return;
  ++worker_.counters().hedges;
  auto& hedge = *hedges_.emplace_back(std::make_unique<Hedge>(*this, *cluster_, *picked.backend));
  arm_hedge();
  hedge.start();
}

/// False: an error, and other tries may still do better.
bool Exchange::on_hedge_answer(Hedge& hedge, std::uint16_t status) {
  if (hedge.adopted()) return true;
  if (status >= 500 && (backend_ != nullptr || hedges_.size() > 1)) {
    cluster_->observe(*hedge.backend_, {.status = status});
    hedge.finish();
    on_hedge_failure(hedge, upstream::Failure::kNone);
    return false;
  }
  ++worker_.counters().hedges_won;
  hedge.adopted_ = true;
  drop_try();  // the first one, and every other
  backend_ = std::exchange(hedge.backend_, nullptr);
  backend_stream_ = std::exchange(hedge.stream_, nullptr);
  is_retry_ = true;
  observed_try_ = false;
  request_sent_ = true;
  arm_try_timeout();
  return true;
}

/// Where it was the last try that was under way, the request fails as it did.
void Exchange::on_hedge_failure(Hedge& hedge, upstream::Failure failure) {
  const auto at = std::ranges::find(hedges_, &hedge, &std::unique_ptr<Hedge>::get);
  if (at != hedges_.end()) {
    worker_.reactor().retire(std::move(*at));
    hedges_.erase(at);
  }
  if (!hedges_.empty() || backend_ != nullptr || over_ || response_started_) return;
  failed(failure, "no try was answered");
}

/// All but the one that was adopted, while its stream is the exchange's or about to be.
void Exchange::drop_hedges() {
  worker_.reactor().timers().cancel(hedge_alarm_);
  for (auto i = hedges_.size(); i-- > 0;) {
    if (hedges_[i]->adopted() && !over_ && (backend_stream_ != nullptr || hedges_[i]->stream_ != nullptr)) continue;
    hedges_[i]->drop();
    worker_.reactor().retire(std::move(hedges_[i]));
    hedges_.erase(hedges_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace fairlead::proxy
