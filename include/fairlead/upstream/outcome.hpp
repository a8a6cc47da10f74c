// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "fairlead/http/exchange.hpp"

namespace fairlead::upstream {

/// How one try ended without a response.
enum class Failure : std::uint8_t {
  kNone,
  kConnect,          ///< no connection: refused, unreachable, timed out, TLS failed
  kPool,             ///< a limit of ours: nothing was sent, nothing is the backend's fault
  kRefused,          ///< certainly not processed
  kReusedClosed,     ///< a connection that was used before closed before any response byte
  kReset,            ///< closed or reset before any response byte
  kResetInResponse,  ///< after a response byte: it has begun to go to the client
  kTimeout,          ///< of the try
  kProtocol,         ///< what came is no valid response
  kCancelled,        ///< by us or the client
};

/// What the reset of a stream means for whoever may try again. Where `reused`, and nothing was answered, a close most
/// likely met a keep-alive time-out; but only kRefused says that nothing was processed. `multiplexed`: HTTP/2, whose
/// close says by GOAWAY what was not.
[[nodiscard]] Failure failure_of(http::Reset why, bool reused, bool answered, bool multiplexed);

/// One try, for those who learn from it.
struct Outcome {
  Failure failure = Failure::kNone;
  std::uint16_t status = 0;       ///< 0: none came
  std::uint64_t latency_ns = 0;   ///< to the response's head, or until it timed out; 0: says nothing

  [[nodiscard]] bool local() const {
    return failure == Failure::kConnect || failure == Failure::kReset || failure == Failure::kTimeout ||
           failure == Failure::kProtocol || failure == Failure::kResetInResponse;
  }
  /// Says something of the backend: not what we or the client gave up, nor a keep-alive that ran out.
  [[nodiscard]] bool counts() const { return status != 0 || local(); }
  [[nodiscard]] bool gateway_error() const { return status >= 502 && status <= 504; }
  [[nodiscard]] bool error() const { return local() || status >= 500; }
};

}  // namespace fairlead::upstream
