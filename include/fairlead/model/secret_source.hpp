// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fairlead/model/request_policy.hpp"

namespace fairlead::model {

/// One value of a Secret in the same namespace, or of a file.
struct SecretSource : SecretKey {
  std::string held{};  ///< what the file held, in place of a Secret; never printed
};

}  // namespace fairlead::model
