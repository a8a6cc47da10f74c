// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "fairlead/base/arena.hpp"
#include "fairlead/model/request_cache.hpp"

namespace fairlead::filter {

/// The URL that a reference (RFC 3986 section 4.1) names beside `base`, a URL as append_url() writes it, in that form.
/// Empty: it is of another origin, or no URL. Thread: any.
[[nodiscard]] std::string located_url(std::string_view base, std::string_view reference,
                                      const model::CacheKey& settings, Arena& arena);

}  // namespace fairlead::filter
