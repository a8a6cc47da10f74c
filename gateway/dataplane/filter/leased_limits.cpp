// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <utility>

#include "fairlead/limit/clocks.hpp"
#include "gateway/dataplane/filter/rate_limits.hpp"

namespace fairlead::filter {
namespace {

using limit::Leases;
using Outcome = limit::DeskWaiter::Outcome;

class LeasedRateLimits final : public SharedRateLimits {
 public:
  using SharedRateLimits::SharedRateLimits;

  Verdict on_request(Request& request) const override {
    RateQuestions questions;
    const auto count = ask_rate_rules(request, rules_, true, questions);
    if (count == 0) return Verdict::kContinue;
    const auto all = std::span<const RateQuestion>(questions).first(count);
    std::array<Leases::Taken, limit::kMostItems> taken;
    const auto now = limit::boot_us();
    const auto patience = lease_desk(request, config_).patience_us();
    bool asks = false, refused = false;
    for (std::size_t i = 0; i < count; ++i) {
      if (all[i].tier->leases) taken[i] = all[i].tier->leases->take(all[i].hash, all[i].cost, now, patience);
      asks |= taken[i].found != Leases::Found::kTaken;
      refused |= taken[i].found == Leases::Found::kRefused;
    }
    const auto found = std::span<const Leases::Taken>(taken).first(count);
    if (refused) return refuse_here(request, all, found);
    return asks ? ask(request, all, found) : from_leases(request, all, found);
  }

 private:
  /// A request that waits for the desk.
  struct Waiting final : MetLimits, limit::DeskWaiter {
    Waiting(const LeasedRateLimits& owner, Request& of) : filter(owner), request(of) {}
    ~Waiting() override {
      if (under_way != nullptr) limit::LeaseDesk::leave(*under_way);
    }
    void on_desk(Outcome outcome, std::span<const limit::SharedItem> items) override {
      under_way = nullptr;
      filter.conclude(request, *this, outcome, items);
    }
    const LeasedRateLimits& filter;
    Request& request;
    std::span<const RateQuestion> asked;
    std::span<const Leases::Taken> taken;
    limit::LeaseDesk::Ask* under_way = nullptr;
  };

  static LimitMet met_here(const RateQuestion& question, const Leases::Taken& taken) {
    return {.text = &question.tier->text,
            .level = {.allowed = taken.found != Leases::Found::kRefused,
                      .limit = question.tier->terms.rule.most(),
                      .remaining = taken.remaining,
                      .reset_us = taken.reset_us,
                      .retry_us = taken.retry_us}};
  }

  /// By what Redis has just said; how the limits stand that were not asked is not told.
  Verdict refuse_here(Request& request, std::span<const RateQuestion> questions,
                      std::span<const Leases::Taken> taken) const {
    std::array<LimitMet, limit::kMostItems> met;
    std::size_t count = 0;
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const auto& question = questions[i];
      switch (taken[i].found) {
        case Leases::Found::kAsk: break;
        case Leases::Found::kLease: question.tier->leases->failed(question.hash); break;
        case Leases::Found::kTaken:
          question.tier->leases->put_back(question.hash, question.cost, taken[i].until_us);
          break;
        case Leases::Found::kRefused:
          request.count(question.counters + 1);
          met[count++] = met_here(question, taken[i]);
          break;
      }
    }
    return refuse(request, std::span<const LimitMet>(met).first(count));
  }

  Verdict from_leases(Request& request, std::span<const RateQuestion> questions,
                      std::span<const Leases::Taken> taken) const {
    std::array<LimitMet, limit::kMostItems> met;
    for (std::size_t i = 0; i < questions.size(); ++i) met[i] = met_here(questions[i], taken[i]);
    count_verdicts(request, questions, std::span(met).first(questions.size()), true);
    if (!tells() && !charges()) return Verdict::kContinue;
    auto state = std::make_unique<MetLimits>();
    passed(request, *state, MetLimits::Counted::kRedis, std::span(met).first(questions.size()), questions, false);
    request.set_state(std::move(state));
    return Verdict::kContinue;
  }

  /// For what no lease has enough of; what others have had enough of is taken there already.
  Verdict ask(Request& request, std::span<const RateQuestion> questions, std::span<const Leases::Taken> taken) const {
    auto made = std::make_unique<Waiting>(*this, request);
    auto& waiting = *made;
    waiting.asked = keep(request, questions);
    waiting.taken = keep(request, taken);
    request.set_state(std::move(made));
    std::vector<limit::DeskItem> items;
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const auto& tier = *questions[i].tier;
      if (taken[i].found == Leases::Found::kTaken) continue;
      const bool lease = taken[i].found == Leases::Found::kLease;
      items.push_back({.rule = tier.terms.rule,
                       .key = redis_key(questions[i]),
                       .cost = questions[i].cost,
                       .more = lease ? static_cast<std::int64_t>(tier.terms.share) : 0,
                       .leases = tier.leases,
                       .hash = questions[i].hash,
                       .time_us = tier.terms.time_us});
    }
    waiting.under_way = lease_desk(request, config_).ask(std::move(items), &waiting);
    if (waiting.under_way != nullptr) return Verdict::kWait;
    put_back(waiting);
    return on_failure(request, waiting, waiting.asked, limit::NoAnswer::kNotConnected);
  }

  static void put_back(const Waiting& waiting) {
    for (std::size_t i = 0; i < waiting.asked.size(); ++i) {
      const auto& question = waiting.asked[i];
      const auto& taken = waiting.taken[i];
      if (taken.found == Leases::Found::kTaken)
        question.tier->leases->put_back(question.hash, question.cost, taken.until_us);
    }
  }

  void conclude(Request& request, Waiting& waiting, Outcome outcome, std::span<const limit::SharedItem> items) const {
    if (outcome != Outcome::kAllowed) put_back(waiting);
    if (outcome == Outcome::kNoAnswer) {
      // The desk, which asks for many, does not say what came in the answer's place.
      if (on_failure(request, waiting, waiting.asked, limit::NoAnswer::kError) == Verdict::kContinue) request.resume();
      return;
    }
    std::array<LimitMet, limit::kMostItems> met;
    std::size_t next = 0;
    for (std::size_t i = 0; i < waiting.asked.size(); ++i) {
      if (waiting.taken[i].found == Leases::Found::kTaken) met[i] = met_here(waiting.asked[i], waiting.taken[i]);
      else met[i] = {.text = &waiting.asked[i].tier->text, .level = items[next++].level};
    }
    const auto all = std::span<const LimitMet>(met).first(waiting.asked.size());
    count_verdicts(request, waiting.asked, all, outcome == Outcome::kAllowed);
    if (outcome == Outcome::kRefused) {
      refuse(request, all);
      return;
    }
    passed(request, waiting, MetLimits::Counted::kRedis, all, waiting.asked, true);
    request.resume();
  }
};

}  // namespace

FilterPtr make_leased_limits(const model::RateLimits& settings, std::shared_ptr<const limit::RedisConfig> config,
                             Context& context) {
  return std::make_shared<LeasedRateLimits>(settings, std::move(config), context);
}

}  // namespace fairlead::filter
