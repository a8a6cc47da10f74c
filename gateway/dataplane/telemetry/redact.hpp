// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/dataplane/telemetry/text.hpp"

namespace fairlead::telemetry {

inline constexpr std::string_view kRedacted = "[redacted]";

/// Whether a header field holds a secret by its name (in lower case): Authorization, cookies, keys, tokens, and what
/// was added (secret_names.hpp).
[[nodiscard]] bool secret_field(std::string_view lower_case_name);
/// The same for a parameter of a query, whatever its case: access_token, api_key, password, signature.
[[nodiscard]] bool secret_parameter(std::string_view name);

/// As text::put_escaped for a URL or target, but values of secret parameters and passwords of an authority
/// ("user:password@") are replaced. Fragments are treated as queries: tokens stand there too.
char* put_target(char* out, std::string_view target, text::Escape escape, std::size_t limit);
/// The same for a query alone, without its '?'.
char* put_query(char* out, std::string_view query, text::Escape escape, std::size_t limit);

}  // namespace fairlead::telemetry
