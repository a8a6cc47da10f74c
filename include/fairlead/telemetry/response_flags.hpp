// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace fairlead::telemetry {

/// Why a response is not simply what a backend said. Short names are Envoy's where it has the same case.
enum class ResponseFlag : std::uint8_t {
  kNoRouteFound,
  kNoClusterFound,
  kNoHealthyUpstream,
  kUpstreamConnectionFailure,
  kUpstreamConnectionTermination,
  kUpstreamRemoteReset,
  kUpstreamOverflow,
  kUpstreamRequestTimeout,
  kUpstreamRetryLimitExceeded,
  kUpstreamProtocolError,
  kDownstreamConnectionTermination,
  kDownstreamRemoteReset,
  kDownstreamProtocolError,
  kLocalReset,
  kStreamIdleTimeout,
  kRateLimited,
  kRateLimitServiceError,
  kUnauthorizedExternal,
  kPolicyDenied,
  kFaultInjected,
  kOverloaded,
  kDnsFailed,
  kTooLarge,
};
inline constexpr std::size_t kResponseFlags = 23;

struct ResponseFlagInfo {
  std::string_view short_name;  ///< "UF"
  std::string_view long_name;   ///< "UpstreamConnectionFailure"
  std::string_view reason;      ///< a sentence's part: "the connection to the backend failed"
};

[[nodiscard]] const ResponseFlagInfo& info(ResponseFlag flag);

/// A set of flags; printed in the order of the enum.
class ResponseFlags {
 public:
  constexpr ResponseFlags() = default;
  constexpr explicit ResponseFlags(std::uint32_t bits) : bits_(bits) {}
  constexpr ResponseFlags(std::initializer_list<ResponseFlag> flags) {
    for (const auto flag : flags) set(flag);
  }

  constexpr void set(ResponseFlag flag) { bits_ |= bit(flag); }
  [[nodiscard]] constexpr bool has(ResponseFlag flag) const { return (bits_ & bit(flag)) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  [[nodiscard]] constexpr bool overlaps(ResponseFlags other) const { return (bits_ & other.bits_) != 0; }
  [[nodiscard]] constexpr std::uint32_t bits() const { return bits_; }
  constexpr bool operator==(const ResponseFlags&) const = default;

  static constexpr std::size_t kMaxText = 768;  ///< more than all long names with commas
  /// "UF,URX", "-" for none; `out` has kMaxText bytes. Returns the end.
  char* write(char* out, bool long_names = false) const;

 private:
  static constexpr std::uint32_t bit(ResponseFlag flag) { return std::uint32_t{1} << static_cast<unsigned>(flag); }
  std::uint32_t bits_ = 0;
};

}  // namespace fairlead::telemetry
