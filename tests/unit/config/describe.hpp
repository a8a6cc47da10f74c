// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fairlead/model/objects.hpp"

namespace fairlead::config {

/// What was understood of an object, on one line: every field that the agent acts on.
[[nodiscard]] std::string describe(const model::Object& object);

}  // namespace fairlead::config
