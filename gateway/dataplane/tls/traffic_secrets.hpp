// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "openssl.hpp"
#include "records.hpp"

namespace fairlead::tls {

/// The traffic secrets of a server's handshake of TLS 1.3 that is over.
///
/// OpenSSL has no call for them, but a callback for key logs. That writes five lines of digits, one by one, for each
/// handshake. So the callback is used only for two handshakes in memory, with each other, when a
/// process first serves TLS: they tell where in an SSL the secrets stand. Where they cannot be found, as an OpenSSL
/// may come that keeps them elsewhere, connections keep their SSL.
struct TrafficSecrets {
  Secret client;
  Secret server;

  /// Whether the places are known; looks for them at the first call.
  [[nodiscard]] static bool available();
  /// Nothing where they are not available, or the connection is no TLS 1.3.
  [[nodiscard]] static std::optional<TrafficSecrets> of(const SSL* ssl);
};

}  // namespace fairlead::tls
