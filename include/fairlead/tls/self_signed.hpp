// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fairlead/base/result.hpp"

namespace fairlead::tls {

struct SelfSigned {
  std::string certificate;  ///< PEM
  std::string key;          ///< PEM, in clear
};

/// A certificate for `name` that nobody has to believe, with a new key (P-256), for twenty years.
/// Thread: any.
[[nodiscard]] Result<SelfSigned> make_self_signed(const std::string& name);

}  // namespace fairlead::tls
