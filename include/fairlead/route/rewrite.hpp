// SPDX-License-Identifier: Apache-2.0
#pragma once

// Redirects, rewrites and header changes of Gateway API's filters, as functions of a head. Texts of the result are
// views into the request, the filter (which must outlive the exchange) or the arena. Thread: any.

#include <cstdint>
#include <string_view>

#include "fairlead/base/arena.hpp"
#include "fairlead/http/message.hpp"
#include "fairlead/model/gateway_route_parts.hpp"
#include "fairlead/route/path.hpp"

namespace fairlead::route {

/// The path after `modifier`. `prefix`: what matched, Match::prefix(). Slashes are as in HTTPPathModifier's table: one
/// between the replacement and the rest, none put behind it, and never an empty path.
[[nodiscard]] std::string_view modified_path(const model::PathModifier& modifier, std::string_view path,
                                             std::string_view prefix, Arena& arena);

/// Puts the request's normal path into its head, and what the filter (or nullptr) says about host and path.
void rewrite(const model::UrlRewrite* filter, const Target& target, std::string_view prefix, http::RequestHead& head,
             Arena& arena);

struct RedirectContext {
  Target target;
  std::string_view prefix;          ///< Match::prefix()
  std::uint16_t listener_port = 0;
};

/// The answer of a RequestRedirect. Its Location has a port only where it is not the well-known one of its scheme
/// (HTTPRequestRedirectFilter.port). A request without Host is redirected by path alone.
[[nodiscard]] http::ResponseHead redirect(const model::RequestRedirect& filter, const RedirectContext& context,
                                          const http::RequestHead& head, Arena& arena);

/// Whether no filter may touch the field: what frames messages or belongs to a connection. `name` in lower case.
[[nodiscard]] bool is_protected_field(std::string_view name);

/// Set, add, remove. Protected fields stay as they are. "host" may be set in requests: it is the authority.
void modify(const model::HeaderModifier& modifier, http::Fields& fields);
void modify(const model::HeaderModifier& modifier, http::RequestHead& head);

}  // namespace fairlead::route
