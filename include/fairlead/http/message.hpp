// SPDX-License-Identifier: Apache-2.0
#pragma once

// One HTTP message, whatever the wire format (RFC 9110). Texts are views: into a session's buffer while it hands the
// message over, into an exchange's arena where it was kept.

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "fairlead/base/arena.hpp"

namespace fairlead::http {

enum class Version : std::uint8_t { kHttp10, kHttp11, kHttp2, kHttp3 };
enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kDelete, kConnect, kOptions, kTrace, kPatch, kOther };

/// Names in lower case, values without white space around them.
struct Field {
  std::string_view name;
  std::string_view value;
};

/// In the order in which they came. Fields that belong to a connection (Connection and what it names, Keep-Alive,
/// Proxy-Connection, TE but "trailers", Transfer-Encoding, Upgrade, HTTP2-Settings) never stand here: sessions take
/// them off and make them; nor do Host and Content-Length, for which heads have members.
using Fields = std::vector<Field>;

[[nodiscard]] inline const Field* find(const Fields& fields, std::string_view lower_case_name) {
  const auto found = std::ranges::find(fields, lower_case_name, &Field::name);
  return found == fields.end() ? nullptr : &*found;
}

enum class Body : std::uint8_t {
  kNone,    ///< no body, so no Content-Length and no chunks (a response to HEAD may have a length all the same)
  kLength,  ///< content_length bytes
  kStream,  ///< until it ends: chunks, DATA frames, or the close of a connection
  kTunnel,  ///< bytes of another protocol, both ways, until each side ends. The response that accepts it has status 200
            ///< (HTTP/1 writes and reads 101 for it, where it was an Upgrade); Sec-WebSocket-Key and -Accept stand in
            ///< neither head
};

struct RequestHead {
  Method method = Method::kGet;
  Version version = Version::kHttp11;
  Body body = Body::kNone;
  bool expects_continue = false;  ///< Expect: 100-continue; the field itself is taken off
  bool accepts_trailers = false;  ///< TE: trailers
  std::uint64_t content_length = 0;  ///< with kLength
  std::string_view method_text;  ///< as sent; methods are case-sensitive
  std::string_view scheme;  ///< "http" or "https": what the connection is
  std::string_view authority;  ///< Host or :authority, validated; empty where HTTP/1.0 sent none
  std::string_view target;  ///< path and query as sent ("/a?b"), "*", or empty for a plain CONNECT
  std::string_view protocol;  ///< asked for by Upgrade or :protocol, "websocket"; then body is kTunnel
  Fields fields;
};

struct ResponseHead {
  std::uint16_t status = 200;
  Version version = Version::kHttp11;
  Body body = Body::kNone;
  bool has_length = false;  ///< content_length is to be shown though no body follows (HEAD, 304)
  std::uint64_t content_length = 0;  ///< with kLength, or has_length
  std::string_view reason;  ///< HTTP/1 only; may be empty
  Fields fields;
};

/// Rebases every text of `head` into `arena`, so that it outlives the call that handed it over.
void keep(RequestHead& head, Arena& arena);
void keep(ResponseHead& head, Arena& arena);
void keep(Fields& fields, Arena& arena);

[[nodiscard]] Method method_of(std::string_view text);
/// "Not Found"; empty for statuses that no RFC names.
[[nodiscard]] std::string_view reason_of(std::uint16_t status);

}  // namespace fairlead::http
