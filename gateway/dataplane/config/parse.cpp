// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/parse.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "fairlead/model/request_access.hpp"
#include "fairlead/model/request_origin.hpp"
#include "gateway/dataplane/config/kinds.hpp"
#include "gateway/dataplane/config/side_files.hpp"

namespace fairlead::config {
namespace {

/// The agent balances the addresses of services.
model::Object read_balanced_service(Reader& reader, View root) { return read_service(reader, root, true); }
model::Object read_balanced_slice(Reader& reader, View root) { return read_endpoint_slice(reader, root, true); }

constexpr std::array<KnownKind, 8> kAgentKinds{{
    {"Namespace", "", model::Kind::kNamespace, false, read_as<read_namespace>},
    {"Node", "", model::Kind::kNode, false, read_as<read_node>},
    {"Pod", "", model::Kind::kPod, true, read_as<read_pod>},
    {"Service", "", model::Kind::kService, true, read_balanced_service},
    {"EndpointSlice", "discovery.k8s.io", model::Kind::kEndpointSlice, true, read_balanced_slice},
    {"DestinationRule", "networking.istio.io", model::Kind::kDestinationRule, true, read_as<read_destination_rule>},
    {"NetworkPolicy", "networking.k8s.io", model::Kind::kNetworkPolicy, true, read_as<read_network_policy>,
     refused_network_policy},
    {"AuthorizationPolicy", "security.istio.io", model::Kind::kAuthorizationPolicy, true,
     read_as<read_authorization_policy>, refused_authorization_policy},
}};

const KnownKind* find_kind(std::string_view name, std::string_view version, const KindTable& table) {
  const auto slash = version.find('/');
  const auto group = slash == std::string_view::npos ? std::string_view{} : version.substr(0, slash);
  for (const auto& known : table.kinds)
    if (known.name == name && known.group == group) return &known;
  return nullptr;
}

model::ObjectPtr stand_in_of(View root, const KnownKind& known, const std::string& reason) {
  auto refused = known.stand_in == nullptr ? std::nullopt : known.stand_in(root, reason);
  return refused ? std::make_shared<const model::Object>(std::move(*refused)) : nullptr;
}

/// A policy that lacks nothing but what files hold is in force without it, where it has no good version: then nobody is
/// let in that it would know by these values, while without the policy everybody would be.
bool lacks_files_only(const Diagnostics& all, std::size_t before) {
  return std::all_of(all.begin() + static_cast<std::ptrdiff_t>(before), all.end(), [](const Diagnostic& one) {
    return one.severity != Severity::kError || one.expected.starts_with(SideFiles::kExpected);
  });
}

/// Whether a policy has a section that decides who may pass, one that answers in the backend's place, by which routes
/// are closed, or one whose name is not known: a slip may have made it.
bool decides(View spec) {
  constexpr std::string_view kOthers[] = {"targetRefs", "consumers", "correlation", "crossOrigin", "canary",
                                          "fault",      "aggregate", "compression", "transform",   "cache"};
  if (!spec || !spec.is_mapping()) return true;
  for (auto section = spec.first(); section; section = section.next())
    if (std::ranges::find(kOthers, section.key()) == std::end(kOthers)) return true;
  return false;
}

/// In place of a policy that has no good version: it closes what it names, as requests would pass without it. Of its
/// sections one stands in front of all, the other behind the place where a Consumer is known.
model::ObjectPtr closing(model::RequestPolicy policy) {
  auto settings = std::make_shared<model::RequestSettings>();
  settings->refused = true;
  settings->correlation = std::make_shared<model::Correlation>();
  settings->access = std::make_shared<model::AccessRules>();
  policy.settings = std::move(settings);
  return std::make_shared<const model::Object>(std::move(policy));
}

/// The same: without authorities no backend is believed, while without the policy it would be asked in plain text.
model::ObjectPtr closing(model::BackendTlsPolicy policy) {
  policy.ca_certificates.clear();
  policy.system_ca = false;
  policy.options.clear();
  return std::make_shared<const model::Object>(std::move(policy));
}

/// The same, where clients may be asked for certificates: without authorities its HTTPS listeners stay closed.
model::ObjectPtr closing(model::ClientPolicy policy) {
  auto settings = std::make_shared<model::ClientSettings>(*policy.settings);
  settings->tls.client_certificate = model::ClientTls::ClientCertificate::kRequire;
  settings->tls.ca_certificates.clear();
  policy.settings = std::move(settings);
  return std::make_shared<const model::Object>(std::move(policy));
}

/// What holds for all objects of a text.
struct Scope {
  const KindTable& kinds;
  SideFiles* side;
  bool broken;
  bool in_list = false;
  ItemKind of_list{};
};

ItemKind kind_of_items(View list) {
  constexpr std::string_view kList = "List";
  const auto kind = list.find("kind");
  const auto version = list.find("apiVersion");
  if (!kind || !version || !kind.is_string() || !version.is_string()) return {};
  const std::string_view name = kind.text();
  if (!name.ends_with(kList) || name == kList) return {};
  return {.kind = std::string(name.substr(0, name.size() - kList.size())), .version = std::string(version.text())};
}

void parse_object(View root, const Scope& scope, ParsedText& out);

void parse_list(View root, Scope scope, ParsedText& out) {
  scope.in_list = true;
  scope.of_list = kind_of_items(root);
  Reader reader(root, "List", out.diagnostics);
  reader.items(root.find("items"), [&](View item) { parse_object(item, scope, out); });
}

void add_object(View root, const KnownKind& known, const Scope& scope, ParsedText& out) {
  auto identity = read_identity(root, known.namespaced);
  const model::ObjectKey key{known.kind, identity.ns, identity.name};
  Reader reader(root, key.text(), out.diagnostics, scope.side);
  const std::size_t before = out.diagnostics.size();
  auto object = known.read(reader, root);
  // Read from a torso it says nothing of its own: the syntax error is reported instead.
  if (scope.broken) out.diagnostics.resize(before);
  if (key.name.empty()) {
    out.unreadable = true;
    return;
  }
  ParsedObject parsed{.key = key, .object = nullptr, .stand_in = nullptr};
  if (!scope.broken && !reader.failed()) {
    parsed.object = std::make_shared<const model::Object>(std::move(object));
  } else {
    parsed.stand_in =
        stand_in_of(root, known, scope.broken ? "its document cannot be read" : out.diagnostics[before].text());
    if (auto* policy = std::get_if<model::RequestPolicy>(&object); policy != nullptr) {
      if (!scope.broken && lacks_files_only(out.diagnostics, before))
        parsed.stand_in = std::make_shared<const model::Object>(std::move(object));
      else if (decides(root.find("spec"))) parsed.stand_in = closing(std::move(*policy));
    } else if (auto* tls = std::get_if<model::BackendTlsPolicy>(&object); tls != nullptr) {
      parsed.stand_in = closing(std::move(*tls));
    } else if (auto* clients = std::get_if<model::ClientPolicy>(&object);
               clients != nullptr && root.find("spec").find("tls")) {
      parsed.stand_in = closing(std::move(*clients));
    }
  }
  out.objects.push_back(std::move(parsed));
}

void parse_kind(View root, std::string_view kind, std::string_view version, const Scope& scope, ParsedText& out) {
  if (const auto* known = find_kind(kind, version, scope.kinds)) return add_object(root, *known, scope, out);
  if (scope.broken || kind == "List") return;
  const auto at = root.find("kind");
  Reader(root, "", out.diagnostics)
      .warn(at ? at : root, "kind " + std::string(kind.substr(0, 60)) + " of " + std::string(version.substr(0, 60)) +
                                " is not served: ignored");
}

void note_no_kind(Reader& reader, View root, View kind, View version) {
  if (!root.is_mapping()) return reader.error(root, "an object with apiVersion and kind");
  if (!version) return reader.missing(root, "apiVersion", "an API version such as v1");
  if (!kind) return reader.missing(root, "kind", "a kind such as Service");
  reader.error(kind.is_string() ? version : kind, "a string");
}

void parse_object(View root, const Scope& scope, ParsedText& out) {
  if (root.is_null()) return;
  Reader reader(root, "", out.diagnostics);
  const auto kind = root.find("kind");
  const auto version = root.find("apiVersion");
  const bool bare = root.is_mapping() && !kind && !version && scope.in_list;
  if (bare && !scope.of_list.kind.empty())
    return parse_kind(root, scope.of_list.kind, scope.of_list.version, scope, out);
  if (!root.is_mapping() || !kind || !version || !kind.is_string() || !version.is_string()) {
    out.unreadable = true;
    out.unknown_kind |= bare;
    if (!scope.broken) note_no_kind(reader, root, kind, version);
    return;
  }
  if (kind.text().ends_with("List") && root.find("items")) {
    if (!scope.in_list) return parse_list(root, scope, out);
    return reader.error(kind, "no List within a List");
  }
  parse_kind(root, kind.text(), version.text(), scope, out);
}

void note_error(const SyntaxError& error, ParsedText& out) {
  out.unreadable = true;
  out.unknown_anchor = error.unknown_anchor;
  out.diagnostics.push_back(Diagnostic{.severity = Severity::kError,
                                       .file = {},
                                       .line = error.line,
                                       .column = error.column,
                                       .object = {},
                                       .field = {},
                                       .found = {},
                                       .expected = error.message});
}

}  // namespace

const KindTable& agent_kinds() {
  static constexpr KindTable kTable{kAgentKinds};
  return kTable;
}

ParsedText parse_text(std::string_view text, bool json, const KindTable& kinds, SideFiles* side) {
  ParsedText out;
  TreeReader reader(text, json);
  Tree tree;
  while (true) {
    const auto outcome = reader.next(tree);
    if (outcome == TreeReader::Outcome::kEnd) return out;
    const bool broken = outcome == TreeReader::Outcome::kError;
    if (!tree.empty()) parse_object(View(tree, Tree::root()), {.kinds = kinds, .side = side, .broken = broken}, out);
    if (!broken) continue;
    note_error(reader.error(), out);
    return out;
  }
}

ParsedText parse_item(std::string_view text, bool json, const KindTable& kinds, SideFiles* side,
                      const ItemKind& of_list) {
  std::string copy;
  if (json) {  // without its comma, the rest where it was
    copy = text;
    if (const auto comma = copy.find_first_not_of(" \t\r\n"); comma != std::string::npos && copy[comma] == ',')
      copy[comma] = ' ';
    text = copy;
  }
  ParsedText out;
  TreeReader reader(text, json);
  Tree tree;
  const bool broken = reader.next(tree) == TreeReader::Outcome::kError;
  View item = tree.empty() ? View{} : View(tree, Tree::root());
  if (item && !json) item = item.is_sequence() ? item.first() : View{};
  const Scope scope{.kinds = kinds, .side = side, .broken = broken, .in_list = true, .of_list = of_list};
  if (item) parse_object(item, scope, out);
  if (broken) note_error(reader.error(), out);
  if (!item) out.unreadable = true;
  return out;
}

ItemKind item_kind(std::string_view head, bool json) {
  const auto whole = std::string(head) + (json ? "]}" : "");
  TreeReader reader(whole, json);
  Tree tree;
  if (reader.next(tree) != TreeReader::Outcome::kDocument || tree.empty()) return {};
  return kind_of_items(View(tree, Tree::root()));
}

bool is_list_frame(std::string_view text, bool json) {
  TreeReader reader(text, json);
  Tree tree;
  if (reader.next(tree) != TreeReader::Outcome::kDocument || tree.empty()) return false;
  const View root(tree, Tree::root());
  const auto kind = root.find("kind");
  const auto version = root.find("apiVersion");
  if (!kind || !version || !kind.is_string() || !version.is_string() || !kind.text().ends_with("List")) return false;
  for (auto child = root.first(); child; child = child.next()) {
    const bool empty = child.is_null() || (child.is_sequence() && !child.first());
    if (child.key() == "items" && !empty) return false;
    if (child.key() != "items" && child.key() != "kind" && child.key() != "apiVersion" && child.key() != "metadata")
      return false;
  }
  Tree rest;
  return reader.next(rest) == TreeReader::Outcome::kEnd;
}

}  // namespace fairlead::config
