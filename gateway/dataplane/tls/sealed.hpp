// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "openssl.hpp"
#include "records.hpp"

namespace fairlead::tls {

class TlsStream;

/// Counts the records that a server seals with its keys for data within the handshake: tickets. OpenSSL counts them
/// too, but only for itself.
struct SealedRecords {
  /// From now on the context's connections count where follow() says.
  static void watch(SSL_CTX* context);
  static void follow(SSL* ssl, std::uint32_t* count);
};

/// A TLS 1.3 connection of a server behind its handshake, in place of an SSL.
struct Sealed {
  std::unique_ptr<Records> records;
  std::string raw;     ///< received, the begin of a record; empty while nothing comes
  std::string plain;   ///< opened, not taken yet
  std::size_t plain_at = 0;
  std::string unsent;  ///< sealed, not taken by TCP yet: at most a record
  bool said_close = false;

  std::size_t take_plain(std::span<char> into);
  void keep_raw(std::span<const char> bytes);
};

}  // namespace fairlead::tls
