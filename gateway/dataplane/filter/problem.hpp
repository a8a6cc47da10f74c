// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

/// As Answer has them.
struct ProblemWords {
  std::string_view reason{};
  std::string_view message{};
};

/// Answers with problem details (RFC 9457) of type about:blank, with the request's id. `more`: further fields.
/// `log_details`: a literal without white space, for the log: "no_credential".
void answer_problem(Request& request, std::uint16_t status, std::string_view title, std::string_view detail,
                    telemetry::ResponseFlag flag, http::Fields more = {}, std::string_view log_details = {},
                    ProblemWords words = {});

}  // namespace fairlead::filter
