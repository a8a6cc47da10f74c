// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "fairlead/http/message.hpp"

namespace fairlead::cache {

/// Cache-Control of a request or a response (RFC 9111 section 5.2, RFC 5861, RFC 8246). Times in seconds, at most 2^31;
/// where a directive stands twice the shorter counts, and one that is no number counts as 0: both make less fresh,
/// never more. Views into the fields.
struct Control {
  std::optional<std::uint32_t> max_age;
  std::optional<std::uint32_t> s_maxage;
  std::optional<std::uint32_t> stale_while_revalidate;
  std::optional<std::uint32_t> stale_if_error;
  std::optional<std::uint32_t> min_fresh;
  std::optional<std::uint32_t> max_stale;  ///< without an argument: 2^31
  bool no_store = false;
  bool no_cache = false;  ///< without field names
  bool no_transform = false;
  bool only_if_cached = false;
  bool is_public = false;
  bool is_private = false;  ///< without field names
  bool must_revalidate = false;
  bool proxy_revalidate = false;
  bool must_understand = false;
  bool immutable = false;
  std::string_view no_cache_fields;  ///< of no-cache="a, b": the text between the quotes
  std::string_view private_fields;
};

inline constexpr std::uint32_t kMostSeconds = 0x80000000;  ///< what more is counts as (RFC 9111 section 1.2.2)

/// Adds what one field line says. What is no directive is passed over. Thread: any.
void parse_cache_control(std::string_view value, Control& out);
/// All lines of Cache-Control; Pragma: no-cache where there is none of them (RFC 9111 section 5.4; for requests).
[[nodiscard]] Control control_of(const http::Fields& fields, bool request);

/// Digits only: nothing where it is no delta-seconds.
[[nodiscard]] std::optional<std::uint32_t> parse_seconds(std::string_view text);

/// Takes the next member off a comma-separated list, white space removed; commas in quoted strings separate nothing.
/// False at the end. Empty members are passed over.
bool next_member(std::string_view& list, std::string_view& member);
/// Whether `list` ("a, B") names `lower_case`, letters of either case alike.
[[nodiscard]] bool names(std::string_view list, std::string_view lower_case);
[[nodiscard]] bool equal_ignoring_case(std::string_view text, std::string_view lower_case);

}  // namespace fairlead::cache
