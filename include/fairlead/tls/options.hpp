// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fairlead::tls {

enum class TlsVersion : std::uint16_t { kTls12 = 0x0303, kTls13 = 0x0304 };

/// What both sides may settle. Empty texts: our defaults, which have forward secrecy and AEAD only. OpenSSL's spelling.
struct ProtocolOptions {
  TlsVersion min_version = TlsVersion::kTls12;
  TlsVersion max_version = TlsVersion::kTls13;
  std::string ciphers;  ///< TLS 1.2: "ECDHE-ECDSA-AES128-GCM-SHA256:..."
  std::string cipher_suites;  ///< TLS 1.3: "TLS_AES_128_GCM_SHA256:..."
  std::string groups;  ///< "X25519:P-256"
  bool operator==(const ProtocolOptions&) const = default;
};

enum class ClientAuth : std::uint8_t {
  kNone,  ///< no certificate is asked for
  kOptional,  ///< one that is given has to be valid
  kRequired,  ///< Gateway API AllowValidOnly
  kAllowInsecureFallback,  ///< Gateway API: asked for, but none or an invalid one is let in, as not verified
};

/// How clients prove who they are.
struct ClientValidation {
  ClientAuth mode = ClientAuth::kNone;
  std::string ca_pem;  ///< trust anchors; an intermediate may be one
  std::string crl_pem;  ///< revocation lists; where given, each certificate of a chain needs one
  bool operator==(const ClientValidation&) const = default;
};

/// What names of one listener may differ in.
struct ServerPolicy {
  std::vector<std::string> alpn;  ///< by our preference; a client that offers none of them is refused
  ProtocolOptions protocol;
  ClientValidation client;
  bool operator==(const ServerPolicy&) const = default;
};

}  // namespace fairlead::tls
