// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <utility>

#include "fairlead/base/error.hpp"

namespace fairlead {

/// A value or an Error. The only place that names std::expected, so that it can be exchanged. Three ways to use it:
///   if (!r) return fail(std::move(r.error()).in("loading programs"));
///   FL_TRY(auto value, make_value());      // returns the error to the caller
///   FL_CHECK(do_something());              // the same for Result<void>
template <class T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }
[[nodiscard]] inline std::unexpected<Error> fail(std::string message, int code = 0) {
  return std::unexpected<Error>(Error{std::move(message), code});
}

}  // namespace fairlead

#define FL_CONCAT_INNER(a, b) a##b
#define FL_CONCAT(a, b) FL_CONCAT_INNER(a, b)
#define FL_TRY_AS(holder, declaration, expression)                 \
  auto holder = (expression);                                      \
  if (!holder) return ::fairlead::fail(std::move(holder.error())); \
  declaration = std::move(*holder)
#define FL_TRY(declaration, expression) FL_TRY_AS(FL_CONCAT(fl_try_, __LINE__), declaration, expression)
#define FL_CHECK(expression)                                                                                 \
  do {                                                                                                       \
    if (auto fl_checked = (expression); !fl_checked) return ::fairlead::fail(std::move(fl_checked.error())); \
  } while (false)
