// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace fairlead::filter {

/// Whether a User-Agent is one that Kong 3's plugin bot-detection denies by itself: crawlers, and libraries that speak
/// HTTP, by the names that uap-core (https://github.com/ua-parser/uap-core) has for them. Thread: any.
[[nodiscard]] bool is_known_bot(std::string_view agent);

}  // namespace fairlead::filter
