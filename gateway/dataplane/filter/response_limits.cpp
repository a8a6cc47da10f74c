// SPDX-License-Identifier: Apache-2.0
// Section responseLimits: limits of what responses say that they have used, as Kong 3's plugin response-ratelimiting
// has them.
#include <algorithm>

#include "fairlead/model/request_limits.hpp"
#include "gateway/dataplane/filter/problem.hpp"
#include "gateway/dataplane/filter/rate_limits.hpp"
#include "gateway/dataplane/http/grammar.hpp"

namespace fairlead::filter {
namespace {

/// Of "images=2, videos=1" the number of an entry; 0: none, or no whole number. The last of a name counts.
std::uint64_t use_of(std::string_view list, std::string_view entry) {
  std::uint64_t out = 0;
  while (!list.empty()) {
    const auto item = http::grammar::next_element(list);
    const auto equals = item.find('=');
    if (equals == std::string_view::npos || http::grammar::trim(item.substr(0, equals)) != entry) continue;
    out = read_cost(http::grammar::trim(item.substr(equals + 1))).value_or(0);
  }
  return out;
}

/// Base: who counts.
template <class Base>
class ResponseLimits final : public Base {
 public:
  template <class... More>
  ResponseLimits(const model::ResponseLimits& settings, More&&... more)
      : Base(settings.limits, std::forward<More>(more)...),
        header_(settings.header),
        refuse_requests_(settings.refuse_requests),
        tells_(settings.tells) {
    if (refuse_requests_) this->least_ = 1;
  }

  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    const auto* field = http::find(head.fields, header_);
    const auto list = field == nullptr ? std::string_view() : field->value;
    std::erase_if(head.fields, [&](const http::Field& one) { return one.name == header_; });
    const auto* state = static_cast<const MetLimits*>(request.state());
    if (state == nullptr || state->met.empty()) return Verdict::kContinue;  // Redis is away
    const bool passes = take(request, *state, list);
    Answer answer{.status = 429, .flag = telemetry::ResponseFlag::kRateLimited, .details = "response_limited"};
    auto& fields = passes ? head.fields : answer.fields;
    if (tells_) add_limit_fields(model::RateLimits::kPerPeriod, state->met, false, fields, request.arena());
    if (passes) return Verdict::kContinue;
    request.answer(answer);
    return Verdict::kAnswered;
  }

 protected:
  /// Backends are told what is left; of several limits of one name, the least.
  Verdict admit(Request& request, const MetLimits& state) const override {
    auto& fields = request.head().fields;
    for (const auto& one : state.met) {
      if (refuse_requests_ && one.level.remaining == 0) return refuse_request(request, state, one);
      const auto same = [&](const LimitMet& other) { return other.text->use_field == one.text->use_field; };
      if (&*std::ranges::find_if(state.met, same) != &one) continue;
      auto left = one.level.remaining;
      for (const auto& other : state.met)
        if (same(other)) left = std::min(left, other.level.remaining);
      std::erase_if(fields, [&](const http::Field& field) { return field.name == one.text->use_field; });
      fields.push_back({one.text->use_field, request.arena().copy(std::to_string(left))});
    }
    return Verdict::kContinue;
  }

 private:
  [[nodiscard]] static std::string_view entry_of(const MetLimits& state, std::size_t i) {
    return state.questions[i].rule->settings->response.entry;
  }

  /// Counts what the response has used; false, and nothing is counted: it uses what was used up.
  bool take(Request& request, const MetLimits& state, std::string_view list) const {
    bool passes = true;
    for (std::size_t i = 0; i < state.met.size(); ++i)
      if (state.met[i].level.remaining == 0 && use_of(list, entry_of(state, i)) > 0) {
        passes = false;
        request.count(state.questions[i].counters + 1);
      }
    for (std::size_t i = 0; i < state.met.size(); ++i) {
      const auto use = use_of(list, entry_of(state, i));
      auto& level = state.met[i].level;
      if (passes) this->charge(request, i, use);
      else level.remaining -= std::min(level.remaining, use);
    }
    return passes;
  }

  static Verdict refuse_request(Request& request, const MetLimits& state, const LimitMet& met) {
    const auto number = static_cast<std::size_t>(&met - state.met.data());
    const auto entry = std::string(entry_of(state, number));
    const std::string_view name = entry;
    request.count(state.questions[number].counters + 1);
    answer_problem(request, 429, "Too Many Requests", "The limit " + entry + " is used up.",
                   telemetry::ResponseFlag::kRateLimited, {}, request.arena().copy("response_limit:" + entry),
                   {.type = kQuotaExceeded, .policies = {&name, 1}});
    return Verdict::kAnswered;
  }

  const std::string header_;
  const bool refuse_requests_;
  const bool tells_;
};

}  // namespace

FilterPtr make_response_limits(const model::ResponseLimits& settings, Context& context) {
  if (settings.limits.redis == nullptr) return std::make_shared<ResponseLimits<LocalRateLimits>>(settings, context);
  auto config = make_redis_config(*settings.limits.redis, context);
  if (config == nullptr) return nullptr;
  return std::make_shared<ResponseLimits<SharedRateLimits>>(settings, std::move(config), context);
}

}  // namespace fairlead::filter
