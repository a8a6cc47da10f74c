// SPDX-License-Identifier: Apache-2.0
// Which of Istio's policies count for a Gateway, and for a Service.
#include <algorithm>

#include "fairlead/model/istio.hpp"
#include "gateway/dataplane/config/gateway_impl.hpp"

namespace fairlead::config {
namespace {

constexpr Kind kKinds[] = {Kind::kRequestAuthentication, Kind::kAuthorizationPolicy};

bool reaches(const std::string& policy_ns, const std::string& ns) {
  return policy_ns == ns || policy_ns == model::kIstioRootNamespace;
}

bool has_target(const std::vector<model::PolicyTarget>& targets, RefKind kind, const std::string& name) {
  return std::ranges::any_of(targets, [&](const auto& one) { return one.kind.kind == kind && one.name == name; });
}

/// A policy without targets selects by labels, and without labels all of its namespace.
template <class T>
bool counts(const T& policy, const ObjectKey& gateway, const model::Labels& labels) {
  if (!policy.targets.empty())
    return policy.metadata.ns == gateway.ns && has_target(policy.targets, RefKind::kGateway, gateway.name);
  return reaches(policy.metadata.ns, gateway.ns) && policy.selector.matches(labels);
}

bool counts_for_gateway(const model::Object& object, const ObjectKey& gateway, const model::Labels& labels) {
  if (const auto* policy = std::get_if<model::AuthorizationPolicy>(&object)) return counts(*policy, gateway, labels);
  if (const auto* policy = std::get_if<model::RequestAuthentication>(&object)) return counts(*policy, gateway, labels);
  const auto* refused = std::get_if<model::RefusedPolicy>(&object);
  return refused != nullptr && reaches(refused->metadata.ns, gateway.ns) && refused->pods.matches(labels);
}

template <class Counts>
RequestPolicies all_of(const model::Cluster& cluster, Counts counts) {
  RequestPolicies out;
  for (const auto kind : kKinds)
    for (const auto& [key, object] : cluster.objects(kind))
      if (counts(*object)) out.push_back(object);
  return out;
}

}  // namespace

model::Labels istio_labels(const model::Gateway& gateway) {
  auto out = gateway.metadata.labels;
  const auto put = [&](const std::string& key, const std::string& value) {
    const auto at = std::ranges::lower_bound(out, key, {}, [](const auto& label) { return label.first; });
    if (at != out.end() && at->first == key) at->second = value;
    else out.emplace(at, key, value);
  };
  if (gateway.infrastructure != nullptr)
    for (const auto& [key, value] : gateway.infrastructure->labels) put(key, value);
  put("gateway.networking.k8s.io/gateway-name", gateway.metadata.name);
  put("istio.io/gateway-name", gateway.metadata.name);
  return out;
}

RequestPolicies istio_policies(const model::Cluster& cluster, const ObjectKey& key, const model::Gateway& gateway) {
  const auto labels = istio_labels(gateway);
  return all_of(cluster, [&](const model::Object& object) { return counts_for_gateway(object, key, labels); });
}

RequestPolicies istio_policies(const model::Cluster& cluster, const std::string& ns, const std::string& service) {
  return all_of(cluster, [&](const model::Object& object) {
    const auto* targets = istio_targets(object);
    return targets != nullptr && object_ns(object) == ns && has_target(*targets, RefKind::kService, service);
  });
}

const std::vector<model::PolicyTarget>* istio_targets(const model::Object& object) {
  if (const auto* policy = std::get_if<model::AuthorizationPolicy>(&object)) return &policy->targets;
  const auto* tokens = std::get_if<model::RequestAuthentication>(&object);
  return tokens == nullptr ? nullptr : &tokens->targets;
}

const std::string& object_ns(const model::Object& object) {
  return std::visit([](const auto& one) -> const std::string& { return one.metadata.ns; }, object);
}

}  // namespace fairlead::config
