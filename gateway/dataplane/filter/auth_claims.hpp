// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fairlead/auth/directory.hpp"
#include "fairlead/auth/json.hpp"
#include "fairlead/auth/jwt.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_auth.hpp"
#include "gateway/dataplane/filter/auth_method.hpp"

namespace fairlead::filter {

/// Names are views into the settings.
using ClaimHeaders = std::vector<std::pair<std::string_view, std::string>>;

[[nodiscard]] bool has_required_claims(const auth::Json& claims, const model::ClaimUse& use);
[[nodiscard]] ClaimHeaders claim_headers(const auth::Json& claims, const model::ClaimUse& use);
/// Null: the claim names none, or none is to be looked for.
[[nodiscard]] const auth::Consumer* claimed_consumer(const auth::Json& claims, const model::ClaimUse& use,
                                                     const auth::Directory& directory);
/// What counters call it.
[[nodiscard]] AuthFailure failure_of(auth::TokenError error);

}  // namespace fairlead::filter
