// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <system_error>

namespace fairlead {

/// What went wrong, as a person reads it: "what was attempted: what was found, what was expected".
struct Error {
  std::string message;
  int code = 0;  ///< errno where a system call failed, else 0

  /// Puts context in front: `error.in("reading /etc/x")` gives "reading /etc/x: ...".
  [[nodiscard]] Error in(std::string_view context) && {
    message.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }
};

/// The error of a failed system call: "what: No such file or directory".
[[nodiscard]] inline Error system_error(std::string_view what, int error_number) {
  return Error{std::string(what) + ": " + std::generic_category().message(error_number), error_number};
}

}  // namespace fairlead
