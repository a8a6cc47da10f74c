// SPDX-License-Identifier: Apache-2.0
#pragma once

// What clients ask of a stored response: conditions and ranges (RFC 9110 sections 13 and 14).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "fairlead/http/message.hpp"

namespace fairlead::cache {

/// What a response can be recognised by. Views into its fields.
struct Validators {
  std::string_view etag;           ///< with quotes, W/ in front where it is weak; empty: none
  std::string_view last_modified;  ///< as it stands; empty: none
  std::int64_t modified = 0;       ///< the same in seconds since 1970; where there is none, the response's Date
};
[[nodiscard]] Validators validators_of(const http::Fields& fields, std::int64_t now);

/// Whether the client has it already: 304. If-None-Match by weak comparison; If-Modified-Since only without it
/// (RFC 9110 section 13.2.2). Thread: any.
[[nodiscard]] bool not_modified(const http::Fields& request, const Validators& validators, std::int64_t now);

/// If-None-Match, If-Modified-Since: those that a cache answers.
[[nodiscard]] bool is_conditional(const http::Fields& request);
/// If-Match, If-Unmodified-Since: those that only the origin can answer (RFC 9111 section 4.3.2).
[[nodiscard]] bool is_for_origin(const http::Fields& request);

[[nodiscard]] bool weakly_equal(std::string_view a, std::string_view b);
[[nodiscard]] bool strongly_equal(std::string_view a, std::string_view b);

/// Bytes [first, last] of a body.
struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
enum class RangeAnswer : std::uint8_t {
  kWhole,          ///< no range, or one that is passed over: too many, of another unit, If-Range does not hold
  kParts,          ///< 206: at least one
  kUnsatisfiable,  ///< 416
};
/// A client that names more is passed over: it gets the whole, which is less work.
inline constexpr std::size_t kMostRanges = 16;
/// Nearer than a part's head is long: such ranges are one (RFC 9110 section 15.3.7.2).
inline constexpr std::uint64_t kRangeGap = 80;
/// Those of a body of `length` bytes, none touching another, in the order in which the client named them first.
[[nodiscard]] RangeAnswer ranges_of(const http::Fields& request, const Validators& validators, std::uint64_t length,
                                    std::vector<Range>& out);

}  // namespace fairlead::cache
