// SPDX-License-Identifier: Apache-2.0
#pragma once

// Cross-origin requests as Gateway API's CORS filter decides them (HTTPCORSFilter; WHATWG Fetch section 3.2).

#include <string_view>

#include "fairlead/base/arena.hpp"
#include "fairlead/http/message.hpp"
#include "fairlead/model/gateway_route_parts.hpp"

namespace fairlead::route {

/// Whether `origin` ("https://a.example:8443", "null") is one of `pattern` ("*", "https://a.example",
/// "https://*.example"). A missing port is the scheme's; "*" stands for one or more characters, dots too.
[[nodiscard]] bool origin_matches(std::string_view pattern, std::string_view origin);

/// Whether it has nothing in it that only expressions have: letters, digits and ". : / -".
[[nodiscard]] bool is_plain_origin(std::string_view text);

[[nodiscard]] bool origin_allowed(const model::Cors& cors, std::string_view origin);

/// OPTIONS with Origin and Access-Control-Request-Method: answered by the filter, never sent on.
[[nodiscard]] bool is_preflight(const http::RequestHead& head);

/// The answer to a preflight: 204 with what is allowed; 403 without any of it for an origin that is not.
/// Texts are views into the filter, the request or the arena.
[[nodiscard]] http::ResponseHead answer_preflight(const model::Cors& cors, const http::RequestHead& head, Arena& arena);

/// What a response to `request` says about origins: the backend's own words on it are replaced.
void apply_cors(const model::Cors& cors, const http::RequestHead& request, http::ResponseHead& response, Arena& arena);

}  // namespace fairlead::route
