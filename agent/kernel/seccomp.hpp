// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

/// Leaves this thread, and those that it starts, the system calls that a running agent makes. Any other one fails with
/// ENOSYS, as on a kernel that does not have it, and is named on stderr. Call after drop_capabilities().
/// Does nothing in builds with sanitizers, whose runtime makes calls of its own.
Result<> confine();

/// Whether this build confines at all.
[[nodiscard]] bool confines();

}  // namespace fairlead::kernel
