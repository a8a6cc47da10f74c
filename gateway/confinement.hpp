// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/base/result.hpp"

namespace fairlead::gateway {

/// Leaves the process CAP_NET_BIND_SERVICE, where it has that (a change of the configuration may ask for a port below
/// 1024), and the system calls that a gateway makes. Call before the first thread is started.
Result<> confine();

}  // namespace fairlead::gateway
