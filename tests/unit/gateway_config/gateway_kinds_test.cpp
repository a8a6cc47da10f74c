// SPDX-License-Identifier: Apache-2.0
// What the readers make of good objects: every field, and the defaults.
#include <gtest/gtest.h>

#include "unit/gateway_config/gateway_fixture.hpp"

namespace fairlead::config {
namespace {

using namespace std::chrono_literals;

constexpr const char* kRoute = R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, creationTimestamp: "1970-01-02T00:00:01Z", generation: 3}
spec:
  parentRefs: [{name: g, namespace: n, sectionName: s, port: 80}]
  hostnames: ["*.a.example"]
  rules:
  - name: one
    matches:
    - path: {type: Exact, value: /a}
      headers: [{name: X-A, value: b}, {name: x-a, value: c}]
      queryParams: [{type: RegularExpression, name: Q, value: "^1"}]
      method: PATCH
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: A, value: b}], add: [{name: c, value: d e}], remove: [F]}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: m, port: 1}, fraction: {numerator: 1, denominator: 3}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: m, port: 1}, percent: 42}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: m, port: 1}}}
    - {type: CORS, cors: {allowOrigins: ["https://*.example:8443"], allowMethods: ["*"], allowCredentials: true}}
    - type: ExternalAuth
      externalAuth: {protocol: HTTP, backendRef: {name: auth, port: 9}, http: {path: /check, allowedHeaders: [Cookie]}, forwardBody: {maxSize: 100}}
    backendRefs: [{name: s, port: 80, weight: 0, filters: [{type: URLRewrite, urlRewrite: {hostname: h}}]}]
    timeouts: {request: 1h30m, backendRequest: 250ms}
    retry: {codes: [503], attempts: 2, backoff: 100ms}
    sessionPersistence: {sessionName: n, type: Cookie, absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}}
  - filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]
)";

TEST(GatewayKinds, HttpRouteHasEveryField) {
  const auto route = read<model::HttpRoute>(kRoute);
  ASSERT_TRUE(route);
  EXPECT_EQ(route->metadata.created, 86401);
  EXPECT_EQ(route->metadata.generation, 3);
  EXPECT_EQ(route->parents[0].kind.kind, model::RefKind::kGateway);
  EXPECT_EQ(route->parents[0].section, "s");
  ASSERT_EQ(route->rules.size(), 2U);
  const auto& rule = route->rules[0];
  EXPECT_EQ(rule.matches[0].path.type, model::PathMatchType::kExact);
  ASSERT_EQ(rule.matches[0].headers.size(), 1U);  // of equal names the first counts
  EXPECT_EQ(rule.matches[0].headers[0].name, "x-a");
  EXPECT_EQ(rule.matches[0].headers[0].value, "b");
  EXPECT_EQ(rule.matches[0].query[0].type, model::ValueMatchType::kRegularExpression);
  EXPECT_EQ(rule.matches[0].method, model::HttpMethod::kPatch);
  const auto& headers = std::get<model::RequestHeaderModifier>(rule.filters[0]);
  EXPECT_EQ(headers.set[0].name, "a");
  EXPECT_EQ(headers.remove[0], "f");
  const auto share = [&](std::size_t index) {
    const auto& mirror = std::get<model::RequestMirror>(rule.filters[index]);
    return std::pair(mirror.numerator, mirror.denominator);
  };
  EXPECT_EQ(share(1), (std::pair{1U, 3U}));
  EXPECT_EQ(share(2), (std::pair{42U, 100U}));
  EXPECT_EQ(share(3), (std::pair{1U, 1U}));
  EXPECT_EQ(std::get<model::Cors>(rule.filters[4]).max_age_seconds, 5U);
  const auto& auth = std::get<model::ExternalAuth>(rule.filters[5]);
  EXPECT_EQ(auth.path, "/check");
  EXPECT_EQ(auth.allowed_headers, std::vector<std::string>{"cookie"});
  EXPECT_EQ(auth.forward_body_max, 100U);
  EXPECT_EQ(rule.backends[0].weight, 0U);
  EXPECT_EQ(std::get<model::UrlRewrite>(rule.backends[0].filters[0]).hostname, "h");
  EXPECT_EQ(*rule.timeouts->request, 90min);
  EXPECT_EQ(*rule.timeouts->backend_request, 250ms);
  EXPECT_EQ(*rule.retry->attempts, 2U);
  EXPECT_EQ(rule.persistence->cookie_lifetime, model::SessionPersistence::Lifetime::kPermanent);
  ASSERT_EQ(route->rules[1].matches.size(), 1U);
  EXPECT_EQ(route->rules[1].matches[0].path.value, "/");
  EXPECT_EQ(std::get<model::RequestRedirect>(route->rules[1].filters[0]).status_code, 302);
}

TEST(GatewayKinds, PathsOfFiltersAreNormal) {
  struct {
    std::string_view filter, field, written, read;
  } const rows[] = {
      {"URLRewrite, urlRewrite", "replaceFullPath", "/a b", "/a%20b"},
      {"URLRewrite, urlRewrite", "replaceFullPath", "/\xc3\xbc", "/%C3%BC"},
      {"URLRewrite, urlRewrite", "replaceFullPath", "a", "/a"},
      {"URLRewrite, urlRewrite", "replaceFullPath", "", ""},
      {"URLRewrite, urlRewrite", "replaceFullPath", "/a/../b//c/[1]", "/b//c/%5B1%5D"},
      {"URLRewrite, urlRewrite", "replaceFullPath", "/a?b=/../c d#e", "/a?b=/../c%20d%23e"},
      {"RequestRedirect, requestRedirect", "replaceFullPath", "/a?b#/../c d", "/a?b#/../c%20d"},
      {"URLRewrite, urlRewrite", "replacePrefixMatch", "/a/./b/?c#d", "/a/b/%3Fc%23d"},
      {"URLRewrite, urlRewrite", "replacePrefixMatch", "", ""},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.written);
    const bool full = row.field == "replaceFullPath";
    const auto text = std::string(
                          "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n"
                          "  rules: [{matches: [{path: {value: /x}}], filters: [{type: ") +
                      std::string(row.filter) + ": {path: {type: " + (full ? "ReplaceFullPath" : "ReplacePrefixMatch") +
                      ", " + std::string(row.field) + ": \"" + std::string(row.written) + "\"}}}]}]\n";
    const auto route = read<model::HttpRoute>(text);
    ASSERT_TRUE(route);
    const auto& filter = route->rules[0].filters[0];
    const auto* rewrite = std::get_if<model::UrlRewrite>(&filter);
    EXPECT_EQ(rewrite ? rewrite->path->value : std::get<model::RequestRedirect>(filter).path->value, row.read);
  }
}

TEST(GatewayKinds, SessionsAreReadAsTheNextReleaseHasThem) {
  const auto session = [](const std::string& fields) {
    const auto route = read<model::HttpRoute>(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\n"
        "spec: {rules: [{sessionPersistence: {" +
        fields + "}}]}\n");
    EXPECT_NE(route, nullptr);
    return route->rules[0].persistence;
  };
  const auto cookie = session("absoluteTimeout: 1h, cookie: {name: n, path: /a, lifetimeType: Permanent}");
  EXPECT_EQ(cookie->session_name, "n");
  EXPECT_EQ(cookie->cookie_path, "/a");
  EXPECT_EQ(cookie->cookie_lifetime, model::SessionPersistence::Lifetime::kPermanent);
  EXPECT_EQ(session("cookie: {}")->cookie_path, "/");
  EXPECT_EQ(session("cookieConfig: {}")->cookie_path, "") << "the rule's own";
  const auto header = session("type: Header, header: {name: X-Where}");
  EXPECT_EQ(header->type, model::SessionPersistence::Type::kHeader);
  EXPECT_EQ(header->session_name, "X-Where");
}

TEST(GatewayKinds, HttpRouteWithoutRulesMatchesEverything) {
  const auto route = read<model::HttpRoute>(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {}\n");
  ASSERT_TRUE(route);
  ASSERT_EQ(route->rules.size(), 1U);
  EXPECT_EQ(route->rules[0].matches[0].path.value, "/");
  EXPECT_TRUE(route->rules[0].backends.empty());
}

TEST(GatewayKinds, SecretIsDecodedAndStringDataLiesOverData) {
  const auto secret = read<model::Secret>(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {b: plain}\n"
      "data: {a: aGVsbG8=, b: eA==, c: \"\", d: //79}\n");
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->type, "Opaque");
  EXPECT_EQ(secret->data, (model::Labels{{"a", "hello"}, {"b", "plain"}, {"c", ""}, {"d", "\xff\xfe\xfd"}}));
}

TEST(GatewayKinds, PoliciesHaveTheirDefaultsAndFields) {
  const auto backend = read<model::BackendPolicy>(
      "apiVersion: fairlead.io/v1alpha1\nkind: BackendPolicy\nmetadata: {name: p}\nspec:\n"
      "  targetRefs: [{group: \"\", kind: Service, name: a, sectionName: http}]\n"
      "  loadBalancer: {type: ConsistentHash, consistentHash: {header: X-User, type: Header, table: RingHash}}\n"
      "  healthCheck: {active: {type: GRPC, grpc: {service: a.B}}, passive: {maxEjectionPercent: 50}}\n"
      "  protocol: HTTP2\n  proxyProtocol: {version: V2}\n");
  ASSERT_TRUE(backend);
  EXPECT_EQ(backend->settings->balancing.hash_name, "x-user");
  EXPECT_EQ(backend->settings->active_check->grpc_service, "a.B");
  EXPECT_EQ(backend->settings->outlier->consecutive_5xx, 5U);
  EXPECT_EQ(backend->settings->outlier->max_ejection_percent, 50U);
  EXPECT_EQ(backend->settings->proxy_protocol, 2);
  EXPECT_FALSE(backend->settings->retry);
  const auto client = read<model::ClientPolicy>(
      "apiVersion: fairlead.io/v1alpha1\nkind: ClientPolicy\nmetadata: {name: p}\nspec:\n"
      "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]\n"
      "  tls: {minVersion: \"1.3\", clientValidation: {optional: true, caCertificateRefs: [{group: \"\", kind: Secret, "
      "name: c}]}}\n"
      "  timeouts: {idle: 0s}\n");
  ASSERT_TRUE(client);
  EXPECT_EQ(client->settings->tls.min_version, model::ClientTls::Version::k13);
  EXPECT_EQ(client->settings->tls.client_certificate, model::ClientTls::ClientCertificate::kRequest);
  EXPECT_EQ(client->settings->timeouts.idle, 0ms);
  EXPECT_EQ(client->settings->limits.max_headers, 128U);
}

TEST(GatewayKinds, GatewayHasListenersTlsAndAddresses) {
  const auto gateway = read<model::Gateway>(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec:\n  gatewayClassName: c\n"
      "  defaultScope: All\n  addresses: [{type: IPAddress}]\n"
      "  tls: {frontend: {default: {}, perPort: [{port: 443, tls: {validation: {mode: AllowInsecureFallback, "
      "caCertificateRefs: [{group: \"\", kind: ConfigMap, name: ca}]}}}]}}\n"
      "  listeners: [{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: s}]}}]\n");
  ASSERT_TRUE(gateway);
  EXPECT_TRUE(gateway->default_scope);
  EXPECT_FALSE(gateway->tls->frontend->by_default);
  EXPECT_EQ(gateway->tls->frontend->per_port[0].second->mode, model::FrontendValidation::Mode::kAllowInsecureFallback);
  EXPECT_EQ(gateway->listeners[0].tls->certificates[0].kind.kind, model::RefKind::kSecret);
  EXPECT_EQ(gateway->allowed_listeners.from, model::AllowedNamespaces::From::kNone);
  EXPECT_EQ(gateway->listeners[0].namespaces.from, model::AllowedNamespaces::From::kSame);
}

/// Every Object takes the room of the largest; thousands of routes make that count.
TEST(GatewayKinds, KeepObjectsSmall) { EXPECT_LE(sizeof(model::Object), 320U); }

}  // namespace
}  // namespace fairlead::config
