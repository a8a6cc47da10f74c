// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/limit/concurrent.hpp"
#include "fairlead/limit/key.hpp"
#include "fairlead/limit/shared_places.hpp"
#include "fairlead/model/request_limits.hpp"
#include "gateway/dataplane/filter/limit_headers.hpp"
#include "gateway/dataplane/filter/limit_key.hpp"
#include "gateway/dataplane/filter/problem.hpp"
#include "gateway/dataplane/filter/redis_store.hpp"

namespace fairlead::filter {
namespace {

using OnFailure = model::RedisSettings::OnFailure;

constexpr std::string_view kPlaceFallbacks[] = {"open", "closed", "local"};  // as OnFailure has them
constexpr telemetry::CounterFamily kPlaceFallbackFamily{"fairlead_gateway_concurrency_fallbacks",
                                                        "requests that were decided without Redis, by how", "to",
                                                        kPlaceFallbacks};

/// A place among those of its key, until the request is over.
class TakenPlace : public State {
 public:
  TakenPlace(std::shared_ptr<limit::Concurrent> places, std::uint64_t hash) : places_(std::move(places)), hash_(hash) {}
  ~TakenPlace() override { give_back(); }
  /// Before the request's end.
  void give_back() {
    if (places_ != nullptr) std::exchange(places_, nullptr)->leave(hash_);
  }

 private:
  std::shared_ptr<limit::Concurrent> places_;
  std::uint64_t hash_;
};

/// How many requests of a key are under way in this process.
class ConcurrencyFilter : public Filter {
 public:
  ConcurrencyFilter(const model::Concurrency& settings, Context& context)
      : settings_(std::make_shared<const model::Concurrency>(settings)),
        places_(context.stores.get<limit::Concurrent>(context.policy + "/concurrency",
                                                      [] { return std::make_shared<limit::Concurrent>(); })) {}

  Verdict on_request(Request& request) const override {
    limit::KeyText key;
    if (!build_limit_key(request, settings_->key, settings_->missing, key)) return Verdict::kContinue;
    const auto hash = limit::keyed_hash(key.text());
    if (!places_->enter(hash, most_for(request))) return refuse(request);
    request.set_state(std::make_unique<TakenPlace>(places_, hash));
    return Verdict::kContinue;
  }

  Preview preview(Probe& probe) const override {
    limit::KeyText key;
    if (!build_limit_key(probe, settings_->key, settings_->missing, key))
      return {.kind = Preview::Kind::kPasses, .why = "the limit does not concern this request"};
    const auto most = most_for(probe);
    const auto taken = places_->count(limit::keyed_hash(key.text()));
    Preview out{.kind = Preview::Kind::kPasses,
                .why = std::to_string(taken) + " of " + std::to_string(most) + " places are taken now"};
    if (taken < most) return out;
    out.kind = Preview::Kind::kAnswers;
    out.status = settings_->refusal.status;
    return out;
  }

 protected:
  [[nodiscard]] std::uint64_t most_for(Request& request) const {
    const auto tier = find_limit_tier(request, settings_->tiers);
    return tier == 0 ? settings_->most : settings_->tiers[tier - 1].requests;
  }
  Verdict refuse(Request& request) const {
    answer_refusal(request, settings_->refusal, http::reason_of(settings_->refusal.status),
                   "Too many requests are under way at this time.", {}, "too_many_concurrent_requests",
                   {.type = kReducedCapacity});
    return Verdict::kAnswered;
  }

  const std::shared_ptr<const model::Concurrency> settings_;
  const std::shared_ptr<limit::Concurrent> places_;
};

/// How many are under way in all gateways that share a Redis.
class SharedConcurrencyFilter final : public ConcurrencyFilter {
 public:
  SharedConcurrencyFilter(const model::Concurrency& settings, std::shared_ptr<const limit::RedisConfig> config,
                          Context& context)
      : ConcurrencyFilter(settings, context),
        config_(std::move(config)),
        prefix_(settings.redis->prefix + ":" + context.policy.substr(context.policy.find(' ') + 1)),
        fallbacks_(context.counters(kPlaceFallbackFamily)) {}

  Verdict on_request(Request& request) const override;
  Preview preview(Probe& probe) const override {
    auto out = ConcurrencyFilter::preview(probe);
    out.kind = Preview::Kind::kDepends;
    out.why += " in this gateway; Redis at " + config_->name + " decides";
    return out;
  }

 private:
  struct Held;
  void conclude(Request& request, Held& held, limit::PlaceWaiter::Outcome outcome) const;
  Verdict decide_here(Request& request, Held& held) const;

  const std::shared_ptr<const limit::RedisConfig> config_;
  const std::string prefix_;
  const telemetry::CounterId fallbacks_;  // by OnFailure
};

/// A place here, which counts while Redis is away, and one in Redis.
struct SharedConcurrencyFilter::Held final : TakenPlace, limit::PlaceWaiter {
  Held(const SharedConcurrencyFilter& owner, Request& of, std::uint64_t of_key)
      : TakenPlace(owner.places_, of_key), filter(owner), config(owner.config_), request(of), hash(of_key) {}
  ~Held() override {
    if (place != nullptr) desk->leave(place);
  }
  void on_place(Outcome outcome, limit::NoAnswer) override { filter.conclude(request, *this, outcome); }

  const SharedConcurrencyFilter& filter;
  const std::shared_ptr<const limit::RedisConfig> config;  // by which the worker keeps the desk
  Request& request;
  const std::uint64_t hash;
  limit::SharedPlaces* desk = nullptr;
  std::shared_ptr<limit::SharedPlaces::Place> place;
};

Verdict SharedConcurrencyFilter::on_request(Request& request) const {
  limit::KeyText key;
  if (!build_limit_key(request, settings_->key, settings_->missing, key)) return Verdict::kContinue;
  const auto hash = limit::keyed_hash(key.text());
  if (!places_->enter(hash, std::numeric_limits<std::uint64_t>::max())) return refuse(request);  // no memory
  auto made = std::make_unique<Held>(*this, request, hash);
  auto& held = *made;
  request.set_state(std::move(made));
  std::string name;
  limit::shared_key(key.text(), name);
  held.desk = &shared_places(request, config_);
  held.place = held.desk->enter(
      {.key = prefix_ + ":{" + name + "}:at-a-time", .most = most_for(request), .lease_ms = settings_->lease.count()},
      held);
  return held.place != nullptr ? Verdict::kWait : decide_here(request, held);
}

void SharedConcurrencyFilter::conclude(Request& request, Held& held, limit::PlaceWaiter::Outcome outcome) const {
  using enum limit::PlaceWaiter::Outcome;
  if (outcome == kNoneFree) {
    refuse(request);
    return;
  }
  if (outcome == kGot || decide_here(request, held) == Verdict::kContinue) request.resume();
}

Verdict SharedConcurrencyFilter::decide_here(Request& request, Held& held) const {
  const auto& redis = *settings_->redis;
  request.count(fallbacks_ + static_cast<telemetry::CounterId>(redis.on_failure));
  if (redis.on_failure == OnFailure::kOpen) return Verdict::kContinue;
  if (redis.on_failure == OnFailure::kLocal) {
    const auto share = std::max<std::uint64_t>(1, most_for(request) / redis.gateways);
    if (places_->count(held.hash) <= share) return Verdict::kContinue;
    held.give_back();  // at once: others that waited for Redis beside it are decided in the same turn
    return refuse(request);
  }
  answer_problem(request, 503, "Service Unavailable", "Limits cannot be checked at this time.",
                 telemetry::ResponseFlag::kRateLimitServiceError, {{"retry-after", "1"}}, {},
                 {.type = kReducedCapacity});
  return Verdict::kAnswered;
}

}  // namespace

FilterPtr make_concurrency(const model::Concurrency& settings, Context& context) {
  if (settings.redis == nullptr) return std::make_shared<ConcurrencyFilter>(settings, context);
  auto config = make_redis_config(*settings.redis, context);
  if (config == nullptr) return nullptr;
  return std::make_shared<SharedConcurrencyFilter>(settings, std::move(config), context);
}

}  // namespace fairlead::filter
