// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who the client is when other proxies stand before us, and what the backend is told: X-Forwarded-For, Forwarded
// (RFC 7239) and X-Real-IP. Nothing that a client can write is believed unless those who vouch for it are named.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "fairlead/base/address.hpp"
#include "fairlead/base/arena.hpp"
#include "fairlead/http/message.hpp"
#include "fairlead/net/stream.hpp"

namespace fairlead::route {

/// Which field names the client. One only: a proxy that writes one may pass on another that its client wrote.
enum class ClientField : std::uint8_t { kXForwardedFor, kForwarded, kXRealIp };

struct ForwardedOptions {
  ClientField field = ClientField::kXForwardedFor;
  /// Proxies before us, the one that connects to us among them: the client is what the first of them saw. 0: none.
  /// Not used where `trusted` has entries.
  std::uint32_t trusted_hops = 0;
  /// Addresses of proxies before us: the client is the last address that is none of them.
  std::vector<Cidr> trusted;
  bool send_forwarded = false;  ///< write Forwarded too; else what came is passed on where it is trusted, or dropped
};

/// Why less than all of a field was believed; for a counter.
enum class ForwardedError : std::uint8_t {
  kNone,
  kUntrusted,  ///< the field is there, but the peer is not trusted
  kTooFew,     ///< fewer addresses than trusted hops
  kTooMany,    ///< more than kMaxForwarded elements
  kSyntax,     ///< an element that is no address (or no element, RFC 7239 section 4); "unknown" and "_name" are none
               ///< either
};

inline constexpr std::size_t kMaxForwarded = 64;

struct Client {
  Address address;
  std::uint16_t port = 0;        ///< 0: not known
  bool trusted_peer = false;     ///< fields of the peer may be believed
  bool from_field = false;
  ForwardedError error = ForwardedError::kNone;
};

/// Nothing is allocated. Where a field cannot be believed, the client is the peer, or the last proxy that could.
[[nodiscard]] Client find_client(const net::Endpoint& peer, const http::Fields& fields,
                                 const ForwardedOptions& options);

/// One element of Forwarded; views into the field. Quoted values are without their quotes, escapes are left.
struct ForwardedElement {
  std::string_view node_for, node_by, host, proto;
};

/// Takes the next element off `text`; false where it breaks the grammar of RFC 7239 section 4.
[[nodiscard]] bool next_forwarded(std::string_view& text, ForwardedElement& element);

/// "10.0.0.1", "10.0.0.1:80", "[::1]", "[::1]:80", and "::1" where `bare_ipv6` (X-Forwarded-For has them so).
[[nodiscard]] std::optional<net::Endpoint> parse_node(std::string_view text, bool bare_ipv6);

/// Changes what the backend is told: the peer is added to X-Forwarded-For (and Forwarded), X-Real-IP is the client;
/// X-Forwarded-Proto, -Host and -Port stay where the peer is trusted, else they are what came here. Texts live in
/// `arena`.
void set_forwarded(const Client& client, const net::Endpoint& peer, const net::Endpoint& local,
                   const ForwardedOptions& options, http::RequestHead& head, Arena& arena);

}  // namespace fairlead::route
