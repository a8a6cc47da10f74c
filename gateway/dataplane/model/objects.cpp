// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/objects.hpp"

#include <algorithm>
#include <charconv>

namespace fairlead::model {
namespace {

bool holds(const SelectorRequirement& requirement, const Labels& labels) {
  const std::string* value = find_label(labels, requirement.key);
  const bool listed = value != nullptr && std::ranges::find(requirement.values, *value) != requirement.values.end();
  switch (requirement.op) {
    case SelectorOperator::kIn: return listed;
    case SelectorOperator::kNotIn: return !listed;  // true without the label as well, as in Kubernetes
    case SelectorOperator::kExists: return value != nullptr;
    case SelectorOperator::kDoesNotExist: return value == nullptr;
  }
  return false;
}

}  // namespace

const std::string* find_label(const Labels& labels, std::string_view key) {
  const auto found =
      std::ranges::lower_bound(labels, key, {}, [](const auto& entry) -> std::string_view { return entry.first; });
  return found != labels.end() && found->first == key ? &found->second : nullptr;
}

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kNamespace: return "Namespace";
    case Kind::kNode: return "Node";
    case Kind::kPod: return "Pod";
    case Kind::kService: return "Service";
    case Kind::kEndpointSlice: return "EndpointSlice";
    case Kind::kDestinationRule: return "DestinationRule";
    case Kind::kNetworkPolicy: return "NetworkPolicy";
    case Kind::kAuthorizationPolicy: return "AuthorizationPolicy";
    case Kind::kGatewayClass: return "GatewayClass";
    case Kind::kGateway: return "Gateway";
    case Kind::kListenerSet: return "ListenerSet";
    case Kind::kHttpRoute: return "HTTPRoute";
    case Kind::kGrpcRoute: return "GRPCRoute";
    case Kind::kTlsRoute: return "TLSRoute";
    case Kind::kTcpRoute: return "TCPRoute";
    case Kind::kUdpRoute: return "UDPRoute";
    case Kind::kReferenceGrant: return "ReferenceGrant";
    case Kind::kBackendTlsPolicy: return "BackendTLSPolicy";
    case Kind::kSecret: return "Secret";
    case Kind::kConfigMap: return "ConfigMap";
    case Kind::kBackendPolicy: return "BackendPolicy";
    case Kind::kClientPolicy: return "ClientPolicy";
    case Kind::kRequestPolicy: return "RequestPolicy";
    case Kind::kConsumer: return "Consumer";
    case Kind::kRequestAuthentication: return "RequestAuthentication";
  }
  return "unknown kind";
}

bool Selector::matches(const Labels& labels) const {
  for (const auto& [key, value] : match_labels) {
    const std::string* found = find_label(labels, key);
    if (found == nullptr || *found != value) return false;
  }
  return std::ranges::all_of(match_expressions, [&](const auto& requirement) { return holds(requirement, labels); });
}

std::optional<std::uint32_t> weight_of(const EndpointSlice& slice) {
  constexpr std::uint32_t kMost = 65535;
  const auto* text = find_label(slice.metadata.annotations, "fairlead.io/weight");
  if (text == nullptr) return 1;
  std::uint32_t weight = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), weight);
  if (error != std::errc() || end != text->data() + text->size() || weight > kMost) return std::nullopt;
  return weight;
}

}  // namespace fairlead::model
