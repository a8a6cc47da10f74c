// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fairlead::proxy {

/// Why a connection, or a datagram, went no further.
enum class StreamRefusal : std::uint8_t {
  kUntrusted,    ///< a PROXY header is expected, and the peer is none of the trusted
  kProxyHeader,  ///< no valid PROXY header
  kNotTls,       ///< no ClientHello where one is expected
  kTimeout,      ///< what it has to begin with did not come in time
  kTruncated,    ///< it ended before that was whole
  kNoRoute,
  kNoBackend,    ///< none that is available, or an invalid one
  kLimit,        ///< a circuit breaker, or the table of sessions is full
  kConnect,      ///< no backend could be connected to
  kOverloaded,
};
inline constexpr std::size_t kStreamRefusals = 10;
/// A label: "proxy_header".
[[nodiscard]] std::string_view name_of(StreamRefusal refusal);

}  // namespace fairlead::proxy
