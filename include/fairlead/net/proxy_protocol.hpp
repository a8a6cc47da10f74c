// SPDX-License-Identifier: Apache-2.0
#pragma once

// The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): who the client of a balancer before us is.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fairlead/net/stream.hpp"

namespace fairlead::net {

/// Why a header was refused; the connection is to be closed, counted by reason.
enum class ProxyError : std::uint8_t {
  kNone,
  kSignature,  ///< neither version begins so
  kTooLong,    ///< version 1: no line end within 107 bytes; version 2: beyond the limit
  kSyntax,     ///< version 1: not the one form that its grammar allows
  kAddress,    ///< an address that is none, or of another family than said
  kVersion,    ///< version 2: another version
  kCommand,    ///< version 2: neither LOCAL nor PROXY
  kFamily,     ///< version 2: a family or transport that is not assigned
  kLength,     ///< version 2: too short for its addresses
  kTlv,        ///< version 2: a TLV beyond the end, of a wrong size, or twice
  kChecksum,   ///< version 2: CRC32C is another
};

/// "signature" and the like: a label for counters and logs.
[[nodiscard]] std::string_view name_of(ProxyError error);

/// PP2_TYPE_SSL: what the balancer says of its TLS connection.
struct ProxyTls {
  bool tls = false;                       ///< the client was connected by TLS
  bool certificate_on_connection = false; ///< it showed a certificate there
  bool certificate_in_session = false;    ///< or when its session began
  std::uint32_t verify = 0;               ///< 0: a certificate was shown and verified
  std::string_view version, common_name, cipher, signature, key;
};

/// Texts are views into what was parsed.
struct ProxyHeader {
  std::size_t length = 0;             ///< bytes of the header; what follows is the connection's own
  bool local = false;                 ///< LOCAL: the balancer's own connection, a health check
  bool has_endpoints = false;         ///< else those of the connection count (LOCAL, UNKNOWN, UNSPEC, unix sockets)
  bool datagram = false;
  Endpoint source, destination;
  std::string_view alpn, authority, unique_id, netns;
  std::optional<ProxyTls> tls;
};

enum class ProxyState : std::uint8_t {
  kDone,      ///< `header` is whole
  kNeedMore,  ///< valid so far
  kInvalid,   ///< `error` says why
};

struct ProxyParsed {
  ProxyState state = ProxyState::kNeedMore;
  ProxyError error = ProxyError::kNone;
  std::size_t need = 0;  ///< with kNeedMore: bytes that must be there at least before it can go on
};

struct ProxyLimits {
  std::size_t longest = 4096;  ///< bytes of a header of version 2, TLVs included
  bool version1 = true;
  bool version2 = true;
};

/// Parses the header at the front of `data`, which grows from call to call; a wrong signature is seen with its first
/// wrong byte. Thread: any.
[[nodiscard]] ProxyParsed parse_proxy(std::string_view data, const ProxyLimits& limits, ProxyHeader& header);

inline constexpr std::size_t kProxyV1Longest = 107;

/// "PROXY TCP4 ...\r\n", UNKNOWN where a family is missing or they differ. Appends to `out`.
void write_proxy_v1(const ProxyHeader& header, std::string& out);

/// Addresses, TLVs for what is not empty, CRC32C behind them where `checksum`. Appends to `out`; false, and nothing
/// appended, where the whole does not fit into 65535 bytes.
bool write_proxy_v2(const ProxyHeader& header, bool checksum, std::string& out);

/// Either of them, by its number, without a checksum.
bool write_proxy(std::uint8_t version, const ProxyHeader& header, std::string& out);

}  // namespace fairlead::net
