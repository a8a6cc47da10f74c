// SPDX-License-Identifier: Apache-2.0
// Kong's entities as Gateway API objects: what they become, and whose order of routes it is.
#include "fairlead/kong/convert.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

#include "fairlead/http/message.hpp"
#include "fairlead/model/gateway_objects.hpp"
#include "fairlead/route/compile.hpp"
#include "fairlead/route/rewrite.hpp"
#include "fairlead/route/router.hpp"
#include "gateway/dataplane/config/parse.hpp"

namespace fairlead::kong {
namespace {

constexpr const char* kServices = "_format_version: \"3.0\"\nservices:\n";

/// What a file becomes, read as the gateway reads it, with a router over its routes.
struct Served {
  std::string yaml;
  std::vector<model::ObjectPtr> objects;
  std::shared_ptr<const route::Router> router;

  explicit Served(const std::string& text) {
    const auto out = convert(text, false, "kong.yaml", {});
    for (const auto& one : out.diagnostics) ADD_FAILURE() << one.text();
    yaml = out.yaml;
    auto parsed = config::parse_text(yaml, false, config::gateway_kinds());
    for (const auto& one : parsed.diagnostics) ADD_FAILURE() << one.text();
    std::vector<route::RoutePtr> routes;
    for (auto& one : parsed.objects) {
      objects.push_back(one.object);
      const auto* http = one.object ? std::get_if<model::HttpRoute>(one.object.get()) : nullptr;
      if (http == nullptr) continue;
      auto made = route::compile(*http, "", one.object);
      if (made) routes.push_back(*made);
      else ADD_FAILURE() << made.error().message;
    }
    router = route::Router::build(routes);
  }

  /// "name of the HTTPRoute -> path that its backend gets".
  [[nodiscard]] std::string ask(const std::string& host, const std::string& path, const std::string& method = "GET",
                                const std::string& header = {},
                                std::optional<std::string_view> server_name = "") const {
    http::RequestHead head;
    head.method_text = method;
    head.method = http::method_of(method);
    head.authority = host;
    if (!header.empty()) head.fields.push_back({"x-kind", header});
    const auto match =
        router->match({.host = host, .path = path, .query = {}, .head = &head, .server_name = server_name});
    if (!match) return "none";
    const auto& object = *static_cast<const model::Object*>(match.route->data.get());
    const auto& http = std::get<model::HttpRoute>(object);
    auto sent = path;
    const auto& rule = http.rules[match.rule];
    Arena arena;
    for (const auto& filter : rule.filters)
      if (const auto* rewrite = std::get_if<model::UrlRewrite>(&filter); rewrite != nullptr && rewrite->path)
        sent = route::modified_path(*rewrite->path, path, match.prefix(path), arena);
    return http.metadata.name + " " + sent;
  }
};

TEST(KongPaths, AreJoinedAsKongJoinsThem) {
  // service.path, route.paths, strip_path, path asked for, path sent: kong/router/utils.lua, get_upstream_uri_v0.
  struct {
    const char *base, *path, *strip, *asked, *sent;
  } const rows[] = {
      {"/", "/a", "true", "/a", "/"},
      {"/", "/a", "true", "/a/", "/"},
      {"/", "/a", "true", "/a/b", "/b"},
      {"/", "/a", "true", "/ab", "/b"},
      {"/", "/a", "false", "/ab", "/ab"},
      {"/", "/a", "false", "/a/", "/a/"},
      {"/", "/a/", "true", "/a/", "/"},
      {"/", "/a/", "true", "/a/b", "/b"},
      {"/", "/", "true", "/", "/"},
      {"/", "/", "true", "/b", "/b"},
      {"/", "/", "false", "/b", "/b"},
      {"/s", "/", "true", "/", "/s"},
      {"/s", "/", "true", "/b", "/s/b"},
      {"/s", "/", "false", "/", "/s"},
      {"/s", "/", "false", "/b", "/s/b"},
      {"/s", "/a", "true", "/a", "/s"},
      {"/s", "/a", "true", "/a/", "/s/"},
      {"/s", "/a", "true", "/a/b", "/s/b"},
      {"/s", "/a", "true", "/ab", "/s/b"},
      {"/s", "/a", "false", "/a", "/s/a"},
      {"/s", "/a", "false", "/ab", "/s/ab"},
      {"/s", "/a/", "true", "/a/", "/s/"},
      {"/s", "/a/", "true", "/a/b", "/s/b"},
      {"/s/", "/", "true", "/", "/s/"},
      {"/s/", "/", "false", "/b", "/s/b"},
      {"/s/", "/a", "true", "/a", "/s"},
      {"/s/", "/a", "true", "/a/", "/s/"},
      {"/s/", "/a", "true", "/ab", "/s/b"},
      {"/s/", "/a", "false", "/a/b", "/s/a/b"},
      {"/", "~/v[0-9]+", "true", "/v12/x", "/x"},
      {"/", "~/v[0-9]+", "true", "/v12", "/"},
      {"/s", "~/v[0-9]+", "true", "/v12/x", "/s/x"},
      {"/s", "~/v[0-9]+", "false", "/v12/x", "/s/v12/x"},
      {"/", "~/(a|b)c$", "true", "/bc", "/"},
      {"/", "/a.b", "true", "/a.b/x", "/x"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.base) + " " + row.path + " strip " + row.strip + " " + row.asked);
    const Served served(std::string(kServices) + "- {name: s, host: 10.0.0.1, path: " + row.base +
                        ", routes: [{name: r, paths: ['" + row.path + "'], strip_path: " + row.strip + "}]}\n");
    EXPECT_EQ(served.ask("a.example", row.asked), std::string("route-r ") + row.sent);
  }
}

TEST(KongPaths, AreJoinedByV0WhateverTheFileSays) {
  const auto out = convert(std::string(kServices) +
                               "- {name: s, host: 10.0.0.1, path: /s, routes: [{name: r, paths: [/a], "
                               "path_handling: v1}]}\n",
                           false, "kong.yaml", {});
  EXPECT_FALSE(out.yaml.empty());
  ASSERT_EQ(out.diagnostics.size(), 1U);
  EXPECT_NE(out.diagnostics[0].text().find("warning: services[0].routes[0].path_handling: v0 counts"),
            std::string::npos);
}

TEST(KongPaths, ArePrefixesOfText) {
  const Served served(std::string(kServices) + "- {name: s, host: 10.0.0.1, routes: [{name: r, paths: [/a.b]}]}\n");
  EXPECT_EQ(served.ask("h", "/a.bc"), "route-r /c");
  EXPECT_EQ(served.ask("h", "/axb"), "no-route /axb");
  EXPECT_EQ(served.ask("h", "/x/a.b"), "no-route /x/a.b");
}

TEST(KongOrder, IsKongs) {
  // Routes by name; then requests, and the route that Kong chooses.
  struct {
    const char* routes;
    std::vector<std::array<const char*, 4>> requests;  // host, path, method, route
    bool ranked;
  } const rows[] = {
      {"{name: a, paths: [/x]}, {name: b, paths: [/x/y]}", {{"h", "/x/y", "GET", "b"}, {"h", "/x", "GET", "a"}}, false},
      {"{name: a, paths: [/x]}, {name: b, paths: [/xy], strip_path: false}", {{"h", "/xyz", "GET", "b"}}, false},
      {"{name: a, hosts: [h.a], paths: [/]}, {name: b, paths: [/x]}",
       {{"h.a", "/x", "GET", "a"}, {"g", "/x", "GET", "b"}},
       false},
      {"{name: a, hosts: [h.a]}, {name: b, hosts: ['*.a']}",
       {{"h.a", "/", "GET", "a"}, {"g.a", "/", "GET", "b"}},
       false},
      // More fields go before a longer path, and before a host.
      {"{name: a, methods: [POST], paths: [/]}, {name: b, paths: [/x]}",
       {{"h", "/x", "POST", "a"}, {"h", "/x", "GET", "b"}},
       true},
      {"{name: a, methods: [PURGE], paths: [/]}, {name: b, paths: [/x]}",
       {{"h", "/x", "PURGE", "a"}, {"h", "/x", "GET", "b"}, {"h", "/x", "PURGES", "b"}},
       true},
      {"{name: a, hosts: [h.a]}, {name: b, methods: [GET], paths: [/x]}",
       {{"h.a", "/x", "GET", "b"}, {"h.a", "/y", "GET", "a"}},
       true},
      // Expressions go before prefixes, by regex_priority, whatever their lengths.
      {"{name: a, paths: ['~/x.*y'], regex_priority: 1}, {name: b, paths: ['~/x.*'], regex_priority: 2}",
       {{"h", "/x/y", "GET", "b"}},
       true},
      {"{name: a, paths: [/x/long]}, {name: b, paths: ['~/x']}", {{"h", "/x/long", "GET", "b"}}, true},
      // Each path has a priority of its own.
      {"{name: a, paths: [/x, /x/y/z]}, {name: b, paths: [/x/y]}",
       {{"h", "/x/y/z", "GET", "a"}, {"h", "/x/y/k", "GET", "b"}, {"h", "/x/k", "GET", "a"}},
       false},
      // Headers.
      {"{name: a, headers: {x-kind: [one]}, paths: [/]}, {name: b, paths: [/x/y/z]}",
       {{"h", "/x/y/z", "GET", "b"}},
       true},
      {"{name: a, hosts: ['h.*']}, {name: b, hosts: ['*.org']}",
       {{"h.com", "/", "GET", "a"}, {"g.org", "/", "GET", "b"}},
       false},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.routes);
    const Served served(std::string(kServices) + "- {name: s, host: 10.0.0.1, routes: [" + row.routes + "]}\n");
    for (const auto& [host, path, method, name] : row.requests) {
      const auto answer = served.ask(host, path, method);
      EXPECT_TRUE(answer.starts_with("route-" + std::string(name))) << host << path << ": " << answer << "\n"
                                                                    << served.yaml;
    }
    EXPECT_EQ(served.yaml.find("|||") != std::string::npos || served.yaml.find(".*|") != std::string::npos ||
                  served.yaml.find(")|") != std::string::npos,
              row.ranked)
        << served.yaml;
  }
}

/// Many routes that never meet, and some that do: of those the order has to be Kong's, wherever they stand in the file.
TEST(KongOrder, IsKongsAmongThousands) {
  std::string text = std::string(kServices) + "- name: s\n  host: 10.0.0.1\n  routes:\n";
  for (int i = 0; i < 2000; ++i) {
    const auto number = std::to_string(i);
    text += "  - {name: h" + number + ", hosts: [h" + number + ".example], paths: [/]}\n";
    text += "  - {name: p" + number + ", paths: [/p" + number + "/]}\n";
  }
  const Served plain(text);
  EXPECT_EQ(plain.yaml.find("|||"), std::string::npos);
  EXPECT_TRUE(plain.ask("h7.example", "/p8/x").starts_with("route-h7 "));
  EXPECT_TRUE(plain.ask("other.example", "/p8/x").starts_with("route-p8 "));
  // One that is beaten in Kong by its fields though its host is a name: of two hosts that only a wildcard joins.
  text += "  - {name: w, hosts: ['*.example'], methods: [GET], headers: {x-kind: [one]}, paths: [/p8/]}\n";
  const auto more = convert(text, false, "kong.yaml", {});
  EXPECT_NE(more.yaml.find("|||"), std::string::npos);
}

TEST(KongOrder, HeadersDecide) {
  const Served served(std::string(kServices) +
                      "- name: s\n  host: 10.0.0.1\n  routes:\n"
                      "  - {name: a, paths: [/], headers: {X-Kind: [One, Two]}}\n"
                      "  - {name: b, paths: [/], headers: {x-kind: ['~*^v[0-9]']}}\n");
  EXPECT_EQ(served.ask("h", "/", "GET", "one"), "route-a /");
  EXPECT_EQ(served.ask("h", "/", "GET", "TWO"), "route-a /");
  EXPECT_EQ(served.ask("h", "/", "GET", "v7b"), "route-b /");
  EXPECT_EQ(served.ask("h", "/", "GET", "ones"), "no-route /");
}

TEST(KongOrder, ServerNamesOfTlsDecide) {
  const Served served(std::string(kServices) +
                      "- name: s\n  host: 10.0.0.1\n  routes:\n"
                      "  - {name: a, paths: [/], snis: [A.example., b.example]}\n"
                      "  - {name: b, paths: [/], snis: [c.example]}\n"
                      "  - {name: c, paths: [/x/long]}\n");
  const auto ask = [&](std::optional<std::string_view> name, const char* path = "/") {
    return served.ask("h", path, "GET", "", name);
  };
  EXPECT_EQ(ask("a.example"), "route-a /");
  EXPECT_EQ(ask("a.example", "/x/long"), "route-a /x/long") << "a field more goes before a longer path";
  EXPECT_EQ(ask("b.example"), "route-a /");
  EXPECT_EQ(ask("c.example"), "route-b /");
  EXPECT_EQ(ask("ca.example", "/x/long"), "route-c /");
  EXPECT_EQ(ask("ca.example"), "no-route /");
  EXPECT_EQ(ask(std::nullopt), "no-route /") << "TLS without a name";
  EXPECT_EQ(ask(""), "route-a /") << "without TLS names do not count";
}

std::string object(const std::string& yaml, const std::string& kind, const std::string& name) {
  std::size_t from = 0;
  while (from < yaml.size()) {
    const auto end = std::min(yaml.find("---\n", from), yaml.size());
    const auto text = yaml.substr(from, end - from);
    if (text.find("kind: " + kind + "\n") != std::string::npos &&
        text.find("name: " + name + "\n") != std::string::npos)
      return text;
    from = end + 4;
  }
  return {};
}

TEST(KongConvert, MakesObjects) {
  const Served served(R"(_format_version: "2.1"
services:
- {name: pool, host: up, retries: 2, connect_timeout: 1500, read_timeout: 2000, write_timeout: 2000, routes: [{paths: [/p]}]}
- {name: outside, url: https://api.example/v1, tls_verify: true, routes: [{paths: [/o]}]}
- {name: off, url: 'http://10.0.0.9', enabled: false, routes: [{paths: [/off]}]}
upstreams:
- name: up
  algorithm: least-connections
  host_header: up.example
  healthchecks: {active: {http_path: /ok, healthy: {interval: 5, successes: 1}, unhealthy: {interval: 5, http_failures: 2, tcp_failures: 2}}}
  targets: [{target: '10.0.0.1:81'}, {target: '10.0.0.2:82'}, {target: '10.0.0.3:83', weight: 0}]
consumers:
- username: alice
  custom_id: "1"
  acls: [{group: gold}]
  jwt_secrets: [{key: iss, secret: 0123456789abcdef0123456789abcdef}]
)");
  const auto slices = object(served.yaml, "EndpointSlice", "service-pool-0");
  EXPECT_NE(slices.find("10.0.0.1"), std::string::npos);
  EXPECT_NE(object(served.yaml, "EndpointSlice", "service-pool-1").find("port: 82"), std::string::npos);
  EXPECT_EQ(served.yaml.find("10.0.0.3"), std::string::npos) << "weight 0";
  EXPECT_EQ(served.yaml.find("10.0.0.9"), std::string::npos) << "a service that is off";
  const auto policy = object(served.yaml, "BackendPolicy", "service-pool");
  for (const auto* part : {"type: LeastRequest", "attempts: 2", "connect: \"1s500ms\"", "streamIdle: \"2s\"",
                           "path: \"/ok\"", "connect: 2", "answer: 2", "maxConnections: 0"})
    EXPECT_NE(policy.find(part), std::string::npos) << part << "\n" << policy;
  EXPECT_NE(object(served.yaml, "Service", "service-outside").find("externalName: api.example"), std::string::npos);
  EXPECT_NE(object(served.yaml, "BackendTLSPolicy", "service-outside").find("hostname: api.example"),
            std::string::npos);
  EXPECT_NE(object(served.yaml, "Consumer", "alice").find("customId: \"1\""), std::string::npos);
  EXPECT_NE(object(served.yaml, "Consumer", "alice").find("id: b32379d9-3d28-5683-a79c-72139be6e34f"),
            std::string::npos);
  EXPECT_EQ(served.ask("h", "/o/x"), "route-1 /v1/x");
}

TEST(KongConvert, TargetsKeepTheirWeightsAndNames) {
  const Served served(R"(_format_version: "3.0"
services: [{name: s, protocol: https, host: up, read_timeout: 1000, write_timeout: 3000, routes: [{paths: [/]}]}]
upstreams:
- name: up
  healthchecks:
    active: {type: https, healthy: {interval: 10, successes: 3}, unhealthy: {interval: 4, http_failures: 5, tcp_failures: 2}}
    passive: {unhealthy: {http_failures: 7, tcp_failures: 3, timeouts: 9}}
  targets: [{target: '10.0.0.1:81', weight: 10}, {target: 'B.example:81', weight: 30}, {target: 'c.example:81', weight: 10}]
)");
  EXPECT_NE(object(served.yaml, "EndpointSlice", "service-s-0").find("fairlead.io/weight: \"10\""), std::string::npos);
  const auto names = object(served.yaml, "EndpointSlice", "service-s-1");
  for (const auto* part : {"addressType: FQDN", "- b.example", "fairlead.io/weight: \"30\""})
    EXPECT_NE(names.find(part), std::string::npos) << part << "\n" << names;
  const auto policy = object(served.yaml, "BackendPolicy", "service-s");
  for (const auto* part :
       {"hostHeader: Backend", "streamIdle: \"1s\"", "interval: \"10s\"", "unhealthyInterval: \"4s\"",
        "connect: 2\n        timeout: 0\n        answer: 5", "healthyThreshold: 3", "consecutive5xxErrors: 7",
        "consecutiveLocalOriginFailures: 3", "maxEjectionPercent: 100", "panicThreshold: 0"})
    EXPECT_NE(policy.find(part), std::string::npos) << part << "\n" << policy;
  EXPECT_NE(object(served.yaml, "BackendTLSPolicy", "service-s").find("fairlead.io/insecure-skip-verify: \"true\""),
            std::string::npos);
}

TEST(KongConvert, RedisByItsOlderFields) {
  const auto redis_of = [](const std::string& config) {
    const Served served(
        "_format_version: \"3.0\"\nservices: [{name: s, host: 10.0.0.1, routes: [{paths: [/]}]}]\n"
        "plugins: [{name: rate-limiting, config: {minute: 5, policy: redis, " +
        config + "}}]\n");
    const auto at = served.yaml.find("store: Redis");
    return at == std::string::npos ? std::string() : served.yaml.substr(served.yaml.rfind("---", at));
  };
  const auto now = redis_of("redis: {host: r.example, port: 7000, database: 2, timeout: 50, password: secret}");
  EXPECT_NE(now.find("r.example:7000"), std::string::npos) << now;
  EXPECT_EQ(redis_of("redis_host: r.example, redis_port: 7000, redis_database: 2, redis_timeout: 50, "
                     "redis_password: secret"),
            now);
}

TEST(KongConvert, TheMoreSpecialPluginCounts) {
  const Served served(R"(_format_version: "3.0"
services:
- name: s
  host: 10.0.0.1
  plugins: [{name: rate-limiting, config: {minute: 2}}]
  routes:
  - {name: a, paths: [/a]}
  - {name: b, paths: [/b], plugins: [{name: rate-limiting, config: {minute: 3}}]}
  - {name: c, paths: [/c], plugins: [{name: rate-limiting, enabled: false, config: {minute: 4}}]}
- {name: t, host: 10.0.0.2, routes: [{name: d, paths: [/d]}]}
plugins:
- {name: rate-limiting, config: {minute: 1, hide_client_headers: true}}
)");
  const auto limits = [&](int most) {
    for (const auto& one : served.objects) {
      const auto* policy = std::get_if<model::RequestPolicy>(one.get());
      if (policy == nullptr) continue;
      const auto text = object(served.yaml, "RequestPolicy", policy->metadata.name);
      if (text.find("requests: " + std::to_string(most) + "\n") == std::string::npos) continue;
      std::string names;
      for (const auto& target : policy->targets) names += target.name + " ";
      return names;
    }
    return std::string();
  };
  EXPECT_EQ(limits(1), "route-d ");
  EXPECT_EQ(limits(2), "route-a route-c ") << "routes of a service count together";
  EXPECT_EQ(limits(3), "route-b ");
  EXPECT_EQ(limits(4), "");
}

/// What counts for a consumer: kong's order of scopes, and of groups the first by name.
TEST(KongConvert, GroupsHavePlugins) {
  const Served served(R"(_format_version: "3.0"
services:
- {name: s, host: 10.0.0.1, routes: [{name: a, paths: [/a]}, {name: b, paths: [/b]}]}
consumers:
- {username: ann, groups: [{name: silver}, {name: gold}]}
- {username: bob, groups: [{name: gold}]}
- {username: cid, plugins: [{name: rate-limiting, config: {minute: 5}}]}
- {username: dan}
- {username: eve}
consumer_groups:
- name: gold
  plugins: [{name: rate-limiting, config: {minute: 100}}]
- name: silver
  consumers: [{username: eve}]
  plugins: [{name: rate-limiting, config: {minute: 50}}]
- {name: idle}
consumer_group_consumers: [{consumer: cid, consumer_group: gold}]
plugins:
- {name: rate-limiting, config: {minute: 1}}
- {name: rate-limiting, config: {minute: 200}, consumer_group: silver, route: b}
)");
  const auto limits = [&](int most) {
    std::string out;
    for (const auto& one : served.objects) {
      const auto* policy = std::get_if<model::RequestPolicy>(one.get());
      if (policy == nullptr) continue;
      const auto text = object(served.yaml, "RequestPolicy", policy->metadata.name);
      if (text.find("requests: " + std::to_string(most) + "\n") == std::string::npos) continue;
      for (const auto& target : policy->targets) out += target.name + " ";
      out += "for";
      for (const auto& name : policy->consumers) out += " " + name;
      out += "; ";
    }
    return out;
  };
  EXPECT_EQ(limits(1), "route-a route-b for; ");
  EXPECT_EQ(limits(100), "bob for; route-a for ann; ") << "gold before silver, but on b";
  EXPECT_EQ(limits(50), "route-a for eve; ");
  EXPECT_EQ(limits(200), "route-b for ann eve; ");
  EXPECT_EQ(limits(5), "route-a route-b for cid; ") << "his own goes before his group's";
}

TEST(KongConvert, GroupsOfConsumersCountInAclsThatSaySo) {
  const auto access = [](const std::string& more) {
    const Served served(std::string(kServices) +
                        "- {name: s, host: 10.0.0.1, routes: [{name: r, paths: [/]}]}\n"
                        "consumers: [{username: ann, groups: [{name: gold}]}, {username: bob}]\n"
                        "consumer_groups: [{name: gold}]\n"
                        "plugins: [{name: acl, config: {allow: [gold]" +
                        more + "}}]\n");
    return object(served.yaml, "RequestPolicy", "route-r");
  };
  EXPECT_EQ(access("").find("consumers"), std::string::npos);
  EXPECT_NE(access(", include_consumer_groups: true").find("consumers:\n          - ann\n"), std::string::npos)
      << access(", include_consumer_groups: true");
}

TEST(KongConvert, VariablesStandForValues) {
  ::setenv("FL_KONG_KEY", "k3y-of-a-variable", 1);
  ::setenv("SECRET_FL_PAIR", R"({"name": "paul", "n": 7})", 1);
  const Served served(R"(_format_version: "3.0"
vaults: [{name: env, prefix: mine, config: {prefix: secret_}}]
consumers:
- username: '{vault://mine/fl-pair/name}'
  keyauth_credentials: [{key: '{vault://env/fl-kong-key}'}]
- username: '{vault://env/fl-pair/n?prefix=SECRET_}'
)");
  EXPECT_NE(object(served.yaml, "Consumer", "paul").find("key: k3y-of-a-variable"), std::string::npos) << served.yaml;
  EXPECT_NE(served.yaml.find("kind: Consumer\nmetadata:\n  name: \"7\""), std::string::npos) << served.yaml;
  const auto out = convert("_format_version: \"3.0\"\nservices: [{host: a, protocol: '{vault://env/fl-kong-key}'}]\n",
                           false, "f", {});
  ASSERT_EQ(out.refused, 1U);
  EXPECT_EQ(out.diagnostics[0].text().find("k3y"), std::string::npos) << out.diagnostics[0].text();
}

TEST(KongConvert, ReadsWhatDeckPrints) {
  const Served served(R"(_format_version: "3.0"
_info:
  select_tags: [team-a]
  defaults:
    service: {retries: 7, connect_timeout: 1234}
    route: {strip_path: false, protocols: [http]}
    upstream: {healthchecks: {active: {healthy: {interval: 9}, unhealthy: {http_failures: 4}}}}
    target: {weight: 30}
_konnect: {control_plane_name: default}
_plugin_configs:
  limited: {minute: 3, limit_by: ip}
services:
- name: s
  host: up
  retries: 2
  tags: [team-a]
  plugins: [{name: rate-limiting, _config: limited, config: {minute: 4}}]
  routes: [{name: r, paths: [/a]}]
- {name: t, host: 10.0.0.9, plugins: [{name: rate-limiting, _config: limited}], routes: [{name: q, paths: [/b]}]}
upstreams:
- name: up
  healthchecks: {active: {healthy: {successes: 2}}}
  targets: [{target: '10.0.0.1:81'}, {target: '10.0.0.2:81', weight: 10}]
)");
  EXPECT_EQ(served.ask("h", "/a/x"), "route-r /a/x");
  const auto policy = object(served.yaml, "BackendPolicy", "service-s");
  for (const auto* part :
       {"attempts: 2", "connect: \"1s234ms\"", "interval: \"9s\"", "answer: 4", "healthyThreshold: 2"})
    EXPECT_NE(policy.find(part), std::string::npos) << part << policy;
  EXPECT_NE(object(served.yaml, "BackendPolicy", "service-t").find("attempts: 7"), std::string::npos);
  EXPECT_NE(object(served.yaml, "EndpointSlice", "service-s-0").find("fairlead.io/weight: \"30\""), std::string::npos);
  const auto own = object(served.yaml, "RequestPolicy", "rate-limiting");
  EXPECT_NE(own.find("requests: 4"), std::string::npos) << own;
  EXPECT_NE(own.find("type: ClientIP"), std::string::npos) << own;
  EXPECT_NE(object(served.yaml, "RequestPolicy", "rate-limiting-2").find("requests: 3"), std::string::npos);
}

TEST(KongConvert, NamesOfOneBaseAreTold) {
  const Served served(
      std::string(kServices) +
      "- name: s\n  host: 10.0.0.1\n  routes:\n  - {name: a-b, paths: [/1]}\n  - {name: a.b, paths: [/2]}\n"
      "  - {name: a_b, paths: [/3]}\n  - {name: a-b-2, paths: [/4]}\n");
  for (const auto* row : {"/1 route-a-b", "/2 route-a-b-2", "/3 route-a-b-3", "/4 route-a-b-2-2"}) {
    const std::string_view both(row);
    EXPECT_TRUE(served.ask("h", std::string(both.substr(0, 2))).starts_with(both.substr(3))) << row;
  }
}

TEST(KongConvert, MetricsAndCacheBecomeAnnotationsAndASection) {
  const Served served(std::string(kServices) +
                      "- name: First\n  host: 10.0.0.1\n  routes:\n  - {name: Api, paths: [/api]}\nplugins:\n"
                      "- {name: prometheus, config: {status_code_metrics: true, latency_metrics: true}}\n"
                      "- {name: proxy-cache, config: {strategy: memory, cache_ttl: 60, vary_headers: [x-kind]}}\n");
  EXPECT_NE(object(served.yaml, "Gateway", "kong").find("fairlead.io/kong-metrics: \"node,status,latency\""),
            std::string::npos);
  EXPECT_NE(object(served.yaml, "Gateway", "kong").find("fairlead.io/answers: Kong"), std::string::npos);
  const auto route = object(served.yaml, "HTTPRoute", "route-api");
  EXPECT_NE(route.find("fairlead.io/kong-route: Api"), std::string::npos);
  EXPECT_NE(route.find("fairlead.io/kong-service: First"), std::string::npos);
  const auto policy = object(served.yaml, "RequestPolicy", "route-api");
  EXPECT_NE(policy.find("ttl: \"60s\""), std::string::npos) << policy;
  EXPECT_NE(policy.find("- x-kind"), std::string::npos) << policy;
}

TEST(KongConvert, BotsAreASection) {
  const Served served(std::string(kServices) +
                      "- {name: s, host: 10.0.0.1, routes: [{name: r, paths: [/]}]}\n"
                      "plugins: [{name: bot-detection, config: {allow: [ours], deny: [curl, wget]}}]\n");
  const auto policy = object(served.yaml, "RequestPolicy", "route-r");
  for (const auto* part : {"bots: Deny", "allow:\n      - ours\n", "deny:\n      - curl\n      - wget\n"})
    EXPECT_NE(policy.find(part), std::string::npos) << part << policy;
}

TEST(KongConvert, LimitsOfResponsesAreOnePolicy) {
  const Served served(
      std::string(kServices) +
      "- {name: s, host: 10.0.0.1, routes: [{name: a, paths: [/a]}, {name: b, paths: [/b]}]}\nplugins:\n"
      "- {name: rate-limiting, config: {minute: 1}}\n"
      "- name: response-ratelimiting\n  config: {limits: {Videos: {minute: 10, day: 20}}, limit_by: ip,\n"
      "    header_name: X-Use, block_on_first_violation: true, hide_client_headers: true}\n");
  const auto policy = object(served.yaml, "RequestPolicy", "response-ratelimiting");
  for (const auto* part : {"name: route-a", "name: route-b", "header: x-use", "refuse: Requests", "tellClients: false",
                           "name: Videos\n        requests: 10\n        per: Minute", "requests: 20", "type: ClientIP"})
    EXPECT_NE(policy.find(part), std::string::npos) << part << policy;
  EXPECT_EQ(policy.find("rateLimits"), std::string::npos) << policy;
}

TEST(KongConvert, SeveralThatAuthenticateAreAllOrAny) {
  const std::string head = std::string(kServices) +
                           "- {name: s, host: 10.0.0.1, routes: [{name: r, paths: [/]}]}\n"
                           "consumers: [{username: a}, {username: b}]\nplugins:\n";
  const Served all(head + "- {name: key-auth}\n- {name: basic-auth}\n");
  const auto both = object(all.yaml, "RequestPolicy", "route-r");
  EXPECT_NE(both.find("mode: Each"), std::string::npos) << both;
  EXPECT_EQ(both.find("anonymous"), std::string::npos) << both;
  const Served any(head + "- {name: key-auth, config: {anonymous: a}}\n- {name: basic-auth, config: {anonymous: b}}\n");
  const auto one = object(any.yaml, "RequestPolicy", "route-r");
  EXPECT_EQ(one.find("mode"), std::string::npos) << one;
  for (const auto* part : {"apiKey:", "basic:", "consumer: b\n", "wrongCredentials: Ignore"})
    EXPECT_NE(one.find(part), std::string::npos) << part << one;
  // Where some may fail, those that may not decide.
  const Served some(head + "- {name: key-auth, config: {anonymous: a}}\n- {name: basic-auth}\n");
  const auto other = object(some.yaml, "RequestPolicy", "route-r");
  for (const auto* part : {"apiKey:", "anonymous", "mode"})
    EXPECT_EQ(other.find(part), std::string::npos) << part << other;
  EXPECT_NE(other.find("basic:"), std::string::npos) << other;
}

TEST(KongConvert, TemplatesOfTransformersAreOurs) {
  const Served served(
      std::string(kServices) +
      "- {name: s, host: 10.0.0.1, routes: [{name: r, paths: ['~/(?<id>x+)/(y+)']}]}\nplugins:\n"
      "- name: request-transformer\n  config:\n"
      "    replace: {uri: '/new/$(uri_captures.id)', headers: ['Host:other.example']}\n"
      "    add: {headers: ['a:$(headers[\"x-b\"] or \"none\")', \"b:$(query_params['q'])\", 'c:$(uri_captures[2])']}\n"
      "    append: {body: ['f:v', 'empty:'], querystring: ['q:x%20&+ $(headers.y)/', 'r:$(headers.y)']}\n"
      "- name: response-transformer\n  config: {add: {json: ['none:', 'a/b:1', 'c:$(x)'], json_types: [boolean, "
      "number]}}\n");
  const auto policy = object(served.yaml, "RequestPolicy", "route-r");
  for (const auto* part :
       {R"(backendPath: "/new/{{ request.capture.id | default \"\" }}")",
        R"({{ request.header.x-b | default \"none\" }})", "{{ request.query.q }}", "{{ request.capture.3 }}",
        R"(x%2520%26%2B%20{{ request.header.y | default \"\" }}%2F)", "\"{{ request.header.y }}\"", "name: f\n",
        "onFailure: Pass", "path: \"/a~1b\"", "value: 1\n", "value: \"$(x)\""})
    EXPECT_NE(policy.find(part), std::string::npos) << part << policy;
  EXPECT_EQ(policy.find("empty"), std::string::npos) << "what has no value sets nothing";
  EXPECT_NE(object(served.yaml, "HTTPRoute", "route-r").find("value: other.example"), std::string::npos);
}

TEST(KongConvert, ALimitByServiceCountsEachForItself) {
  const Served served(std::string(kServices) +
                      "- {name: s, host: 10.0.0.1, routes: [{name: a, paths: [/a]}, {name: b, paths: [/b]}]}\n"
                      "- {name: t, host: 10.0.0.2, routes: [{name: c, paths: [/c]}]}\n"
                      "plugins: [{name: rate-limiting, config: {year: 1, limit_by: service}}]\n");
  const auto first = object(served.yaml, "RequestPolicy", "rate-limiting-of-service"),
             second = object(served.yaml, "RequestPolicy", "rate-limiting-of-service-2");
  for (const auto* part : {"name: route-a", "name: route-b", "per: Year", "type: Everyone"})
    EXPECT_NE(first.find(part), std::string::npos) << part << served.yaml;
  EXPECT_NE(second.find("name: route-c"), std::string::npos) << served.yaml;
}

/// Which plugin counts for a consumer on a route, by Kong's eight ranks.
TEST(KongConvert, PluginsOfConsumersCountByKongsRanks) {
  const auto plugin = [](int number, const char* scope) {
    return "- {name: request-transformer, " + std::string(scope) +
           "config: {add: {headers: ['x:" + std::to_string(number) + "']}}}\n";
  };
  const std::string head = std::string(kServices) +
                           "- {name: s, host: 10.0.0.1, routes: [{name: a, paths: [/a]}, {name: b, paths: [/b]}]}\n"
                           "- {name: t, host: 10.0.0.2, routes: [{name: c, paths: [/c]}]}\n"
                           "consumers: [{username: u}]\nplugins:\n";
  /// The value that u's requests on a route get: of a policy for him there, or of him, or of the route.
  const auto value = [&](const Served& served, const std::string& route) {
    std::string of_route, of_both, of_consumer;
    for (const auto& one : served.objects) {
      const auto* policy = std::get_if<model::RequestPolicy>(one.get());
      if (policy == nullptr || policy->settings->transform == nullptr) continue;
      const auto text = object(served.yaml, "RequestPolicy", policy->metadata.name);
      const auto at = text.find("name: x\n");
      const auto found = at == std::string::npos ? std::string("-") : text.substr(text.find("value: ", at) + 8, 1);
      for (const auto& target : policy->targets) {
        if (target.name == "u") of_consumer = found;
        else if (target.name == "route-" + route) (policy->consumers.empty() ? of_route : of_both) = found;
      }
    }
    EXPECT_TRUE(of_both.empty() || of_consumer.empty()) << served.yaml;
    return !of_consumer.empty() ? of_consumer : !of_both.empty() ? of_both : of_route;
  };
  const char* const scopes[] = {"",
                                "service: s, ",
                                "route: a, ",
                                "consumer: u, ",
                                "route: a, service: s, ",
                                "service: s, consumer: u, ",
                                "route: a, consumer: u, ",
                                "route: a, service: s, consumer: u, "};
  std::string text = head;
  const std::string expected[] = {"111", "221", "321", "444", "544", "664", "764", "864"};
  for (int i = 0; i < 8; ++i) {
    text += plugin(i + 1, scopes[i]);
    const Served served(text);
    EXPECT_EQ(value(served, "a") + value(served, "b") + value(served, "c"), expected[i]) << i << served.yaml;
  }
}

TEST(KongConvert, OtherPluginsOfASectionStayForAConsumer) {
  const Served served(std::string(kServices) +
                      "- {name: s, host: 10.0.0.1, routes: [{name: a, paths: [/a]}, {name: b, paths: [/b]}]}\n"
                      "consumers: [{username: u}]\nplugins:\n"
                      "- {name: response-transformer, route: a, config: {add: {headers: ['w:1']}}}\n"
                      "- {name: request-transformer, config: {add: {headers: ['x:1']}}}\n"
                      "- {name: request-transformer, consumer: u, config: {add: {headers: ['x:2']}}}\n"
                      "- {name: rate-limiting, consumer: u, config: {hour: 5}}\n"
                      "- {name: rate-limiting, consumer: u, route: b, config: {hour: 6}}\n");
  int on_a = 0;
  for (const auto& one : served.objects) {
    const auto* policy = std::get_if<model::RequestPolicy>(one.get());
    if (policy == nullptr || policy->consumers.empty()) continue;
    EXPECT_EQ(policy->consumers, std::vector<std::string>{"u"});
    const auto text = object(served.yaml, "RequestPolicy", policy->metadata.name);
    if (policy->targets.front().name == "route-a" && policy->settings->transform != nullptr) {
      ++on_a;
      EXPECT_NE(text.find("name: w\n"), std::string::npos) << text;
      EXPECT_NE(text.find("value: \"2\""), std::string::npos) << text;
    }
    if (policy->settings->rate_limits == nullptr) continue;
    const bool a = policy->targets.front().name == "route-a";
    EXPECT_NE(text.find(a ? "requests: 5" : "requests: 6"), std::string::npos) << text;
  }
  EXPECT_EQ(on_a, 1) << served.yaml;
}

TEST(KongConvert, LogsBecomeAClientPolicy) {
  const Served served(
      std::string(kServices) +
      "- name: First\n  host: 10.0.0.1\n  routes:\n  - {name: Api, paths: [/api]}\n"
      "  - {name: own, paths: [/own], plugins: [{name: file-log, config: {path: /own.log}}]}\n"
      "  - {name: too, paths: [/too], plugins: [{name: file-log, config: {path: /own.log}}]}\n"
      "plugins:\n- {name: file-log, config: {path: /all.log, reopen: true}}\n"
      "- {name: http-log, service: First, config: {http_endpoint: 'https://u:p@log.example/x', timeout: 100500,\n"
      "   queue_size: 5, flush_timeout: 0.5, queue: {max_retry_time: -1, max_retry_delay: 90}}}\n"
      "- {name: datadog, enabled: false, config: {}}\n");
  const auto policy = object(served.yaml, "ClientPolicy", "kong");
  for (const auto* part :
       {"exceptRoutes:\n        - route-own\n        - route-too\n", "path: \"/all.log\"\n        reopen: true",
        "routes:\n        - route-own\n        - route-too\n", "path: \"/own.log\"",
        "routes:\n        - route-api\n        - route-own\n        - route-too\n", "url: \"https://log.example/x\"",
        "timeout: \"1m40s500ms\"", "value: \"Basic dTpw\"", "maxBatchSize: 5", "maxDelay: \"500ms\"",
        "maxRetryTime: \"0s\"", "maxRetryDelay: \"1m30s\""})
    EXPECT_NE(policy.find(part), std::string::npos) << part << policy;
  EXPECT_EQ(policy.find("statsd"), std::string::npos) << policy;
  const auto route = object(served.yaml, "HTTPRoute", "route-api");
  EXPECT_NE(route.find("fairlead.io/kong-log"), std::string::npos) << route;
  EXPECT_EQ(object(served.yaml, "HTTPRoute", "no-route").find("fairlead.io/kong-log"), std::string::npos);
}

TEST(KongConvert, MetricsByDatagramHaveKongsDefaults) {
  const Served served(std::string(kServices) +
                      "- {name: s, host: 10.0.0.1, routes: [{paths: [/]}]}\nplugins:\n- name: statsd\n"
                      "- {name: datadog, config: {host: dd.example, metrics: [{name: latency, stat_type: distribution, "
                      "sample_rate: 0.5, tags: ['a:b'], consumer_identifier: username}]}}\n");
  const auto policy = object(served.yaml, "ClientPolicy", "kong");
  for (const auto* part : {"style: StatsD", "host: localhost", "port: 8125", "prefix: kong", "name: request_count",
                           "name: status_count_per_user_per_route", "style: Datadog", "host: dd.example",
                           "type: distribution", "sampleRate: \"0.5\"", "- \"a:b\"", "consumerIdentifier: Username"})
    EXPECT_NE(policy.find(part), std::string::npos) << part << policy;
  EXPECT_EQ(policy.find("shdict"), std::string::npos) << policy;
}

TEST(KongConvert, TracesAreTheProcess) {
  const auto out = convert(std::string(kServices) +
                               "- {name: s, host: 10.0.0.1, routes: [{paths: [/]}]}\n"
                               "plugins: [{name: opentelemetry, config: {endpoint: 'http://c:4318/v1/traces', "
                               "sampling_rate: 0.25}}]\n",
                           false, "kong.yaml", {});
  ASSERT_TRUE(out.tracing);
  EXPECT_EQ(out.tracing->endpoint, "http://c:4318/v1/traces");
  EXPECT_EQ(out.tracing->sample_percent, 25);
  EXPECT_EQ(out.refused, 0U);
}

TEST(KongConvert, JsonAndYamlAreAlike) {
  const auto yaml =
      convert(std::string(kServices) + "- {name: s, host: 10.0.0.1, routes: [{paths: [/]}]}\n", false, "f", {});
  const auto json = convert(
      R"({"_format_version": "3.0", "services": [{"name": "s", "host": "10.0.0.1", "routes": [{"paths": ["/"]}]}]})",
      true, "f", {});
  EXPECT_FALSE(yaml.yaml.empty());
  EXPECT_EQ(yaml.yaml, json.yaml);
}

TEST(KongConvert, PortsAndAddress) {
  const auto out = convert(kServices + std::string("- {name: s, host: 10.0.0.1}\n"), false, "f",
                           {.address = "127.0.0.1", .http_port = 81, .https_port = 0});
  const auto gateway = object(out.yaml, "Gateway", "kong");
  EXPECT_NE(gateway.find("port: 81"), std::string::npos);
  EXPECT_NE(gateway.find("value: \"127.0.0.1\""), std::string::npos);
  EXPECT_EQ(gateway.find("HTTPS"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::kong
