// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "fairlead/abi/flow.h"
#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

/// Ends sockets of the namespace that this thread is in, by netlink (SOCK_DESTROY): the way for kernels whose BPF
/// cannot (before 6.5). Gives how many were ended; those that are gone by themselves do not count. EOPNOTSUPP where the
/// kernel was built without INET_DIAG_DESTROY.
Result<std::size_t> destroy_sockets(std::span<const fl_swept> sockets);

}  // namespace fairlead::kernel
