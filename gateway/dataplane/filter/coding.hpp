// SPDX-License-Identifier: Apache-2.0
#pragma once

// Content-Encoding of bodies that have to be read.

#include <cstdint>
#include <string>

#include "fairlead/change/gzip.hpp"
#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

enum class Coding : std::uint8_t {
  kIdentity,
  kGzip,     ///< gzip, x-gzip
  kDeflate,  ///< read, never written
  kOther,    ///< another one, or several
};

[[nodiscard]] Coding coding_of(const http::Fields& fields);

/// A request's body expanded into `plain`, which stays empty where it is not coded. False: it was answered, with 413,
/// 415 or 400.
[[nodiscard]] bool decode_request_body(Request& request, const std::string& body, const change::ExpandLimits& limits,
                                       std::string& plain);

}  // namespace fairlead::filter
