// SPDX-License-Identifier: Apache-2.0
#include "fairlead/http/h2_limits.hpp"

namespace fairlead::http {

std::string_view flood_name(H2Flood flood) {
  static constexpr std::array<std::string_view, kH2Floods> kNames = {
      "rapid_reset", "provoked_reset", "continuation",  "settings",    "ping",  "empty_frame",
      "priority",    "window_update",  "unknown_frame", "header_bomb", "stall", "memory"};
  return kNames[static_cast<std::size_t>(flood)];
}

}  // namespace fairlead::http
