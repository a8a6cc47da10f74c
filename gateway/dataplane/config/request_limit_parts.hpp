// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/model/request_limits.hpp"
#include "gateway/dataplane/config/fields.hpp"

// What rateLimits and concurrency have in common, and the settings of Redis.
namespace fairlead::config {

void read_limit_key(Reader& reader, View at, std::vector<model::LimitKeyPart>& out);
void read_limit_missing(Reader& reader, View at, model::LimitMissing& out);
void read_limit_refusal(Reader& reader, View at, model::LimitRefusal& out);
void read_redis(Reader& reader, View at, model::RedisSettings& out);
/// The same without leases of requests.
void read_place_redis(Reader& reader, View at, model::RedisSettings& out);
/// The same of a cache, which counts nothing: other fields are not known there. most_object: bytes of a response.
void read_cache_redis(Reader& reader, View at, model::RedisSettings& out, std::uint64_t& most_object);

}  // namespace fairlead::config
