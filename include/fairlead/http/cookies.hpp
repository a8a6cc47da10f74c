// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>

#include "fairlead/http/message.hpp"

namespace fairlead::http {

/// One cookie of a Cookie field, as it stands there.
struct Cookie {
  std::string_view pair;  ///< "name=value" without white space around it; some have no "="
  std::string_view name;
  std::optional<std::string_view> value{};
};

/// Takes the next cookie off a Cookie field (RFC 6265 section 5.4); nothing: there is no more.
[[nodiscard]] inline std::optional<Cookie> next_cookie(std::string_view& field) {
  while (!field.empty()) {
    const auto end = std::min(field.find(';'), field.size());
    auto pair = field.substr(0, end);
    field.remove_prefix(std::min(end + 1, field.size()));
    while (pair.starts_with(' ') || pair.starts_with('\t')) pair.remove_prefix(1);
    while (pair.ends_with(' ') || pair.ends_with('\t')) pair.remove_suffix(1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) return Cookie{.pair = pair, .name = pair};
    return Cookie{.pair = pair, .name = pair.substr(0, equals), .value = pair.substr(equals + 1)};
  }
  return std::nullopt;
}

template <class F>
void for_each_cookie(const Fields& fields, F&& f) {
  for (const auto& field : fields) {
    if (field.name != "cookie") continue;
    for (auto rest = field.value; const auto cookie = next_cookie(rest);) f(*cookie);
  }
}

/// The value of the first cookie of that name, over all Cookie fields.
[[nodiscard]] inline std::optional<std::string_view> find_cookie(const Fields& fields, std::string_view name) {
  for (const auto& field : fields) {
    if (field.name != "cookie") continue;
    for (auto rest = field.value; const auto cookie = next_cookie(rest);)
      if (cookie->name == name && cookie->value) return cookie->value;
  }
  return std::nullopt;
}

}  // namespace fairlead::http
