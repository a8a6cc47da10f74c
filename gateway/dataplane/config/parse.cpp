// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/parse.hpp"

#include <array>
#include <optional>

#include "gateway/dataplane/config/kinds.hpp"

namespace fairlead::config {
namespace {

struct KnownKind {
  std::string_view name;
  std::string_view group;  // of apiVersion, before the slash
  model::Kind kind;
  bool namespaced;
};

constexpr std::array<KnownKind, 8> kKinds{{
    {"Namespace", "", model::Kind::kNamespace, false},
    {"Node", "", model::Kind::kNode, false},
    {"Pod", "", model::Kind::kPod, true},
    {"Service", "", model::Kind::kService, true},
    {"EndpointSlice", "discovery.k8s.io", model::Kind::kEndpointSlice, true},
    {"DestinationRule", "networking.istio.io", model::Kind::kDestinationRule, true},
    {"NetworkPolicy", "networking.k8s.io", model::Kind::kNetworkPolicy, true},
    {"AuthorizationPolicy", "security.istio.io", model::Kind::kAuthorizationPolicy, true},
}};

const KnownKind* find_kind(std::string_view name, std::string_view version) {
  const auto slash = version.find('/');
  const auto group = slash == std::string_view::npos ? std::string_view{} : version.substr(0, slash);
  for (const auto& known : kKinds)
    if (known.name == name && known.group == group) return &known;
  return nullptr;
}

model::Object read_object(Reader& reader, View root, model::Kind kind) {
  switch (kind) {
    case model::Kind::kNamespace: return read_namespace(reader, root);
    case model::Kind::kNode: return read_node(reader, root);
    case model::Kind::kPod: return read_pod(reader, root);
    case model::Kind::kService: return read_service(reader, root);
    case model::Kind::kEndpointSlice: return read_endpoint_slice(reader, root);
    case model::Kind::kDestinationRule: return read_destination_rule(reader, root);
    case model::Kind::kNetworkPolicy: return read_network_policy(reader, root);
    case model::Kind::kAuthorizationPolicy: return read_authorization_policy(reader, root);
  }
  return model::Namespace{};
}

model::ObjectPtr stand_in_of(View root, model::Kind kind, const std::string& reason) {
  std::optional<model::RefusedPolicy> refused;
  if (kind == model::Kind::kNetworkPolicy) refused = refused_network_policy(root, reason);
  if (kind == model::Kind::kAuthorizationPolicy) refused = refused_authorization_policy(root, reason);
  return refused ? std::make_shared<const model::Object>(std::move(*refused)) : nullptr;
}

void parse_object(View root, bool broken, bool in_list, ParsedText& out);

void parse_list(View root, bool broken, ParsedText& out) {
  Reader reader(root, "List", out.diagnostics);
  reader.items(root.find("items"), [&](View item) { parse_object(item, broken, true, out); });
}

void add_object(View root, const KnownKind& known, bool broken, ParsedText& out) {
  auto identity = read_identity(root, known.namespaced);
  const model::ObjectKey key{known.kind, identity.ns, identity.name};
  Reader reader(root, key.text(), out.diagnostics);
  const std::size_t before = out.diagnostics.size();
  auto object = read_object(reader, root, known.kind);
  // Read from a torso it says nothing of its own: the syntax error is reported instead.
  if (broken) out.diagnostics.resize(before);
  if (key.name.empty()) {
    out.unreadable = true;
    return;
  }
  ParsedObject parsed{.key = key, .object = nullptr, .stand_in = nullptr};
  if (!broken && !reader.failed()) {
    parsed.object = std::make_shared<const model::Object>(std::move(object));
  } else {
    parsed.stand_in = stand_in_of(root, known.kind, broken ? "its document cannot be read" : out.diagnostics[before].text());
  }
  out.objects.push_back(std::move(parsed));
}

void parse_object(View root, bool broken, bool in_list, ParsedText& out) {
  if (root.is_null()) return;
  Reader reader(root, "", out.diagnostics);
  const auto kind = root.find("kind");
  const auto version = root.find("apiVersion");
  if (!root.is_mapping() || !kind || !version || !kind.is_string() || !version.is_string()) {
    out.unreadable = true;
    if (broken) return;
    if (!root.is_mapping()) return reader.error(root, "an object with apiVersion and kind");
    if (!version) return reader.missing(root, "apiVersion", "an API version such as v1");
    if (!kind) return reader.missing(root, "kind", "a kind such as Service");
    return reader.error(kind.is_string() ? version : kind, "a string");
  }
  if (kind.text().ends_with("List") && root.find("items")) {
    if (!in_list) return parse_list(root, broken, out);
    return reader.error(kind, "no List within a List");
  }
  if (const auto* known = find_kind(kind.text(), version.text())) return add_object(root, *known, broken, out);
  if (!broken && !(kind.text() == "List"))
    reader.warn(kind, "kind " + std::string(kind.text().substr(0, 60)) + " of " + std::string(version.text().substr(0, 60)) + " is not served: ignored");
}

}  // namespace

ParsedText parse_text(std::string_view text, bool json) {
  ParsedText out;
  TreeReader reader(text, json);
  Tree tree;
  while (true) {
    const auto outcome = reader.next(tree);
    if (outcome == TreeReader::Outcome::kEnd) return out;
    const bool broken = outcome == TreeReader::Outcome::kError;
    if (!tree.empty()) parse_object(View(tree, Tree::root()), broken, false, out);
    if (!broken) continue;
    out.unreadable = true;
    const auto& error = reader.error();
    out.diagnostics.push_back(Diagnostic{.severity = Severity::kError, .file = {}, .line = error.line, .column = error.column,
                                         .object = {}, .field = {}, .found = {}, .expected = error.message});
    return out;
  }
}

}  // namespace fairlead::config
