// SPDX-License-Identifier: Apache-2.0
#pragma once

// Content-Encoding of bodies that have to be read.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "fairlead/change/gzip.hpp"
#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

enum class Coding : std::uint8_t {
  kIdentity,
  kGzip,     ///< gzip, x-gzip
  kDeflate,  ///< read, never written
  kBrotli,
  kZstd,
  kOther,    ///< another one, or several
};

[[nodiscard]] Coding coding_of(const http::Fields& fields);

/// What is packed in `coding`, which is neither kIdentity nor kOther, appended to `plain`.
[[nodiscard]] change::Expanded expand(Coding coding, std::string_view packed, const change::ExpandLimits& limits,
                                      std::string& plain);
/// Appends `text` in `coding`; false where that is never written, or memory is short.
[[nodiscard]] bool pack(Coding coding, std::string_view text, std::string& out);

/// A request's fields, so that a backend answers with the whole of it, and in codings only that can be read here.
void limit_codings(http::Fields& fields, Arena& arena);
void remove_fields(http::Fields& fields, std::initializer_list<std::string_view> names);

/// A request's body expanded into `plain`, which stays empty where it is not coded. False: it was answered, with 413,
/// 415 or 400.
[[nodiscard]] bool decode_request_body(Request& request, const std::string& body, const change::ExpandLimits& limits,
                                       std::string& plain);

}  // namespace fairlead::filter
