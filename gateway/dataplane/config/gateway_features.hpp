// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace fairlead::config {

/// GatewayClass.status.supportedFeatures: the conformance features of release 1.6 that a test shows to work, sorted.
/// docs/reference/gateway-conformance.md names the tests, and a test compares.
[[nodiscard]] std::span<const std::string_view> supported_features();

}  // namespace fairlead::config
