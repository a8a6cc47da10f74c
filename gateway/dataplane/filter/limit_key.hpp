// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "fairlead/filter/request.hpp"
#include "fairlead/limit/key.hpp"
#include "fairlead/model/request_limits.hpp"

namespace fairlead::filter {

/// Puts together what tells clients apart, by these parts of a request. False: a part is missing, and the limit does
/// not concern the request (LimitMissing::kSkip).
bool build_limit_key(Request& request, const std::vector<model::LimitKeyPart>& parts, model::LimitMissing missing,
                     limit::KeyText& out);

/// The first tier whose group the request's consumer has, from 1; 0: none.
std::size_t find_limit_tier(Request& request, const std::vector<model::LimitTier>& tiers);

}  // namespace fairlead::filter
