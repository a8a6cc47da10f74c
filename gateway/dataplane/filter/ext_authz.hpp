// SPDX-License-Identifier: Apache-2.0
#pragma once

// Envoy's external authorization by gRPC (envoy/service/auth/v3/external_auth.proto): what is asked, and what an answer
// says.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

/// A header of what is asked, where a body is told: "true" where it is cut off.
inline constexpr std::string_view kPartialBody = "x-envoy-auth-partial-body";
inline constexpr std::string_view kCheckPath = "/envoy.service.auth.v3.Authorization/Check";

struct CheckOptions {
  /// Names of request headers that are told, in lower case; empty: all.
  const std::vector<std::string>* headers = nullptr;
  std::string_view body{};  ///< as much of it as is to be told
  std::optional<bool> partial{};  ///< whether that is not all; nothing: no body is told
};

/// Path and query as they were matched and as the backend gets them, before the route rewrites them: a server that goes
/// by paths must not be shown "/public/../admin".
[[nodiscard]] std::string checked_target(Request& request);

/// A CheckRequest in a gRPC message (one length-prefixed frame).
[[nodiscard]] std::string encode_check(Request& request, const CheckOptions& options);

/// HeaderValueOption.
struct CheckHeader {
  std::string_view name;  ///< as sent
  std::string_view value;
  bool append = false;  ///< beside what is there; else in its place
};

/// CheckResponse; views into the message.
struct CheckResult {
  std::uint32_t code = 0;  ///< google.rpc.Code; 0: allowed
  std::uint32_t status = 403;  ///< of a denial
  std::vector<CheckHeader> headers;  ///< for the request, or of the denial's response
  std::vector<std::string_view> remove;  ///< from the request
  std::vector<CheckHeader> response_headers;  ///< for the response, where it is allowed
  std::string_view body;  ///< of a denial
};

/// Nothing where the message (one gRPC frame) is not valid.
[[nodiscard]] std::optional<CheckResult> decode_check(std::string_view frame);

}  // namespace fairlead::filter
