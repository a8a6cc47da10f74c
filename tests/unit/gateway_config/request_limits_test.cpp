// SPDX-License-Identifier: Apache-2.0
// Sections rateLimits and concurrency: what is read, and what is refused (line, field, found, expected).
#include "fairlead/model/request_limits.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "unit/gateway_config/gateway_fixture.hpp"

namespace fairlead::config {
namespace {

#define POLICY                                                                          \
  "apiVersion: fairlead.io/v1alpha1\nkind: RequestPolicy\nmetadata: {name: p}\nspec:\n" \
  "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}]\n"
constexpr const char* kSection = POLICY "  rateLimits:\n    ";
constexpr const char* kLimit = POLICY "  rateLimits: {limits: [\n    {name: a, requests: 1, per: Second, ";
constexpr const char* kRedis =
    POLICY "  rateLimits: {limits: [{name: a, requests: 1, per: Day}], store: Redis, redis:\n    ";
constexpr const char* kUses = POLICY "  responseLimits:\n    ";
constexpr const char* kConcurrency = POLICY "  concurrency:\n    ";

#define AT "spec.rateLimits"
#define ONE AT ".limits[0]"
constexpr BadDocument kBadLimits[] = {
    {kSection, "{}", 7, AT ".limits", "nothing", "at least one limit"},
    {kSection, "{limits: []}", 7, AT ".limits", "a list", "at least 1"},
    {kSection, "{limit: []}", 7, AT ".limit", "an unknown field", "limits, quotas"},
    {kSection, "{limits: [{requests: 1, per: Second}]}", 7, ONE ".name", "nothing", "a name"},
    {kSection, "{limits: [{name: a, per: Second}]}", 7, ONE ".requests", "nothing", "a number"},
    {kSection, "{limits: [{name: a, requests: 1}]}", 7, ONE ".per", "nothing", "Second, Minute"},
    {kSection, "{limits: [{name: a, requests: 0, per: Second}]}", 7, ONE ".requests", "0", "1 to"},
    {kSection, "{limits: [{name: a, requests: 1000000001, per: Second}]}", 7, ONE ".requests", "1000000001", "1 to"},
    {kSection, "{limits: [{name: a, requests: 1, per: Weekend}]}", 7, ONE ".per", "\"Weekend\"", "Second, Minute"},
    {kSection, "{limits: [{name: a, requests: 1, per: 10}]}", 7, ONE ".per", "10", "Second, Minute"},
    {kSection, "{limits: [{name: a, requests: 1, per: 0s}]}", 7, ONE ".per", "\"0s\"", "1ms to 744h"},
    {kSection, "{limits: [{name: a, requests: 1, per: 745h}]}", 7, ONE ".per", "\"745h\"", "1ms to 744h"},
    {kSection, "{limits: [{name: a, requests: 1, per: 1.5s}]}", 7, ONE ".per", "\"1.5s\"", "a duration"},
    {kSection, "{limits: [{name: a, requests: 1, per: Month}]}", 7, ONE ".per", "\"Month\"", "FixedWindow"},
    {kSection, "{limits: [{name: \"A b\", requests: 1, per: Day}]}", 7, ONE ".name", "\"A b\"", "a name of lower-case"},
    {kSection, "{limits: [{name: a, requests: 1, per: Day}, {name: a, requests: 2, per: Day}]}", 7,
     AT ".limits[1].name", "\"a\"", "no other limit"},
    {kSection, "{limits: [{name: a, requests: 1, per: Day}], store: Memcached}", 7, AT ".store", "\"Memcached\"",
     "Local or Redis"},
    {kSection, "{limits: [{name: a, requests: 1, per: Day}], store: Redis}", 7, AT ".redis", "nothing", "by the store"},
    {kSection, "{limits: [{name: a, requests: 1, per: Day}], redis: {addresses: [\"a:1\"]}}", 7, AT ".redis",
     "a mapping", "only with store Redis"},
    {kSection, "{quotas: [{name: a, requests: 1, per: Hour}]}", 7, AT ".quotas[0].per", "\"Hour\"",
     "Day, Week, Month or Year"},
    {kLimit, "responseCost: {}}]}", 7, ONE ".responseCost", "a mapping", "header or json"},
    {kLimit, "responseCost: {header: a, json: b}}]}", 7, ONE ".responseCost", "a mapping", "header or json"},
    {kLimit, "responseCost: {header: \"a b\"}}]}", 7, ONE ".responseCost.header", "\"a b\"", "a header's name"},
    {kLimit, "responseCost: {json: \"a[\"}}]}", 7, ONE ".responseCost.json", "\"a[\"", "a field such as"},
    {kLimit, "cost: 0, responseCost: {json: a}}]}", 7, ONE ".cost", "0", "1 to 1000000 with responseCost"},
    {kUses, "{header: x, limits: []}", 7, "spec.responseLimits.limits", "a list", "at least 1"},
    {kUses, "{limits: [{name: a, requests: 1, per: Day}]}", 7, "spec.responseLimits.header", "nothing", "a field of"},
    {kUses, "{header: x, limits: [{name: \"a b\", requests: 1, per: Day}]}", 7, "spec.responseLimits.limits[0].name",
     "\"a b\"", "a name of what"},
    {kUses, "{header: x, limits: [{name: a, requests: 1, per: 10s}]}", 7, "spec.responseLimits.limits[0].per",
     "\"10s\"", "Day, Week, Month or Year"},
    {kUses, "{header: x, limits: [{name: a, requests: 1, per: Day}, {name: A, requests: 2, per: Day}]}", 7,
     "spec.responseLimits.limits[1].name", "\"A\"", "once for each name and per"},
    {kUses, "{header: x, limits: [{name: a, requests: 1, per: Day}], refuse: All}", 7, "spec.responseLimits.refuse",
     "\"All\"", "Responses or Requests"},
    {kUses, "{header: x, limits: [{name: a, requests: 1, per: Day}], store: Redis}", 7, "spec.responseLimits.redis",
     "nothing", "by the store"},
    {kUses,
     "{header: x, limits: [{name: a, requests: 1, per: Day}], store: Redis, redis: {addresses: [\"a:1\"], mode: "
     "Lease}}",
     7, "spec.responseLimits.redis.mode", "\"Lease\"", "Exact"},
    {kRedis, "{addresses: [\"a:1\"], mode: Fast}}", 7, AT ".redis.mode", "\"Fast\"", "Exact or Lease"},
    {kRedis, "{addresses: [\"a:1\"], lease: {percent: 1}}}", 7, AT ".redis.lease", "a mapping", "only with mode Lease"},
    {kRedis, "{addresses: [\"a:1\"], mode: Lease, lease: {percent: 51}}}", 7, AT ".redis.lease.percent", "51",
     "1 to 50"},
    {kRedis, "{addresses: [\"a:1\"], mode: Lease, lease: {duration: 2m}}}", 7, AT ".redis.lease.duration", "\"2m\"",
     "100ms to 1m"},
    {kRedis, "{sentinel: {master: m, addresses: [\"b:1\"], username: u}}}", 7, AT ".redis.sentinel.passwordSecretRef",
     "nothing", "with username"},
    {kSection, "{limits: [{name: a, requests: 1, per: Day}], headers: [X]}", 7, AT ".headers[0]", "\"X\"",
     "RateLimit, XRateLimit"},
    {kSection, "{limits: [{name: a, requests: 1, per: Day}], headers: RateLimit}", 7, AT ".headers", "\"RateLimit\"",
     "a list"},
    {kSection, "{limits: [{name: a, requests: 1, per: Day}], maxKeys: 10}", 7, AT ".maxKeys", "10", "1024 to"},
    {kSection, "{limits: [{name: a, requests: 1, per: Day}], refusal: {status: 200}}", 7, AT ".refusal.status", "200",
     "400 to 599"},
    {kSection, "{limits: [{name: a, requests: 1, per: Day}], refusal: {body: x, title: y}}", 7, AT ".refusal.title",
     "\"y\"", "or body"},
    {kSection, "{limits: [{name: a, requests: 1, per: Day}], refusal: {contentType: a/b}}", 7,
     AT ".refusal.contentType", "\"a/b\"", "only with body"},
    {kSection, "{limits: [{name: a, requests: 1, per: Day}], refusal: {body: x, contentType: \" a/b\"}}", 7,
     AT ".refusal.contentType", "\" a/b\"", "a media type"},
    {kLimit, "algorithm: LeakyBucket}]}", 7, ONE ".algorithm", "\"LeakyBucket\"", "TokenBucket, FixedWindow"},
    {kLimit, "algorithm: FixedWindow, burst: 5}]}", 7, ONE ".burst", "5", "only with algorithm TokenBucket"},
    {kLimit, "burst: 0}]}", 7, ONE ".burst", "0", "1 to"},
    {kLimit, "timeZone: Europe/Berlin}]}", 7, ONE ".timeZone", "\"Europe/Berlin\"", "only with algorithm FixedWindow"},
    {kLimit, "key: []}]}", 7, ONE ".key", "a list", "at least 1"},
    {kLimit, "key: [Consumer]}]}", 7, ONE ".key[0]", "\"Consumer\"", "a mapping"},
    {kLimit, "key: [{}]}]}", 7, ONE ".key[0].type", "nothing", "Consumer, Credential"},
    {kLimit, "key: [{type: Header}]}]}", 7, ONE ".key[0].name", "nothing", "by the type"},
    {kLimit, "key: [{type: Header, name: \"a b\"}]}]}", 7, ONE ".key[0].name", "\"a b\"", "visible ASCII"},
    {kLimit, "key: [{type: Header, name: \"a:\"}]}]}", 7, ONE ".key[0].name", "\"a:\"", "a header's name"},
    {kLimit, "key: [{type: Route, name: a}]}]}", 7, ONE ".key[0].name", "\"a\"", "only with types"},
    {kLimit, "key: [{type: Host, ipv4Prefix: 8}]}]}", 7, ONE ".key[0].ipv4Prefix", "8", "only with type ClientIP"},
    {kLimit, "key: [{type: ClientIP, ipv6Prefix: 129}]}]}", 7, ONE ".key[0].ipv6Prefix", "129", "0 to 128"},
    {kLimit, "onMissing: Deny}]}", 7, ONE ".onMissing", "\"Deny\"", "ClientIP, Shared"},
    {kLimit, "cost: -1}]}", 7, ONE ".cost", "-1", "0 to 1000000"},
    {kLimit, "costHeader: \"a b\"}]}", 7, ONE ".costHeader", "\"a b\"", "a header's name"},
    {kLimit, "tiers: [{requests: 1}]}]}", 7, ONE ".tiers[0].group", "nothing", "a group"},
    {kLimit, "algorithm: SlidingWindow, tiers: [{group: g, requests: 1, burst: 2}]}]}", 7, ONE ".tiers[0].burst", "2",
     "only with algorithm TokenBucket"},
    {kLimit, "when: {methods: [\"G T\"]}}]}", 7, ONE ".when.methods[0]", "\"G T\"", "a method"},
    {kLimit, "when: {paths: [api]}}]}", 7, ONE ".when.paths[0]", "\"api\"", "begins with /"},
    {kRedis, "{}}", 7, AT ".redis.addresses", "nothing", "at least one HOST:PORT"},
    {kRedis, "{addresses: [redis]}}", 7, AT ".redis.addresses[0]", "\"redis\"", "HOST:PORT"},
    {kRedis, "{addresses: [\"a:0\"]}}", 7, AT ".redis.addresses[0]", "\"a:0\"", "HOST:PORT"},
    {kRedis, "{addresses: [\"::1:6379\"]}}", 7, AT ".redis.addresses[0]", "\"::1:6379\"", "HOST:PORT"},
    {kRedis, "{addresses: [\"a:1\", \"b:1\"]}}", 7, AT ".redis.addresses", "a list", "cluster: true"},
    {kRedis, "{addresses: [\"a:1\"], sentinel: {master: m, addresses: [\"b:1\"]}}}", 7, AT ".redis.addresses", "a list",
     "not both"},
    {kRedis, "{sentinel: {addresses: [\"b:1\"]}}}", 7, AT ".redis.sentinel.master", "nothing", "the master's name"},
    {kRedis, "{sentinel: {master: m, addresses: [\"b:1\"]}, cluster: true}}", 7, AT ".redis.cluster", "true",
     "not both"},
    {kRedis, "{addresses: [\"a:1\"], cluster: true, database: 1}}", 7, AT ".redis.database", "1", "0 with cluster"},
    {kRedis, "{addresses: [\"a:1\"], cluster: true, tls: {}}}", 7, AT ".redis.tls.hostname", "nothing",
     "the name in the certificates"},
    {kRedis, "{addresses: [\"a:1\"], username: u}}", 7, AT ".redis.passwordSecretRef", "nothing", "with username"},
    {kRedis, "{addresses: [\"a:1\"], password: p}}", 7, AT ".redis.password", "an unknown field", "passwordSecretRef"},
    {kRedis, "{addresses: [\"a:1\"], backendRef: {name: r, port: 1}}}", 7, AT ".redis.addresses", "a list", "not both"},
    {kRedis, "{backendRef: {name: r}}}", 7, AT ".redis.backendRef.port", "nothing", "a port of the Service"},
    {kRedis, "{backendRef: {kind: Secret, name: r, port: 1}}}", 7, AT ".redis.backendRef", "a mapping", "a Service"},
    {kRedis, "{backendRef: {name: r, port: 1}, tls: {}}}", 7, AT ".redis.tls.hostname", "nothing", "with sentinel"},
    {kRedis, "{backendRef: {name: r, port: 1}, sentinel: {master: m, addresses: [\"b:1\"]}}}", 7,
     AT ".redis.backendRef", "a mapping", "not both"},
    {kRedis, "{sentinel: {master: m}}}", 7, AT ".redis.sentinel.addresses", "nothing", "addresses, backendRef"},
    {kRedis, "{addresses: [\"a:1\"], usernameFile: \"\"}}", 7, AT ".redis.usernameFile", "\"\"", "the path of a file"},
    {kRedis, "{addresses: [\"a:1\"], tls: {keyFile: k}}}", 7, AT ".redis.tls.keyFile", "\"k\": no files beside it",
     "a file that can be read"},
    {kRedis, "{addresses: [\"a:1\"], tls: {certificateSecretRef: {}}}}", 7, AT ".redis.tls.certificateSecretRef.name",
     "nothing", "tls.crt and tls.key"},
    {kRedis, "{addresses: [\"a:1\"], timeout: 0s}}", 7, AT ".redis.timeout", "\"0s\"", "1ms to 10s"},
    {kRedis, "{addresses: [\"a:1\"], onFailure: Ignore}}", 7, AT ".redis.onFailure", "\"Ignore\"", "Open, Closed"},
    {kRedis, "{addresses: [\"a:1\"], gateways: 0}}", 7, AT ".redis.gateways", "0", "1 to"},
    {kConcurrency, "{}", 7, "spec.concurrency.requests", "nothing", "how many at a time"},
    {kConcurrency, "{requests: 0}", 7, "spec.concurrency.requests", "0", "1 to"},
    {kConcurrency, "{requests: 1, store: Redis}", 7, "spec.concurrency.redis", "nothing", "by the store"},
    {kConcurrency, "{requests: 1, lease: 5s}", 7, "spec.concurrency.lease", "\"5s\"", "only with store Redis"},
    {kConcurrency, "{requests: 1, store: Redis, lease: 11m, redis: {addresses: [\"r:1\"]}}", 7,
     "spec.concurrency.lease", "\"11m\"", "1s to 10m"},
    {kConcurrency, "{requests: 1, store: Redis, redis: {addresses: [\"r:1\"], mode: Lease}}", 7,
     "spec.concurrency.redis.mode", "an unknown field", "onFailure"},
    {kConcurrency, "{requests: 1, per: Second}", 7, "spec.concurrency.per", "an unknown field", "refusal"},
    {kConcurrency, "{requests: 1, key: [{type: Cookie}]}", 7, "spec.concurrency.key[0].name", "nothing", "by the type"},
    {kConcurrency, "{requests: 1, refusal: {status: 302}}", 7, "spec.concurrency.refusal.status", "302", "400 to 599"},
};

TEST(RequestLimits, RefuseWithLineFieldFoundAndExpected) {
  static_assert(std::size(kBadLimits) >= 40);
  for (const auto& bad : kBadLimits) expect_refused(bad);
}

TEST(RequestLimits, HaveDefaults) {
  const auto settings = read_settings(std::string(kSection) + "{limits: [{name: a, requests: 5, per: Minute}]}\n");
  ASSERT_TRUE(settings && settings->rate_limits);
  const auto& section = *settings->rate_limits;
  ASSERT_EQ(section.limits.size(), 1U);
  const auto& limit = section.limits[0];
  EXPECT_EQ(limit.algorithm, model::RateLimit::Algorithm::kTokenBucket);
  EXPECT_EQ(limit.requests, 5U);
  EXPECT_EQ(limit.per, std::chrono::minutes(1));
  ASSERT_EQ(limit.key.size(), 1U);
  EXPECT_EQ(limit.key[0].type, model::LimitKeyPart::Type::kConsumer);
  EXPECT_EQ(limit.missing, model::LimitMissing::kClientIp);
  EXPECT_EQ(limit.cost, 1U);
  EXPECT_EQ(section.headers, model::RateLimits::kRateLimit | model::RateLimits::kRetryAfter);
  EXPECT_EQ(section.refusal.status, 429);
  EXPECT_FALSE(section.redis);
}

TEST(RequestLimits, AreReadInFull) {
  const auto settings = read_settings(std::string(kSection) + R"({
      limits: [{name: a, algorithm: SlidingWindow, requests: 5, per: 90s, cost: 2, costHeader: X-Cost,
        key: [{type: Header, name: X-Tenant}, {type: ClientIP, ipv4Prefix: 24, ipv6Prefix: 48}], onMissing: Skip,
        tiers: [{group: gold, requests: 50}], when: {methods: [GET], paths: [/a]}}],
      quotas: [{name: q, requests: 1000, per: Month, timeZone: Europe/Berlin}],
      headers: [XRateLimit, XRateLimitPeriod, RateLimitFields], maxKeys: 5000,
      refusal: {status: 503, body: "{}", contentType: application/json}, store: Redis,
      redis: {sentinel: {master: m, addresses: ["[::1]:26379", "s.example:26379"]}, tls: {hostname: r.example,
        caSecretRef: {name: ca}}, username: u, passwordSecretRef: {name: s}, database: 3, timeout: 20ms,
        onFailure: Closed, gateways: 4, prefix: site-a}})"
                                                              "\n");
  ASSERT_TRUE(settings && settings->rate_limits);
  const auto& section = *settings->rate_limits;
  ASSERT_EQ(section.limits.size(), 2U);
  const auto& limit = section.limits[0];
  EXPECT_EQ(limit.per, std::chrono::seconds(90));
  EXPECT_EQ(limit.cost_header, "x-cost");
  EXPECT_EQ(limit.key[0].name, "x-tenant");
  EXPECT_EQ(limit.key[1].v4_prefix, 24);
  EXPECT_EQ(limit.key[1].v6_prefix, 48);
  EXPECT_EQ(limit.missing, model::LimitMissing::kSkip);
  EXPECT_EQ(limit.tiers[0].requests, 50U);
  EXPECT_EQ(limit.when.paths[0], "/a");
  const auto& quota = section.limits[1];
  EXPECT_EQ(quota.algorithm, model::RateLimit::Algorithm::kFixedWindow);
  EXPECT_EQ(quota.period, model::RateLimit::Period::kMonth);
  EXPECT_EQ(quota.time_zone, "Europe/Berlin");
  EXPECT_EQ(section.headers,
            model::RateLimits::kXRateLimit | model::RateLimits::kPerPeriod | model::RateLimits::kThreeFields);
  EXPECT_EQ(section.refusal.body, "{}");
  ASSERT_TRUE(section.redis);
  EXPECT_EQ(section.redis->sentinel_master, "m");
  EXPECT_EQ(section.redis->addresses.size(), 2U);
  EXPECT_EQ(section.redis->password.key, "password");
  EXPECT_EQ(section.redis->timeout.count(), 20);
  EXPECT_EQ(section.redis->on_failure, model::RedisSettings::OnFailure::kClosed);
  EXPECT_EQ(section.redis->gateways, 4U);
  EXPECT_EQ(section.redis->prefix, "site-a");
}

using Json = nlohmann::ordered_json;

/// The reader's fields are the schema's, at each level: asked by a field that nobody knows.
void compare_fields(const Json& schema, const std::string& open, const std::string& close) {
  std::set<std::string> known, found;
  for (const auto& [name, one] : schema.at("properties").items()) known.insert(name);
  const auto parsed = parse_text(std::string(POLICY) + "  " + open + "{zzz: 1}" + close + "\n", false, gateway_kinds());
  for (const auto& remark : parsed.diagnostics) {
    if (remark.found != "an unknown field" || !remark.expected.starts_with("one of ")) continue;
    auto list = remark.expected.substr(7) + ", ";
    for (auto at = list.find(", "); at != std::string::npos; at = list.find(", ")) {
      found.insert(list.substr(0, at));
      list.erase(0, at + 2);
    }
  }
  EXPECT_EQ(found, known) << open;
  for (const auto& [name, one] : schema.at("properties").items()) {
    EXPECT_TRUE(one.contains("description") && (one.contains("default") || one.contains("enum"))) << open << name;
    if (one.value("type", "") == "object") compare_fields(one, open + "{" + name + ": ", "}" + close);
    if (one.value("type", "") == "array" && one.at("items").value("type", "") == "object")
      compare_fields(one.at("items"), open + "{" + name + ": [", "]}" + close);
  }
}

TEST(RequestLimits, AreReadAsTheirSchemasSay) {
  for (const char* section : {"rateLimits", "responseLimits", "concurrency"}) {
    std::ifstream file(std::string(FL_REFERENCE) + "/request-policy/" + section + ".schema.json");
    const auto schema = Json::parse(file, nullptr, false);
    ASSERT_TRUE(schema.is_object()) << section;
    EXPECT_EQ(schema.at("additionalProperties"), false);
    compare_fields(schema, std::string(section) + ": ", "");
  }
}

}  // namespace
}  // namespace fairlead::config
