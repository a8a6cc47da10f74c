// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/model/request_policy.hpp"
#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/config/reader.hpp"

// The sections of a RequestPolicy; each reader stands in request_SECTION.cpp or in one with its likes.
namespace fairlead::model {
struct RequiredClaim;
struct SecretKey;
}  // namespace fairlead::model
namespace fairlead::config {

/// {name, key} of a Secret in the same namespace.
void read_secret_key(Reader& reader, View at, model::SecretKey& out);
/// A list of {claim, values}.
void read_required_claims(Reader& reader, View at, std::vector<model::RequiredClaim>& out);

/// 0 to 100 in parts of a million.
void read_percent(Reader& reader, View at, std::uint32_t& out);

void read_correlation(Reader& reader, View at, model::Correlation& out);
void read_cross_origin(Reader& reader, View at, model::CrossOrigin& out);
void read_addresses(Reader& reader, View at, model::AddressRules& out);
void read_user_agents(Reader& reader, View at, model::UserAgentRules& out);
void read_request_size(Reader& reader, View at, model::RequestSize& out);
void read_authentication(Reader& reader, View at, model::Authentication& out);
void read_access(Reader& reader, View at, model::AccessRules& out);
void read_external_auth(Reader& reader, View at, model::ExternalAuth& out);
void read_canary(Reader& reader, View at, model::Canary& out);
void read_rate_limits(Reader& reader, View at, model::RateLimits& out);
void read_response_limits(Reader& reader, View at, model::ResponseLimits& out);
void read_concurrency(Reader& reader, View at, model::Concurrency& out);
void read_fault(Reader& reader, View at, model::Fault& out);
void read_validation(Reader& reader, View at, model::Validation& out);
void read_compression(Reader& reader, View at, model::Compression& out);
void read_transform(Reader& reader, View at, model::Transform& out);
void read_fixed_answer(Reader& reader, View at, model::FixedAnswer& out);
void read_cache(Reader& reader, View at, model::ResponseCache& out);
void read_aggregate(Reader& reader, View at, model::Aggregate& out);

}  // namespace fairlead::config
