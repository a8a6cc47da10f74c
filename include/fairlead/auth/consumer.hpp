// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace fairlead::auth {

/// Who may call: a person or a program with credentials. Immutable once it is in a directory.
struct Consumer {
  std::string name;       ///< metadata.name; unique
  std::string custom_id;  ///< what the users' own systems call it; may be empty
  std::vector<std::string> groups;  ///< sorted
  std::string id{};       ///< what backends get as X-Consumer-ID; empty: nothing
};

}  // namespace fairlead::auth
