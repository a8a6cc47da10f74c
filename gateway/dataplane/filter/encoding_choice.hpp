// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/http/message.hpp"
#include "fairlead/model/request_cache.hpp"

namespace fairlead::filter {

/// "gzip", "br", "zstd".
[[nodiscard]] std::string_view name_of(model::Compression::Encoding encoding);

/// Which encoding a client likes best, by Accept-Encoding (RFC 9110 section 12.5.3); the earlier one of `offered` where
/// it likes two as much. Nothing: none, since it names none that we have, or likes the body as it is better.
[[nodiscard]] const model::Compression::One* choose_encoding(const http::Fields& request,
                                                             const std::vector<model::Compression::One>& offered);

/// Whether "text/html; charset=utf-8" is among "text/*", "application/json", "*+json".
[[nodiscard]] bool matches_type(std::string_view content_type, const std::vector<std::string>& patterns);

}  // namespace fairlead::filter
