// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "fairlead/http/h1_refusal.hpp"
#include "fairlead/http/limits.hpp"
#include "fairlead/http/message.hpp"

namespace fairlead::http {

enum class H1Step : std::uint8_t {
  kMore,     ///< what is there is a beginning of something valid
  kDone,     ///< `used` bytes were the head
  kRefused,  ///< no continuation could make it valid; `refusal` says why
  kPreface,  ///< HTTP/2's connection preface (RFC 9113 3.4), where it is allowed; nothing was used
};

/// Bytes behind what is parsed that must be readable and writable: vectors reach over the end. What they hold is of no
/// importance and stays as it is.
inline constexpr std::size_t kH1Slack = 32;

/// What a head says of its connection, beside the neutral head.
struct H1Facts {
  std::size_t used = 0;  ///< bytes, with kDone
  H1Refusal refusal = H1Refusal::kNone;
  bool chunked = false;
  bool keep_alive = false;            ///< the sender lets the connection stand (RFC 9112 9.3)
  std::string_view upgrade;           ///< the protocol, where Upgrade is there and Connection names it
  std::string_view websocket_key;     ///< Sec-WebSocket-Key, taken off the fields with an upgrade to websocket
  std::string_view websocket_accept;  ///< Sec-WebSocket-Accept, the same
};

/// A request's head as RFC 9112 has it, parsed anew at each call: the answer depends on the bytes alone, so that a head
/// in pieces is judged as the same head in one piece. Views point into the bytes, of which names are brought to lower
/// case. Made once and used again: vectors keep their capacity. Owner: a worker. Thread: its worker's.
struct H1Request {
  RequestHead head;  ///< scheme is left empty: the session knows it
  H1Facts facts;

  H1Step parse(std::span<char> bytes, const H1Limits& limits);

  std::vector<std::string_view> named;  ///< by Connection, beyond what every recipient knows: taken off
};

/// What a response depends on beside its bytes.
struct H1Asked {
  bool head = false;  ///< by HEAD
  bool tunnel = false;  ///< by CONNECT: any 2xx is a tunnel
  bool upgrade = false;  ///< 101 is possible
};

/// A response's head; the same. An accepted upgrade or CONNECT has Body::kTunnel; a body that ends with the connection
/// is kStream without `facts.chunked`.
struct H1Response {
  ResponseHead head;
  H1Facts facts;

  H1Step parse(std::span<char> bytes, const H1Limits& limits, H1Asked asked);

  std::vector<std::string_view> named;
};

/// The trailer section behind the last chunk, its empty line included (RFC 9112 7.1.2).
struct H1Trailers {
  Fields fields;
  H1Facts facts;

  H1Step parse(std::span<char> bytes, const H1Limits& limits);
};

/// For tests: the scalar twin of every vector loop from now on, or what is quickest here again.
void use_scalar_h1_scan(bool scalar);

}  // namespace fairlead::http
