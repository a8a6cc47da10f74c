// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>

#include "fairlead/cache/control.hpp"
#include "fairlead/http/message.hpp"

namespace fairlead::filter {

/// What the first of `names` (in lower case) that a response has says to this cache, in place of Cache-Control and
/// Expires (RFC 9213). Nothing: none is there. One that is empty, no dictionary of RFC 8941, or gives a directive a
/// value of another type is passed over (section 2.1). Directives for single fields mean the whole response here.
/// Thread: any.
[[nodiscard]] std::optional<cache::Control> targeted_control(const http::Fields& fields,
                                                             std::span<const std::string> names);

}  // namespace fairlead::filter
