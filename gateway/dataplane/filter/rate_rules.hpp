// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fairlead/change/json.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/limit/leases.hpp"
#include "fairlead/limit/local.hpp"
#include "fairlead/model/request_limits.hpp"
#include "gateway/dataplane/filter/limit_headers.hpp"

namespace fairlead::filter {

/// A limit's numbers for one tier, with what is counted by them.
struct RateTier {
  limit::Rule rule;
  limit::Rule share;  ///< this gateway's part while Redis is away
  std::shared_ptr<limit::Counts> counts;
  LimitText text;
  limit::LeaseTerms terms;  ///< by which Redis counts; its rule is `rule` where nothing is leased
  std::shared_ptr<limit::Leases> leases;  ///< null: each request asks
  std::string id;  ///< in names of keys: limit and tier, and what `terms` is measured in
};

struct RateRule {
  const model::RateLimit* settings = nullptr;
  std::vector<RateTier> tiers;  ///< the first for who has none
  change::JsonPath response_path;  ///< of settings->response.json
  telemetry::CounterId counters = 0;  ///< admitted, refused
};

/// The rules of a section, with counts from the stores. Faults are noted in the context.
std::vector<RateRule> make_rate_rules(const model::RateLimits& settings, Context& context);

/// One limit that concerns a request, ready to be asked.
struct RateQuestion {
  const RateRule* rule = nullptr;
  const RateTier* tier = nullptr;
  telemetry::CounterId counters = 0;  ///< the rule's
  std::uint64_t cost = 1;
  std::string_view key;  ///< in the arena; only where the caller wants it
  std::uint64_t hash = 0;
};
using RateQuestions = std::array<RateQuestion, limit::kMostItems>;

/// The limits that concern the request; says how many. with_keys: their texts are wanted.
std::size_t ask_rate_rules(Request& request, const std::vector<RateRule>& rules, bool with_keys, RateQuestions& out);

}  // namespace fairlead::filter
