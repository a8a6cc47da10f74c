// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace fairlead::ctl {

// Parts of the gateway's answers as text for one cell.

/// "GET /cart* x-canary=yes ?a=b"
[[nodiscard]] std::string match_text(const nlohmann::ordered_json& match);
/// "RequestHeaderModifier, URLRewrite"
[[nodiscard]] std::string filters_text(const nlohmann::ordered_json& filters);
/// "default/one:80 90%, default/two:80 10%"
[[nodiscard]] std::string backends_text(const nlohmann::ordered_json& backends);

}  // namespace fairlead::ctl
