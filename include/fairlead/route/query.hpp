// SPDX-License-Identifier: Apache-2.0
#pragma once

// Query parameters, for matching. A query is read as application/x-www-form-urlencoded (WHATWG URL section 5.1):
// "name=value" pairs between '&', '+' is a space, triplets are decoded, a '%' without two digits stands for itself. A
// pair without '=' has the empty value. Names are case-sensitive. Where a name stands more than once its first value
// counts, as Gateway API recommends.

#include <optional>
#include <string>
#include <string_view>

namespace fairlead::route {

/// The first value of `name`, still encoded; nothing where no pair has the name. Nothing is allocated.
[[nodiscard]] std::optional<std::string_view> find_query(std::string_view query, std::string_view name);

/// Whether `encoded` decodes to `text`. Nothing is allocated.
[[nodiscard]] bool query_equals(std::string_view encoded, std::string_view text);

/// Appends what `encoded` decodes to.
void decode_query(std::string_view encoded, std::string& out);

/// Reads one decoded octet and moves `encoded` behind it. `encoded` may not be empty.
[[nodiscard]] char next_query_octet(std::string_view& encoded);

}  // namespace fairlead::route
