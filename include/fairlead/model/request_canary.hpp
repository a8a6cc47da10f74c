// SPDX-License-Identifier: Apache-2.0
#pragma once

// Section canary of a RequestPolicy: another backend for some requests.

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/model/gateway_route_parts.hpp"

namespace fairlead::model {

/// One that fits is enough.
struct CanaryWho {
  std::vector<std::pair<std::string, std::string>> headers{};  ///< names in lower case; an empty value: any
  std::vector<std::pair<std::string, std::string>> cookies{};  ///< the same
  std::vector<std::string> consumers{};  ///< sorted
  std::vector<std::string> groups{};     ///< sorted
};

/// A part of all clients, who stay in it, told apart by one thing.
struct CanaryShare {
  enum class By : std::uint8_t { kConsumer, kCookie, kClientIp, kHeader };
  std::uint32_t share = 0;  ///< of a million; 0: nobody
  By by = By::kCookie;
  std::string name{};  ///< of the cookie, or of the header in lower case
  std::string salt{};  ///< empty: the policy's name
  std::chrono::milliseconds max_age{std::chrono::hours(720)};  ///< of the cookie; 0: until the browser ends
};

struct Canary {
  BackendTarget backend;
  CanaryWho never{};  ///< goes before the others
  CanaryWho always{};
  CanaryShare share{};
};

}  // namespace fairlead::model
