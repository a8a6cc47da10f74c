// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

/// Fails where loading cannot work, naming what is missing and how to give it.
Result<> require_capabilities();

/// Gives up everything that is not in kept_capabilities(), for good: permitted, bounding set, and no new privileges by
/// execve. Capabilities belong to threads, so it is to be called before the first one is started.
Result<> drop_capabilities();

struct KeptCapability {
  const char* name;
  const char* why;
};

/// What a running agent keeps, and why.
[[nodiscard]] const std::vector<KeptCapability>& kept_capabilities();

}  // namespace fairlead::kernel
