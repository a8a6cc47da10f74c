// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "fairlead/config/directory.hpp"

namespace fairlead::config {

/// What `check` says of a directory; the same words wherever it is asked.
struct Checked {
  Update update;
  std::size_t refused = 0;  ///< objects with errors, and places that are no object

  /// Reads it once. Fails only where the path cannot be read at all.
  static Result<Checked> of(const std::string& path, const KindTable& kinds = agent_kinds());
  /// "DIR: 4 documents in 2 files, 1 refused".
  [[nodiscard]] std::string summary(const std::string& path) const;
  /// {"files", "documents", "refused", "diagnostics": [{"severity", "file", "line", ...}]}.
  [[nodiscard]] std::string json() const;
};

}  // namespace fairlead::config
