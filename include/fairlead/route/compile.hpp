// SPDX-License-Identifier: Apache-2.0
#pragma once

// From Gateway API's route objects to what routers are built from.

#include <memory>
#include <string_view>

#include "fairlead/model/gateway_objects.hpp"
#include "fairlead/route/table.hpp"

namespace fairlead::route {

/// The route as it is attached to a listener of the host name `listener` (empty: all). Host names are those that both
/// match; an error where there are none. Rules keep their places: Match::rule is the place in the object's rules.
/// `data` comes back with each match. Whether the route may attach at all is decided before (config). Thread: any.
[[nodiscard]] Result<RoutePtr> compile(const model::HttpRoute& route, std::string_view listener,
                                       std::shared_ptr<const void> data = nullptr);
[[nodiscard]] Result<RoutePtr> compile(const model::GrpcRoute& route, std::string_view listener,
                                       std::shared_ptr<const void> data = nullptr);
/// By server name: matched with Request{.host = SNI, .path = "/"}.
[[nodiscard]] Result<RoutePtr> compile(const model::TlsRoute& route, std::string_view listener,
                                       std::shared_ptr<const void> data = nullptr);

}  // namespace fairlead::route
