// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/model/secret_source.hpp"

namespace fairlead::filter {

/// What stands in a Secret of the policy's namespace.
[[nodiscard]] Result<std::string> secret_value(const model::SecretKey& ref, const Context& context);
/// The same for what people type: line ends behind it count for nothing.
[[nodiscard]] Result<std::string> secret_line(const model::SecretKey& ref, const Context& context);
/// The same, or what a file held; empty where neither is given.
[[nodiscard]] Result<std::string> secret_line(const model::SecretSource& source, const Context& context);

}  // namespace fairlead::filter
