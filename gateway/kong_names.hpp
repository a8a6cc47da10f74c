// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fairlead/model/metadata.hpp"
#include "fairlead/telemetry/record.hpp"

namespace fairlead::gateway {

/// What an HTTPRoute's annotation fairlead.io/kong-log says of Kong's entities, else fairlead.io/kong-route and
/// fairlead.io/kong-service; null where it has none, or a wrong one, which `texts` then names.
[[nodiscard]] std::shared_ptr<const telemetry::KongNames> kong_names(const model::Labels& annotations,
                                                                     std::vector<std::string>& texts);

}  // namespace fairlead::gateway
