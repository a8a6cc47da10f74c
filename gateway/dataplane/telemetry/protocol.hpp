// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "fairlead/http/message.hpp"

namespace fairlead::telemetry {

/// As logs have it: "HTTP/1.1", "HTTP/2".
[[nodiscard]] constexpr std::string_view protocol_name(http::Version version) {
  switch (version) {
    case http::Version::kHttp10: return "HTTP/1.0";
    case http::Version::kHttp11: return "HTTP/1.1";
    case http::Version::kHttp2: return "HTTP/2";
    case http::Version::kHttp3: return "HTTP/3";
  }
  return {};
}

/// "1.1": the network.protocol.version of OpenTelemetry.
[[nodiscard]] constexpr std::string_view protocol_version(http::Version version) {
  return protocol_name(version).substr(5);
}

}  // namespace fairlead::telemetry
