// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <variant>

#include "fairlead/model/gateway_route_parts.hpp"

namespace fairlead::model {

/// The first filter of a kind; null: there is none, or there are no filters.
template <class Filter>
[[nodiscard]] const Filter* find_filter(const HttpFilters* filters) {
  if (filters == nullptr) return nullptr;
  for (const auto& filter : *filters)
    if (const auto* found = std::get_if<Filter>(&filter)) return found;
  return nullptr;
}

}  // namespace fairlead::model
