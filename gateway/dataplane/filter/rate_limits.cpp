// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/rate_limits.hpp"

#include <algorithm>
#include <array>

#include "fairlead/filter/probe.hpp"
#include "fairlead/limit/clocks.hpp"
#include "fairlead/limit/key.hpp"
#include "fairlead/limit/lasting.hpp"
#include "gateway/dataplane/filter/problem.hpp"
#include "gateway/dataplane/filter/request_scope.hpp"

namespace fairlead::filter {
namespace {

constexpr unsigned kInEveryAnswer = model::RateLimits::kRateLimit | model::RateLimits::kXRateLimit |
                                    model::RateLimits::kPerPeriod | model::RateLimits::kThreeFields;

using OnFailure = model::RedisSettings::OnFailure;
constexpr std::string_view kReasons[] = {"timeout", "not_connected", "error"};  // as limit::NoAnswer has them
constexpr telemetry::CounterFamily kFailureFamily{"fairlead_gateway_rate_limit_store_failures",
                                                  "questions to Redis without an answer, by why", "reason", kReasons};
constexpr std::string_view kFallbacks[] = {"open", "closed", "local"};
constexpr telemetry::CounterFamily kFallbackFamily{
    "fairlead_gateway_rate_limit_fallbacks", "requests that were decided without Redis, by how", "to", kFallbacks};

telemetry::CounterId place_of(OnFailure how) { return how == OnFailure::kOpen ? 0 : how == OnFailure::kClosed ? 1 : 2; }

Preview concerns_none() { return {.kind = Preview::Kind::kPasses, .why = "no limit concerns this request"}; }

}  // namespace

Preview LocalRateLimits::preview(Probe& probe) const {
  RateQuestions questions;
  const auto count = ask_rate_rules(probe, rules_, false, questions);
  return count == 0 ? concerns_none() : look_here(std::span(questions).first(count));
}

Verdict LocalRateLimits::on_request(Request& request) const {
  RateQuestions questions;
  const auto count = ask_rate_rules(request, rules_, false, questions);
  return count == 0 ? Verdict::kContinue : take_here(request, std::span(questions).first(count), nullptr);
}

void count_verdicts(Request& request, std::span<const RateQuestion> questions, std::span<const LimitMet> met,
                    bool allowed) {
  for (std::size_t i = 0; i < questions.size(); ++i)
    if (allowed) request.count(questions[i].counters);
    else if (!met[i].level.allowed) request.count(questions[i].counters + 1);
}

RateLimitsBase::RateLimitsBase(const model::RateLimits& settings, Context& context)
    : settings_(std::make_shared<const model::RateLimits>(settings)), rules_(make_rate_rules(*settings_, context)) {
  for (const auto& one : settings_->limits) {
    charges_header_ |= !one.response.header.empty();
    charges_body_ |= !one.response.json.empty();
  }
}

bool RateLimitsBase::tells() const { return (settings_->headers & kInEveryAnswer) != 0; }

void RateLimitsBase::prepare(Request& request) const {
  if (charges_body_) limit_codings(request.head().fields, request.arena());
}

Verdict RateLimitsBase::on_response(Request& request, http::ResponseHead& head) const {
  const auto* state = static_cast<const MetLimits*>(request.state());
  if (state == nullptr) return Verdict::kContinue;
  if (charges() && state->counted != MetLimits::Counted::kNowhere) {
    std::vector<ResponseCostReader::Field> fields;
    for (std::size_t i = 0; i < state->questions.size(); ++i) {
      const auto& response = state->questions[i].rule->settings->response;
      const auto* field = response.header.empty() ? nullptr : http::find(head.fields, response.header);
      const auto cost = field == nullptr ? std::nullopt : read_cost(field->value);
      if (cost) charge(request, i, *cost);
      if (!response.json.empty()) fields.push_back({i, state->questions[i].rule->response_path});
    }
    const auto coding = coding_of(head.fields);
    if (!fields.empty() && is_json_type(head.fields) && coding != Coding::kOther)
      request.pass_body(std::make_unique<ResponseCostReader>(request, *this, coding, std::move(fields)));
  }
  add_limit_fields(settings_->headers, state->met, false, head.fields, request.arena());
  return Verdict::kContinue;
}

std::vector<Held> RateLimitsBase::held() const {
  std::uint64_t bytes = 0, evicted = 0, at_limit = 0;
  for (const auto& rule : rules_)
    for (const auto& tier : rule.tiers) {
      const auto& table = tier.counts->table();
      bytes += table.bytes();
      evicted += table.counts().evicted.load(std::memory_order_relaxed);
      at_limit += table.counts().evicted_at_limit.load(std::memory_order_relaxed);
    }
  using enum metrics::Type;
  return {{"fairlead_gateway_rate_limit_bytes", "bytes of what limits have counted in this process", kGauge, bytes},
          {"fairlead_gateway_rate_limit_keys_evicted", "keys that were forgotten for want of room", kCounter, evicted},
          {"fairlead_gateway_rate_limit_keys_evicted_at_limit", "of these: at their limit", kCounter, at_limit}};
}

Preview RateLimitsBase::look_here(std::span<const RateQuestion> questions) const {
  std::array<limit::Item, limit::kMostItems> items;
  for (std::size_t i = 0; i < questions.size(); ++i)
    items[i] = {.rule = &questions[i].tier->rule,
                .counts = questions[i].tier->counts.get(),
                .hash = questions[i].hash,
                .cost = 0};
  limit::take_all(std::span(items).first(questions.size()), limit::unix_us());
  Preview out{.kind = Preview::Kind::kPasses};
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const auto& level = items[i].level;
    if (level.remaining < std::max(questions[i].cost, least_)) {
      out.kind = Preview::Kind::kAnswers;
      out.status = settings_->refusal.status;
    }
    out.why += (i == 0 ? "" : ", ") + questions[i].tier->text.name + ": " + std::to_string(level.remaining) + " of " +
               std::to_string(level.limit) + " left now";
  }
  return out;
}

void RateLimitsBase::charge(Request& request, std::size_t number, std::uint64_t cost) const {
  auto& state = static_cast<MetLimits&>(*request.state());
  const auto& question = state.questions[number];
  if (cost <= question.cost) return;
  const auto amount = cost - question.cost;
  if (state.counted == MetLimits::Counted::kRedis) {
    charge_redis(request, question, amount);
    if (!state.met.empty()) {
      auto& level = state.met[number].level;
      level.remaining -= std::min(level.remaining, amount);  // as far as is known here
    }
    return;
  }
  const auto& tier = *question.tier;
  limit::Item item{.rule = state.counted == MetLimits::Counted::kShareHere ? &tier.share : &tier.rule,
                   .counts = tier.counts.get(),
                   .hash = question.hash,
                   .cost = amount};
  limit::charge(item, limit::unix_us());
  if (!state.met.empty()) state.met[number].level = item.level;
}

void RateLimitsBase::passed(Request& request, MetLimits& state, MetLimits::Counted counted,
                            std::span<const LimitMet> met, std::span<const RateQuestion> questions, bool copied) const {
  if (tells()) state.met = keep(request, met);
  if (!charges()) return;
  state.counted = counted;
  state.questions = copied ? questions : keep(request, questions);
  prepare(request);
}

Verdict RateLimitsBase::take_here(Request& request, std::span<const RateQuestion> questions, MetLimits* waited) const {
  std::array<limit::Item, limit::kMostItems> items;
  std::array<LimitMet, limit::kMostItems> met;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const auto& tier = *questions[i].tier;
    items[i] = {.rule = waited != nullptr ? &tier.share : &tier.rule,
                .counts = tier.counts.get(),
                .hash = questions[i].hash,
                .cost = questions[i].cost};
  }
  const bool allowed = limit::take_all(std::span(items).first(questions.size()), limit::unix_us());
  for (std::size_t i = 0; i < questions.size(); ++i)
    met[i] = {.text = &questions[i].tier->text, .level = items[i].level};
  const auto all = std::span<const LimitMet>(met).first(questions.size());
  count_verdicts(request, questions, all, allowed);
  if (allowed && !tells() && !charges()) return Verdict::kContinue;
  if (!allowed) return refuse(request, all);
  if (waited != nullptr) {
    passed(request, *waited, MetLimits::Counted::kShareHere, all, questions, true);
    return admit(request, *waited);
  }
  auto state = std::make_unique<MetLimits>();
  const auto& kept = *state;
  passed(request, *state, MetLimits::Counted::kHere, all, questions, false);
  request.set_state(std::move(state));
  return admit(request, kept);
}

Verdict RateLimitsBase::refuse(Request& request, std::span<const LimitMet> met) const {
  http::Fields fields;
  add_limit_fields(settings_->headers, met, true, fields, request.arena());
  std::vector<std::string_view> names;
  for (const auto& one : met)
    if (!one.level.allowed) names.push_back(one.text->name);
  const auto name = std::string(names.empty() ? std::string_view() : names.front());
  answer_refusal(request, settings_->refusal, "Too Many Requests", "The limit " + name + " is reached.",
                 std::move(fields), "rate_limited", {.type = kQuotaExceeded, .policies = names});
  return Verdict::kAnswered;
}

/// A request that waits for Redis.
struct SharedRateLimits::Ask final : MetLimits, limit::RedisAsk {
  Ask(const SharedRateLimits& owner, Request& of, std::span<const RateQuestion> all, std::span<limit::SharedItem> items)
      : RedisAsk(items), filter(owner), request(of), asked(all) {}
  void on_answer(bool allowed) override { filter.conclude(request, *this, allowed); }
  void on_no_answer(limit::NoAnswer reason) override {
    if (filter.on_failure(request, *this, asked, reason) == Verdict::kContinue) request.resume();
  }
  const SharedRateLimits& filter;
  Request& request;
  std::span<const RateQuestion> asked;
};

SharedRateLimits::SharedRateLimits(const model::RateLimits& settings, std::shared_ptr<const limit::RedisConfig> config,
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

Preview SharedRateLimits::preview(Probe& probe) const {
  RateQuestions questions;
  const auto count = ask_rate_rules(probe, rules_, false, questions);
  if (count == 0) return concerns_none();
  Preview out{.why = "Redis at " + config_->name + " decides on"};
  for (std::size_t i = 0; i < count; ++i) out.why += (i == 0 ? " " : ", ") + questions[i].tier->text.name;
  using enum OnFailure;
  const auto how = settings_->redis->on_failure;
  out.why += how == kOpen     ? "; without an answer it passes"
             : how == kClosed ? "; without an answer it gets 503"
                              : "; without an answer this gateway's share counts";
  return out;
}

Verdict SharedRateLimits::on_request(Request& request) const {
  RateQuestions questions;
  const auto count = ask_rate_rules(request, rules_, true, questions);
  if (count == 0) return Verdict::kContinue;
  const auto kept = keep(request, std::span<const RateQuestion>(questions).first(count));
  std::array<limit::SharedItem, limit::kMostItems> items;
  for (std::size_t i = 0; i < count; ++i)
    items[i] = {.rule = &kept[i].tier->rule, .key = request.arena().copy(redis_key(kept[i])), .cost = kept[i].cost};
  auto made = std::make_unique<Ask>(*this, request, kept,
                                    keep(request, std::span<const limit::SharedItem>(items).first(count)));
  auto& ask = *made;
  request.set_state(std::move(made));
  return redis_client(request, config_).ask(ask) ? Verdict::kWait
                                                 : on_failure(request, ask, kept, limit::NoAnswer::kNotConnected);
}

std::string SharedRateLimits::redis_key(const RateQuestion& question) const {
  std::string key, out = prefix_;
  limit::shared_key(question.key, key);
  if (one_key_) out.append(":{").append(key).append("}:").append(question.tier->id);
  else out.append(":{").append(policy_tag_).append("}:").append(question.tier->id).append(":").append(key);
  return out;
}

void SharedRateLimits::conclude(Request& request, Ask& ask, bool allowed) const {
  std::array<LimitMet, limit::kMostItems> met;
  const auto items = ask.items();
  for (std::size_t i = 0; i < items.size(); ++i) met[i] = {.text = &ask.asked[i].tier->text, .level = items[i].level};
  const auto all = std::span<const LimitMet>(met).first(items.size());
  count_verdicts(request, ask.asked, all, allowed);
  if (!allowed) {
    refuse(request, all);
    return;
  }
  passed(request, ask, MetLimits::Counted::kRedis, all, ask.asked, true);
  if (admit(request, ask) == Verdict::kContinue) request.resume();
}

Verdict SharedRateLimits::on_failure(Request& request, MetLimits& state, std::span<const RateQuestion> questions,
                                     limit::NoAnswer reason) const {
  using enum OnFailure;
  request.count(failures_ + static_cast<telemetry::CounterId>(reason));
  request.count(fallbacks_ + place_of(settings_->redis->on_failure));
  switch (settings_->redis->on_failure) {
    case kOpen: return Verdict::kContinue;
    case kLocal: return take_here(request, questions, &state);
    case kClosed: break;
  }
  http::Fields fields;
  if ((settings_->headers & model::RateLimits::kRetryAfter) != 0) fields.push_back({"retry-after", "1"});
  answer_problem(request, 503, "Service Unavailable", "Limits cannot be checked at this time.",
                 telemetry::ResponseFlag::kRateLimitServiceError, std::move(fields), {}, {.type = kReducedCapacity});
  return Verdict::kAnswered;
}

/// With Redis away meanwhile, this gateway remembers it, for as long as it counts alone.
void SharedRateLimits::charge_redis(Request& request, const RateQuestion& question, std::uint64_t amount) const {
  const auto& tier = *question.tier;
  std::vector<limit::DeskItem> items(1);
  items[0] = {.rule = tier.terms.rule, .key = redis_key(question), .cost = amount, .more = limit::kOwe};
  if (lease_desk(request, config_).ask(std::move(items), nullptr) != nullptr) return;
  limit::Item item{.rule = &tier.share, .counts = tier.counts.get(), .hash = question.hash, .cost = amount};
  limit::charge(item, limit::unix_us());
}

FilterPtr make_rate_limits(const model::RateLimits& settings, Context& context) {
  const auto faults = context.faults.size();
  FilterPtr out;
  if (settings.redis == nullptr) {
    if (settings.quotas && context.stores.lasting && !limit::LastingCounts::of_process().enabled())
      context.remarks.push_back("quotas: counted in memory, and lost at a restart, as there is no --state-dir");
    out = std::make_shared<LocalRateLimits>(settings, context);
  } else if (auto config = make_redis_config(*settings.redis, context)) {
    if (settings.redis->lease_percent > 0) out = make_leased_limits(settings, std::move(config), context);
    else out = std::make_shared<SharedRateLimits>(settings, std::move(config), context);
  }
  return context.faults.size() == faults ? out : nullptr;
}

}  // namespace fairlead::filter
