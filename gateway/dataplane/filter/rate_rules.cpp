// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/rate_rules.hpp"

#include <algorithm>
#include <charconv>

#include "fairlead/limit/clocks.hpp"
#include "fairlead/limit/key.hpp"
#include "fairlead/limit/lasting.hpp"
#include "gateway/dataplane/filter/limit_key.hpp"

namespace fairlead::filter {
namespace {

limit::Rule make_rule(const model::RateLimit& settings, std::uint64_t requests, std::uint64_t burst,
                      std::shared_ptr<const limit::Zone> zone) {
  limit::Rule rule{.algorithm = static_cast<limit::Algorithm>(settings.algorithm),
                   .requests = requests,
                   .burst = burst == 0 ? requests : burst,
                   .per_us = settings.per.count() * 1000,
                   .zone = std::move(zone)};
  if (rule.algorithm == limit::Algorithm::kFixedWindow) {
    if (settings.period == model::RateLimit::Period::kDay) rule.calendar = limit::Calendar::kDay;
    if (settings.period == model::RateLimit::Period::kWeek) rule.calendar = limit::Calendar::kWeek;
    if (settings.period == model::RateLimit::Period::kMonth) rule.calendar = limit::Calendar::kMonth;
    if (settings.period == model::RateLimit::Period::kYear) rule.calendar = limit::Calendar::kYear;
  }
  rule.settle();
  return rule;
}

/// One gateway's part of a limit; at least one request, as a share of none would refuse everybody.
limit::Rule share_of(const limit::Rule& rule, std::uint64_t gateways) {
  auto out = rule;
  out.requests = std::max<std::uint64_t>(1, rule.requests / gateways);
  out.burst = std::max<std::uint64_t>(1, rule.burst / gateways);
  return out;  // of the same units: its counts are those of the whole
}

/// Counts go on only where they mean the same.
std::string tier_id(const model::RateLimit& settings, const limit::Rule& rule, std::string_view group) {
  std::string out = settings.name;
  if (!group.empty()) out.append("/").append(group);
  out += "/" + std::to_string(static_cast<int>(rule.algorithm)) + "." + std::to_string(rule.per_us) + "." +
         std::to_string(rule.unit_us);
  constexpr const char* kCalendars[] = {"", ".day.", ".week.", ".month.", ".year."};
  if (rule.calendar != limit::Calendar::kNone)
    out += kCalendars[static_cast<std::size_t>(rule.calendar)] + settings.time_zone;
  return out;
}

RateTier make_tier(const model::RateLimits& section, const model::RateLimit& settings, const model::LimitTier& numbers,
                   const std::shared_ptr<const limit::Zone>& zone, Context& context) {
  RateTier out;
  out.rule = make_rule(settings, numbers.requests, numbers.burst, zone);
  out.share = share_of(out.rule, section.redis ? section.redis->gateways : 1);
  const auto id = tier_id(settings, out.rule, numbers.group);
  const auto name = context.policy + "/rateLimits/" + id + "/" + std::to_string(section.most_keys);
  out.counts = context.stores.get<limit::Counts>(
      name, [&] { return std::make_shared<limit::Counts>(out.rule.algorithm, section.most_keys); });
  if (section.redis == nullptr && context.stores.lasting)
    limit::LastingCounts::of_process().keep(context.policy + "/rateLimits/" + id, out.rule, out.counts,
                                            limit::unix_us());
  out.terms.rule = out.rule;
  if (section.redis && section.redis->lease_percent > 0)
    out.terms = limit::lease_terms(out.rule, section.redis->lease_percent, section.redis->lease_time.count() * 1000);
  if (out.terms.share > 0)
    out.leases = context.stores.get<limit::Leases>(name + "/leases",
                                                   [&] { return std::make_shared<limit::Leases>(section.most_keys); });
  out.text = limit_text(settings, out.terms.rule);
  out.id = tier_id(settings, out.terms.rule, numbers.group);
  return out;
}

constexpr std::string_view kVerdicts[] = {"admitted", "refused"};
constexpr telemetry::CounterFamily kVerdictFamily{
    "fairlead_gateway_rate_limit_requests",
    "requests by what a limit has said; those that another one has refused count "
    "with none",
    "verdict", kVerdicts};

bool concerns(Request& request, const model::LimitWhen& when) {
  if (!when.methods.empty() && std::ranges::find(when.methods, request.head().method_text) == when.methods.end())
    return false;
  return when.paths.empty() || std::ranges::any_of(when.paths, [&](const std::string& prefix) {
           return route::has_path_prefix(request.target().path, prefix);
         });
}

/// What the client says that it costs, where that is a number; more than the most counts as the most.
std::uint64_t cost_of(Request& request, const model::RateLimit& settings) {
  if (settings.cost_header.empty()) return settings.cost;
  const auto* field = http::find(request.head().fields, settings.cost_header);
  if (field == nullptr || field->value.empty()) return settings.cost;
  std::uint64_t cost = 0;
  const auto* end = field->value.data() + field->value.size();
  const auto [at, error] = std::from_chars(field->value.data(), end, cost);
  if (error == std::errc::result_out_of_range && at == end) return limit::kMostCost;
  if (error != std::errc{} || at != end) return settings.cost;
  return std::min(cost, limit::kMostCost);
}

}  // namespace

std::vector<RateRule> make_rate_rules(const model::RateLimits& settings, Context& context) {
  std::vector<RateRule> out;
  for (const auto& one : settings.limits) {
    auto zone = limit::Zone::find(one.time_zone);
    if (!zone) {
      context.faults.push_back("limit " + one.name + ": " + zone.error().message);
      continue;
    }
    if (one.time_zone.empty() || one.time_zone == "UTC") zone->reset();
    auto& rule = out.emplace_back();
    rule.settings = &one;
    if (!one.response.json.empty()) rule.response_path = *change::parse_json_path(one.response.json);
    rule.counters = context.counters(kVerdictFamily, {"limit", one.name});
    rule.tiers.push_back(
        make_tier(settings, one, {.group = {}, .requests = one.requests, .burst = one.burst}, *zone, context));
    for (const auto& tier : one.tiers) rule.tiers.push_back(make_tier(settings, one, tier, *zone, context));
  }
  return out;
}

std::size_t ask_rate_rules(Request& request, const std::vector<RateRule>& rules, bool with_keys, RateQuestions& out) {
  std::size_t count = 0;
  for (const auto& rule : rules) {
    const auto& settings = *rule.settings;
    if (!concerns(request, settings.when)) continue;
    limit::KeyText key;
    if (!build_limit_key(request, settings.key, settings.missing, key)) continue;
    auto& one = out[count++];
    one.rule = &rule;
    one.tier = &rule.tiers[find_limit_tier(request, settings.tiers)];
    one.counters = rule.counters;
    one.cost = cost_of(request, settings);
    one.hash = limit::keyed_hash(key.text());
    if (with_keys) one.key = request.arena().copy(key.text());
  }
  return count;
}

}  // namespace fairlead::filter
