// SPDX-License-Identifier: Apache-2.0
#pragma once

// Section rateLimits: what its ways of counting have in common, and that of Redis.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fairlead/filter/make.hpp"
#include "fairlead/model/request_limits.hpp"
#include "gateway/dataplane/filter/rate_rules.hpp"
#include "gateway/dataplane/filter/redis_store.hpp"
#include "gateway/dataplane/filter/response_cost.hpp"

namespace fairlead::filter {

/// What the response has to say, and who is charged for it. Spans are in the request's arena.
struct MetLimits : State {
  enum class Counted : std::uint8_t { kNowhere, kHere, kShareHere, kRedis };
  std::span<LimitMet> met;
  std::span<const RateQuestion> questions;
  Counted counted = Counted::kNowhere;
};

/// A copy in the request's arena.
template <class T>
std::span<T> keep(Request& request, std::span<const T> all) {
  auto* kept = reinterpret_cast<T*>(request.arena().allocate(all.size_bytes(), alignof(T)));
  std::ranges::uninitialized_copy(all, std::span(kept, all.size()));
  return {kept, all.size()};
}

/// Counts what limits have said: all were met, or those that refuse have refused, and the others have counted nothing.
void count_verdicts(Request& request, std::span<const RateQuestion> questions, std::span<const LimitMet> met,
                    bool allowed);

class RateLimitsBase : public Filter, public ResponseCharger {
 public:
  RateLimitsBase(const model::RateLimits& settings, Context& context);

  Verdict on_response(Request& request, http::ResponseHead& head) const override;
  std::vector<Held> held() const override;
  /// ResponseCharger.
  void charge(Request& request, std::size_t number, std::uint64_t cost) const override;

 protected:
  /// Counted here. waited: the request's state, where Redis was asked before; then only this gateway's part of the
  /// limits counts.
  Verdict take_here(Request& request, std::span<const RateQuestion> questions, MetLimits* waited) const;
  Verdict refuse(Request& request, std::span<const LimitMet> met) const;
  /// The last word on a request that passes, once its state is kept.
  virtual Verdict admit(Request&, const MetLimits&) const { return Verdict::kContinue; }
  /// The request passes. `questions` are in the arena, or are copied into it where they are needed later.
  void passed(Request& request, MetLimits& state, MetLimits::Counted counted, std::span<const LimitMet> met,
              std::span<const RateQuestion> questions, bool copied) const;
  virtual void charge_redis(Request&, const RateQuestion&, std::uint64_t /*amount*/) const {}
  /// Whether responses that pass say how much is left.
  [[nodiscard]] bool tells() const;
  /// Whether some response says what it has cost.
  [[nodiscard]] bool charges() const { return charges_header_ || charges_body_; }
  /// How the limits that are counted here stand; nothing is taken.
  [[nodiscard]] Preview look_here(std::span<const RateQuestion> questions) const;
  /// Before the request is sent on: its answer has to be one that can be read.
  void prepare(Request& request) const;

  std::shared_ptr<const model::RateLimits> settings_;
  std::vector<RateRule> rules_;
  std::uint64_t least_ = 0;  ///< that has to be left where a request costs nothing

 private:
  bool charges_header_ = false;
  bool charges_body_ = false;
};

/// Counted in this process.
class LocalRateLimits : public RateLimitsBase {
 public:
  using RateLimitsBase::RateLimitsBase;
  Verdict on_request(Request& request) const override;
  Preview preview(Probe& probe) const override;
};

/// Counted in Redis, which each request asks.
class SharedRateLimits : public RateLimitsBase {
 public:
  SharedRateLimits(const model::RateLimits& settings, std::shared_ptr<const limit::RedisConfig> config,
                   Context& context);
  Verdict on_request(Request& request) const override;
  Preview preview(Probe& probe) const override;

 protected:
  /// Where all limits have one key, it chooses the hash slot, so that a Cluster spreads clients; else the policy does,
  /// as a script's keys have to be in one slot.
  [[nodiscard]] std::string redis_key(const RateQuestion& question) const;
  Verdict on_failure(Request& request, MetLimits& state, std::span<const RateQuestion> questions,
                     limit::NoAnswer reason) const;
  void charge_redis(Request& request, const RateQuestion& question, std::uint64_t amount) const override;

  std::shared_ptr<const limit::RedisConfig> config_;

 private:
  struct Ask;
  void conclude(Request& request, Ask& ask, bool allowed) const;

  std::string policy_;
  std::string prefix_;
  std::string policy_tag_;
  telemetry::CounterId failures_, fallbacks_;
  bool one_key_ = false;
};

/// Counted in Redis, of which shares are leased.
FilterPtr make_leased_limits(const model::RateLimits& settings, std::shared_ptr<const limit::RedisConfig> config,
                             Context& context);

}  // namespace fairlead::filter
