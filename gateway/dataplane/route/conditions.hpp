// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a match asks for beside host and path.

#include <cstdint>
#include <optional>
#include <string_view>

#include "fairlead/route/router.hpp"

namespace fairlead::route {

enum class Condition : std::uint8_t { kNone, kGrpc, kMethod, kHeader, kQuery };

struct Unmet {
  Condition condition = Condition::kNone;
  std::size_t index = 0;  ///< of the header or parameter
};

/// Whether this is a request of gRPC: POST with content-type application/grpc, alone or with "+proto" and the like.
[[nodiscard]] bool is_grpc(const http::RequestHead& head);

/// The value of a field of the request (kServerName, kMethodName: of its TLS, its method), its several values joined by
/// ", "; nothing where it has none. A view into the request, or into a text of this thread that the next call
/// overwrites.
[[nodiscard]] std::optional<std::string_view> field_value(const Request& request, std::string_view name);

/// The decoded first value of a parameter; the same.
[[nodiscard]] std::optional<std::string_view> query_value(std::string_view query, std::string_view name);

[[nodiscard]] bool method_met(const RouteMatch& match, const http::RequestHead& head);

/// The first condition of `match` that `request` does not meet, in the order above; the path is not looked at.
[[nodiscard]] Unmet first_unmet(const RouteMatch& match, bool grpc, const Request& request);

}  // namespace fairlead::route
