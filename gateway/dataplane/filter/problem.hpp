// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

/// Types of problems of draft-ietf-httpapi-ratelimit-headers-10.
inline constexpr std::string_view kQuotaExceeded = "quota-exceeded";
inline constexpr std::string_view kReducedCapacity = "temporary-reduced-capacity";
inline constexpr std::string_view kAbnormalUsage = "abnormal-usage-detected";

struct ProblemWords {
  std::string_view reason{};   ///< as Answer has it, and the next one
  std::string_view message{};
  std::string_view type{};     ///< one of those above; empty: about:blank
  std::span<const std::string_view> policies{};  ///< with a type: the names of what was exceeded
};

/// Answers with problem details (RFC 9457), with the request's id. `more`: further fields.
/// `log_details`: a literal without white space, for the log: "no_credential".
void answer_problem(Request& request, std::uint16_t status, std::string_view title, std::string_view detail,
                    telemetry::ResponseFlag flag, http::Fields more = {}, std::string_view log_details = {},
                    const ProblemWords& words = {});

}  // namespace fairlead::filter
