// SPDX-License-Identifier: Apache-2.0
#pragma once

// A look at a ClientHello (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2) without answering it: for TLS passthrough,
// and to choose certificates before anything is allocated for a handshake. Pure: bytes in, facts out.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fairlead::tls {

/// Bytes of records within which a ClientHello has to end. Real ones have 200 to 2 500 bytes, with post-quantum shares.
inline constexpr std::size_t kMaxClientHello = 32 * 1024;
/// Records over which it may be spread; more is an attempt to make us walk.
inline constexpr std::size_t kMaxClientHelloRecords = 64;

enum class Peek : std::uint8_t {
  kFound,  ///< the whole ClientHello is there
  kNeedMore,  ///< so far a beginning of one
  kNotTls,  ///< the first bytes are no TLS handshake record
  kTooLarge,  ///< beyond kMaxClientHello or kMaxClientHelloRecords
  kMalformed,  ///< TLS, but lengths or fields contradict each other
  kUnexpected,  ///< TLS, but another message, an empty record, or one of another type amid (RFC 8446 section 5.1)
  kOverflow,  ///< a record longer than allowed (the same)
};

struct ClientHello {
  std::string server_name;  ///< SNI in lower case; empty where none
  std::string alpn;  ///< as on the wire: a length byte before each name; empty where none
  std::uint16_t version = 0;  ///< the highest that is offered: 0x0303 is 1.2, 0x0304 is 1.3
  bool has_sni = false;
  bool has_early_data = false;

  /// True where ALPN lists `protocol`.
  [[nodiscard]] bool offers(std::string_view protocol) const;
};

/// Looks at what a connection sent first. `hello` is filled with kFound only. Reads within `bytes`, allocates only for
/// names beyond the small-string size.
/// Thread: any.
[[nodiscard]] Peek peek_client_hello(std::span<const char> bytes, ClientHello& hello);

}  // namespace fairlead::tls
