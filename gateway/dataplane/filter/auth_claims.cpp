// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/auth_claims.hpp"

#include <algorithm>

#include "fairlead/auth/jwt.hpp"

namespace fairlead::filter {

bool has_required_claims(const auth::Json& claims, const model::ClaimUse& use) {
  return std::ranges::all_of(use.required_claims, [&](const model::RequiredClaim& required) {
    return auth::claim_matches(claims, required.claim, required.values);
  });
}

ClaimHeaders claim_headers(const auth::Json& claims, const model::ClaimUse& use) {
  ClaimHeaders out;
  for (const auto& [claim, header] : use.claims_to_headers)
    if (const auto* node = claims.find(claim))
      if (auto text = auth::claim_text(claims, *node)) out.emplace_back(header, std::move(*text));
  return out;
}

const auth::Consumer* claimed_consumer(const auth::Json& claims, const model::ClaimUse& use,
                                       const auth::Directory& directory) {
  const auto* named = use.consumer_claim.empty() ? nullptr : claims.find(use.consumer_claim);
  return named != nullptr && named->type == auth::Json::Type::kString ? directory.consumer(named->text) : nullptr;
}

AuthFailure failure_of(auth::TokenError error) {
  using enum auth::TokenError;
  switch (error) {
    case kNone:
    case kSignature: break;
    case kMalformed:
    case kCritical: return AuthFailure::kMalformed;
    case kAlgorithm: return AuthFailure::kAlgorithm;
    case kUnknownKey: return AuthFailure::kUnknown;
    case kIssuer: return AuthFailure::kIssuer;
    case kAudience: return AuthFailure::kAudience;
    case kExpired:
    case kInactive: return AuthFailure::kExpired;
    case kNotYet: return AuthFailure::kNotYet;
    case kClaims:
    case kNonce:
    case kNoExpiry:
    case kNoStart:
    case kTooLong: return AuthFailure::kClaims;
  }
  return AuthFailure::kWrong;
}

}  // namespace fairlead::filter
