// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/limit/concurrent.hpp"
#include "fairlead/limit/key.hpp"
#include "fairlead/model/request_limits.hpp"
#include "gateway/dataplane/filter/limit_headers.hpp"
#include "gateway/dataplane/filter/limit_key.hpp"

namespace fairlead::filter {
namespace {

/// A place among those of its key, until the request is over.
class TakenPlace final : public State {
 public:
  TakenPlace(std::shared_ptr<limit::Concurrent> places, std::uint64_t hash) : places_(std::move(places)), hash_(hash) {}
  ~TakenPlace() override { places_->leave(hash_); }

 private:
  std::shared_ptr<limit::Concurrent> places_;
  std::uint64_t hash_;
};

class ConcurrencyFilter final : public Filter {
 public:
  ConcurrencyFilter(const model::Concurrency& settings, Context& context)
      : settings_(std::make_shared<const model::Concurrency>(settings)),
        places_(context.stores.get<limit::Concurrent>(context.policy + "/concurrency",
                                                      [] { return std::make_shared<limit::Concurrent>(); })) {}

  Verdict on_request(Request& request) const override {
    limit::KeyText key;
    if (!build_limit_key(request, settings_->key, settings_->missing, key)) return Verdict::kContinue;
    const auto tier = find_limit_tier(request, settings_->tiers);
    const auto most = tier == 0 ? settings_->most : settings_->tiers[tier - 1].requests;
    const auto hash = limit::keyed_hash(key.text());
    if (places_->enter(hash, most)) {
      request.set_state(std::make_unique<TakenPlace>(places_, hash));
      return Verdict::kContinue;
    }
    answer_refusal(request, settings_->refusal, http::reason_of(settings_->refusal.status),
                   "Too many requests are under way at this time.", {}, "too_many_concurrent_requests");
    return Verdict::kAnswered;
  }

  Preview preview(Probe& probe) const override {
    limit::KeyText key;
    if (!build_limit_key(probe, settings_->key, settings_->missing, key))
      return {.kind = Preview::Kind::kPasses, .why = "the limit does not concern this request"};
    const auto tier = find_limit_tier(probe, settings_->tiers);
    const auto most = tier == 0 ? settings_->most : settings_->tiers[tier - 1].requests;
    const auto taken = places_->count(limit::keyed_hash(key.text()));
    Preview out{.kind = Preview::Kind::kPasses,
                .why = std::to_string(taken) + " of " + std::to_string(most) + " places are taken now"};
    if (taken < most) return out;
    out.kind = Preview::Kind::kAnswers;
    out.status = settings_->refusal.status;
    return out;
  }

 private:
  std::shared_ptr<const model::Concurrency> settings_;
  std::shared_ptr<limit::Concurrent> places_;
};

}  // namespace

FilterPtr make_concurrency(const model::Concurrency& settings, Context& context) {
  return std::make_shared<ConcurrencyFilter>(settings, context);
}

}  // namespace fairlead::filter
