// SPDX-License-Identifier: Apache-2.0
#include "fairlead/config/diagnostic.hpp"

#include "fairlead/base/printable.hpp"

namespace fairlead::config {

std::string Diagnostic::text() const {
  std::string out = file;
  if (line > 0) out.append(":").append(std::to_string(line)).append(":").append(std::to_string(column));
  if (!out.empty()) out += ": ";
  out += severity == Severity::kError ? "error: " : "warning: ";
  if (!object.empty()) out.append(object).append(": ");
  if (!field.empty()) out.append(field).append(": ");
  if (!found.empty()) out.append("found ").append(found).append(", expected ");  // else a remark, not a mismatch
  return printable(out.append(expected));
}

}  // namespace fairlead::config
