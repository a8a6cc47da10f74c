// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace fairlead::cache {

/// Seconds since 1970 of an HTTP-date in any of its three formats (RFC 9110 section 5.6.7): "Sun, 06 Nov 1994 08:49:37
/// GMT", "Sunday, 06-Nov-94 08:49:37 GMT" and "Sun Nov  6 08:49:37 1994". Nothing where it is none. A year of two
/// digits that lies more than 50 years ahead of `now` is of the century before. Thread: any.
[[nodiscard]] std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now);

using DateText = std::array<char, 29>;
/// "Sun, 06 Nov 1994 08:49:37 GMT"; for the years 1 to 9999. Thread: any.
[[nodiscard]] DateText format_date(std::int64_t seconds);

}  // namespace fairlead::cache
