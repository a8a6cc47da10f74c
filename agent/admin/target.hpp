// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fairlead/base/address.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::admin {

/// Where a connect would go, as a user writes it: ADDRESS:PORT, [ADDRESS]:PORT for IPv6, SERVICE:PORT or
/// NAMESPACE/SERVICE:PORT.
struct TargetText {
  std::optional<Address> address;  ///< nothing: `name` is a service's
  std::string name;
  std::uint16_t port = 0;  ///< from 1, host order
};

/// What cannot be read is named in the error, with what was expected.
[[nodiscard]] Result<TargetText> read_target(const std::string& text);
/// The same form back: 10.96.0.10:80, [2001:db8::1]:80.
[[nodiscard]] std::string target_text(const Address& address, std::uint16_t port);

}  // namespace fairlead::admin
