// SPDX-License-Identifier: Apache-2.0
#pragma once

// The components that a signature of RFC 9421 covers, and their values in a request. Thread: any.

#include <optional>
#include <string>
#include <string_view>

#include "fairlead/auth/structured_fields.hpp"
#include "fairlead/http/message.hpp"

namespace fairlead::auth {

/// Section 2.1: all lines of a field in order, joined by ", "; nothing where there is none.
[[nodiscard]] std::optional<std::string> combined_value(const http::Fields& fields, std::string_view name);

/// Section 2: equal names, and equal parameters in any order.
[[nodiscard]] bool same_component(const structured::Item& a, const structured::Item& b);

/// Whether component_value() could ever give a value for it.
[[nodiscard]] bool is_served(const structured::Item& component);

/// Section 2.1 and 2.2; nothing where the request has none.
[[nodiscard]] std::optional<std::string> component_value(const structured::Item& component,
                                                         const http::RequestHead& head);

}  // namespace fairlead::auth
