// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>

#include "fairlead/filter/filter.hpp"
#include "fairlead/http/message.hpp"

namespace fairlead::filter {

/// A filter that tells backends who calls, by fields that clients may not send: not in trailers either, which some
/// servers put among the headers. Thread: any worker's.
class IdentityStripper {
 public:
  /// Takes them off.
  virtual void strip_identity(http::Fields& fields) const = 0;

 protected:
  ~IdentityStripper() = default;
};

/// `next`, an authentication, behind what takes off the headers, too.
[[nodiscard]] FilterPtr make_identity_guard(const std::set<std::string>& headers, FilterPtr next);

}  // namespace fairlead::filter
