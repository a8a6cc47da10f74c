// SPDX-License-Identifier: Apache-2.0
// Istio's policies at the gateway: what is read and refused, and what each counts for.
#include "fairlead/model/istio.hpp"

#include "fairlead/config/istio_mesh.hpp"
#include "unit/gateway_config/gateway_fixture.hpp"

namespace fairlead::config {
namespace {

std::string policy(const std::string& kind, const std::string& name, const std::string& spec,
                   const std::string& ns = "default") {
  return "---\napiVersion: security.istio.io/v1\nkind: " + kind + "\nmetadata: {name: " + name + ", namespace: " + ns +
         "}\nspec: {" + spec + "}\n";
}
std::string authorization(const std::string& name, const std::string& spec, const std::string& ns = "default") {
  return policy("AuthorizationPolicy", name, spec, ns);
}
constexpr const char* kKeys =
    "jwks: '{\"keys\":[{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}'";
constexpr const char* kToEdge = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}], ";
constexpr const char* kToWeb = "targetRefs: [{group: \"\", kind: Service, name: web}], ";

TEST(IstioPolicies, ReadsWhatRequestsHave) {
  const auto read_one =
      read<model::AuthorizationPolicy>(authorization("a", std::string(kToEdge) + R"(action: DENY, rules: [{
    from: [{source: {requestPrincipals: [i/*], notRequestPrincipals: [i/s], remoteIpBlocks: [10.0.0.0/8], notRemoteIpBlocks: [10.1.0.0/16]}}],
    to: [{operation: {hosts: [a.example], notHosts: [b], methods: [GET], notMethods: [PUT], paths: ["/a/{*}/b/{**}"], notPaths: [/c*], ports: ["80"]}}],
    when: [{key: "request.headers[X-A]", values: [a]}, {key: "request.auth.claims[a][b]", notValues: [c]},
           {key: source.ip, values: [10.0.0.1]}, {key: remote.ip, values: [10.0.0.1]}, {key: connection.sni, values: [x]}]}])"));
  ASSERT_TRUE(read_one);
  ASSERT_EQ(read_one->rules.size(), 1U);
  const auto& rule = read_one->rules[0];
  EXPECT_EQ(rule.from[0].request_principals, std::vector<std::string>{"i/*"});
  EXPECT_EQ(rule.from[0].not_remote_ip_blocks.size(), 1U);
  EXPECT_EQ(rule.to[0].paths, std::vector<std::string>{"/a/{*}/b/{**}"});
  EXPECT_EQ(rule.to[0].not_hosts, std::vector<std::string>{"b"});
  EXPECT_EQ(rule.to[0].ports, std::vector<std::uint16_t>{80});
  ASSERT_EQ(rule.when.size(), 1U);
  ASSERT_EQ(rule.when_request.size(), 4U);
  EXPECT_EQ(rule.when_request[0].names, std::vector<std::string>{"x-a"});
  EXPECT_EQ(rule.when_request[1].names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read_one->targets[0].name, "g");
  EXPECT_EQ(read_one->action, model::AuthorizationPolicy::Action::kDeny);
}

TEST(IstioPolicies, ReadsJwtRules) {
  const auto one = read<model::RequestAuthentication>(
      policy("RequestAuthentication", "r", std::string("jwtRules: [{issuer: i, ") + kKeys + R"(,
    audiences: [a], fromHeaders: [{name: X-Token, prefix: "T "}], fromParams: [t], fromCookies: [c],
    outputPayloadToHeader: X-Payload, outputClaimToHeaders: [{header: X-Sub, claim: sub}], forwardOriginalToken: true,
    timeout: 2s}, {issuer: j, jwksUri: "https://keys.example/k"}], selector: {matchLabels: {app: x}})"));
  ASSERT_TRUE(one && one->rules);
  ASSERT_EQ(one->rules->size(), 2U);
  const auto& rule = one->rules->front();
  EXPECT_EQ(rule.from_headers.front(), (std::pair<std::string, std::string>("x-token", "T ")));
  EXPECT_EQ(rule.payload_header, "x-payload");
  EXPECT_EQ(rule.claim_headers.front().header, "x-sub");
  EXPECT_TRUE(rule.forward);
  EXPECT_EQ(rule.timeout.count(), 2000);
  EXPECT_EQ(one->selector.match_labels.size(), 1U);
}

struct BadIstioPolicy {
  std::string text;
  const char* field;
  const char* expected;
};

TEST(IstioPolicies, RefusesAsAWholeWhatIsNotServed) {
  const auto rules = [](const std::string& rule) { return authorization("a", "rules: [" + rule + "]"); };
  const auto jwt = [](const std::string& rule) {
    return policy("RequestAuthentication", "a", "jwtRules: [" + rule + "]");
  };
  const BadIstioPolicy rows[] = {
      {authorization("a", "action: CUSTOM, rules: [{}]"), "spec.provider", "an extensionProvider"},
      {authorization("a", "action: CUSTOM, provider: {}, rules: [{}]"), "spec.provider.name", "an extensionProvider"},
      {authorization("a", "action: CUSTOM, provider: {name: x, port: 1}"), "spec.provider.port", "the gateway serves"},
      {authorization("a", "action: DENY, provider: {name: x}"), "spec.provider", "only with action CUSTOM"},
      {authorization("a", "action: Custom"), "spec.action", "CUSTOM"},
      {authorization("a", "action: CUSTOM, provider: {name: x}, rules: [{from: [{source: {requestPrincipals: [a]}}]}]"),
       "spec.rules", "no field of tokens"},
      {authorization(
           "a", "action: CUSTOM, provider: {name: x}, rules: [{when: [{key: request.auth.principal, values: [a]}]}]"),
       "spec.rules", "no field of tokens"},
      {authorization("a", "rulez: []"), "spec.rulez", "that the gateway serves"},
      {rules("{from: [{source: {}}]}"), "spec.rules[0].from[0].source", "at least one field"},
      {rules("{from: [{source: {principal: [a]}}]}"), "spec.rules[0].from[0].source.principal", "refused as a whole"},
      {rules("{from: [{source: {remoteIpBlocks: [10.0.0.0/99]}}]}"), "spec.rules[0].from[0].source.remoteIpBlocks[0]",
       "an address block"},
      {rules("{to: [{operation: {path: [/a]}}]}"), "spec.rules[0].to[0].operation.path", "refused as a whole"},
      {rules("{to: [{operation: {ports: [\"0\"]}}]}"), "spec.rules[0].to[0].operation.ports[0]", "1 to 65535"},
      {rules("{to: [{operation: {paths: [\"/{**}/a/{*}\"]}}]}"), "spec.rules[0].to[0].operation.paths[0]", "template"},
      {rules("{to: [{operation: {paths: [\"/a/{*}.txt\"]}}]}"), "spec.rules[0].to[0].operation.paths[0]", "template"},
      {rules("{to: [{operation: {paths: [\"/*/{*}\"]}}]}"), "spec.rules[0].to[0].operation.paths[0]", "template"},
      {rules("{to: [{operation: {notPaths: [\"/a}\"]}}]}"), "spec.rules[0].to[0].operation.notPaths[0]", "template"},
      {rules("{when: [{key: \"experimental.envoy.filters.a[b]\", values: [c]}]}"), "spec.rules[0].when[0].key",
       "source.ip"},
      {rules("{when: [{key: \"request.headers[]\", values: [c]}]}"), "spec.rules[0].when[0].key", "source.ip"},
      {rules("{when: [{key: \"request.headers[a]\"}]}"), "spec.rules[0].when[0].values", "notValues"},
      {rules("{when: [{key: remote.ip, values: [x]}]}"), "spec.rules[0].when[0].values[0]", "an address block"},
      {authorization("a", "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r}]"),
       "spec.targetRefs[0]", "a Gateway of group"},
      {authorization("a", "targetRefs: [{kind: Service}]"), "spec.targetRefs[0].name", "a name"},
      {authorization("a", "selector: {matchExpressions: []}"), "spec.selector.matchExpressions",
       "that the gateway serves"},
      {jwt("{}"), "spec.jwtRules[0].issuer", "the value of iss"},
      {jwt("{issuer: i}"), "spec.jwtRules[0]", "an issuer that is a URL"},
      {jwt("{issuer: i, jwks: '{}'}"), "spec.jwtRules[0].jwks", "a JWK Set"},
      {jwt("{issuer: i, jwksUri: \"ftp://a\"}"), "spec.jwtRules[0].jwksUri", "http or https"},
      {jwt("{issuer: i, jwksUri: \"http://a\", audience: [b]}"), "spec.jwtRules[0].audience", "audiences"},
      {jwt("{issuer: i, jwksUri: \"http://a\", fromHeaders: [{prefix: x}]}"), "spec.jwtRules[0].fromHeaders[0].name",
       "a header"},
      {jwt("{issuer: i, jwksUri: \"http://a\", outputPayloadToHeader: \"a b\"}"),
       "spec.jwtRules[0].outputPayloadToHeader", "header"},
      {jwt("{issuer: i, jwksUri: \"http://a\", timeout: 0s}"), "spec.jwtRules[0].timeout", "a duration"},
      {policy("RequestAuthentication", "a", "rules: []"), "spec.rules", "jwtRules"},
  };
  for (const auto& row : rows) {
    const auto parsed = parse_text(row.text, false, gateway_kinds());
    ASSERT_FALSE(parsed.diagnostics.empty()) << row.text;
    EXPECT_EQ(parsed.diagnostics[0].severity, Severity::kError) << row.text;
    EXPECT_EQ(parsed.diagnostics[0].field, row.field) << parsed.diagnostics[0].text();
    EXPECT_NE(parsed.diagnostics[0].expected.find(row.expected), std::string::npos) << parsed.diagnostics[0].text();
    ASSERT_EQ(parsed.objects.size(), 1U);
    EXPECT_FALSE(parsed.objects[0].object) << row.text;
    EXPECT_TRUE(parsed.objects[0].stand_in) << row.text;  // what it selects is closed
  }
}

TEST(IstioPolicies, ReadsProvidersOfTheMesh) {
  const auto found = read_extension_providers(R"(
trustDomain: cluster.local
extensionProviders:
- name: traces
  zipkin: {service: zipkin.default, port: 9411}
- name: http
  envoyExtAuthzHttp:
    service: auth/Ext.auth.svc.cluster.local
    port: 8000
    timeout: 2s
    pathPrefix: /check
    failOpen: true
    statusOnError: "503"
    includeRequestHeadersInCheck: [X-Asks, x-a-*]
    includeAdditionalHeadersInCheck: {X-Static: yes}
    headersToUpstreamOnAllow: [x-user]
    headersToDownstreamOnDeny: [x-why]
    headersToDownstreamOnAllow: [x-passed]
    includeRequestBodyInCheck: {maxRequestBytes: 100, allowPartialMessage: true}
- name: grpc
  envoyExtAuthzGrpc: {service: ext.auth.svc.cluster.local, port: 9000, includeRequestBodyInCheck: {maxRequestBytes: 7}}
)");
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 2U);
  const auto& http = found->front();
  EXPECT_EQ(http.name + " " + http.ns + " " + http.host, "http auth ext.auth.svc.cluster.local");
  EXPECT_EQ(http.check.backend.port, 8000);
  EXPECT_EQ(http.check.timeout.count(), 2000);
  EXPECT_EQ(http.check.path, "/check");
  EXPECT_TRUE(http.check.fail_open);
  EXPECT_EQ(http.check.status_on_error, 503);
  EXPECT_EQ(http.check.allowed_headers, (std::vector<std::string>{"x-asks", "x-a-*"}));
  EXPECT_EQ(http.check.extra_headers.front(), (std::pair<std::string, std::string>("x-static", "yes")));
  EXPECT_EQ(http.check.forward_body_max, 100U);
  EXPECT_FALSE(http.check.whole_body);
  const auto& grpc = found->back();
  EXPECT_EQ(grpc.check.protocol, model::ExternalAuth::Protocol::kGrpc);
  EXPECT_EQ(grpc.check.timeout.count(), 600'000);
  EXPECT_TRUE(grpc.check.whole_body);
  EXPECT_EQ(read_extension_providers("")->size(), 0U);
}

TEST(IstioPolicies, SaysWhatIsWrongWithAProvider) {
  const auto http = [](const std::string& more) {
    return "extensionProviders:\n- {name: a, envoyExtAuthzHttp: {service: a.b, port: 1, " + more + "}}";
  };
  struct BadProvider {
    std::string text;
    const char* wanted;
  };
  const BadProvider rows[] = {
      {"a: [", "of mesh: flow sequence"},
      {"extensionProviders: {}", "extensionProviders: found a mapping, expected a list"},
      {"extensionProviders: [{envoyExtAuthzGrpc: {service: a, port: 1}}]", "extensionProviders[0].name"},
      {"extensionProviders: [{name: a, envoyExtAuthzGrpc: {port: 1}}]", "envoyExtAuthzGrpc.service"},
      {"extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: a}}]", "envoyExtAuthzGrpc.port"},
      {"extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: a, port: 1, pathPrefix: /a}}]", "pathPrefix"},
      {http("statusOnError: \"99\""), "a status from 200 to 599"},
      {http("statusOnError: many"),
       "line 2 of mesh: extensionProviders[0].envoyExtAuthzHttp.statusOnError: found \"many\""},
      {http("timeout: soon"), "timeout"},
      {http("includeRequestHeadersInCheck: [\"a b\"]"), "a header's name"},
      {http("includeAdditionalHeadersInCheck: {\"a b\": c}"), "a header's name"},
      {http("includeRequestBodyInCheck: {}"), "maxRequestBytes"},
      {http("includeRequestBodyInCheck: {maxRequestBytes: 1, packAsBytes: true}"), "packAsBytes"},
      {http("failopen: true"), "failOpen"},
  };
  for (const auto& row : rows) {
    const auto found = read_extension_providers(row.text);
    ASSERT_FALSE(found) << row.text;
    EXPECT_NE(found.error().message.find(row.wanted), std::string::npos) << found.error().message;
  }
}

TEST(IstioPolicies, TheAgentReadsNoMoreThanBefore) {
  EXPECT_FALSE(
      parse_text(authorization("a", "action: CUSTOM, provider: {name: x}"), false, agent_kinds()).objects[0].object);
  for (const auto& rule : {"{from: [{source: {requestPrincipals: [a]}}]}", "{to: [{operation: {methods: [GET]}}]}",
                           "{when: [{key: remote.ip, values: [10.0.0.1]}]}"}) {
    const auto parsed = parse_text(authorization("a", std::string("rules: [") + rule + "]"), false, agent_kinds());
    ASSERT_FALSE(parsed.diagnostics.empty()) << rule;
    EXPECT_FALSE(parsed.objects[0].object) << rule;
  }
  EXPECT_FALSE(parse_text(authorization("a", kToEdge), false, agent_kinds()).objects[0].object);
}

/// Names of what counts for the listener.
std::string counting(World& world) {
  std::string out;
  for (const auto& object : world.compiled("http").requests)
    out += std::visit([](const auto& one) { return one.metadata.name; }, *object) + " ";
  return out;
}

TEST(IstioPolicies, CountForWhatTheySelect) {
  World world(kBasics + gateway(kHttp80, ", infrastructure: {labels: {team: blue}}"));
  EXPECT_EQ(counting(world), "");
  world.apply(
      authorization("by-target", kToEdge) + authorization("by-label", "selector: {matchLabels: {team: blue}}") +
      authorization("by-name", "selector: {matchLabels: {istio.io/gateway-name: g}}") + authorization("all", "") +
      authorization("other-label", "selector: {matchLabels: {team: red}}") +
      authorization("other-target", "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: h}]") +
      authorization("other-ns", "", "other") + authorization("root", "", "istio-system") +
      authorization("root-target", kToEdge, "istio-system") + authorization("service", kToWeb) +
      policy("RequestAuthentication", "tokens", std::string("jwtRules: [{issuer: i, ") + kKeys + "}]"));
  EXPECT_EQ(counting(world), "tokens all by-label by-name by-target root ");
  EXPECT_EQ(world.of(Kind::kAuthorizationPolicy, "by-target", "Accepted"), "True Accepted");
  EXPECT_EQ(world.of(Kind::kAuthorizationPolicy, "by-label", "Accepted"), "True Accepted");
  EXPECT_EQ(world.of(Kind::kAuthorizationPolicy, "other-target", "Accepted"), "False TargetNotFound");
  EXPECT_EQ(world.of(Kind::kAuthorizationPolicy, "other-label", "Accepted"), "no status");
  EXPECT_EQ(world.of(Kind::kAuthorizationPolicy, "service", "Accepted"), "True Accepted");
  EXPECT_EQ(world.of(Kind::kRequestAuthentication, "tokens", "Accepted"), "True Accepted");
  world.remove({Kind::kAuthorizationPolicy, "default", "all"});
  EXPECT_EQ(counting(world), "tokens by-label by-name by-target root ");
}

TEST(IstioPolicies, CountForServices) {
  World world(kBasics + gateway(kHttp80) +
              route("HTTPRoute", "r", "parentRefs: [{name: g}], rules: [{backendRefs: [{name: web, port: 80}]}]"));
  const auto count = [&] { return world.state.clusters().find("default/web:80")->second->requests.size(); };
  EXPECT_EQ(count(), 0U);
  world.apply(authorization("service", kToWeb) + authorization("gateway", kToEdge));
  EXPECT_EQ(count(), 1U);
  world.remove({Kind::kAuthorizationPolicy, "default", "service"});
  EXPECT_EQ(count(), 0U);
}

}  // namespace
}  // namespace fairlead::config
