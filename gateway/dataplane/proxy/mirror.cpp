// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/mirror.hpp"

#include <algorithm>
#include <utility>

#include "fairlead/route/choice.hpp"
#include "gateway/dataplane/proxy/connection.hpp"

namespace fairlead::proxy {

void Mirrors::begin(const MirrorTarget& target, upstream::Cluster* cluster, Connection& client,
                    const http::RequestHead& head, bool end, std::vector<Mirror*>& of_original) {
  if (!route::in_fraction(target.numerator, target.denominator, random_.next())) return;
  const auto begun = cluster != nullptr && standing_.size() < kMost ? cluster->begin({}, false) : upstream::Begun{};
  if (begun.backend == nullptr) {
    ++counters_.mirrors_dropped;
    return;
  }
  ++counters_.mirrors;
  auto& mirror = *standing_.emplace_back(std::make_unique<Mirror>(*this, *cluster, *begun.backend));
  mirror.place_ = standing_.size() - 1;
  mirror.listed_ = &of_original;
  of_original.push_back(&mirror);
  mirror.start(client, head, end);
}

void Mirrors::leave(std::vector<Mirror*>& of_original) {
  for (auto* mirror : std::exchange(of_original, {})) {
    mirror->listed_ = nullptr;
    if (!mirror->ended_) mirror->drop();
  }
}

void Mirrors::close() {
  while (!standing_.empty()) standing_.back()->drop();
}

void Mirrors::forget(Mirror& mirror) {
  const auto place = mirror.place_;
  auto gone = std::move(standing_[place]);
  if (place + 1 != standing_.size()) {
    standing_[place] = std::move(standing_.back());
    standing_[place]->place_ = place;
  }
  standing_.pop_back();
  reactor_.retire(std::move(gone));
}

void Mirror::start(Connection& client, const http::RequestHead& head, bool end) {
  head_ = head;
  head_.expects_continue = false;  // nobody waits for its answer
  http::keep(head_, arena_);
  ended_ = end;
  begin_ns_ = owner_.reactor_.now_ns();
  const auto limit = static_cast<std::uint64_t>(cluster_.spec().timeouts.request.count());
  owner_.reactor_.timers().arm(*this,
                               owner_.reactor_.now_ms() + (limit > 0 ? std::min(limit, kMostTimeMs) : kMostTimeMs));
  const auto acquired = client.pool_of(*backend_).acquire(*this, *this);
  if (acquired.stream != nullptr) return on_stream(*acquired.stream);
  if (acquired.refused) return drop();
  waiting_ = true;
}

void Mirror::on_stream(http::ClientStream& stream) {
  waiting_ = false;
  stream_ = &stream;
  const bool body_follows = !ended_ || !pending_.empty() || has_trailers_;
  sent_ = !body_follows;
  stream_->send_head(head_, !body_follows);
  if (body_follows && stream_ != nullptr) flush();
}

/// What waits, and the end where it has come.
void Mirror::flush() {
  const bool end = ended_ && !has_trailers_;
  if (!pending_.empty() || (end && !sent_)) {
    sent_ = end;
    const auto data = std::exchange(pending_, {});
    blocked_ = !stream_->send_body(data, end);
  }
  if (stream_ == nullptr || sent_ || !has_trailers_) return;
  sent_ = true;
  stream_->send_trailers(trailers_);
}

void Mirror::on_request_body(std::string_view data, bool end) {
  ended_ = ended_ || end;
  if (pending_.size() + data.size() > kMostPending && (stream_ == nullptr || blocked_)) return drop();
  pending_.append(data);
  if (stream_ != nullptr && !blocked_) flush();
}

void Mirror::on_request_trailers(const http::Fields& trailers) {
  trailers_ = trailers;
  http::keep(trailers_, arena_);
  ended_ = has_trailers_ = true;
  if (stream_ != nullptr && !blocked_) flush();
}

void Mirror::on_writable() {
  blocked_ = false;
  if (!sent_ && stream_ != nullptr) flush();
}

void Mirror::on_pool_failure(upstream::PoolFailure why, std::string_view) {
  waiting_ = false;
  using enum upstream::PoolFailure;
  give_up(why == kConnect || why == kConnectTimeout ? upstream::Failure::kConnect : upstream::Failure::kPool);
}

void Mirror::on_head(http::ResponseHead& head, bool) {
  if (std::exchange(observed_, true)) return;
  cluster_.observe(*backend_, {.status = head.status, .latency_ns = owner_.reactor_.now_ns() - begin_ns_});
}

void Mirror::on_body(std::string_view data, bool) {
  answered_ += data.size();
  if (answered_ > kMostAnswer) end();
}

void Mirror::on_reset(http::Reset why) {
  const bool reused = stream_ != nullptr && stream_->reused_connection();
  stream_ = nullptr;
  give_up(upstream::failure_of(why, reused, observed_, false));
}

void Mirror::on_done() {
  stream_ = nullptr;
  end();
}

void Mirror::on_timer() { give_up(upstream::Failure::kTimeout); }

/// No answer, or not the whole of it.
void Mirror::give_up(upstream::Failure failure) {
  ++owner_.counters_.mirrors_failed;
  if (!std::exchange(observed_, true)) cluster_.observe(*backend_, {.failure = failure});
  end();
}

void Mirror::drop() {
  ++owner_.counters_.mirrors_dropped;
  end();
}

void Mirror::end() {
  if (backend_ == nullptr) return;
  owner_.reactor_.timers().cancel(*this);
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->reset(http::Reset::kCancelled);
  if (std::exchange(waiting_, false)) upstream::Pool::cancel(*this);
  if (!observed_) cluster_.observe(*backend_, {.failure = upstream::Failure::kCancelled});
  cluster_.finish(*std::exchange(backend_, nullptr), false);
  if (listed_ != nullptr) std::erase(*listed_, this);
  owner_.forget(*this);
}

}  // namespace fairlead::proxy
