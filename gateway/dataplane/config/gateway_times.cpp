// SPDX-License-Identifier: Apache-2.0
// Since when conditions are what they are.
#include <ctime>

#include "gateway/dataplane/config/gateway_impl.hpp"

namespace fairlead::config {
namespace {

void add_all(Transitions::All& out, const std::string& place, const std::vector<Condition>& conditions) {
  for (const auto& one : conditions) out.push_back({Transitions::id_of(place, one.type), one.status});
}

}  // namespace

std::string place_of(const model::ParentReference& ref) {
  return std::string(model::ref_kind_name(ref.kind)) + " " + ref.ns + "/" + ref.name + "/" + ref.section + ":" +
         std::to_string(ref.port);
}

Transitions::All conditions_of(const ObjectStatus& status) {
  Transitions::All out;
  add_all(out, "", status.conditions);
  for (const auto& listener : status.listeners) add_all(out, listener.name, listener.conditions);
  for (const auto& parent : status.parents) add_all(out, place_of(parent.ref), parent.conditions);
  return out;
}

Transitions::All GatewayState::Impl::conditions_of(const RouteState& route) {
  Transitions::All out;
  for (const auto& parent : route.parents) {
    const auto place = place_of(*parent.ref);
    out.push_back({Transitions::id_of(place, "Accepted"), parent.attachment == Attachment::kAccepted});
    out.push_back({Transitions::id_of(place, "ResolvedRefs"), route.fault == RefFault::kNone});
  }
  return out;
}

void GatewayState::Impl::note_others(const GatewayState& whole, const model::Cluster& cluster, std::int64_t now) {
  constexpr Kind kOthers[] = {Kind::kGateway,       Kind::kListenerSet,           Kind::kBackendTlsPolicy,
                              Kind::kBackendPolicy, Kind::kClientPolicy,          Kind::kRequestPolicy,
                              Kind::kGatewayClass,  Kind::kRequestAuthentication, Kind::kAuthorizationPolicy};
  for (const auto kind : kOthers)
    for (const auto& [key, object] : cluster.objects(kind)) {
      const auto found = whole.status(cluster, key);
      if (found) transitions.note(key, nullptr, config::conditions_of(*found), now);
      else transitions.forget(key);
    }
}

void GatewayState::Impl::take(const GatewayState& whole, const model::Cluster& cluster,
                              const std::function<void(Impl&)>& change) {
  std::map<ObjectKey, Transitions::All> before;
  const auto note = [&](const ObjectKey& key) {
    if (const auto status = whole.status(cluster, key)) before[key] = config::conditions_of(*status);
  };
  for (const auto& [key, entry] : gateways) note(key);
  for (const auto& [key, entry] : sets) note(key);
  change(*this);
  const auto time = static_cast<std::int64_t>(std::time(nullptr));
  for (const auto& [key, conditions] : before)
    if (const auto status = whole.status(cluster, key))
      transitions.note(key, &conditions, config::conditions_of(*status), time);
}

}  // namespace fairlead::config
