// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "fairlead/base/address.hpp"

namespace fairlead::net {

/// Where others reach a socket of every address: those of the interfaces that are up, IPv4 first, without loopback and
/// link-local ones, which mean something on one machine or link alone. Empty where the kernel does not say.
[[nodiscard]] std::vector<Address> reachable_addresses();

}  // namespace fairlead::net
