// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "fairlead/config/gateway_state.hpp"
#include "fairlead/tls/self_signed.hpp"
#include "gateway/dataplane/config/parse.hpp"

namespace fairlead::config {
using model::Kind;

inline const std::string kGroup = "apiVersion: gateway.networking.k8s.io/v1\n";

inline const std::string kHttp80 = "{name: http, port: 80, protocol: HTTP}";

/// A GatewayClass of ours, and a Service with one endpoint in each of two namespaces.
inline const std::string kBasics =
    kGroup + "kind: GatewayClass\nmetadata: {name: c}\nspec: {controllerName: fairlead.io/gateway-controller}\n---\n" +
    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{name: http, port: 80}, {name: h2, port: 81, "
    "appProtocol: kubernetes.io/h2c}, {name: ws, port: 82, appProtocol: kubernetes.io/ws}, {name: dns, port: 53, "
    "protocol: UDP}]}\n---\n"
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, labels: "
    "{kubernetes.io/service-name: web}}\naddressType: IPv4\nports: [{name: http, port: 8080}, {name: h2, port: "
    "8081}]\nendpoints:\n- {addresses: [10.0.0.1], conditions: {ready: true}, zone: a}\n- {addresses: [10.0.0.2], "
    "conditions: {ready: false}}\n---\n"
    "apiVersion: v1\nkind: Service\nmetadata: {name: far, namespace: other}\nspec: {ports: [{port: 80}]}\n";

inline std::string gateway(const std::string& listeners, const std::string& more = "") {
  return "---\n" + kGroup +
         "kind: Gateway\nmetadata: {name: g, generation: 7}\nspec: {gatewayClassName: c, listeners: [" + listeners +
         "]" + more + "}\n";
}
inline std::string route(const std::string& kind, const std::string& name, const std::string& spec) {
  return "---\n" + kGroup + "kind: " + kind + "\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n";
}
inline std::string tls_secret(const std::string& name, const std::string& ns = "default") {
  return "---\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: " + name + ", namespace: " + ns +
         "}\nstringData: {tls.crt: \"-----BEGIN CERTIFICATE-----\", tls.key: \"-----BEGIN PRIVATE KEY-----\"}\n";
}

/// A ConfigMap whose ca.crt is `pem`, or a certificate.
inline std::string authority(const std::string& name, std::string pem = {}) {
  if (pem.empty()) pem = tls::make_self_signed("ca.example").value().certificate;
  for (auto at = pem.find('\n'); at != std::string::npos; at = pem.find('\n', at)) pem.replace(at, 1, "\\n");
  return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {ca.crt: \"" + pem + "\"}\n";
}

/// A document that is refused: `body` behind `head`, and what the remark says.
struct BadDocument {
  const char* head;
  const char* body;
  std::uint32_t line;
  const char* field;
  const char* found;
  const char* expected;  ///< a part of it
};

/// Its first remark says so, none shows the secret that it may have, and no object comes of it.
inline void expect_refused(const BadDocument& bad) {
  SCOPED_TRACE(std::string(bad.head) + bad.body);
  const auto parsed = parse_text(std::string(bad.head) + bad.body + "\n", false, gateway_kinds());
  ASSERT_FALSE(parsed.diagnostics.empty());
  const auto& first = parsed.diagnostics.front();
  EXPECT_EQ(first.severity, Severity::kError);
  EXPECT_EQ(first.line, bad.line) << first.text();
  EXPECT_EQ(first.field, bad.field) << first.text();
  EXPECT_EQ(first.found, bad.found) << first.text();
  EXPECT_NE(first.expected.find(bad.expected), std::string::npos) << first.text();
  for (const auto& remark : parsed.diagnostics) EXPECT_EQ(remark.text().find("hunter2"), std::string::npos);
  for (const auto& object : parsed.objects) EXPECT_FALSE(object.object);
}

/// A section of a RequestPolicy that is refused, behind kToSections.
struct BadSection {
  const char* body;
  const char* field;
  const char* found;
  const char* expected;  ///< a part of it
};

/// A RequestPolicy up to its sections; "}" ends it.
inline const std::string kToSections =
    "apiVersion: fairlead.io/v1alpha1\nkind: RequestPolicy\nmetadata: {name: p}\n"
    "spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}],\n  ";

/// The one object of a text without faults; null otherwise.
template <class T>
std::shared_ptr<const T> read(const std::string& text) {
  const auto parsed = parse_text(text, false, gateway_kinds());
  for (const auto& remark : parsed.diagnostics) ADD_FAILURE() << remark.text();
  if (parsed.objects.size() != 1 || !parsed.objects[0].object) return nullptr;
  return {parsed.objects[0].object, &std::get<T>(*parsed.objects[0].object)};
}
inline std::shared_ptr<const model::RequestSettings> read_settings(const std::string& text) {
  const auto policy = read<model::RequestPolicy>(text);
  return policy ? policy->settings : nullptr;
}
inline std::shared_ptr<const model::RequestSettings> read_sections(const std::string& sections) {
  return read_settings(kToSections + sections + "}\n");
}

/// `inner` at the end of a path of keys; "x[]" is a list with one item.
inline std::string nested(const std::vector<std::string>& path, const std::string& inner) {
  std::string open, close;
  for (auto key : path) {
    const bool list = key.ends_with("[]");
    if (list) key.resize(key.size() - 2);
    open += "{\"" + key + "\": " + (list ? "[" : "");
    close.insert(0, list ? "]}" : "}");
  }
  return open + inner + close;
}

/// A status without its times, as if conditions began with their messages.
inline std::string without_times(std::string yaml) {
  constexpr std::string_view kTime = "lastTransitionTime: ";
  for (auto at = yaml.find(kTime); at != std::string::npos; at = yaml.find(kTime, at))
    yaml.erase(at, yaml.find_first_not_of(' ', yaml.find('\n', at) + 1) - at);
  return yaml;
}

/// The state that follows from documents; apply() replaces and adds, remove() takes away.
class World {
 public:
  World() = default;
  explicit World(const std::string& text) { apply(text); }

  GatewayChange apply(const std::string& text) {
    const auto parsed = parse_text(text, false, gateway_kinds());
    for (const auto& remark : parsed.diagnostics)
      if (!remark.text().contains("requests that it is for are answered by 500"))  // which tests are about
        ADD_FAILURE() << remark.text() << "\n" << text;
    model::ChangeSet changes;
    for (const auto& object : parsed.objects) changes.push_back({object.key, object.object});
    cluster.apply(changes);
    return state.update(cluster, changes);
  }
  GatewayChange remove(const model::ObjectKey& key) {
    model::ChangeSet changes{{key, nullptr}};
    cluster.apply(changes);
    return state.update(cluster, changes);
  }
  /// "True Accepted", "False NotAllowed"; "-" where there is none.
  static std::string words(const std::vector<Condition>& conditions, std::string_view type) {
    for (const auto& one : conditions)
      if (one.type == type) return (one.status ? "True " : "False ") + std::string(one.reason);
    return "-";
  }
  std::string of(Kind kind, const std::string& name, std::string_view type, const std::string& ns = "default") {
    const auto status = state.status(cluster, {kind, ns, name});
    if (!status) return "no status";
    return words(status->parents.empty() ? status->conditions : status->parents[0].conditions, type);
  }
  std::string listener(const std::string& name, std::string_view type, Kind kind = Kind::kGateway,
                       const std::string& owner = "g") {
    const auto status = state.status(cluster, {kind, "default", owner});
    if (!status) return "no status";
    for (const auto& one : status->listeners)
      if (one.name == name) return words(one.conditions, type);
    return "no listener";
  }
  const CompiledListener& compiled(const std::string& name, Kind kind = Kind::kGateway,
                                   const std::string& owner = "g") {
    return state.listeners().at({{kind, "default", owner}, name});
  }

  model::Cluster cluster;
  GatewayState state;
};

}  // namespace fairlead::config
