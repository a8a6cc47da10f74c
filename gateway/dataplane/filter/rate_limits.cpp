// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/limit/key.hpp"
#include "fairlead/model/request_limits.hpp"
#include "gateway/dataplane/filter/problem.hpp"
#include "gateway/dataplane/filter/rate_rules.hpp"
#include "gateway/dataplane/filter/redis_store.hpp"

namespace fairlead::filter {
namespace {

constexpr unsigned kInEveryAnswer =
    model::RateLimits::kRateLimit | model::RateLimits::kXRateLimit | model::RateLimits::kPerPeriod;

using OnFailure = model::RedisSettings::OnFailure;
constexpr std::string_view kReasons[] = {"timeout", "not_connected", "error"};  // as limit::NoAnswer has them
constexpr telemetry::CounterFamily kFailureFamily{"fairlead_gateway_rate_limit_store_failures",
                                                  "questions to Redis without an answer, by why", "reason", kReasons};
constexpr std::string_view kFallbacks[] = {"open", "closed", "local"};
constexpr telemetry::CounterFamily kFallbackFamily{
    "fairlead_gateway_rate_limit_fallbacks", "requests that were decided without Redis, by how", "to", kFallbacks};

telemetry::CounterId place_of(OnFailure how) { return how == OnFailure::kOpen ? 0 : how == OnFailure::kClosed ? 1 : 2; }

/// All were met, or those that refuse have refused: then the others have counted nothing.
void note(Request& request, std::span<const RateQuestion> questions, bool allowed, auto&& level_of) {
  for (std::size_t i = 0; i < questions.size(); ++i)
    if (allowed) request.count(questions[i].counters);
    else if (!level_of(i).allowed) request.count(questions[i].counters + 1);
}

/// What the response has to say. The span is in the request's arena.
struct MetLimits : State {
  std::span<const LimitMet> met;
};

/// What both stores do alike.
class RateLimitsBase : public Filter {
 public:
  RateLimitsBase(const model::RateLimits& settings, Context& context)
      : settings_(std::make_shared<const model::RateLimits>(settings)), rules_(make_rate_rules(*settings_, context)) {}

  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    if (const auto* state = static_cast<const MetLimits*>(request.state()))
      add_limit_fields(settings_->headers, state->met, false, head.fields, request.arena());
    return Verdict::kContinue;
  }

  std::vector<Held> held() const override {
    std::uint64_t bytes = 0, evicted = 0, at_limit = 0;
    for (const auto& rule : rules_)
      for (const auto& tier : rule.tiers) {
        const auto& table = tier.counts->table();
        bytes += table.bytes();
        evicted += table.counts().evicted.load(std::memory_order_relaxed);
        at_limit += table.counts().evicted_at_limit.load(std::memory_order_relaxed);
      }
    using enum metrics::Type;
    return {
        {"fairlead_gateway_rate_limit_bytes", "bytes of what limits have counted in this process", kGauge, bytes},
        {"fairlead_gateway_rate_limit_keys_evicted", "keys that were forgotten for want of room", kCounter, evicted},
        {"fairlead_gateway_rate_limit_keys_evicted_at_limit", "of these: at their limit", kCounter, at_limit}};
  }

  /// Counted here. waited: the request's state, where Redis was asked before; then only this gateway's part of the
  /// limits counts.
  Verdict take_here(Request& request, std::span<const RateQuestion> questions, MetLimits* waited) const {
    std::array<limit::Item, limit::kMostItems> items;
    std::array<LimitMet, limit::kMostItems> met;
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const auto& tier = *questions[i].tier;
      items[i] = {.rule = waited != nullptr ? &tier.share : &tier.rule,
                  .counts = tier.counts.get(),
                  .hash = questions[i].hash,
                  .cost = questions[i].cost};
    }
    const bool allowed = limit::take_all(std::span(items).first(questions.size()), unix_us());
    note(request, questions, allowed, [&](std::size_t i) -> const auto& { return items[i].level; });
    if (allowed && !tells()) return Verdict::kContinue;
    for (std::size_t i = 0; i < questions.size(); ++i)
      met[i] = {.text = &questions[i].tier->text, .level = items[i].level};
    const auto all = std::span<const LimitMet>(met).first(questions.size());
    if (!allowed) return refuse(request, all);
    const auto kept = keep(request, all);
    if (waited != nullptr) {
      waited->met = kept;
    } else {
      auto state = std::make_unique<MetLimits>();
      state->met = kept;
      request.set_state(std::move(state));
    }
    return Verdict::kContinue;
  }

  Verdict refuse(Request& request, std::span<const LimitMet> met) const {
    http::Fields fields;
    add_limit_fields(settings_->headers, met, true, fields, request.arena());
    const auto refusing = std::ranges::find_if(met, [](const LimitMet& one) { return !one.level.allowed; });
    const auto name = refusing == met.end() ? std::string_view{} : std::string_view(refusing->text->name);
    answer_refusal(request, settings_->refusal, "Too Many Requests", "The limit " + std::string(name) + " is reached.",
                   std::move(fields), "rate_limited");
    return Verdict::kAnswered;
  }

  template <class T>
  static std::span<T> keep(Request& request, std::span<const T> all) {
    auto* kept = reinterpret_cast<T*>(request.arena().allocate(all.size_bytes(), alignof(T)));
    std::ranges::uninitialized_copy(all, std::span(kept, all.size()));
    return {kept, all.size()};
  }
  /// Whether responses that pass say how much is left.
  [[nodiscard]] bool tells() const { return (settings_->headers & kInEveryAnswer) != 0; }

 protected:
  static Preview concerns_none() { return {.kind = Preview::Kind::kPasses, .why = "no limit concerns this request"}; }
  /// How the limits that are counted here stand; nothing is taken.
  [[nodiscard]] Preview look_here(std::span<const RateQuestion> questions) const {
    std::array<limit::Item, limit::kMostItems> items;
    for (std::size_t i = 0; i < questions.size(); ++i)
      items[i] = {.rule = &questions[i].tier->rule,
                  .counts = questions[i].tier->counts.get(),
                  .hash = questions[i].hash,
                  .cost = 0};
    limit::take_all(std::span(items).first(questions.size()), unix_us());
    Preview out{.kind = Preview::Kind::kPasses};
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const auto& level = items[i].level;
      if (level.remaining < questions[i].cost) {
        out.kind = Preview::Kind::kAnswers;
        out.status = settings_->refusal.status;
      }
      out.why += (i == 0 ? "" : ", ") + questions[i].tier->text.name + ": " + std::to_string(level.remaining) + " of " +
                 std::to_string(level.limit) + " left now";
    }
    return out;
  }

  std::shared_ptr<const model::RateLimits> settings_;
  std::vector<RateRule> rules_;
};

class LocalRateLimits final : public RateLimitsBase {
 public:
  using RateLimitsBase::RateLimitsBase;
  Preview preview(Probe& probe) const override {
    RateQuestions questions;
    const auto count = ask_rate_rules(probe, rules_, false, questions);
    return count == 0 ? concerns_none() : look_here(std::span(questions).first(count));
  }
  Verdict on_request(Request& request) const override {
    RateQuestions questions;
    const auto count = ask_rate_rules(request, rules_, false, questions);
    return count == 0 ? Verdict::kContinue : take_here(request, std::span(questions).first(count), nullptr);
  }
};

class SharedRateLimits final : public RateLimitsBase {
 public:
  SharedRateLimits(const model::RateLimits& settings, std::shared_ptr<const limit::RedisConfig> config,
                   Context& context)
      : RateLimitsBase(settings, context),
        config_(std::move(config)),
        policy_(context.policy),
        failures_(context.counters(kFailureFamily)),
        fallbacks_(context.counters(kFallbackFamily)) {
    const auto space = policy_.find(' ');
    prefix_ = settings_->redis->prefix + ":" + policy_.substr(space == std::string::npos ? 0 : space + 1);
    std::string tag;
    limit::shared_key(policy_, tag);
    policy_tag_ = tag.substr(0, 16);
    one_key_ = std::ranges::all_of(rules_, [&](const RateRule& rule) {
      const auto& first = *rules_.front().settings;
      return rule.settings->key == first.key && rule.settings->missing == first.missing;
    });
  }

  Preview preview(Probe& probe) const override {
    RateQuestions questions;
    const auto count = ask_rate_rules(probe, rules_, false, questions);
    if (count == 0) return concerns_none();
    Preview out{.why = "Redis at " + config_->addresses.front() + " decides on"};
    for (std::size_t i = 0; i < count; ++i) out.why += (i == 0 ? " " : ", ") + questions[i].tier->text.name;
    using enum OnFailure;
    const auto how = settings_->redis->on_failure;
    out.why += how == kOpen     ? "; without an answer it passes"
               : how == kClosed ? "; without an answer it gets 503"
                                : "; without an answer this gateway's share counts";
    return out;
  }
  Verdict on_request(Request& request) const override {
    RateQuestions questions;
    const auto count = ask_rate_rules(request, rules_, true, questions);
    if (count == 0) return Verdict::kContinue;
    const auto kept = keep(request, std::span<const RateQuestion>(questions).first(count));
    std::array<limit::SharedItem, limit::kMostItems> items;
    for (std::size_t i = 0; i < count; ++i)
      items[i] = {.rule = &kept[i].tier->rule, .key = redis_key(request, kept[i]), .cost = kept[i].cost};
    auto made = std::make_unique<Ask>(*this, request, kept,
                                      keep(request, std::span<const limit::SharedItem>(items).first(count)));
    auto& ask = *made;
    request.set_state(std::move(made));
    return redis_client(request, config_).ask(ask) ? Verdict::kWait
                                                   : on_failure(request, ask, limit::NoAnswer::kNotConnected);
  }

 private:
  /// A request that waits for Redis.
  struct Ask final : MetLimits, limit::RedisAsk {
    Ask(const SharedRateLimits& owner, Request& of, std::span<const RateQuestion> all,
        std::span<limit::SharedItem> items)
        : RedisAsk(items), filter(owner), request(of), questions(all) {}
    void on_answer(bool allowed) override { filter.conclude(request, *this, allowed); }
    void on_no_answer(limit::NoAnswer reason) override {
      if (filter.on_failure(request, *this, reason) == Verdict::kContinue) request.resume();
    }
    const SharedRateLimits& filter;
    Request& request;
    std::span<const RateQuestion> questions;
  };

  /// Where all limits have one key, it chooses the hash slot, so that a Cluster spreads clients; else the policy does,
  /// as a script's keys have to be in one slot.
  std::string_view redis_key(Request& request, const RateQuestion& question) const {
    std::string key, out = prefix_;
    limit::shared_key(question.key, key);
    if (one_key_) out.append(":{").append(key).append("}:").append(question.tier->id);
    else out.append(":{").append(policy_tag_).append("}:").append(question.tier->id).append(":").append(key);
    return request.arena().copy(out);
  }

  void conclude(Request& request, Ask& ask, bool allowed) const {
    std::array<LimitMet, limit::kMostItems> met;
    const auto items = ask.items();
    note(request, ask.questions, allowed, [&](std::size_t i) -> const auto& { return items[i].level; });
    for (std::size_t i = 0; i < items.size(); ++i)
      met[i] = {.text = &ask.questions[i].tier->text, .level = items[i].level};
    const auto all = std::span<const LimitMet>(met).first(items.size());
    if (!allowed) {
      refuse(request, all);
      return;
    }
    if (tells()) ask.met = keep(request, all);
    request.resume();
  }

  Verdict on_failure(Request& request, Ask& ask, limit::NoAnswer reason) const {
    using enum OnFailure;
    request.count(failures_ + static_cast<telemetry::CounterId>(reason));
    request.count(fallbacks_ + place_of(settings_->redis->on_failure));
    switch (settings_->redis->on_failure) {
      case kOpen: return Verdict::kContinue;
      case kLocal: return take_here(request, ask.questions, &ask);
      case kClosed: break;
    }
    http::Fields fields;
    if ((settings_->headers & model::RateLimits::kRetryAfter) != 0) fields.push_back({"retry-after", "1"});
    answer_problem(request, 503, "Service Unavailable", "Limits cannot be checked at this time.",
                   telemetry::ResponseFlag::kRateLimitServiceError, std::move(fields));
    return Verdict::kAnswered;
  }

  std::shared_ptr<const limit::RedisConfig> config_;
  std::string policy_;
  std::string prefix_;
  std::string policy_tag_;
  telemetry::CounterId failures_, fallbacks_;
  bool one_key_ = false;
};

}  // namespace

FilterPtr make_rate_limits(const model::RateLimits& settings, Context& context) {
  const auto faults = context.faults.size();
  FilterPtr out;
  if (settings.redis == nullptr) {
    out = std::make_shared<LocalRateLimits>(settings, context);
  } else if (auto config = make_redis_config(*settings.redis, context)) {
    out = std::make_shared<SharedRateLimits>(settings, std::move(config), context);
  }
  return context.faults.size() == faults ? out : nullptr;
}

}  // namespace fairlead::filter
