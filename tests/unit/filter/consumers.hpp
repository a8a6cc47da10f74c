// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fairlead/auth/consumer.hpp"

namespace fairlead::filter {

/// One without credentials. groups: sorted.
inline auth::ConsumerPtr make_consumer(std::string_view name, std::vector<std::string> groups = {},
                                       std::string_view custom_id = {}) {
  auto* more = new model::ConsumerMore;
  more->groups = std::move(groups);
  return auth::Consumer::make(
      {.ns = "default", .name = name, .custom_id = custom_id, .more = model::ConsumerMorePtr(more)});
}

}  // namespace fairlead::filter
