// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fairlead::config {

enum class Severity : std::uint8_t {
  kError,    ///< the object (or file) was refused; its last good state stays
  kWarning,  ///< understood, but not served: the rest of the object is in force
};

/// One remark on the configuration: where, what, and what was expected.
struct Diagnostic {
  Severity severity = Severity::kError;
  std::string file;
  std::uint32_t line = 0;    ///< from 1; 0: the file as a whole
  std::uint32_t column = 0;  ///< from 1
  std::string object;        ///< "Service default/web", where it is known
  std::string field;         ///< "spec.ports[0].port"
  std::string found;         ///< as written, shortened
  std::string expected;      ///< "a number from 1 to 65535"

  /// "services.yaml:12:9: error: Service default/web: spec.ports[0].port: found "http", expected a number ..."
  [[nodiscard]] std::string text() const;
};

using Diagnostics = std::vector<Diagnostic>;

}  // namespace fairlead::config
