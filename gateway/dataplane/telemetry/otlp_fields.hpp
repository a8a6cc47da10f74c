// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// Field numbers of opentelemetry/proto/{trace,common,resource,collector/trace}/v1.
namespace fairlead::telemetry::otlp {

inline constexpr std::uint32_t kRequestResourceSpans = 1;
inline constexpr std::uint32_t kResourceSpansResource = 1;
inline constexpr std::uint32_t kResourceSpansScopeSpans = 2;
inline constexpr std::uint32_t kResourceAttributes = 1;
inline constexpr std::uint32_t kScopeSpansScope = 1;
inline constexpr std::uint32_t kScopeSpans = 2;
inline constexpr std::uint32_t kScopeName = 1;
inline constexpr std::uint32_t kScopeVersion = 2;

inline constexpr std::uint32_t kKey = 1;
inline constexpr std::uint32_t kValue = 2;
inline constexpr std::uint32_t kAnyString = 1;
inline constexpr std::uint32_t kAnyInt = 3;

inline constexpr std::uint32_t kSpanTraceId = 1;
inline constexpr std::uint32_t kSpanId = 2;
inline constexpr std::uint32_t kSpanState = 3;
inline constexpr std::uint32_t kSpanParent = 4;
inline constexpr std::uint32_t kSpanName = 5;
inline constexpr std::uint32_t kSpanKind = 6;
inline constexpr std::uint32_t kSpanStart = 7;
inline constexpr std::uint32_t kSpanEnd = 8;
inline constexpr std::uint32_t kSpanAttributes = 9;
inline constexpr std::uint32_t kSpanStatus = 15;
inline constexpr std::uint32_t kSpanFlags = 16;
inline constexpr std::uint64_t kKindServer = 2;
inline constexpr std::uint64_t kKindClient = 3;

inline constexpr std::uint32_t kStatusMessage = 2;
inline constexpr std::uint32_t kStatusCode = 3;
inline constexpr std::uint64_t kStatusError = 2;

inline constexpr std::uint32_t kResponsePartialSuccess = 1;
inline constexpr std::uint32_t kPartialRejectedSpans = 1;

}  // namespace fairlead::telemetry::otlp
