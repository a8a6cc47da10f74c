// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "fairlead/http/message.hpp"
#include "fairlead/upstream/cluster_spec.hpp"
#include "fairlead/upstream/outcome.hpp"
#include "fairlead/upstream/random.hpp"

namespace fairlead::upstream {

/// RFC 9110 section 9.2.2: a repetition has the effect of one request.
[[nodiscard]] constexpr bool is_idempotent(http::Method method) {
  using enum http::Method;
  return method == kGet || method == kHead || method == kPut || method == kDelete || method == kOptions ||
         method == kTrace;
}

struct Try {
  http::Method method = http::Method::kGet;
  std::uint32_t retries = 0;             ///< done so far
  bool replayable = true;                ///< the request is still held whole, or had no body
  bool response_started = false;         ///< the client has seen something of a response
  bool has_attempt_left = true;          ///< the request's time-out leaves room
  std::optional<std::uint32_t> grpc_status{};  ///< from a response of head and trailers only
  Outcome outcome{};
};

enum class RetryVerdict : std::uint8_t {
  kRetry,
  kNotAsked,       ///< no condition holds
  kUnsafe,         ///< it may have been processed, and the method is not idempotent
  kNotReplayable,  ///< its body is gone
  kStarted,        ///< the response has begun
  kExhausted,      ///< no attempts left
  kNoTime,
  kOverBudget,     ///< by the retry budget or breaker; said by the cluster
};

/// Whether policy allows another try; budget and breaker come after it. What was certainly not processed (connect
/// failure, refusal, our own limits) may be tried again with any method; the rest only where repetition is harmless.
[[nodiscard]] RetryVerdict decide_retry(const RetrySpec& spec, const Try& tried);

/// Whether it may allow another try of a request that a backend may have processed, by the method or as the spec says.
[[nodiscard]] bool may_repeat(const RetrySpec& spec, http::Method method);

/// Full jitter (Brooker): the least pause and, uniform, up to min(max, base * 2^retries) more; retries from 0.
[[nodiscard]] std::chrono::milliseconds retry_backoff(const RetrySpec& spec, std::uint32_t retries, Random& random);

}  // namespace fairlead::upstream
