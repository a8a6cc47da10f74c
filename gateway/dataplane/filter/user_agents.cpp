// SPDX-License-Identifier: Apache-2.0
#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_access.hpp"
#include "gateway/dataplane/filter/known_bots.hpp"
#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::filter {
namespace {

/// Read with the policy, and so good.
using Expressions = std::vector<std::unique_ptr<const re2::RE2>>;

Expressions compiled(const std::vector<std::string>& all) {
  constexpr std::int64_t kMostMemory = std::int64_t{1} << 20;  // of each; beyond it RE2 goes on, slower
  re2::RE2::Options options;
  options.set_max_mem(kMostMemory);
  Expressions out;
  for (const auto& one : all) out.push_back(std::make_unique<const re2::RE2>(one, options));
  return out;
}

class UserAgents final : public Filter {
 public:
  explicit UserAgents(const model::UserAgentRules& settings)
      : allow_(compiled(settings.allow)), deny_(compiled(settings.deny)), deny_bots_(settings.deny_bots) {}

  Verdict on_request(Request& request) const override {
    const auto& fields = request.head().fields;
    const auto* agent = http::find(fields, "user-agent");
    if (agent == nullptr) return Verdict::kContinue;
    if (std::ranges::count(fields, "user-agent", &http::Field::name) > 1) {
      answer_problem(request, 400, "Bad Request", "only one User-Agent is allowed",
                     telemetry::ResponseFlag::kPolicyDenied, {}, "several_user_agents");
      return Verdict::kAnswered;
    }
    if (!denies(agent->value)) return Verdict::kContinue;
    answer_problem(request, 403, "Forbidden", "the client's User-Agent is not allowed",
                   telemetry::ResponseFlag::kPolicyDenied, {}, "user_agent_denied");
    return Verdict::kAnswered;
  }
  Preview preview(Probe& probe) const override { return probe.ask(*this); }

 private:
  [[nodiscard]] bool denies(std::string_view agent) const {
    const auto any = [&](const Expressions& all) {
      const re2::StringPiece text(agent.data(), agent.size());
      return std::ranges::any_of(all, [&](const auto& one) { return re2::RE2::PartialMatch(text, *one); });
    };
    return !any(allow_) && (any(deny_) || (deny_bots_ && is_known_bot(agent)));
  }

  const Expressions allow_;
  const Expressions deny_;
  const bool deny_bots_;
};

}  // namespace

FilterPtr make_user_agents(const model::UserAgentRules& settings, Context&) {
  return std::make_shared<UserAgents>(settings);
}

}  // namespace fairlead::filter
