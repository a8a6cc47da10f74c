// SPDX-License-Identifier: Apache-2.0
// Statuses as YAML, keys in the order in which kubectl prints them.
#include <algorithm>

#include "gateway/dataplane/config/gateway_features.hpp"
#include "gateway/dataplane/config/gateway_impl.hpp"

namespace fairlead::config {
namespace {

/// A scalar; in quotes where YAML might take it for something else.
std::string scalar(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' || c == '.' ||
           c == '/' || c == '-' || c == '_' || c == ',';
  };
  const bool letter = !text.empty() && ((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z'));
  const std::string low = [&] {
    std::string out(text);
    for (auto& c : out)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    return out;
  }();
  const bool word = low == "true" || low == "false" || low == "null" || low == "yes" || low == "no" || low == "on" ||
                    low == "off" || low == "y" || low == "n";
  if (letter && !word && text.back() != ' ' && std::ranges::all_of(text, plain)) return std::string(text);
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "'";
}

std::string pad(std::size_t indent) { return std::string(indent, ' '); }

/// When conditions of one object became what they are.
struct Times {
  const GatewayState::Impl& state;
  const ObjectKey& key;

  [[nodiscard]] std::string of(const std::string& place, std::string_view type) const {
    if (type == "PartiallyInvalid")
      if (const auto found = state.refused_since.find(key.text()); found != state.refused_since.end())
        return time_text(found->second);
    return time_text(state.transitions.since(key, Transitions::id_of(place, type)));
  }
};

void print(std::string& out, std::size_t indent, const std::vector<Condition>& conditions, const Times& times,
           const std::string& place) {
  out += pad(indent) + "conditions:\n";
  for (const auto& one : conditions) {
    const auto in = pad(indent + 2);
    out += pad(indent) + "- lastTransitionTime: \"" + times.of(place, one.type) + "\"\n";
    out += in + "message: " + scalar(one.message) + "\n";
    out += in + "observedGeneration: " + std::to_string(one.generation) + "\n";
    out += in + "reason: " + std::string(one.reason) + "\n";
    out += in + "status: \"" + (one.status ? "True" : "False") + "\"\n";
    out += in + "type: " + std::string(one.type) + "\n";
  }
}

void print(std::string& out, const ListenerStatus& listener, const Times& times) {
  out += "  - attachedRoutes: " + std::to_string(listener.attached) + "\n";
  print(out, 4, listener.conditions, times, listener.name);
  out += "    name: " + scalar(listener.name) + "\n";
  if (listener.kinds.empty()) {
    out += "    supportedKinds: []\n";
    return;
  }
  out += "    supportedKinds:\n";
  for (const auto kind : listener.kinds) {
    const model::RefKindName name{.kind = kind};
    out += "    - group: " + std::string(model::ref_group(name)) +
           "\n      kind: " + std::string(model::ref_kind_name(name)) + "\n";
  }
}

void print(std::string& out, const ParentStatus& parent, std::string_view name, std::string_view controller,
           const Times& times) {
  const auto& ref = parent.ref;
  const auto ref_lines = [&](std::size_t indent) {
    out += pad(indent) + "group: " + scalar(model::ref_group(ref.kind)) + "\n";
    out += pad(indent) + "kind: " + scalar(model::ref_kind_name(ref.kind)) + "\n";
    out += pad(indent) + "name: " + scalar(ref.name) + "\n";
    if (!ref.ns.empty()) out += pad(indent) + "namespace: " + scalar(ref.ns) + "\n";
    if (ref.port != 0) out += pad(indent) + "port: " + std::to_string(ref.port) + "\n";
    if (!ref.section.empty()) out += pad(indent) + "sectionName: " + scalar(ref.section) + "\n";
  };
  const bool ancestor = name == "ancestorRef";
  if (ancestor) {
    out += "  - ancestorRef:\n";
    ref_lines(6);
    print(out, 4, parent.conditions, times, place_of(ref));
    out += "    controllerName: " + scalar(controller) + "\n";
    return;
  }
  std::string conditions;
  print(conditions, 4, parent.conditions, times, place_of(ref));
  conditions.replace(2, 1, "-");
  out += conditions;
  out += "    controllerName: " + scalar(controller) + "\n    parentRef:\n";
  ref_lines(6);
}

std::string_view api_of(Kind kind) {
  if (kind == Kind::kRequestAuthentication || kind == Kind::kAuthorizationPolicy) return "security.istio.io/v1";
  return kind == Kind::kBackendPolicy || kind == Kind::kClientPolicy || kind == Kind::kRequestPolicy
             ? "fairlead.io/v1alpha1"
             : "gateway.networking.k8s.io/v1";
}

}  // namespace

std::string GatewayState::status_yaml(const model::Cluster& cluster, const ObjectKey& key,
                                      const std::vector<Address>& own) const {
  const auto found = status(cluster, key, own);
  std::string out = "apiVersion: " + std::string(api_of(key.kind)) +
                    "\nkind: " + std::string(model::kind_name(key.kind)) + "\nmetadata:\n  name: " + scalar(key.name) +
                    "\n";
  if (!key.ns.empty()) out += "  namespace: " + scalar(key.ns) + "\n";
  if (!found) return out + "status: {}\n";
  const Times times{*impl_, key};
  out += "status:\n";
  if (!found->addresses.empty()) {
    out += "  addresses:\n";
    for (const auto& address : found->addresses) out += "  - type: IPAddress\n    value: " + scalar(address) + "\n";
  }
  const bool policy = key.kind == Kind::kBackendTlsPolicy || api_of(key.kind) == "fairlead.io/v1alpha1";
  if (policy && !found->parents.empty()) out += "  ancestors:\n";
  if (policy)
    for (const auto& parent : found->parents) print(out, parent, "ancestorRef", impl_->controller, times);
  if (found->listener_sets && *found->listener_sets > 0)
    out += "  attachedListenerSets: " + std::to_string(*found->listener_sets) + "\n";
  if (!found->conditions.empty()) print(out, 2, found->conditions, times, "");
  if (!found->listeners.empty()) out += "  listeners:\n";
  for (const auto& listener : found->listeners) print(out, listener, times);
  if (!policy && !found->parents.empty()) out += "  parents:\n";
  if (!policy)
    for (const auto& parent : found->parents) print(out, parent, "parentRef", impl_->controller, times);
  if (key.kind == Kind::kGatewayClass) {
    out += "  supportedFeatures:\n";
    for (const auto feature : supported_features()) out += "  - name: " + std::string(feature) + "\n";
  }
  return out;
}

}  // namespace fairlead::config
