// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <set>

#include "agent/admin/views.hpp"

namespace fairlead::admin {
namespace {

const char* direction_name(bool ingress, bool egress) {
  if (ingress && egress) return "ingress, egress";
  return egress ? "egress" : "ingress";
}

/// What is said of a policy beside its name: direction and state.
struct Describe {
  Json& json;
  void operator()(const model::NetworkPolicy& policy) const {
    json["direction"] = direction_name(policy.ingress, policy.egress);
    json["state"] = "in force";
  }
  void operator()(const model::AuthorizationPolicy& policy) const {
    constexpr const char* kActions[] = {"allow", "deny", "audit"};
    json["direction"] = std::string("ingress, ") + kActions[static_cast<std::size_t>(policy.action)];
    json["state"] = "in force";
  }
  void operator()(const model::RefusedPolicy& policy) const {
    json["direction"] = direction_name(policy.ingress, policy.egress);
    json["state"] = "refused: closes what it selects";
    json["reason"] = policy.reason;
  }
  template <class Other>
  void operator()(const Other& /*other*/) const {}
};

/// Of a policy whose last version is refused the one before holds, if there was one.
const config::Diagnostic* refusal_of(const Sources& sources, const model::ObjectKey& key) {
  const auto name = key.text();
  for (const auto& diagnostic : sources.diagnostics())
    if (diagnostic.severity == config::Severity::kError && diagnostic.object == name) return &diagnostic;
  return nullptr;
}

}  // namespace

Json policy_view(const Sources& sources) {
  std::map<model::ObjectKey, std::set<std::string>> selected;
  for (const auto& info : sources.policies.all())
    for (const auto& key : info.policies) selected[key].insert(info.workload.ns + "/" + info.workload.name);
  Json list = Json::array();
  for (const auto kind : {model::Kind::kNetworkPolicy, model::Kind::kAuthorizationPolicy})
    for (const auto& [key, object] : sources.cluster.objects(kind)) {
      Json json = {{"namespace", key.ns}, {"name", key.name}, {"kind", model::kind_name(kind)}};
      std::visit(Describe{json}, *object);
      if (const auto* refusal = refusal_of(sources, key); refusal != nullptr && !json.contains("reason")) {
        json["state"] = "in force as it was: its last version is refused";
        json["reason"] = refusal->text();
      }
      if (sources.datapath.settings().policy == 0) json["state"] = "not enforced: --policy off";
      json["selects"] = selected[key];
      list.push_back(std::move(json));
    }
  return {{"policies", std::move(list)}};
}

}  // namespace fairlead::admin
