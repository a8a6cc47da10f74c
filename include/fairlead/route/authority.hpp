// SPDX-License-Identifier: Apache-2.0
#pragma once

// Host and :authority: made normal once, and matched against the host names of listeners and routes.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fairlead/base/arena.hpp"

namespace fairlead::route {

/// Why an authority was refused; each is one 400, counted by reason.
enum class AuthorityError : std::uint8_t {
  kNone,
  kEmpty,      ///< no host (RFC 9110 section 4.2.1)
  kTooLong,    ///< a host of more than 255 characters (RFC 1035 section 2.3.4)
  kUserinfo,   ///< '@' (RFC 9110 section 4.2.4)
  kCharacter,  ///< what no registered name may hold (RFC 3986 section 3.2.2); triplets too, since names are never
               ///< decoded
  kLabel,      ///< an empty label: ".a", "a..b"
  kAddress,    ///< brackets that hold no IPv6 address, or are not closed
  kPort,       ///< not 1 to 65535
};

/// "userinfo" and the like: a label for counters and logs.
[[nodiscard]] std::string_view name_of(AuthorityError error);

enum class HostKind : std::uint8_t { kName, kIpv4, kIpv6 };

/// Views are into what was parsed, or into the arena where letters had to change.
struct Authority {
  std::string_view host;    ///< in lower case, without the dot of the root behind it; IPv6 without brackets
  std::uint16_t port = 0;   ///< 0: none was given, or an empty one
  HostKind kind = HostKind::kName;
};

/// Parses "Example.COM:8080", "[2001:db8::1]:443", "10.0.0.1". Internationalised names stay as they are sent
/// ("xn--..."). Nothing is allocated where the host is in lower case. Thread: any.
[[nodiscard]] AuthorityError parse_authority(std::string_view text, Arena& arena, Authority& result);

/// True where the host name `pattern` of a listener or route matches `host` (both in lower case): itself, or with "*."
/// in front any name below it, at any depth, but not the name itself. An empty pattern matches every host.
[[nodiscard]] bool host_matches(std::string_view pattern, std::string_view host);

/// What both patterns match: the more special of the two; nothing where they have no host in common.
[[nodiscard]] std::optional<std::string_view> host_intersection(std::string_view a, std::string_view b);

/// Whether `pattern` is a host name as Gateway API has them: lower-case labels, "*." in front or not, no address.
[[nodiscard]] bool is_hostname(std::string_view pattern, bool wildcard_allowed);

}  // namespace fairlead::route
