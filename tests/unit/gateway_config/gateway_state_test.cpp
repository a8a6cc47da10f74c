// SPDX-License-Identifier: Apache-2.0
// Each rule with the feature of Gateway API's conformance suite that it belongs to.
#include "unit/gateway_config/gateway_fixture.hpp"

namespace fairlead::config {
namespace {

const std::string kRuleToWeb = "rules: [{backendRefs: [{name: web, port: 80}]}]";

/// One condition of one object, after the documents.
struct Case {
  const char* feature;
  std::string documents;
  Kind kind;
  const char* name;
  const char* type;
  const char* want;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.feature << " " << one.name << " " << one.type; }

class GatewayRule : public testing::TestWithParam<Case> {};

TEST_P(GatewayRule, SetsTheCondition) {
  const auto& one = GetParam();
  World world(kBasics + one.documents);
  EXPECT_EQ(world.of(one.kind, one.name, one.type), one.want) << one.feature << "\n" << one.documents;
}

std::string parent(const std::string& more = "") { return "parentRefs: [{name: g" + more + "}], "; }

// Its certificate is in another namespace, and nothing grants it.
const std::string kHttpsOfOther =
    "{name: x, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: s, namespace: other}]}}";

const Case kCases[] = {
    // GatewayClass, Gateway
    {"Gateway", gateway(kHttp80), Kind::kGateway, "g", "Accepted", "True Accepted"},
    {"Gateway", gateway(kHttp80), Kind::kGateway, "g", "Programmed", "True Programmed"},
    {"Gateway", gateway(kHttp80), Kind::kGateway, "g", "ResolvedRefs", "True ResolvedRefs"},
    {"Gateway", gateway("{name: a, port: 80, protocol: example.com/x}"), Kind::kGateway, "g", "Accepted",
     "False ListenersNotValid"},
    {"Gateway", gateway(kHttp80 + ", {name: a, port: 81, protocol: example.com/x}"), Kind::kGateway, "g", "Accepted",
     "True ListenersNotValid"},
    {"GatewayStaticAddresses", gateway(kHttp80, ", addresses: [{type: Hostname, value: a.example}]"), Kind::kGateway,
     "g", "Accepted", "False UnsupportedAddress"},
    {"GatewayStaticAddresses", gateway(kHttp80, ", addresses: [{value: 127.0.0.1}]"), Kind::kGateway, "g", "Accepted",
     "True Accepted"},
    {"GatewayInfrastructure", gateway(kHttp80, ", infrastructure: {parametersRef: {group: a.b, kind: C, name: d}}"),
     Kind::kGateway, "g", "Accepted", "False InvalidParameters"},
    {"GatewayBackendClientCertificate", gateway(kHttp80, ", tls: {backend: {clientCertificateRef: {name: none}}}"),
     Kind::kGateway, "g", "ResolvedRefs", "False InvalidClientCertificateRef"},
    {"GatewayBackendClientCertificate",
     gateway(kHttp80, ", tls: {backend: {clientCertificateRef: {name: s, namespace: other}}}") +
         tls_secret("s", "other"),
     Kind::kGateway, "g", "ResolvedRefs", "False RefNotPermitted"},
    {"Gateway", gateway("{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: none}]}}"),
     Kind::kGateway, "g", "ResolvedRefs", "False ListenersNotResolved"},
    // Attachment
    {"HTTPRoute", gateway(kHttp80) + route("HTTPRoute", "r", parent() + kRuleToWeb), Kind::kHttpRoute, "r", "Accepted",
     "True Accepted"},
    {"HTTPRoute", gateway(kHttp80) + route("HTTPRoute", "r", parent(", sectionName: none") + kRuleToWeb),
     Kind::kHttpRoute, "r", "Accepted", "False NoMatchingParent"},
    {"HTTPRouteParentRefPort", gateway(kHttp80) + route("HTTPRoute", "r", parent(", port: 81") + kRuleToWeb),
     Kind::kHttpRoute, "r", "Accepted", "False NoMatchingParent"},
    {"HTTPRouteParentRefPort",
     gateway(kHttp80) + route("HTTPRoute", "r", parent(", port: 80, sectionName: http") + kRuleToWeb), Kind::kHttpRoute,
     "r", "Accepted", "True Accepted"},
    {"HTTPRoute",
     gateway("{name: a, port: 80, protocol: HTTP, hostname: a.example}") +
         route("HTTPRoute", "r", parent() + "hostnames: [b.example], " + kRuleToWeb),
     Kind::kHttpRoute, "r", "Accepted", "False NoMatchingListenerHostname"},
    {"HTTPRoute",
     gateway("{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}") +
         route("HTTPRoute", "r", parent() + kRuleToWeb),
     Kind::kHttpRoute, "r", "Accepted", "False NotAllowedByListeners"},
    {"HTTPRoute",
     gateway("{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: "
             "{matchLabels: {kubernetes.io/metadata.name: default}}}}}") +
         route("HTTPRoute", "r", parent() + kRuleToWeb),
     Kind::kHttpRoute, "r", "Accepted", "True Accepted"},
    {"HTTPRoute",
     gateway("{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: "
             "{matchLabels: {team: a}}}}}") +
         route("HTTPRoute", "r", parent() + kRuleToWeb),
     Kind::kHttpRoute, "r", "Accepted", "False NotAllowedByListeners"},
    {"HTTPRoute", route("HTTPRoute", "r", parent() + kRuleToWeb), Kind::kHttpRoute, "r", "Accepted", "no status"},
    {"Gateway",
     gateway(kHttp80, ", defaultScope: All") + route("HTTPRoute", "r", "useDefaultGateways: All, " + kRuleToWeb),
     Kind::kHttpRoute, "r", "Accepted", "True Accepted"},
    {"GRPCRoute",
     gateway(kHttp80) + route("HTTPRoute", "a", parent() + kRuleToWeb) + route("GRPCRoute", "b", parent() + kRuleToWeb),
     Kind::kGrpcRoute, "b", "Accepted", "False NotAllowedByListeners"},
    {"TCPRoute", gateway(kHttp80) + route("TCPRoute", "r", parent() + kRuleToWeb), Kind::kTcpRoute, "r", "Accepted",
     "False NotAllowedByListeners"},
    {"TCPRoute", gateway("{name: a, port: 9, protocol: TCP}") + route("TCPRoute", "r", parent() + kRuleToWeb),
     Kind::kTcpRoute, "r", "Accepted", "True Accepted"},
    {"UDPRoute",
     gateway("{name: a, port: 53, protocol: UDP}") +
         route("UDPRoute", "r", parent() + "rules: [{backendRefs: [{name: web, port: 53}]}]"),
     Kind::kUdpRoute, "r", "ResolvedRefs", "True ResolvedRefs"},
    {"TLSRoute",
     gateway("{name: a, port: 443, protocol: TLS, tls: {mode: Passthrough}, hostname: \"*.example\"}") +
         route("TLSRoute", "r", parent() + "hostnames: [a.example], " + kRuleToWeb),
     Kind::kTlsRoute, "r", "Accepted", "True Accepted"},
    // References
    {"HTTPRoute", gateway(kHttp80) + route("HTTPRoute", "r", parent() + kRuleToWeb), Kind::kHttpRoute, "r",
     "ResolvedRefs", "True ResolvedRefs"},
    {"HTTPRoute",
     gateway(kHttp80) + route("HTTPRoute", "r", parent() + "rules: [{backendRefs: [{name: none, port: 80}]}]"),
     Kind::kHttpRoute, "r", "ResolvedRefs", "False BackendNotFound"},
    {"HTTPRoute",
     gateway(kHttp80) + route("HTTPRoute", "r", parent() + "rules: [{backendRefs: [{name: web, port: 99}]}]"),
     Kind::kHttpRoute, "r", "ResolvedRefs", "False BackendNotFound"},
    {"HTTPRoute",
     gateway(kHttp80) +
         route("HTTPRoute", "r", parent() + "rules: [{backendRefs: [{group: a.b, kind: C, name: web}]}]"),
     Kind::kHttpRoute, "r", "ResolvedRefs", "False InvalidKind"},
    {"HTTPRoute",
     gateway(kHttp80) + route("HTTPRoute", "r", parent() + "rules: [{backendRefs: [{name: web, port: 53}]}]"),
     Kind::kHttpRoute, "r", "ResolvedRefs", "False UnsupportedProtocol"},
    {"HTTPRoute",
     gateway(kHttp80) + route("HTTPRoute", "r",
                              parent() + "rules: [{filters: [{type: ExtensionRef, "
                                         "extensionRef: {group: a.b, kind: C, name: d}}]}]"),
     Kind::kHttpRoute, "r", "ResolvedRefs", "False InvalidKind"},
    {"ReferenceGrant",
     gateway(kHttp80) +
         route("HTTPRoute", "r", parent() + "rules: [{backendRefs: [{name: far, namespace: other, port: 80}]}]"),
     Kind::kHttpRoute, "r", "ResolvedRefs", "False RefNotPermitted"},
    // ListenerSet
    {"ListenerSet",
     gateway(kHttp80) + route("ListenerSet", "s",
                              "parentRef: {name: g}, listeners: [{name: x, port: 81, "
                              "protocol: HTTP}]"),
     Kind::kListenerSet, "s", "Accepted", "False NotAllowed"},
    {"ListenerSet",
     gateway(kHttp80, ", allowedListeners: {namespaces: {from: Same}}") +
         route("ListenerSet", "s", "parentRef: {name: g}, listeners: [{name: x, port: 81, protocol: HTTP}]"),
     Kind::kListenerSet, "s", "Programmed", "True Programmed"},
    {"ListenerSet",
     gateway(kHttp80, ", allowedListeners: {namespaces: {from: Same}}") +
         route("ListenerSet", "s", "parentRef: {name: g}, listeners: [{name: x, port: 80, protocol: HTTP}]"),
     Kind::kListenerSet, "s", "Accepted", "False ListenersNotValid"},
    {"ListenerSet",
     gateway(kHttp80, ", allowedListeners: {namespaces: {from: Same}}") +
         route("ListenerSet", "s",
               "parentRef: {name: g}, listeners: [{name: x, port: 80, protocol: HTTP}, {name: y, "
               "port: 81, protocol: HTTP}]"),
     Kind::kListenerSet, "s", "Accepted", "True ListenersNotValid"},
    {"ListenerSet",
     gateway(kHttp80, ", allowedListeners: {namespaces: {from: Same}}") +
         route("ListenerSet", "s", "parentRef: {name: g}, listeners: [" + kHttpsOfOther + "]") +
         tls_secret("s", "other"),
     Kind::kListenerSet, "s", "Accepted", "False ListenersNotValid"},
    {"ListenerSet",
     gateway(kHttp80, ", allowedListeners: {namespaces: {from: Same}}") +
         route("ListenerSet", "s", "parentRef: {name: g}, listeners: [" + kHttpsOfOther + "]") +
         tls_secret("s", "other"),
     Kind::kListenerSet, "s", "Programmed", "False ListenersNotValid"},
    {"ListenerSet",
     gateway(kHttp80, ", allowedListeners: {namespaces: {from: Same}}") +
         route("ListenerSet", "s",
               "parentRef: {name: g}, listeners: [" + kHttpsOfOther + ", {name: y, port: 81, protocol: HTTP}]") +
         tls_secret("s", "other"),
     Kind::kListenerSet, "s", "Accepted", "True ListenersNotValid"},
    {"ListenerSet",
     gateway(kHttp80, ", allowedListeners: {namespaces: {from: Same}}") +
         route("ListenerSet", "s", "parentRef: {name: g}, listeners: [{name: x, port: 81, protocol: HTTP}]") +
         route("HTTPRoute", "r", "parentRefs: [{kind: ListenerSet, name: s}], " + kRuleToWeb),
     Kind::kHttpRoute, "r", "Accepted", "True Accepted"},
    // Policies
    {"BackendTLSPolicy",
     gateway(kHttp80) + route("HTTPRoute", "r", parent() + kRuleToWeb) +
         route("BackendTLSPolicy", "p",
               "targetRefs: [{group: \"\", kind: Service, name: web}], validation: {hostname: a, "
               "caCertificateRefs: [{group: \"\", kind: ConfigMap, name: none}]}"),
     Kind::kBackendTlsPolicy, "p", "Accepted", "False NoValidCACertificate"},
    {"BackendTLSPolicy",
     gateway(kHttp80) + route("HTTPRoute", "r", parent() + kRuleToWeb) +
         route("BackendTLSPolicy", "p",
               "targetRefs: [{group: \"\", kind: Service, name: web}], validation: {hostname: a, "
               "caCertificateRefs: [{group: a.b, kind: C, name: none}]}"),
     Kind::kBackendTlsPolicy, "p", "ResolvedRefs", "False InvalidKind"},
    {"BackendTLSPolicy",
     gateway(kHttp80) + route("HTTPRoute", "r", parent() + kRuleToWeb) +
         route("BackendTLSPolicy", "a",
               "targetRefs: [{group: \"\", kind: Service, name: web}], validation: {hostname: a, "
               "wellKnownCACertificates: System}") +
         route("BackendTLSPolicy", "b",
               "targetRefs: [{group: \"\", kind: Service, name: web}], validation: {hostname: a, "
               "wellKnownCACertificates: System}"),
     Kind::kBackendTlsPolicy, "b", "Accepted", "False Conflicted"},
};

INSTANTIATE_TEST_SUITE_P(All, GatewayRule, testing::ValuesIn(kCases));

/// One condition of one listener of Gateway g.
struct ListenerCase {
  const char* feature;
  std::string documents;
  const char* listener;
  const char* type;
  const char* want;
};

const std::string kHttps =
    "{name: a, port: 443, protocol: HTTPS, hostname: a.example, tls: {certificateRefs: [{name: s}]}}";

const ListenerCase kListenerCases[] = {
    {"Gateway", gateway("{name: a, port: 80, protocol: HTTP, hostname: a.example}, {name: b, port: 80, protocol: TCP}"),
     "a", "Conflicted", "True ProtocolConflict"},
    {"Gateway", gateway("{name: a, port: 80, protocol: HTTP, hostname: a.example}, {name: b, port: 80, protocol: TCP}"),
     "b", "Accepted", "False ProtocolConflict"},
    {"Gateway", gateway("{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: UDP}"), "b", "Conflicted",
     "False NoConflicts"},
    {"TLSRouteModeMixed",
     gateway("{name: a, port: 443, protocol: TLS, hostname: a.example, tls: {mode: Passthrough}}, {name: b, port: 443, "
             "protocol: HTTPS, hostname: a.example, tls: {certificateRefs: [{name: s}]}}") +
         tls_secret("s"),
     "b", "Conflicted", "True HostnameConflict"},
    {"TLSRouteModeMixed",
     gateway("{name: a, port: 443, protocol: TLS, hostname: a.example, tls: {mode: Passthrough}}, {name: b, port: 443, "
             "protocol: HTTPS, hostname: b.example, tls: {certificateRefs: [{name: s}]}}") +
         tls_secret("s"),
     "b", "Programmed", "True Programmed"},
    {"Gateway", gateway(kHttps) + tls_secret("s"), "a", "ResolvedRefs", "True ResolvedRefs"},
    {"Gateway", gateway(kHttps), "a", "ResolvedRefs", "False InvalidCertificateRef"},
    {"Gateway", gateway(kHttps), "a", "Programmed", "False Invalid"},
    {"Gateway",
     gateway(kHttps) + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {tls.crt: x, tls.key: y}\n",
     "a", "ResolvedRefs", "False InvalidCertificateRef"},
    {"ReferenceGrant",
     gateway("{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: s, namespace: other}]}}") +
         tls_secret("s", "other"),
     "a", "ResolvedRefs", "False RefNotPermitted"},
    {"ReferenceGrant",
     gateway("{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: s, namespace: other}]}}") +
         tls_secret("s", "other") + "---\n" + kGroup +
         "kind: ReferenceGrant\nmetadata: {name: x, namespace: other}\nspec: {from: [{group: "
         "gateway.networking.k8s.io, "
         "kind: Gateway, namespace: default}], to: [{group: \"\", kind: Secret, name: s}]}\n",
     "a", "ResolvedRefs", "True ResolvedRefs"},
    {"Gateway", gateway("{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: TCPRoute}]}}"), "a",
     "ResolvedRefs", "False InvalidRouteKinds"},
    {"GatewayHTTPListenerIsolation",
     gateway(kHttps +
             ", {name: b, port: 443, protocol: HTTPS, hostname: \"*.example\", tls: {certificateRefs: [{name: s}]}}") +
         tls_secret("s"),
     "a", "OverlappingTLSConfig", "True OverlappingHostnames"},
    {"GatewayHTTPListenerIsolation", gateway(kHttps) + tls_secret("s"), "a", "OverlappingTLSConfig", "-"},
    {"GatewayFrontendClientCertificateValidation",
     gateway(kHttps,
             ", tls: {frontend: {default: {validation: {caCertificateRefs: [{group: \"\", kind: ConfigMap, name: "
             "none}]}}}}") +
         tls_secret("s"),
     "a", "Accepted", "False NoValidCACertificate"},
    {"GatewayFrontendClientCertificateValidation",
     gateway(kHttps,
             ", tls: {frontend: {default: {validation: {caCertificateRefs: [{group: \"\", kind: Service, name: "
             "none}]}}}}") +
         tls_secret("s"),
     "a", "ResolvedRefs", "False InvalidCACertificateKind"},
};

TEST(GatewayListener, HasTheConditionsOfItsFeature) {
  for (const auto& one : kListenerCases) {
    World world(kBasics + one.documents);
    EXPECT_EQ(world.listener(one.listener, one.type), one.want) << one.feature << "\n" << one.documents;
  }
}

TEST(GatewayClassStatus, IsWrittenForOurControllerOnly) {
  World world(kBasics + "---\n" + kGroup +
              "kind: GatewayClass\nmetadata: {name: d}\nspec: {controllerName: a.example/b}\n");
  EXPECT_EQ(world.of(Kind::kGatewayClass, "c", "Accepted", ""), "True Accepted");
  EXPECT_EQ(world.of(Kind::kGatewayClass, "d", "Accepted", ""), "no status");
}

TEST(Hostnames, IntersectAsTheApiSays) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(intersect_hostnames("", {}), Names{});
  EXPECT_EQ(intersect_hostnames("a.example", {}), Names{"a.example"});
  EXPECT_EQ(intersect_hostnames("*.example", {"a.b.example", "example", "c.test"}), Names{"a.b.example"});
  EXPECT_EQ(intersect_hostnames("a.example", {"*.example", "b.example"}), Names{"a.example"});
  EXPECT_EQ(intersect_hostnames("*.b.example", {"*.example"}), Names{"*.b.example"});
  EXPECT_EQ(intersect_hostnames("a.example", {"b.example"}), std::nullopt);
  EXPECT_FALSE(hostname_covers("*.example", "example"));
  EXPECT_FALSE(hostname_covers("*.example", ".example"));
}

TEST(Backends, HaveTheirPortsProtocolAndReadyEndpoints) {
  World world(kBasics + gateway(kHttp80) +
              route("HTTPRoute", "r",
                    parent() + "rules: [{backendRefs: [{name: web, port: 80}, {name: web, port: 81}, "
                               "{name: none, port: 1}], filters: [{type: RequestMirror, requestMirror: "
                               "{backendRef: {name: web, port: 82}, percent: 10}}]}]"));
  const auto compiled = world.state.route({Kind::kHttpRoute, "default", "r"});
  ASSERT_TRUE(compiled);
  ASSERT_EQ(compiled->targets.size(), 4U);
  ASSERT_TRUE(compiled->targets[0].cluster);
  EXPECT_EQ(compiled->targets[0].cluster->name(), "default/web:80");
  ASSERT_EQ(compiled->targets[0].cluster->endpoints.size(), 1U);
  EXPECT_EQ(compiled->targets[0].cluster->endpoints[0].port, 8080);
  EXPECT_EQ(compiled->targets[0].cluster->endpoints[0].zone, "a");
  EXPECT_EQ(compiled->targets[1].cluster->app_protocol, model::AppProtocol::kH2c);
  EXPECT_EQ(compiled->targets[2].fault, RefFault::kBackendNotFound);
  EXPECT_FALSE(compiled->targets[2].cluster);
  EXPECT_EQ(compiled->targets[3].cluster->app_protocol, model::AppProtocol::kWs);
  const auto& rule = std::get<model::HttpRoute>(*compiled->object).rules[0];
  EXPECT_EQ(compiled->find(std::get<model::RequestMirror>(rule.filters[0]).backend), &compiled->targets[3]);
}

TEST(Backends, MayBeHostNamesAndHaveTlsAndPolicies) {
  World world(
      kBasics + gateway(kHttp80) +
      "---\napiVersion: v1\nkind: Service\nmetadata: {name: out}\nspec: {type: ExternalName, externalName: "
      "api.example.com.}\n" +
      route("HTTPRoute", "r", parent() + "rules: [{backendRefs: [{name: out, port: 443}]}]") + authority("ca") +
      route("BackendTLSPolicy", "p",
            "targetRefs: [{group: \"\", kind: Service, name: out}], validation: {hostname: "
            "api.example.com, caCertificateRefs: [{group: \"\", kind: ConfigMap, name: ca}]}") +
      "---\napiVersion: fairlead.io/v1alpha1\nkind: BackendPolicy\nmetadata: {name: b}\nspec: {targetRefs: [{group: "
      "\"\", kind: Service, name: out}], timeouts: {connect: 1s}}\n");
  const auto cluster = world.state.route({Kind::kHttpRoute, "default", "r"})->targets[0].cluster;
  ASSERT_TRUE(cluster);
  ASSERT_EQ(cluster->names.size(), 1u);
  EXPECT_EQ(cluster->names[0].name, "api.example.com");
  ASSERT_TRUE(cluster->tls);
  EXPECT_FALSE(cluster->tls->broken);
  EXPECT_EQ(cluster->tls->ca_pem.size(), 1U);
  ASSERT_TRUE(cluster->settings);
  EXPECT_EQ(cluster->settings->timeouts.connect, std::chrono::seconds(1));
  EXPECT_EQ(world.of(Kind::kBackendTlsPolicy, "p", "Accepted"), "True Accepted");
  EXPECT_EQ(world.of(Kind::kBackendPolicy, "b", "Accepted"), "True Accepted");
  // Without its CA no connection may be made.
  world.remove({Kind::kConfigMap, "default", "ca"});
  EXPECT_TRUE(world.state.route({Kind::kHttpRoute, "default", "r"})->targets[0].cluster->tls->broken);
}

TEST(Listeners, CountRoutesAndCarryHostnames) {
  World world(kBasics + gateway("{name: a, port: 80, protocol: HTTP, hostname: \"*.example\"}") +
              route("HTTPRoute", "r", parent() + "hostnames: [a.example, b.test], " + kRuleToWeb) +
              route("HTTPRoute", "old", parent() + kRuleToWeb));
  const auto& listener = world.compiled("a");
  EXPECT_TRUE(listener.serving);
  ASSERT_EQ(listener.routes.size(), 2U);
  EXPECT_EQ(hostnames_of(listener, *listener.routes.begin()->second), std::vector<std::string>{"*.example"});
  EXPECT_EQ(hostnames_of(listener, *listener.routes.rbegin()->second), std::vector<std::string>{"a.example"});
  const auto status = world.state.status(world.cluster, {Kind::kGateway, "default", "g"});
  EXPECT_EQ(status->listeners[0].attached, 2U);
  EXPECT_EQ(status->listeners[0].kinds.size(), 2U);
}

TEST(Listeners, OfAYoungerGatewayGiveWayOnATakenPort) {
  const auto young = "---\n" + kGroup +
                     "kind: Gateway\nmetadata: {name: z, creationTimestamp: \"2026-01-01T00:00:00Z\"}\nspec: "
                     "{gatewayClassName: c, listeners: [{name: http, port: 80, protocol: HTTP}]}\n";
  World world(kBasics + gateway(kHttp80) + young);
  EXPECT_EQ(world.listener("http", "Accepted", Kind::kGateway, "z"), "False PortUnavailable");
  EXPECT_EQ(world.listener("http", "Accepted"), "True Accepted");
}

TEST(Status, AGatewayIsNotProgrammedWhereItsAddressCannotBeOpened) {
  World world(kBasics + gateway(kHttp80, ", addresses: [{value: 127.0.0.1}, {value: 192.0.2.1}]"));
  const model::ObjectKey key{Kind::kGateway, "default", "g"};
  const auto addresses = [&] { return world.state.status(world.cluster, key)->addresses; };
  const auto at = [](const char* address, std::uint16_t port) { return Endpoints{{*Address::parse(address), port}}; };
  for (const auto& others : {Endpoints{}, at("192.0.2.1", 81), at("192.0.2.9", 80)}) {
    world.state.set_unusable(world.cluster, others);
    EXPECT_EQ(world.of(Kind::kGateway, "g", "Programmed"), "True Programmed");
    EXPECT_EQ(addresses(), (std::vector<std::string>{"127.0.0.1", "192.0.2.1"}));
  }
  world.state.set_unusable(world.cluster, at("192.0.2.1", 80));
  EXPECT_EQ(world.of(Kind::kGateway, "g", "Programmed"), "False AddressNotUsable");
  EXPECT_EQ(world.of(Kind::kGateway, "g", "Accepted"), "True Accepted");
  EXPECT_EQ(addresses(), (std::vector<std::string>{"127.0.0.1"}));
  world.state.set_unusable(world.cluster, {});
  EXPECT_EQ(world.of(Kind::kGateway, "g", "Programmed"), "True Programmed");
}

TEST(Status, AGatewayThatNamesNoAddressHasTheMachines) {
  const std::vector<Address> own{*Address::parse("192.0.2.1"), *Address::parse("2001:db8::1")};
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"", {"192.0.2.1", "2001:db8::1"}},
      {", addresses: [{type: IPAddress}]", {"192.0.2.1", "2001:db8::1"}},
      {", addresses: [{type: IPAddress}, {value: 127.0.0.1}]", {"127.0.0.1"}},
      {", addresses: [{type: Hostname, value: a.example}]", {}}};
  for (const auto& [more, want] : cases) {
    World world(kBasics + gateway(kHttp80, more));
    EXPECT_EQ(world.state.status(world.cluster, {Kind::kGateway, "default", "g"}, own)->addresses, want) << more;
  }
}

TEST(Status, AReferenceToWhatIsNoCertificateIsNotResolved) {
  World world(kBasics + tls_secret("s", "default") +
              gateway(kHttp80 + ", {name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: s}]}}",
                      ", tls: {backend: {clientCertificateRef: {name: s}}}"));
  EXPECT_EQ(world.listener("a", "Programmed"), "True Programmed");
  world.state.set_bad_certificates(world.cluster, {{"default/s", {"no PEM", false}}, {"other/s", {"", false}}});
  EXPECT_EQ(world.listener("a", "Programmed"), "False Invalid");
  EXPECT_EQ(world.listener("a", "ResolvedRefs"), "False InvalidCertificateRef");
  EXPECT_EQ(world.listener("a", "Accepted"), "True Accepted");
  EXPECT_EQ(world.listener("http", "Programmed"), "True Programmed");
  EXPECT_EQ(world.of(Kind::kGateway, "g", "ResolvedRefs"), "False InvalidClientCertificateRef");
  EXPECT_EQ(world.of(Kind::kGateway, "g", "Programmed"), "True Programmed");
  world.state.set_bad_certificates(world.cluster, {{"default/s", {"no PEM", true}}});  // one before is in force
  EXPECT_EQ(world.listener("a", "Programmed"), "True Programmed");
  EXPECT_EQ(world.listener("a", "ResolvedRefs"), "False InvalidCertificateRef");
  world.state.set_bad_certificates(world.cluster, {});
  EXPECT_EQ(world.listener("a", "ResolvedRefs"), "True ResolvedRefs");
  EXPECT_EQ(world.of(Kind::kGateway, "g", "ResolvedRefs"), "True ResolvedRefs");
}

TEST(Status, IsPrintedAsKubectlDoes) {
  World world(kBasics + gateway(kHttp80, ", addresses: [{value: 127.0.0.1}]") +
              route("HTTPRoute", "r", parent() + kRuleToWeb));
  EXPECT_EQ(
      without_times(world.state.status_yaml(world.cluster, {Kind::kHttpRoute, "default", "r"})),
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: r\n  namespace: "
      "default\nstatus:\n  parents:\n  - conditions:\n    - message: the route is accepted\n      observedGeneration: "
      "1\n      reason: Accepted\n      status: \"True\"\n      type: Accepted\n    - message: all references are "
      "resolved\n      observedGeneration: 1\n      reason: ResolvedRefs\n      status: \"True\"\n      type: "
      "ResolvedRefs\n    controllerName: fairlead.io/gateway-controller\n    parentRef:\n      group: "
      "gateway.networking.k8s.io\n      kind: Gateway\n      name: g\n");
  const auto yaml = world.state.status_yaml(world.cluster, {Kind::kGateway, "default", "g"});
  EXPECT_NE(yaml.find("  addresses:\n  - type: IPAddress\n    value: '127.0.0.1'\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("observedGeneration: 7"), std::string::npos);
  EXPECT_NE(yaml.find("  - attachedRoutes: 1\n"), std::string::npos);
  EXPECT_FALSE(parse_text(yaml, false, gateway_kinds()).unreadable);
}

TEST(Status, SaysThatARefusedRouteFallsBack) {
  World world(kBasics + gateway(kHttp80) + route("HTTPRoute", "r", parent() + kRuleToWeb));
  Diagnostic remark;
  remark.object = "HTTPRoute default/r";
  remark.expected = "something else";
  world.state.set_refused({remark});
  EXPECT_EQ(world.of(Kind::kHttpRoute, "r", "PartiallyInvalid"), "True UnsupportedValue");
  EXPECT_EQ(world.of(Kind::kHttpRoute, "r", "Accepted"), "True Accepted");
}

/// Its validation names the ConfigMap ca, and this too.
std::string tls_policy(const std::string& more = "") {
  return gateway(kHttp80) + route("HTTPRoute", "r", parent() + kRuleToWeb) +
         route("BackendTLSPolicy", "p",
               "targetRefs: [{group: \"\", kind: Service, name: web}], validation: {hostname: a, "
               "caCertificateRefs: [{group: \"\", kind: ConfigMap, name: ca}" +
                   more + "]}");
}
const std::string kTorn = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

TEST(Status, AnAuthorityThatCannotBeReadIsNoReference) {
  World world(kBasics + authority("ca", kTorn) + tls_policy());
  EXPECT_EQ(world.of(Kind::kBackendTlsPolicy, "p", "Accepted"), "False NoValidCACertificate");
  EXPECT_EQ(world.of(Kind::kBackendTlsPolicy, "p", "ResolvedRefs"), "False InvalidCACertificateRef");
  EXPECT_TRUE(world.state.route({Kind::kHttpRoute, "default", "r"})->targets[0].cluster->tls->broken);
}

TEST(Status, OfTwoAuthoritiesTheGoodOneCounts) {
  World world(kBasics + authority("ca") + authority("torn", kTorn) +
              tls_policy(", {group: \"\", kind: ConfigMap, name: torn}"));
  EXPECT_EQ(world.of(Kind::kBackendTlsPolicy, "p", "Accepted"), "True Accepted");
  EXPECT_EQ(world.of(Kind::kBackendTlsPolicy, "p", "ResolvedRefs"), "False InvalidCACertificateRef");
  const auto& tls = world.state.route({Kind::kHttpRoute, "default", "r"})->targets[0].cluster->tls;
  EXPECT_FALSE(tls->broken);
  EXPECT_EQ(tls->ca_pem.size(), 1U);
}

TEST(Status, AClientAuthorityThatCannotBeReadClosesItsListener) {
  World world(kBasics + tls_secret("s") + authority("ca", kTorn) +
              gateway(kHttps,
                      ", tls: {frontend: {default: {validation: {caCertificateRefs: "
                      "[{group: \"\", kind: ConfigMap, name: ca}]}}}}"));
  EXPECT_EQ(world.listener("a", "Accepted"), "False NoValidCACertificate");
  EXPECT_EQ(world.listener("a", "ResolvedRefs"), "False InvalidCACertificateRef");
}

TEST(Status, InsecureFrontendValidationIsShown) {
  World world(kBasics + tls_secret("s") + authority("ca") +
              gateway(kHttps,
                      ", tls: {frontend: {default: {validation: {mode: AllowInsecureFallback, caCertificateRefs: "
                      "[{group: \"\", kind: ConfigMap, name: ca}]}}}}"));
  EXPECT_EQ(world.of(Kind::kGateway, "g", "InsecureFrontendValidationMode"), "True ConfigurationChanged");
  ASSERT_TRUE(world.compiled("a").client_validation);
  EXPECT_TRUE(world.compiled("a").client_validation->insecure);
}

}  // namespace
}  // namespace fairlead::config
