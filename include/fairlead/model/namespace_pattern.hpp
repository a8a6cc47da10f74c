// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace fairlead::model {

/// Whether an entry of an AuthorizationPolicy's `namespaces` is of this namespace: Istio takes a `*` anywhere in it,
/// for any characters or none, where other lists have it at one end only.
[[nodiscard]] constexpr bool matches_namespace(std::string_view pattern, std::string_view ns) {
  auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == ns;
  if (!ns.starts_with(pattern.substr(0, star))) return false;
  ns.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  while ((star = pattern.find('*')) != std::string_view::npos) {
    const auto found = ns.find(pattern.substr(0, star));
    if (found == std::string_view::npos) return false;
    ns.remove_prefix(found + star);
    pattern.remove_prefix(star + 1);
  }
  return ns.ends_with(pattern);
}

}  // namespace fairlead::model
