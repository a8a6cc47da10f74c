// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace fairlead::http {

/// Now as IMF-fixdate (RFC 9110 5.6.7), for the field Date. Formatted once a second and thread; good until the thread's
/// next call.
[[nodiscard]] std::string_view date_now();

}  // namespace fairlead::http
