// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::gateway {

/// Makes this gateway the one that keeps its state in the directory, for as long as the descriptor is open somewhere:
/// the kernel lets the lock go however a process ends. inherited: the predecessor's, which is the same lock where it is
/// of that directory; else it is not used.
[[nodiscard]] Result<Fd> lock_state(const std::string& directory, Fd inherited);
/// Says in the file who holds it, for people.
void note_holder(const Fd& lock);

}  // namespace fairlead::gateway
