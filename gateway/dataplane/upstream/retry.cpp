// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/retry.hpp"

#include <algorithm>

namespace fairlead::upstream {

Failure failure_of(http::Reset why, bool reused, bool answered, bool multiplexed) {
  using enum http::Reset;
  switch (why) {
    case kConnect: return Failure::kConnect;
    case kTimeout: return Failure::kTimeout;
    case kCancelled:
    case kInternal: return Failure::kCancelled;
    case kProtocol:
    case kTooLarge: return Failure::kProtocol;
    case kRefused:
      if (!answered) return Failure::kRefused;
      break;
    case kReset:  // of the stream alone: the connection did not close under it
      if (!answered) return Failure::kReset;
      break;
    case kClosed: break;
  }
  if (answered) return Failure::kResetInResponse;
  return reused && !multiplexed ? Failure::kReusedClosed : Failure::kReset;
}

namespace {

bool grpc_condition(const RetrySpec& spec, std::uint32_t code) {
  struct Row {
    std::uint32_t code;
    RetryOn on;
  };
  constexpr Row kRows[] = {{1, kRetryGrpcCancelled},
                           {4, kRetryGrpcDeadline},
                           {8, kRetryGrpcExhausted},
                           {13, kRetryGrpcInternal},
                           {14, kRetryGrpcUnavailable}};
  return std::ranges::any_of(kRows, [&](const Row& row) { return row.code == code && (spec.on & row.on) != 0; });
}

bool failure_condition(const RetrySpec& spec, Failure failure) {
  const bool any = (spec.on & kRetry5xx) != 0;
  switch (failure) {
    case Failure::kConnect: return any || (spec.on & (kRetryConnectFailure | kRetryGatewayError)) != 0;
    case Failure::kRefused: return any || (spec.on & kRetryRefused) != 0;
    case Failure::kReusedClosed: return any || (spec.on & (kRetryReused | kRetryReset)) != 0;
    case Failure::kReset:
    case Failure::kProtocol: return any || (spec.on & kRetryReset) != 0;
    case Failure::kTimeout: return any || (spec.on & kRetryPerTryTimeout) != 0;
    case Failure::kPool:  // another backend may have room; asked for by the same condition as no connection
      return (spec.on & kRetryConnectFailure) != 0;
    case Failure::kNone:
    case Failure::kResetInResponse:
    case Failure::kCancelled: return false;
  }
  return false;
}

bool status_condition(const RetrySpec& spec, std::uint16_t status) {
  if (status >= 500 && status <= 599 && (spec.on & kRetry5xx) != 0) return true;
  if (status >= 502 && status <= 504 && (spec.on & kRetryGatewayError) != 0) return true;
  return (spec.on & kRetryStatusCodes) != 0 && std::ranges::find(spec.status_codes, status) != spec.status_codes.end();
}

/// Nothing of the request can have had an effect.
bool certainly_unprocessed(Failure failure) {
  return failure == Failure::kConnect || failure == Failure::kRefused || failure == Failure::kPool;
}

constexpr std::uint32_t kGrpcConditions =
    kRetryGrpcCancelled | kRetryGrpcDeadline | kRetryGrpcInternal | kRetryGrpcExhausted | kRetryGrpcUnavailable;

}  // namespace

bool may_repeat(const RetrySpec& spec, http::Method method) {
  // gRPC calls are all POST; who asks for its codes by name has said that they may be repeated.
  const bool allowed = spec.unsafe_methods || is_idempotent(method) || (spec.on & kGrpcConditions) != 0;
  return allowed && spec.attempts > 0;
}

RetryVerdict decide_retry(const RetrySpec& spec, const Try& tried) {
  const auto& [failure, status, latency] = tried.outcome;
  const bool asked = failure != Failure::kNone ? failure_condition(spec, failure)
                                               : status_condition(spec, status) ||
                                                     (tried.grpc_status && grpc_condition(spec, *tried.grpc_status));
  if (!asked) return RetryVerdict::kNotAsked;
  if (tried.response_started) return RetryVerdict::kStarted;
  if (tried.retries >= spec.attempts) return RetryVerdict::kExhausted;
  const bool asked_by_code = failure == Failure::kNone && tried.grpc_status && grpc_condition(spec, *tried.grpc_status);
  if (!certainly_unprocessed(failure) && !asked_by_code && !spec.unsafe_methods && !is_idempotent(tried.method))
    return RetryVerdict::kUnsafe;
  if (!tried.replayable) return RetryVerdict::kNotReplayable;
  if (!tried.has_attempt_left) return RetryVerdict::kNoTime;
  return RetryVerdict::kRetry;
}

std::chrono::milliseconds retry_backoff(const RetrySpec& spec, std::uint32_t retries, Random& random) {
  const auto base = static_cast<double>(spec.backoff_base.count());
  const auto cap = static_cast<double>(std::max(spec.backoff_max, spec.backoff_base).count());
  const auto span = std::min(cap, base * static_cast<double>(std::uint64_t{1} << std::min(retries, 32u)));
  return spec.backoff_least + std::chrono::milliseconds(static_cast<std::int64_t>(random.unit() * span));
}

}  // namespace fairlead::upstream
