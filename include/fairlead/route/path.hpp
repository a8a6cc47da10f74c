// SPDX-License-Identifier: Apache-2.0
#pragma once

// A request's target made normal once, before anything is matched against it (RFC 3986 section 6.2.2).

#include <cstdint>
#include <string_view>

#include "fairlead/base/arena.hpp"

namespace fairlead::route {

/// Why a target was refused; each is one 400, counted by reason.
enum class PathError : std::uint8_t {
  kNone,
  kNotAbsolute,    ///< does not begin with '/' and is not "*"
  kControl,        ///< a control character, a space or DEL, in path or query
  kNonAscii,       ///< a byte above 0x7e, in path or query: URIs are ASCII (RFC 3986 section 2)
  kTriplet,        ///< '%' without two hexadecimal digits behind it
  kNul,            ///< %00
  kFragment,       ///< '#': fragments are never sent (RFC 9110 section 7.1)
  kCharacter,      ///< a visible character that no path may hold: " < > [ ] ^ ` { | }
  kBackslash,      ///< '\' where PathOptions::backslashes refuses it
  kEncodedSlash,   ///< %2F or %5C where PathOptions::encoded_slashes refuses it
};

/// "encoded_slash" and the like: a label for counters and logs.
[[nodiscard]] std::string_view name_of(PathError error);

/// What becomes of %2F and %5C, which some backends read as separators and others do not.
enum class EncodedSlashes : std::uint8_t {
  kKeep,    ///< they stay encoded and separate nothing
  kRefuse,  ///< PathError::kEncodedSlash
  kDecode,  ///< both become '/', before dot segments are removed
};

enum class Backslashes : std::uint8_t {
  kRefuse,  ///< PathError::kBackslash; no URI may hold them (RFC 3986 section 3.3)
  kSlash,   ///< they become '/', as browsers do
};

enum class OtherCharacters : std::uint8_t {
  kRefuse,  ///< PathError::kCharacter
  kEncode,  ///< they become triplets, so that what is sent on is a URI
};

struct PathOptions {
  EncodedSlashes encoded_slashes = EncodedSlashes::kKeep;
  Backslashes backslashes = Backslashes::kRefuse;
  OtherCharacters other_characters = OtherCharacters::kRefuse;
  bool merge_slashes = true;  ///< "//" is "/"
};

/// A target in two. Views are into what was parsed, or into the arena where the path had to change.
struct Target {
  std::string_view path;   ///< normal; begins with '/', or is "*"
  std::string_view query;  ///< behind the first '?', as sent
  bool has_query = false;  ///< tells "/a?" from "/a"
  bool whole = false;      ///< the path is the backend's already: a route's rewrite leaves it
};

/// Splits `target` ("/a?b") and makes its path normal: triplets in upper case, unreserved characters decoded, dot
/// segments removed (those above the root go away, RFC 3986 section 5.2.4), the rest by `options`. Nothing is allocated
/// where the path is normal already. The result is a fixed point: it parses to itself. Thread: any.
[[nodiscard]] PathError parse_target(std::string_view target, const PathOptions& options, Arena& arena, Target& result);

/// True where `path` matches the prefix `prefix` element by element, as Gateway API's PathPrefix: "/a" is a prefix of
/// "/a", "/a/" and "/a/b", not of "/ab"; a '/' at the prefix's end counts for nothing.
[[nodiscard]] bool has_path_prefix(std::string_view path, std::string_view prefix);

}  // namespace fairlead::route
