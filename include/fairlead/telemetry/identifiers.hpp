// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "fairlead/base/arena.hpp"

namespace fairlead::telemetry {

/// 128 bits (W3C Trace Context, 3.2.2.3); zero is no id.
struct TraceId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  constexpr bool operator==(const TraceId&) const = default;
  explicit constexpr operator bool() const { return (high | low) != 0; }
};

/// 64 bits (3.2.2.4); zero is no id.
using SpanId = std::uint64_t;

/// 16 lower-case hexadecimal digits; returns the end.
char* write_hex(char* out, std::uint64_t value);
char* write_hex(char* out, const TraceId& id);  ///< 32 digits

/// Fast random identifiers: unique, not secret. xoshiro256** seeded by the kernel; no system call later on.
/// Owner: a worker. Thread: one.
class IdGenerator {
 public:
  IdGenerator();
  /// The same numbers every time: for tests.
  explicit IdGenerator(std::uint64_t seed);

  [[nodiscard]] std::uint64_t next() {
    const auto result = rotated(state_[1] * 5, 7) * 9;
    const auto shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotated(state_[3], 45);
    return result;
  }
  [[nodiscard]] TraceId trace_id();  ///< never zero, nor is its lower half
  [[nodiscard]] SpanId span_id();    ///< never zero

 private:
  static constexpr std::uint64_t rotated(std::uint64_t value, int by) { return (value << by) | (value >> (64 - by)); }
  std::array<std::uint64_t, 4> state_{};
};

enum class UuidVersion : std::uint8_t {
  kV4,  ///< random (RFC 9562, 5.4)
  kV7,  ///< begins with the time, so that ids sort by it (RFC 9562, 5.7)
};

inline constexpr std::size_t kUuidText = 36;
/// 36 characters, no zero byte behind; unix_ms is used by version 7 only. Returns the end.
char* write_uuid(char* out, UuidVersion version, IdGenerator& ids, std::uint64_t unix_ms);

inline constexpr std::size_t kMaxRequestId = 128;
/// True for 1 to kMaxRequestId characters out of A-Z a-z 0-9 and -._~+/=:@, so that an id can be put anywhere.
[[nodiscard]] bool valid_request_id(std::string_view id);

/// The x-request-id of a request: what the caller sent, where it is trusted and valid, else a new one in `arena`.
[[nodiscard]] std::string_view request_id(std::string_view sent, bool trusted, UuidVersion version, IdGenerator& ids,
                                          std::uint64_t unix_ms, Arena& arena);

}  // namespace fairlead::telemetry
