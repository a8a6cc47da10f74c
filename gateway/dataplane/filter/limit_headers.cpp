// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/limit_headers.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "gateway/dataplane/http/grammar.hpp"

namespace fairlead::filter {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

std::int64_t seconds(std::int64_t us) { return us <= 0 ? 0 : (us + kSecond - 1) / kSecond; }

/// The time in which all of it comes back.
std::int64_t window_us(const limit::Rule& rule) {
  if (rule.algorithm != limit::Algorithm::kTokenBucket) return rule.per_us;
  const auto share = static_cast<double>(rule.burst) / static_cast<double>(rule.requests);
  return static_cast<std::int64_t>(share * static_cast<double>(rule.per_us));
}

/// A text that grows in the arena: as large as it may become, taken once.
class Line {
 public:
  Line(Arena& arena, std::size_t most) : at_(arena.allocate(most)), begin_(at_), end_(at_ + most) {}
  Line& operator<<(std::string_view text) {
    const auto size = std::min(text.size(), static_cast<std::size_t>(end_ - at_));
    at_ = std::copy_n(text.data(), size, at_);
    return *this;
  }
  Line& operator<<(std::uint64_t number) {
    at_ = std::to_chars(at_, end_, number).ptr;
    return *this;
  }
  [[nodiscard]] std::string_view text() const { return {begin_, static_cast<std::size_t>(at_ - begin_)}; }

 private:
  char* at_;
  char* begin_;
  char* end_;
};

std::string_view number(std::uint64_t value, Arena& arena) { return (Line(arena, 20) << value).text(); }

void replace(http::Fields& fields, std::string_view name, std::string_view value) {
  std::erase_if(fields, [&](const http::Field& field) { return field.name == name; });
  fields.push_back({name, value});
}

/// The longest of those with the least left, as Kong's plugin rate-limiting chooses.
const LimitMet& least_left(std::span<const LimitMet> met) {
  return *std::ranges::min_element(
      met, {}, [](const LimitMet& one) { return std::pair(one.level.remaining, -one.text->window_us); });
}

void add_structured(std::span<const LimitMet> met, http::Fields& fields, Arena& arena) {
  std::size_t room = 0;
  for (const auto& one : met) room += one.text->policy.size() + one.text->name.size() + 64;
  Line policies(arena, room), levels(arena, room);
  for (const auto& one : met) {
    const std::string_view comma = &one == met.data() ? "" : ", ";
    policies << comma << one.text->policy;
    levels << comma << "\"" << one.text->name << "\";r=" << one.level.remaining
           << ";t=" << static_cast<std::uint64_t>(seconds(one.level.reset_us));
  }
  fields.push_back({"ratelimit-policy", policies.text()});
  fields.push_back({"ratelimit", levels.text()});
}

}  // namespace

LimitText limit_text(const model::RateLimit& settings, const limit::Rule& rule) {
  static constexpr std::string_view kPeriods[] = {"second", "minute", "hour", "day", "week", "month", "year", ""};
  LimitText out{.name = settings.name,
                .policy = {},
                .limit_field = {},
                .remaining_field = {},
                .use_field = {},
                .window_us = window_us(rule)};
  out.policy = "\"" + settings.name + "\";q=" + std::to_string(rule.most()) +
               ";w=" + std::to_string(std::max<std::int64_t>(1, seconds(out.window_us)));
  const auto period = kPeriods[static_cast<std::size_t>(settings.period)];
  if (period.empty()) return out;
  std::string of(period);
  if (!settings.response.entry.empty()) {
    std::string entry = settings.response.entry;
    std::ranges::transform(entry, entry.begin(), [](char c) { return http::grammar::lower(c); });
    out.use_field = "x-ratelimit-remaining-" + entry;
    of = entry + "-" + of;
  }
  out.limit_field = "x-ratelimit-limit-" + of;
  out.remaining_field = "x-ratelimit-remaining-" + of;
  return out;
}

void add_limit_fields(unsigned sets, std::span<const LimitMet> met, bool refused, http::Fields& fields, Arena& arena) {
  using model::RateLimits;
  if (met.empty()) return;
  if ((sets & RateLimits::kRateLimit) != 0) add_structured(met, fields, arena);
  const auto& tightest = *std::ranges::min_element(met, {}, [](const LimitMet& one) { return one.level.remaining; });
  if ((sets & RateLimits::kXRateLimit) != 0) {
    replace(fields, "x-ratelimit-limit", number(tightest.level.limit, arena));
    replace(fields, "x-ratelimit-remaining", number(tightest.level.remaining, arena));
    replace(fields, "x-ratelimit-reset", number(static_cast<std::uint64_t>(seconds(tightest.level.reset_us)), arena));
  }
  if ((sets & RateLimits::kThreeFields) != 0) {
    const auto& told = least_left(met);
    replace(fields, "ratelimit-limit", number(told.level.limit, arena));
    replace(fields, "ratelimit-remaining", number(told.level.remaining, arena));
    const auto reset = std::max<std::int64_t>(1, seconds(told.level.reset_us));
    replace(fields, "ratelimit-reset", number(static_cast<std::uint64_t>(reset), arena));
  }
  if ((sets & RateLimits::kPerPeriod) != 0) {
    for (const auto& one : met) {
      if (one.text->limit_field.empty()) continue;
      replace(fields, one.text->limit_field, number(one.level.limit, arena));
      replace(fields, one.text->remaining_field, number(one.level.remaining, arena));
    }
  }
  if (!refused || (sets & RateLimits::kRetryAfter) == 0) return;
  std::int64_t retry_us = 0;
  for (const auto& one : met)
    if (!one.level.allowed)
      retry_us = one.level.retry_us < 0 || retry_us < 0 ? -1 : std::max(retry_us, one.level.retry_us);
  if (retry_us < 0) return;  // it never passes: no time is right
  replace(fields, "retry-after",
          number(static_cast<std::uint64_t>(std::max<std::int64_t>(1, seconds(retry_us))), arena));
}

void answer_refusal(Request& request, const model::LimitRefusal& words, std::string_view title, std::string_view detail,
                    http::Fields fields, std::string_view log_details, ProblemWords problem) {
  if (words.body.empty()) {
    problem.message = words.detail;
    answer_problem(request, words.status, words.title.empty() ? title : words.title,
                   words.detail.empty() ? detail : words.detail, telemetry::ResponseFlag::kRateLimited,
                   std::move(fields), log_details, problem);
    return;
  }
  Answer answer{.status = words.status,
                .fields = std::move(fields),
                .body = words.body,
                .flag = telemetry::ResponseFlag::kRateLimited,
                .details = log_details};
  answer.fields.insert(answer.fields.begin(), {"content-type", words.content_type});
  request.answer(answer);
}

}  // namespace fairlead::filter
