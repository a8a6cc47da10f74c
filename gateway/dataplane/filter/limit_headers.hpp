// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "fairlead/base/arena.hpp"
#include "fairlead/http/message.hpp"
#include "fairlead/limit/rule.hpp"
#include "fairlead/model/request_limits.hpp"
#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::filter {

/// What a client may be told of one limit. Views into the filter.
struct LimitText {
  std::string name;
  std::string policy;  ///< an item of RateLimit-Policy: "name";q=10;w=60
  std::string limit_field;  ///< "x-ratelimit-limit-minute"; empty where the period has no name
  std::string remaining_field;
  std::string use_field;  ///< "x-ratelimit-remaining-videos", for backends; of section responseLimits only
  std::int64_t window_us = 0;  ///< in which all of it comes back
};
[[nodiscard]] LimitText limit_text(const model::RateLimit& settings, const limit::Rule& rule);

/// A limit that a request has met.
struct LimitMet {
  const LimitText* text = nullptr;
  limit::Level level{};
};

/// Adds what `sets` (bits of model::RateLimits) asks for; `fields` has no others of the X-RateLimit names after it.
/// Texts live in the arena. RateLimit fields as in draft-ietf-httpapi-ratelimit-headers-10; times are seconds from now.
void add_limit_fields(unsigned sets, std::span<const LimitMet> met, bool refused, http::Fields& fields, Arena& arena);

/// Answers in the words of the settings, else as problem details.
void answer_refusal(Request& request, const model::LimitRefusal& words, std::string_view title, std::string_view detail,
                    http::Fields fields, std::string_view log_details, ProblemWords problem);

}  // namespace fairlead::filter
