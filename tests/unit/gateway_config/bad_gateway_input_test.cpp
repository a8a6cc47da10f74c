// SPDX-License-Identifier: Apache-2.0
// What the gateway's kinds refuse: line, field, what was found, what was expected.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fairlead/config/directory.hpp"
#include "unit/gateway_config/gateway_fixture.hpp"

namespace fairlead::config {
namespace {

#define GROUP "apiVersion: gateway.networking.k8s.io/v1\n"
constexpr const char* kHttp = GROUP "kind: HTTPRoute\nmetadata: {name: r}\nspec:\n";
constexpr const char* kRule = GROUP "kind: HTTPRoute\nmetadata: {name: r}\nspec: {rules: [\n  ";
constexpr const char* kFilter = GROUP "kind: HTTPRoute\nmetadata: {name: r}\nspec: {rules: [{filters: [\n  ";
constexpr const char* kGrpc = GROUP "kind: GRPCRoute\nmetadata: {name: r}\nspec:\n";
constexpr const char* kTls = GROUP "kind: TLSRoute\nmetadata: {name: r}\nspec:\n";
constexpr const char* kTcp = GROUP "kind: TCPRoute\nmetadata: {name: r}\nspec:\n";
constexpr const char* kUdp = GROUP "kind: UDPRoute\nmetadata: {name: r}\nspec:\n";
constexpr const char* kClass = GROUP "kind: GatewayClass\nmetadata: {name: c}\nspec:\n";
constexpr const char* kGateway = GROUP "kind: Gateway\nmetadata: {name: g}\nspec:\n";
constexpr const char* kListener =
    GROUP "kind: Gateway\nmetadata: {name: g}\nspec: {gatewayClassName: c, listeners: [\n  ";
constexpr const char* kSet = GROUP "kind: ListenerSet\nmetadata: {name: s}\nspec:\n";
constexpr const char* kGrant = GROUP "kind: ReferenceGrant\nmetadata: {name: g}\nspec:\n";
constexpr const char* kBtls = GROUP "kind: BackendTLSPolicy\nmetadata: {name: p}\nspec:\n";
constexpr const char* kSecret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
constexpr const char* kMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n";
constexpr const char* kService = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n";
constexpr const char* kBackend =
    "apiVersion: fairlead.io/v1alpha1\nkind: BackendPolicy\nmetadata: {name: p}\n"
    "spec: {targetRefs: [{group: \"\", kind: Service, name: a}],\n  ";
constexpr const char* kClient =
    "apiVersion: fairlead.io/v1alpha1\nkind: ClientPolicy\nmetadata: {name: p}\n"
    "spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}],\n  ";

constexpr BadDocument kBadGatewayInput[] = {
    // HTTPRoute: the object
    {GROUP "kind: HTTPRoute\nmetadata: {name: r}", "", 1, "spec", "nothing", "a mapping"},
    {kHttp, "  hostname: a.example", 5, "spec.hostname", "an unknown field", "hostnames"},
    {kHttp, "  hostnames: [A.example]", 5, "spec.hostnames[0]", "\"A.example\"", "in lower case"},
    {kHttp, "  hostnames: [\"a.*.example\"]", 5, "spec.hostnames[0]", "\"a.*.example\"", "*.example"},
    {kHttp, "  hostnames: a.example", 5, "spec.hostnames", "\"a.example\"", "a list"},
    {kHttp, "  hostnames: [a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a]", 5, "spec.hostnames", "a list", "at most 16"},
    {kHttp, "  parentRefs: [{}]", 5, "spec.parentRefs[0].name", "nothing", "a name"},
    {kHttp, "  parentRefs: [{name: g, port: 0}]", 5, "spec.parentRefs[0].port", "0", "1 to 65535"},
    {kHttp, "  parentRefs: [{name: g, namespace: a.b}]", 5, "spec.parentRefs[0].namespace", "\"a.b\"", "a namespace"},
    {kHttp, "  parentRefs: [{name: g, kind: a_b}]", 5, "spec.parentRefs[0].kind", "\"a_b\"", "a kind"},
    {kHttp, "  parentRefs: [{name: g, group: A}]", 5, "spec.parentRefs[0].group", "\"A\"", "an API group"},
    {kHttp, "  parentRefs: [{name: g}, {name: g}]", 5, "spec.parentRefs[1]", "a mapping", "no other reference"},
    {kHttp, "  parentRefs: [{name: g}, {name: g, sectionName: a}]", 5, "spec.parentRefs[1]", "a mapping",
     "in each reference"},
    {kHttp, "  useDefaultGateways: Some", 5, "spec.useDefaultGateways", "\"Some\"", "All or None"},
    {kHttp, "  rules: []", 5, "spec.rules", "a list", "at least 1"},
    {kHttp, "  rules: [{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]", 5, "spec.rules", "a list", "at most 16"},
    // HTTPRoute: rules
    {kRule, "{name: a},{name: a}]}", 5, "spec.rules[1].name", "\"a\"", "no other rule"},
    {kRule, "{name: A}]}", 5, "spec.rules[0].name", "\"A\"", "lower-case"},
    {kRule, "null]}", 5, "spec.rules[0]", "null", "a mapping"},
    {kRule, "{matches: [{path: {value: a}}]}]}", 5, "spec.rules[0].matches[0].path.value", "\"a\"", "begins with /"},
    {kRule, "{matches: [{path: {value: /a//b}}]}]}", 5, "spec.rules[0].matches[0].path.value", "\"/a//b\"",
     "without //"},
    {kRule, "{matches: [{path: {value: /a/..}}]}]}", 5, "spec.rules[0].matches[0].path.value", "\"/a/..\"",
     "does not end"},
    {kRule, "{matches: [{path: {value: /a%2Fb}}]}]}", 5, "spec.rules[0].matches[0].path.value", "\"/a%2Fb\"", "%2f"},
    {kRule, "{matches: [{path: {value: /a b}}]}]}", 5, "spec.rules[0].matches[0].path.value", "\"/a b\"",
     "percent-encoded"},
    {kRule, "{matches: [{path: {type: Prefix}}]}]}", 5, "spec.rules[0].matches[0].path.type", "\"Prefix\"",
     "PathPrefix, Exact or RegularExpression"},
    {kRule, "{matches: [{path: {type: RegularExpression, value: \"a(\"}}]}]}", 5, "spec.rules[0].matches[0].path.value",
     "\"a(\"", "RE2"},
    {kRule, "{matches: [{method: get}]}]}", 5, "spec.rules[0].matches[0].method", "\"get\"", "GET"},
    {kRule, "{matches: [{headers: [{name: \"a b\", value: x}]}]}]}", 5, "spec.rules[0].matches[0].headers[0].name",
     "\"a b\"", "a header's name"},
    {kRule, "{matches: [{headers: [{name: a, value: \" x\"}]}]}]}", 5, "spec.rules[0].matches[0].headers[0].value",
     "\" x\"", "visible ASCII"},
    {kRule, "{matches: [{headers: [{name: a}]}]}]}", 5, "spec.rules[0].matches[0].headers[0].value", "nothing",
     "a value"},
    {kRule, "{matches: [{queryParams: [{name: a, value: 1}]}]}]}", 5, "spec.rules[0].matches[0].queryParams[0].value",
     "1", "put it in quotes"},
    {kRule, "{matches: [{queryParams: [{name: a, value: x}, {name: a, value: y}]}]}]}", 5,
     "spec.rules[0].matches[0].queryParams[1].name", "\"a\"", "each parameter once"},
    {kRule, "{backendRefs: [{name: s}]}]}", 5, "spec.rules[0].backendRefs[0].port", "nothing", "a port of the Service"},
    {kRule, "{backendRefs: [{name: s, port: 80, weight: 1000001}]}]}", 5, "spec.rules[0].backendRefs[0].weight",
     "1000001", "0 to 1000000"},
    {kRule, "{backendRefs: [{name: s, port: 80, weight: -1}]}]}", 5, "spec.rules[0].backendRefs[0].weight", "-1",
     "0 to 1000000"},
    {kRule, "{timeouts: {request: 10}}]}", 5, "spec.rules[0].timeouts.request", "10", "a duration"},
    {kRule, "{timeouts: {request: 1.5s}}]}", 5, "spec.rules[0].timeouts.request", "\"1.5s\"", "whole numbers"},
    {kRule, "{timeouts: {request: 100000s}}]}", 5, "spec.rules[0].timeouts.request", "\"100000s\"", "five digits"},
    {kRule, "{timeouts: {request: 1s, backendRequest: 2s}}]}", 5, "spec.rules[0].timeouts.backendRequest", "\"2s\"",
     "at most the one of request"},
    {kRule, "{retry: {codes: [200]}}]}", 5, "spec.rules[0].retry.codes[0]", "200", "400 to 599"},
    {kRule, "{retry: {attempts: -1}}]}", 5, "spec.rules[0].retry.attempts", "-1", "0 to"},
    {kRule, "{sessionPersistence: {type: Url}}]}", 5, "spec.rules[0].sessionPersistence.type", "\"Url\"",
     "Cookie or Header"},
    {kRule, "{sessionPersistence: {type: Header, cookieConfig: {}}}]}", 5,
     "spec.rules[0].sessionPersistence.cookieConfig", "a mapping", "no cookieConfig"},
    {kRule, "{sessionPersistence: {type: Header, cookie: {}}}]}", 5, "spec.rules[0].sessionPersistence.cookie",
     "a mapping", "no cookie"},
    {kRule, "{sessionPersistence: {header: {name: a}}}]}", 5, "spec.rules[0].sessionPersistence.header", "a mapping",
     "no header"},
    {kRule, "{sessionPersistence: {type: Header, header: {}}}]}", 5, "spec.rules[0].sessionPersistence.header.name",
     "nothing", "a header's name"},
    {kRule, "{sessionPersistence: {sessionName: a b}}]}", 5, "spec.rules[0].sessionPersistence.sessionName", "\"a b\"",
     "a name of"},
    {kRule, "{sessionPersistence: {cookie: {name: \"a;b\"}}}]}", 5, "spec.rules[0].sessionPersistence.cookie.name",
     "\"a;b\"", "a name of"},
    {kRule, "{sessionPersistence: {cookie: {path: a}}}]}", 5, "spec.rules[0].sessionPersistence.cookie.path", "\"a\"",
     "a path"},
    {kRule, "{sessionPersistence: {type: Header, sessionName: Content-Length}}]}", 5,
     "spec.rules[0].sessionPersistence", "a mapping", "framing"},
    {kRule, "{sessionPersistence: {cookieConfig: {lifetimeType: Permanent}}}]}", 5,
     "spec.rules[0].sessionPersistence.absoluteTimeout", "nothing", "permanent"},
    {kRule, "{backendRefs: [{name: s, port: 1}], filters: [{type: RequestRedirect, requestRedirect: {port: 1}}]}]}", 5,
     "spec.rules[0].backendRefs", "a list", "no backends in a rule that redirects"},
    {kRule,
     "{matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: "
     "ReplacePrefixMatch, replacePrefixMatch: /b}}}]}]}",
     5, "spec.rules[0]", "a mapping", "exactly one match"},
    // Filters
    {kFilter, "{type: Cors}]}]}", 5, "spec.rules[0].filters[0].type", "\"Cors\"", "CORS"},
    {kFilter, "{type: CORS}]}]}", 5, "spec.rules[0].filters[0].cors", "nothing", "by the filter's type"},
    {kFilter, "{type: CORS, cors: {}, urlRewrite: {}}]}]}", 5, "spec.rules[0].filters[0].urlRewrite", "a mapping",
     "only cors"},
    {kFilter, "{type: CORS, cors: {allowOrigins: [a.example]}}]}]}", 5, "spec.rules[0].filters[0].cors.allowOrigins[0]",
     "\"a.example\"", "an origin"},
    {kFilter, "{type: CORS, cors: {allowMethods: [\"*\", GET]}}]}]}", 5, "spec.rules[0].filters[0].cors.allowMethods",
     "a list", "alone"},
    {kFilter, "{type: CORS, cors: {maxAge: 0}}]}]}", 5, "spec.rules[0].filters[0].cors.maxAge", "0", "1 to"},
    {kFilter, "{type: CORS, cors: {}}, {type: CORS, cors: {}}]}]}", 4, "spec.rules[0].filters", "a list",
     "one filter of type CORS"},
    {kFilter, "{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {}}]}]}", 4,
     "spec.rules[0].filters", "a list", "not both"},
    {kFilter, "{type: RequestRedirect, requestRedirect: {statusCode: 304}}]}]}", 5,
     "spec.rules[0].filters[0].requestRedirect.statusCode", "304", "301, 302"},
    {kFilter, "{type: RequestRedirect, requestRedirect: {scheme: ftp}}]}]}", 5,
     "spec.rules[0].filters[0].requestRedirect.scheme", "\"ftp\"", "http or https"},
    {kFilter, "{type: RequestRedirect, requestRedirect: {hostname: \"*.a\"}}]}]}", 5,
     "spec.rules[0].filters[0].requestRedirect.hostname", "\"*.a\"", "a.example"},
    {kFilter, "{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /%zz}}}]}]}", 5,
     "spec.rules[0].filters[0].urlRewrite.path.replaceFullPath", "\"/%zz\"", "two hexadecimal digits"},
    {kFilter, "{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: \"/a\\nb\"}}}]}]}", 5,
     "spec.rules[0].filters[0].urlRewrite.path.replaceFullPath", "\"/a b\"", "no control characters"},
    {kFilter, "{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replacePrefixMatch: /}}}]}]}", 5,
     "spec.rules[0].filters[0].urlRewrite.path.replacePrefixMatch", "\"/\"", "only replaceFullPath"},
    {kFilter, "{type: RequestMirror, requestMirror: {backendRef: {name: s, port: 1}, percent: 101}}]}]}", 5,
     "spec.rules[0].filters[0].requestMirror.percent", "101", "0 to 100"},
    {kFilter,
     "{type: RequestMirror, requestMirror: {backendRef: {name: s, port: 1}, fraction: {numerator: 3, "
     "denominator: 2}}}]}]}",
     5, "spec.rules[0].filters[0].requestMirror.fraction", "a mapping", "at most the denominator"},
    {kFilter,
     "{type: RequestMirror, requestMirror: {backendRef: {name: s, port: 1}, percent: 1, fraction: "
     "{numerator: 1}}}]}]}",
     5, "spec.rules[0].filters[0].requestMirror.fraction", "a mapping", "not both"},
    {kFilter, "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: \"\"}]}}]}]}", 5,
     "spec.rules[0].filters[0].requestHeaderModifier.set[0].value", "\"\"", "a header's value"},
    {kFilter, "{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: \"a:\", value: b}]}}]}]}", 5,
     "spec.rules[0].filters[0].requestHeaderModifier.add[0].name", "\"a:\"", "a header's name"},
    {kFilter, "{type: ExternalAuth, externalAuth: {protocol: GRPC, backendRef: {name: s, port: 1}, http: {}}}]}]}", 5,
     "spec.rules[0].filters[0].externalAuth.http", "a mapping", "only grpc"},
    {kFilter, "{type: ExtensionRef, extensionRef: {group: a.b, kind: F}}]}]}", 5,
     "spec.rules[0].filters[0].extensionRef.name", "nothing", "a name"},
    // Other routes
    {kGrpc, "  rules: [{matches: [{method: {}}]}]", 5, "spec.rules[0].matches[0].method.service", "nothing", "or both"},
    {kGrpc, "  rules: [{matches: [{method: {service: \"a/b\"}}]}]", 5, "spec.rules[0].matches[0].method.service",
     "\"a/b\"", "package.Service"},
    {kGrpc, "  rules: [{matches: [{method: {method: 9a}}]}]", 5, "spec.rules[0].matches[0].method.method", "\"9a\"",
     "a method's name"},
    {kGrpc, "  rules: [{filters: [{type: CORS, cors: {}}]}]", 5, "spec.rules[0].filters[0].type", "\"CORS\"",
     "RequestMirror or ExtensionRef"},
    {kGrpc, "  rules: [{timeouts: {request: 1s}}]", 5, "spec.rules[0].timeouts", "an unknown field", "backendRefs"},
    {kTls, "  rules: [{backendRefs: [{name: s, port: 1}]}]", 5, "spec.hostnames", "nothing", "server name"},
    {kTls, "  hostnames: [10.0.0.1]\n  rules: [{backendRefs: [{name: s, port: 1}]}]", 5, "spec.hostnames[0]",
     "\"10.0.0.1\"", "not an address"},
    {kTls, "  hostnames: [a.example]\n  rules: [{backendRefs: []}]", 6, "spec.rules[0].backendRefs", "a list",
     "at least 1"},
    {kTcp, "  rules: [{backendRefs: [{name: s, port: 1}]}, {backendRefs: [{name: s, port: 1}]}]", 5, "spec.rules",
     "a list", "at most 1"},
    {kTcp, "  rules: [{}]", 5, "spec.rules[0].backendRefs", "nothing", "at least one backend"},
    {kUdp, "  hostnames: [a]\n  rules: [{backendRefs: [{name: s, port: 1}]}]", 5, "spec.hostnames", "an unknown field",
     "rules"},
    // Gateways
    {kClass, "  controllerName: fairlead", 5, "spec.controllerName", "\"fairlead\"", "fairlead.io/gateway-controller"},
    {kClass, "  description: x", 5, "spec.controllerName", "nothing", "a name such as"},
    {kGateway, "  gatewayClassName: c", 5, "spec.listeners", "nothing", "at least one listener"},
    {kListener, "{name: a, port: 80}]}", 5, "spec.listeners[0].protocol", "nothing", "HTTP, HTTPS"},
    {kListener, "{name: a, protocol: HTTP}]}", 5, "spec.listeners[0].port", "nothing", "1 to 65535"},
    {kListener, "{name: a, port: 80, protocol: \"a b\"}]}", 5, "spec.listeners[0].protocol", "\"a b\"", "HTTP, HTTPS"},
    {kListener, "{name: a, port: 80, protocol: HTTP, tls: {certificateRefs: [{name: s}]}}]}", 5,
     "spec.listeners[0].tls", "a mapping", "no tls"},
    {kListener, "{name: a, port: 443, protocol: HTTPS, tls: {}}]}", 5, "spec.listeners[0].tls.certificateRefs",
     "nothing", "Terminate"},
    {kListener, "{name: a, port: 443, protocol: HTTPS, tls: {mode: Passthrough}}]}", 5, "spec.listeners[0].tls.mode",
     "\"Passthrough\"", "Terminate"},
    {kListener, "{name: a, port: 443, protocol: TLS}]}", 5, "spec.listeners[0].tls", "nothing", "TLS"},
    {kListener, "{name: a, port: 9, protocol: TCP, hostname: a.example}]}", 5, "spec.listeners[0].hostname",
     "\"a.example\"", "no hostname"},
    {kListener, "{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}]}", 5,
     "spec.listeners[1].name", "\"a\"", "no other listener"},
    {kListener, "{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}]}", 5, "spec.listeners[1]",
     "a mapping", "together"},
    {kListener, "{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: None}}}]}", 5,
     "spec.listeners[0].allowedRoutes.namespaces.from", "\"None\"", "Same, All or Selector"},
    {kListener, "{name: a, port: 80, protocol: HTTP}], addresses: [{value: a.example}]}", 5, "spec.addresses[0].value",
     "\"a.example\"", "address"},
    {kListener, "{name: a, port: 80, protocol: HTTP}], addresses: [{value: 1.1.1.1}, {value: 1.1.1.1}]}", 5,
     "spec.addresses[1]", "a mapping", "each address once"},
    {kListener, "{name: a, port: 80, protocol: HTTP}], tls: {frontend: {}}}", 5, "spec.tls.frontend.default", "nothing",
     "a mapping"},
    {kSet, "  parentRef: {name: g, sectionName: a}\n  listeners: [{name: a, port: 1, protocol: TCP}]", 5,
     "spec.parentRef.sectionName", "an unknown field", "namespace"},
    // Grants, policies, secrets
    {kGrant, "  from: []\n  to: [{group: \"\", kind: Service}]", 5, "spec.from", "a list", "at least 1"},
    {kGrant, "  from: [{group: \"\", kind: Service}]\n  to: [{group: \"\", kind: Service}]", 5,
     "spec.from[0].namespace", "nothing", "a namespace"},
    {kBtls, "  targetRefs: [{group: \"\", kind: Service, name: a}]\n  validation: {hostname: a.example}", 6,
     "spec.validation.caCertificateRefs", "nothing", "wellKnownCACertificates"},
    {kBtls, "  targetRefs: [{group: \"\", kind: Service, name: a}]\n  validation: {wellKnownCACertificates: System}", 6,
     "spec.validation.hostname", "nothing", "the name"},
    {kBtls,
     "  targetRefs: [{group: \"\", kind: Service, name: a}]\n  validation: {hostname: a, "
     "wellKnownCACertificates: System, subjectAltNames: [{type: URI, hostname: a}]}",
     6, "spec.validation.subjectAltNames[0].hostname", "\"a\"", "only uri"},
    {kBtls,
     "  targetRefs: [{group: \"\", kind: Service, name: a}]\n  validation: {hostname: a, wellKnownCACertificates: "
     "System}\n  options: {fairlead.io/insecure-skip-verify: \"yes\"}",
     7, "spec.options[\"fairlead.io/insecure-skip-verify\"]", "\"yes\"", "true or false"},
    {kBtls,
     "  targetRefs: [{group: \"\", kind: Service, name: a}]\n  validation: {hostname: a, wellKnownCACertificates: "
     "System}\n  options: {fairlead.io/client-certificate: \"A b\"}",
     7, "spec.options[\"fairlead.io/client-certificate\"]", "\"A b\"", "the name of a Secret"},
    {kSecret, "data: {tls.key: \"not base64!\"}", 4, "data[\"tls.key\"]", "a value (not shown)", "base64"},
    {kSecret, "stringData: {key: 5}", 4, "stringData.key", "a value (not shown)", "a string"},
    {kSecret, "data: hunter2", 4, "data", "a value (not shown)", "a mapping"},
    {kSecret, "type: kubernetes.io/tls\ndata: {tls.crt: YQ==}", 1, "data[\"tls.key\"]", "nothing", "kubernetes.io/tls"},
    {kMap, "binaryData: {a: \"%\"}", 4, "binaryData.a", "\"%\"", "base64"},
    {kService, "  type: ExternalName", 5, "spec.externalName", "nothing", "a host name"},
    {kService, "  type: ExternalName\n  externalName: A_b", 6, "spec.externalName", "\"A_b\"", "a host name"},
    // Our own
    {kBackend, "loadBalancer: {type: Best}}", 5, "spec.loadBalancer.type", "\"Best\"", "LeastRequest"},
    {kBackend, "loadBalancer: {type: ConsistentHash}}", 5, "spec.loadBalancer.consistentHash", "nothing",
     "by the type"},
    {kBackend, "loadBalancer: {type: ConsistentHash, consistentHash: {type: Header}}}", 5,
     "spec.loadBalancer.consistentHash.header", "nothing", "by the type"},
    {kBackend, "loadBalancer: {type: ConsistentHash, consistentHash: {type: SourceIP, tableSize: 65536}}}", 5,
     "spec.loadBalancer.consistentHash.tableSize", "65536", "a prime"},
    {kBackend, "loadBalancer: {type: ConsistentHash, consistentHash: {type: Path, fallback: Header}}}", 5,
     "spec.loadBalancer.consistentHash.fallbackName", "nothing", "by fallback"},
    {kBackend, "loadBalancer: {type: ConsistentHash, consistentHash: {type: Path, fallbackName: a}}}", 5,
     "spec.loadBalancer.consistentHash.fallbackName", "\"a\"", "only where fallback is"},
    {kBackend, "healthCheck: {minimumAvailable: 101}}", 5, "spec.healthCheck.minimumAvailable", "101", "100"},
    {kBackend, "healthCheck: {active: {type: HTTP, http: {failureStatuses: [{start: 500, end: 400}]}}}}", 5,
     "spec.healthCheck.active.http.failureStatuses[0]", "a mapping", "at most the end"},
    {kBackend, "healthCheck: {active: {type: HTTP, interval: 0s}}}", 5, "spec.healthCheck.active.interval", "\"0s\"",
     "at least 1ms"},
    {kBackend, "healthCheck: {active: {type: TCP, http: {}}}}", 5, "spec.healthCheck.active.http", "a mapping",
     "only tcp"},
    {kBackend, "tcpKeepalive: {idleTime: 500ms}}", 5, "spec.tcpKeepalive.idleTime", "\"500ms\"", "whole seconds"},
    {kClient, "httpUpgrade: [{type: h2c}]}", 5, "spec.httpUpgrade[0].type", "\"h2c\"", "but h2c"},
    {kClient, "httpUpgrade: [{}]}", 5, "spec.httpUpgrade[0].type", "nothing", "a protocol"},
    {kBackend, "http2Keepalive: {timeout: 1s}}", 5, "spec.http2Keepalive.interval", "nothing", "a duration"},
    {kClient, "http2Keepalive: {interval: 500ms}}", 5, "spec.http2Keepalive.interval", "\"500ms\"", "1s to 32767s"},
    {kClient, "tcpKeepalive: {interval: 0s}}", 5, "spec.tcpKeepalive.interval", "\"0s\"", "1s to 32767s"},
    {kBackend, "retry: {retryOn: [always]}}", 5, "spec.retry.retryOn[0]", "\"always\"", "connect-failure"},
    {kBackend, "circuitBreaker: {perBackend: {perBackend: {}}}}", 5, "spec.circuitBreaker.perBackend.perBackend",
     "an unknown field", "maxParallelRetries"},
    {kClient, "http2: {maxFrameSize: 100}}", 5, "spec.http2.maxFrameSize", "100", "16384 to 16777215"},
    {kClient, "tls: {minVersion: \"1.1\"}}", 5, "spec.tls.minVersion", "\"1.1\"", "1.2 or 1.3"},
    {kClient, "tls: {minVersion: \"1.3\", maxVersion: \"1.2\"}}", 5, "spec.tls", "a mapping", "at most maxVersion"},
    {kClient, "forwarded: {numTrustedHops: 1, trustedCIDRs: [10.0.0.0/8]}}", 5, "spec.forwarded.trustedCIDRs", "a list",
     "not both"},
    {kClient, "accessLog: {format: Template}}", 5, "spec.accessLog.template", "nothing", "by the format"},
    {kClient, "accessLog: {format: Template, template: \"%NO%\"}}", 5, "spec.accessLog.template", "\"%NO%\"",
     "no command operator"},
    {kClient, "accessLog: {template: x}}", 5, "spec.accessLog.template", "\"x\"", "only with format Template"},
    {kClient, "accessLog: {path: log.json}}", 5, "spec.accessLog.path", "\"log.json\"", "an absolute path"},
    {kClient, "logs: [{name: a}]}", 5, "spec.logs[0]", "a mapping", "exactly one of file, http and statsd"},
    {kClient, "logs: [{name: a, file: {path: /x}}, {name: a, file: {path: /y}}]}", 5, "spec.logs[1].name", "\"a\"",
     "no other log"},
    {kClient, "logs: [{name: a, file: {path: x}}]}", 5, "spec.logs[0].file.path", "\"x\"", "an absolute path"},
    {kClient, "logs: [{name: a, http: {url: \"http://u:p@h/\"}}]}", 5, "spec.logs[0].http.url", "\"http://u:p@h/\"",
     "without user and password"},
    {kClient, "logs: [{name: a, http: {url: \"http://h/\", headers: [{name: host, value: h}]}}]}", 5,
     "spec.logs[0].http.headers[0].name", "\"host\"", "other than Host"},
    {kClient, "logs: [{name: a, http: {url: \"http://h/\", queue: {initialRetryDelay: 2m}}}]}", 5,
     "spec.logs[0].http.queue", "a mapping", "at most maxRetryDelay"},
    {kClient, "logs: [{name: a, statsd: {metrics: [{name: x, type: set}]}}]}", 5, "spec.logs[0].statsd.metrics[0].name",
     "\"x\"", "request_count, request_size, response_size, latency"},
    {kClient, "logs: [{name: a, statsd: {prefix: \"a|b\", metrics: [{name: latency, type: set}]}}]}", 5,
     "spec.logs[0].statsd.prefix", "\"a|b\"", "without spaces"},
    {kClient, "logs: [{name: a, statsd: {statuses: [\"299-200\"], metrics: [{name: latency, type: set}]}}]}", 5,
     "spec.logs[0].statsd.statuses[0]", "\"299-200\"", "such as 200-299"},
    {kClient, "accessLog: {samplingPercent: 101}}", 5, "spec.accessLog.samplingPercent", "101", "0 to 100"},
    {GROUP "kind: HTTPRoute\nmetadata: {name: r, creationTimestamp: yesterday}\nspec: {}", "", 3,
     "metadata.creationTimestamp", "\"yesterday\"", "2021-07-15T01:02:03Z"},
};

TEST(BadGatewayInput, NamesLineFieldFoundAndExpected) {
  static_assert(std::size(kBadGatewayInput) >= 80);
  for (const auto& bad : kBadGatewayInput) expect_refused(bad);
}

/// No remark on a Secret shows what it holds, however it is spoiled.
TEST(BadGatewayInput, NeverShowsASecret) {
  for (const char* body : {"data: {a: hunter2!}", "stringData: [hunter2]", "stringData: {a: [hunter2]}",
                           "data: {\"a b\": hunter2}", "data: {a: {b: hunter2}}", "hunter: hunter2", "data: hunter2"}) {
    const auto parsed = parse_text(std::string(kSecret) + body + "\n", false, gateway_kinds());
    ASSERT_FALSE(parsed.diagnostics.empty()) << body;
    for (const auto& remark : parsed.diagnostics)
      EXPECT_EQ(remark.text().find("hunter2"), std::string::npos) << remark.text();
  }
}

TEST(BadGatewayInput, KeepsTheLastGoodRouteInForceAndNamesTheFile) {
  std::string pattern = testing::TempDir() + "fl-gateway-XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const auto file = std::filesystem::path(pattern) / "routes.yaml";
  std::ofstream(file) << kHttp << "  hostnames: [a.example]\n";
  auto directory = Directory::open(pattern, gateway_kinds());
  ASSERT_TRUE(directory);
  model::Cluster cluster;
  const auto read = [&] {
    auto update = (*directory)->load();
    EXPECT_TRUE(update);
    cluster.apply(update->changes);
    return std::move(*update);
  };
  EXPECT_TRUE(read().diagnostics.empty());
  std::ofstream(file) << kHttp << "  hostnames: [B.example]\n";
  const auto update = read();
  ASSERT_EQ(update.diagnostics.size(), 1U);
  EXPECT_EQ(update.diagnostics[0].file, file.string());
  EXPECT_EQ(update.diagnostics[0].line, 5U);
  const auto kept = cluster.find({model::Kind::kHttpRoute, "default", "r"});
  ASSERT_TRUE(kept);
  EXPECT_EQ(std::get<model::HttpRoute>(*kept).hostnames, std::vector<std::string>{"a.example"});
  std::filesystem::remove_all(pattern);
}

/// The agent passes over what only the gateway serves, and the gateway over what only the agent does.
TEST(KindSets, AreReadByTheProgramThatServesThem) {
  const auto route = std::string(kHttp) + "  hostname: mistyped\n";
  const auto pod = std::string("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {}\n");
  const auto for_agent = parse_text(route, false);
  ASSERT_EQ(for_agent.diagnostics.size(), 1U);
  EXPECT_EQ(for_agent.diagnostics[0].severity, Severity::kWarning);
  EXPECT_TRUE(for_agent.objects.empty());
  EXPECT_FALSE(parse_text(pod, false).objects.empty());
  EXPECT_TRUE(parse_text(pod, false, gateway_kinds()).objects.empty());
}

}  // namespace
}  // namespace fairlead::config
