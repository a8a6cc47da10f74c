// SPDX-License-Identifier: Apache-2.0
// What the sections `cache` and `compression` of a RequestPolicy take and refuse.
#include "fairlead/model/request_cache.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fairlead/config/directory.hpp"
#include "unit/gateway_config/gateway_fixture.hpp"

namespace fairlead::config {
namespace {

using namespace std::chrono_literals;

constexpr BadSection kBadCache[] = {
    {"cache: []}", "spec.cache", "a list", "a mapping"},
    {"cache: {ttl: 1s}}", "spec.cache.ttl", "an unknown field", "defaultTtl"},
    {"cache: {store: Redis}}", "spec.cache.redis", "nothing", "a mapping"},
    {"cache: {store: Memcached}}", "spec.cache.store", "\"Memcached\"", "Local or Redis"},
    {"cache: {redis: {addresses: [\"a:1\"]}}}", "spec.cache.redis", "a mapping", "only with store Redis"},
    {"cache: {store: Redis, redis: {}}}", "spec.cache.redis.addresses", "nothing", "at least one HOST:PORT"},
    {"cache: {store: Redis, redis: {addresses: [a]}}}", "spec.cache.redis.addresses[0]", "\"a\"", "HOST:PORT"},
    {"cache: {store: Redis, redis: {addresses: [\"a:1\"], onFailure: Open}}}", "spec.cache.redis.onFailure",
     "an unknown field", "maxObjectBytes"},
    {"cache: {store: Redis, redis: {addresses: [\"a:1\"], maxObjectBytes: 1000001}}}",
     "spec.cache.redis.maxObjectBytes", "1000001", "1 to 1000000"},
    {"cache: {store: Redis, redis: {addresses: [\"a:1\"], timeout: 11s}}}", "spec.cache.redis.timeout", "\"11s\"",
     "1ms to 10s"},
    {"cache: {store: Redis, redis: {addresses: [\"a:1\", \"b:1\"]}}}", "spec.cache.redis.addresses", "a list",
     "cluster: true"},
    {"cache: {maxBytes: 65535}}", "spec.cache.maxBytes", "65535", "65536"},
    {"cache: {maxBytes: 64Mi}}", "spec.cache.maxBytes", "\"64Mi\"", "65536"},
    {"cache: {maxObjectBytes: 0}}", "spec.cache.maxObjectBytes", "0", "1 to"},
    {"cache: {maxBytes: 1000000, maxObjectBytes: 250001}}", "spec.cache.maxObjectBytes", "250001", "a quarter"},
    {"cache: {defaultTtl: 10}}", "spec.cache.defaultTtl", "10", "a duration"},
    {"cache: {defaultTtl: 1500ms}}", "spec.cache.defaultTtl", "\"1500ms\"", "whole seconds"},
    {"cache: {defaultTtl: 9000h}}", "spec.cache.defaultTtl", "\"9000h\"", "8784h"},
    {"cache: {statuses: []}}", "spec.cache.statuses", "a list", "at least 1"},
    {"cache: {statuses: [{status: 404}]}}", "spec.cache.statuses[0].ttl", "nothing", "a duration"},
    {"cache: {statuses: [{ttl: 1s}]}}", "spec.cache.statuses[0].status", "nothing", "200 to 599"},
    {"cache: {statuses: [{status: 99, ttl: 1s}]}}", "spec.cache.statuses[0].status", "99", "200 to 599"},
    {"cache: {statuses: [{status: 206, ttl: 1s}]}}", "spec.cache.statuses[0].status", "206", "no 206 or 304"},
    {"cache: {statuses: [{status: 404, ttl: 1s}, {status: 404, ttl: 2s}]}}", "spec.cache.statuses[1].status", "404",
     "each status once"},
    {"cache: {controlHeaders: []}}", "spec.cache.controlHeaders", "a list", "at least 1"},
    {"cache: {controlHeaders: [A, a]}}", "spec.cache.controlHeaders[1]", "\"a\"", "each header once"},
    {"cache: {methods: [POST]}}", "spec.cache.methods[0]", "\"POST\"", "GET or HEAD"},
    {"cache: {methods: [HEAD]}}", "spec.cache.methods", "a list", "GET too"},
    {"cache: {methods: [GET, GET]}}", "spec.cache.methods[1]", "\"GET\"", "each method once"},
    {"cache: {key: {path: true}}}", "spec.cache.key.path", "an unknown field", "query"},
    {"cache: {key: {query: {exclude: []}}}}", "spec.cache.key.query.exclude", "a list", "at least 1"},
    {"cache: {key: {query: {include: [a], exclude: [b]}}}}", "spec.cache.key.query.exclude", "a list", "not both"},
    {"cache: {key: {query: {include: [a, a]}}}}", "spec.cache.key.query.include[1]", "\"a\"", "each name once"},
    {"cache: {key: {headers: [\"a b\"]}}}", "spec.cache.key.headers[0]", "\"a b\"", "a header's name"},
    {"cache: {key: {headers: [A, a]}}}", "spec.cache.key.headers[1]", "\"a\"", "each header once"},
    {"cache: {key: {cookies: [\"a=b\"]}}}", "spec.cache.key.cookies[0]", "\"a=b\"", "a cookie's name"},
    {"cache: {key: {consumer: 1}}}", "spec.cache.key.consumer", "1", "true or false"},
    {"cache: {staleIfError: 1}}", "spec.cache.staleIfError", "1", "a duration"},
    {"cache: {staleWhileRevalidate: 1500ms}}", "spec.cache.staleWhileRevalidate", "\"1500ms\"", "whole seconds"},
    {"cache: {bypass: {}}}", "spec.cache.bypass.headers", "nothing", "at least one header"},
    {"cache: {tagHeader: \"a b\"}}", "spec.cache.tagHeader", "\"a b\"", "a header's name"},
    {"cache: {coalesce: {maxWait: 0s}}}", "spec.cache.coalesce.maxWait", "\"0s\"", "1ms to 10m"},
    {"cache: {coalesce: {maxWait: 11m}}}", "spec.cache.coalesce.maxWait", "\"11m\"", "1ms to 10m"},
    {"compression: {level: 1}}", "spec.compression.level", "an unknown field", "encodings"},
    {"compression: {encodings: []}}", "spec.compression.encodings", "a list", "at least 1"},
    {"compression: {encodings: [gzip]}}", "spec.compression.encodings[0]", "\"gzip\"", "a mapping"},
    {"compression: {encodings: [{name: deflate}]}}", "spec.compression.encodings[0].name", "\"deflate\"",
     "gzip, br or zstd"},
    {"compression: {encodings: [{level: 1}]}}", "spec.compression.encodings[0].name", "nothing", "gzip, br or zstd"},
    {"compression: {encodings: [{name: gzip, level: 10}]}}", "spec.compression.encodings[0].level", "10", "1 to 9"},
    {"compression: {encodings: [{name: br, level: 10}]}}", "spec.compression.encodings[0].level", "10", "0 to 9"},
    {"compression: {encodings: [{level: 16, name: zstd}]}}", "spec.compression.encodings[0].level", "16", "1 to 15"},
    {"compression: {encodings: [{name: br}, {name: br}]}}", "spec.compression.encodings[1]", "a mapping",
     "each encoding once"},
    {"compression: {minLength: -1}}", "spec.compression.minLength", "-1", "0 to"},
    {"compression: {contentTypes: [html]}}", "spec.compression.contentTypes[0]", "\"html\"", "a media type"},
    {"compression: {contentTypes: [\"*/*\"]}}", "spec.compression.contentTypes[0]", "\"*/*\"", "a media type"},
    {"compression: {contentTypes: [\"text/html; charset=utf-8\"]}}", "spec.compression.contentTypes[0]",
     "\"text/html; charset=utf-8\"", "a media type"},
};

TEST(RequestCacheSection, NamesLineFieldFoundAndExpected) {
  static_assert(std::size(kBadCache) >= 40);
  for (const auto& bad : kBadCache) {
    SCOPED_TRACE(bad.body);
    const auto parsed = parse_text(kToSections + bad.body + "\n", false, gateway_kinds());
    ASSERT_FALSE(parsed.diagnostics.empty());
    const auto& first = parsed.diagnostics[0];
    EXPECT_EQ(first.severity, Severity::kError);
    EXPECT_EQ(first.line, 5U) << first.text();
    EXPECT_EQ(first.field, bad.field) << first.text();
    EXPECT_EQ(first.found, bad.found) << first.text();
    EXPECT_NE(first.expected.find(bad.expected), std::string::npos) << first.text();
    for (const auto& object : parsed.objects) EXPECT_FALSE(object.object);
  }
}

TEST(RequestCacheSection, HasEveryField) {
  const auto settings = read_sections(R"(cache: {maxBytes: 1000000, maxObjectBytes: 1000, defaultTtl: 1m,
    statuses: [{status: 404, ttl: 5s}, {status: 301, ttl: 1h}], methods: [GET],
    key: {query: {include: []}, headers: [X-Tenant], cookies: [plan], consumer: true},
    staleWhileRevalidate: 10s, staleIfError: 1h, honourRequestDirectives: true, bypass: {headers: [X-Debug]},
    cacheStatusHeader: false, tagHeader: X-Tags, controlHeaders: [Edge-Control, CDN-Cache-Control],
    coalesce: {enabled: false, maxWait: 100ms}})");
  ASSERT_TRUE(settings && settings->cache);
  const auto& cache = *settings->cache;
  EXPECT_EQ(cache.max_bytes, 1000000U);
  EXPECT_EQ(cache.max_object_bytes, 1000U);
  EXPECT_EQ(cache.default_ttl, 60s);
  ASSERT_EQ(cache.statuses.size(), 2U);
  EXPECT_EQ(cache.statuses[0].status, 404);
  EXPECT_EQ(cache.statuses[1].ttl, 1h);
  EXPECT_TRUE(cache.get && !cache.head);
  EXPECT_TRUE(cache.key.query_include && cache.key.query_include->empty());
  EXPECT_EQ(cache.key.headers, std::vector<std::string>{"x-tenant"});
  EXPECT_EQ(cache.key.cookies, std::vector<std::string>{"plan"});
  EXPECT_TRUE(cache.key.consumer && cache.honour_request_directives);
  EXPECT_EQ(cache.stale_while_revalidate, 10s);
  EXPECT_EQ(cache.stale_if_error, 1h);
  EXPECT_EQ(cache.bypass_headers, std::vector<std::string>{"x-debug"});
  EXPECT_FALSE(cache.cache_status_header || cache.coalesce);
  EXPECT_EQ(cache.tag_headers, std::vector<std::string>{"x-tags"});
  EXPECT_EQ(cache.control_headers, (std::vector<std::string>{"edge-control", "cdn-cache-control"}));
  EXPECT_EQ(cache.max_wait, 100ms);
}

TEST(RequestCacheSection, HasDefaultsThatFitEachOther) {
  const auto settings = read_sections("cache: {maxBytes: 1000000}");
  ASSERT_TRUE(settings && settings->cache && !settings->compression);
  EXPECT_EQ(settings->cache->max_object_bytes, 250000U);
  EXPECT_FALSE(settings->cache->default_ttl.has_value());
  EXPECT_TRUE(settings->cache->coalesce && settings->cache->cache_status_header && settings->cache->head);
}

TEST(RequestCacheSection, NamesARedis) {
  const auto settings = read_sections(
      "cache: {store: Redis, redis: {addresses: [\"a:1\"], timeout: 20ms, prefix: p, maxObjectBytes: 1000}}");
  ASSERT_TRUE(settings && settings->cache && settings->cache->redis);
  EXPECT_EQ(settings->cache->redis->addresses, std::vector<std::string>{"a:1"});
  EXPECT_EQ(settings->cache->redis->timeout, 20ms);
  EXPECT_EQ(settings->cache->redis->prefix, "p");
  EXPECT_EQ(settings->cache->max_shared_bytes, 1000U);
  const auto local = read_sections("cache: {store: Local}");
  ASSERT_TRUE(local && local->cache);
  EXPECT_EQ(local->cache->redis, nullptr);
}

TEST(RequestCompressionSection, HasEveryField) {
  using Encoding = model::Compression::Encoding;
  const auto settings = read_sections(
      "compression: {encodings: [{name: br}, {level: 1, name: gzip}], minLength: 0, contentTypes: [Text/*]}");
  ASSERT_TRUE(settings && settings->compression);
  const auto& compression = *settings->compression;
  ASSERT_EQ(compression.encodings.size(), 2U);
  EXPECT_TRUE(compression.encodings[0].encoding == Encoding::kBrotli && compression.encodings[0].level == 4);
  EXPECT_TRUE(compression.encodings[1].encoding == Encoding::kGzip && compression.encodings[1].level == 1);
  EXPECT_EQ(compression.min_length, 0U);
  EXPECT_EQ(compression.content_types, std::vector<std::string>{"text/*"});
  const auto standard = read_sections("compression: {}");
  ASSERT_TRUE(standard && standard->compression);
  EXPECT_EQ(standard->compression->encodings.size(), 3U);
}

}  // namespace
}  // namespace fairlead::config
