// SPDX-License-Identifier: Apache-2.0
// The status of each object, by the conditions and reasons of apis/v1.
#include <algorithm>
#include <array>

#include "gateway/dataplane/config/gateway_impl.hpp"

namespace fairlead::config {
namespace {

using Conditions = std::vector<Condition>;

struct Words {
  std::string_view reason;
  std::string_view message;
};

Words words_of(ListenerFault fault) {
  switch (fault) {
    case ListenerFault::kNone: return {"Accepted", "the listener is accepted"};
    case ListenerFault::kUnsupportedProtocol: return {"UnsupportedProtocol", "the protocol is not served"};
    case ListenerFault::kPortUnavailable: return {"PortUnavailable", "the port is taken by another Gateway"};
    case ListenerFault::kHostnameConflict:
      return {"HostnameConflict", "another listener has the same port, protocol and hostname"};
    case ListenerFault::kProtocolConflict:
      return {"ProtocolConflict", "another listener has the same port and a protocol that cannot share it"};
    case ListenerFault::kListenerConflict: return {"ListenerConflict", "another listener has the same port"};
    case ListenerFault::kNoValidCaCertificate:
      return {"NoValidCACertificate", "no CA certificate for clients can be resolved"};
  }
  return {};
}

std::string_view reason_of(ListenerRefFault fault) {
  constexpr std::array<std::string_view, 6> kReasons{
      "ResolvedRefs",    "InvalidCertificateRef",   "InvalidRouteKinds",
      "RefNotPermitted", "InvalidCACertificateRef", "InvalidCACertificateKind"};
  return kReasons[static_cast<std::size_t>(fault)];
}

Words words_of(Attachment attachment) {
  switch (attachment) {
    case Attachment::kAccepted: return {"Accepted", "the route is accepted"};
    case Attachment::kNoMatchingParent:
      return {"NoMatchingParent", "the parent has no listener of that sectionName and port"};
    case Attachment::kNotAllowedByListeners:
      return {"NotAllowedByListeners", "no listener allows routes of this kind from this namespace"};
    case Attachment::kNoMatchingListenerHostname:
      return {"NoMatchingListenerHostname", "no listener's hostname matches one of the route"};
    case Attachment::kOtherRouteKind:
      return {"NotAllowedByListeners",
              "the hostnames belong to an older route: HTTPRoute and GRPCRoute cannot share them on a listener"};
  }
  return {};
}

Words words_of(RefFault fault) {
  switch (fault) {
    case RefFault::kNone: return {"ResolvedRefs", "all references are resolved"};
    case RefFault::kRefNotPermitted: return {"RefNotPermitted", " is not granted by a ReferenceGrant"};
    case RefFault::kInvalidKind: return {"InvalidKind", " is of a kind that is not served"};
    case RefFault::kBackendNotFound: return {"BackendNotFound", " does not exist"};
    case RefFault::kUnsupportedProtocol: return {"UnsupportedProtocol", " has a protocol that cannot carry the route"};
  }
  return {};
}

void add(Conditions& out, std::string_view type, bool status, std::string_view reason, std::string message,
         std::int64_t generation) {
  out.push_back({type, status, reason, std::move(message), generation});
}

bool is_conflict(ListenerFault fault) {
  return fault == ListenerFault::kHostnameConflict || fault == ListenerFault::kProtocolConflict ||
         fault == ListenerFault::kListenerConflict;
}

/// What the listener's own references do not show.
struct CertificateFault {
  const std::string* why = nullptr;  ///< of a certificate that cannot be used
  bool all = false;                  ///< there is no other
};

CertificateFault fault_of(const CompiledListener& listener, const BadCertificates& bad) {
  CertificateFault out;
  std::size_t lost = 0;
  for (const auto& secret : listener.certificates) {
    const auto found = bad.find(secret->metadata.ns + "/" + secret->metadata.name);
    if (found == bad.end()) continue;
    out.why = &found->second.why;
    if (!found->second.replaced) ++lost;
  }
  out.all = out.why != nullptr && lost == listener.certificates.size();
  return out;
}

ListenerStatus status_of(const CompiledListener& listener, const CertificateFault& certificate, bool of_set,
                         std::int64_t generation) {
  ListenerStatus out{.name = listener.key.name, .kinds = listener.kinds, .conditions = {}};
  const bool serving = listener.serving && !certificate.all;
  out.attached = listener.routes.size();
  const auto words = words_of(listener.fault);
  const bool accepted = listener.fault == ListenerFault::kNone;
  const auto own = listener.ref_fault == ListenerRefFault::kNone && !listener.message.empty();
  const auto message = own ? listener.message : std::string(words.message);
  add(out.conditions, "Accepted", accepted, words.reason, message, generation);
  // A ListenerSet's listener says why it is not programmed; a Gateway's has "Invalid" for all.
  const auto not_programmed = of_set && !accepted ? words.reason : std::string_view("Invalid");
  add(out.conditions, "Programmed", serving, serving ? "Programmed" : not_programmed,
      serving ? "the listener is programmed" : "the listener is not served", generation);
  if (listener.ref_fault == ListenerRefFault::kNone && certificate.why != nullptr) {
    add(out.conditions, "ResolvedRefs", false, "InvalidCertificateRef", *certificate.why, generation);
  } else {
    const bool resolved = listener.ref_fault == ListenerRefFault::kNone;
    add(out.conditions, "ResolvedRefs", resolved, reason_of(listener.ref_fault),
        resolved ? "all references are resolved" : listener.message, generation);
  }
  const bool conflicted = is_conflict(listener.fault);
  add(out.conditions, "Conflicted", conflicted, conflicted ? words.reason : "NoConflicts",
      conflicted ? std::string(words.message) : "no other listener conflicts", generation);
  if (listener.overlapping)
    add(out.conditions, "OverlappingTLSConfig", true, "OverlappingHostnames",
        "another HTTPS listener of the port has an overlapping hostname", generation);
  return out;
}

struct Tally {
  std::size_t all = 0;
  std::size_t good = 0;
  std::size_t serving = 0;
  bool unresolved = false;
  std::string faulty;    // names
  std::string unserved;  // names of those too that what they refer to keeps from being served
};

void append_name(std::string& names, const std::string& name) { names.append(names.empty() ? "" : ", ").append(name); }

Tally add_listeners(const GatewayState::Impl& state, const ObjectKey& owner, std::int64_t generation,
                    ObjectStatus& out) {
  Tally tally;
  const auto& listeners = state.listeners;
  for (auto it = listeners.lower_bound({owner, ""}); it != listeners.end() && it->first.owner == owner; ++it) {
    const auto& listener = it->second;
    const auto certificate = fault_of(listener, state.bad_certificates);
    const bool serving = listener.serving && !certificate.all;
    out.listeners.push_back(status_of(listener, certificate, owner.kind == Kind::kListenerSet, generation));
    ++tally.all;
    tally.good += listener.fault == ListenerFault::kNone ? 1 : 0;
    tally.serving += serving ? 1 : 0;
    tally.unresolved = tally.unresolved || listener.ref_fault != ListenerRefFault::kNone || certificate.why != nullptr;
    if (listener.fault != ListenerFault::kNone) append_name(tally.faulty, it->first.name);
    if (!serving) append_name(tally.unserved, it->first.name);
  }
  return tally;
}

/// Statuses are made by name; a controller writes them in the order of the spec.
template <class Specs>
void order_by_spec(std::vector<ListenerStatus>& statuses, const Specs& specs) {
  std::vector<ListenerStatus> sorted;
  for (const auto& spec : specs)
    for (auto& status : statuses)
      if (status.name == spec.name) sorted.push_back(std::move(status));
  statuses = std::move(sorted);
}

void add_gateway_accepted(const GatewayEntry& entry, const Tally& tally, std::int64_t generation, Conditions& out) {
  if (entry.bad_parameters)
    return add(out, "Accepted", false, "InvalidParameters", "spec.infrastructure.parametersRef is not served",
               generation);
  if (entry.unsupported_address)
    return add(out, "Accepted", false, "UnsupportedAddress", "only addresses of type IPAddress are served", generation);
  if (tally.good == tally.all) return add(out, "Accepted", true, "Accepted", "the Gateway is accepted", generation);
  add(out, "Accepted", tally.good > 0, "ListenersNotValid", "listeners that are not valid: " + tally.faulty,
      generation);
}

/// Of several addresses the others are served.
void add_gateway_programmed(bool served, const std::string& unusable, std::int64_t generation, Conditions& out) {
  if (!unusable.empty())
    return add(out, "Programmed", false, "AddressNotUsable", "addresses that cannot be opened: " + unusable,
               generation);
  add(out, "Programmed", served, served ? "Programmed" : "Invalid",
      served ? "the Gateway is programmed" : "no listener can be served", generation);
}

bool has_insecure_mode(const model::Gateway& gateway) {
  if (!gateway.tls || !gateway.tls->frontend) return false;
  const auto insecure = [](const auto& validation) {
    return validation && validation->mode == model::FrontendValidation::Mode::kAllowInsecureFallback;
  };
  const auto& frontend = *gateway.tls->frontend;
  return insecure(frontend.by_default) ||
         std::ranges::any_of(frontend.per_port, [&](const auto& entry) { return insecure(entry.second); });
}

/// Why the certificate that is to be shown to backends cannot be; null where it can.
const std::string* bad_credential(const GatewayState::Impl& state, const ObjectKey& key,
                                  const model::Gateway& gateway) {
  if (!gateway.tls || !gateway.tls->client_certificate) return nullptr;
  const auto& ref = *gateway.tls->client_certificate;
  const auto found = state.bad_certificates.find((ref.ns.empty() ? key.ns : ref.ns) + "/" + ref.name);
  return found == state.bad_certificates.end() ? nullptr : &found->second.why;
}

/// Fills in status.addresses. Gives those that cannot be opened, as a text.
std::string add_addresses(const GatewayState::Impl& state, const ObjectKey& key, const GatewayEntry& entry,
                          const std::vector<Address>& own, std::vector<std::string>& out) {
  constexpr std::size_t kMost = 16;  // of a status
  std::string unusable;
  if (!entry.accepted()) return unusable;
  bool named = false;
  for (const auto& address : entry.gateway->addresses) {
    if (address.value.empty()) continue;
    named = true;
    if (state.is_unusable(key, address.value)) unusable.append(unusable.empty() ? "" : ", ").append(address.value);
    else out.push_back(address.value);
  }
  if (named) return unusable;
  for (const auto& address : own)
    if (out.size() < kMost) out.push_back(address.text());
  return unusable;
}

ObjectStatus gateway_status(const GatewayState::Impl& state, const ObjectKey& key, const GatewayEntry& entry,
                            const std::vector<Address>& own) {
  ObjectStatus out;
  const auto generation = entry.gateway->metadata.generation;
  const auto unusable = add_addresses(state, key, entry, own, out.addresses);
  const auto tally = add_listeners(state, key, generation, out);
  order_by_spec(out.listeners, entry.gateway->listeners);
  add_gateway_accepted(entry, tally, generation, out.conditions);
  add_gateway_programmed(entry.accepted() && tally.serving > 0, unusable, generation, out.conditions);
  if (entry.backend_fault != ListenerRefFault::kNone) {
    const bool denied = entry.backend_fault == ListenerRefFault::kRefNotPermitted;
    add(out.conditions, "ResolvedRefs", false, denied ? "RefNotPermitted" : "InvalidClientCertificateRef",
        entry.backend_message, generation);
  } else if (const auto* why = bad_credential(state, key, *entry.gateway); why != nullptr) {
    add(out.conditions, "ResolvedRefs", false, "InvalidClientCertificateRef", *why, generation);
  } else {
    add(out.conditions, "ResolvedRefs", !tally.unresolved, tally.unresolved ? "ListenersNotResolved" : "ResolvedRefs",
        tally.unresolved ? "references of some listeners are not resolved" : "all references are resolved", generation);
  }
  if (has_insecure_mode(*entry.gateway))
    add(out.conditions, "InsecureFrontendValidationMode", true, "ConfigurationChanged",
        "clients without a valid certificate are let through", generation);
  out.listener_sets = entry.listener_sets;
  return out;
}

ObjectStatus set_status(const GatewayState::Impl& state, const ObjectKey& key, const ListenerSetEntry& entry) {
  ObjectStatus out;
  const auto generation = entry.set->metadata.generation;
  const auto both = [&](bool status, std::string_view reason, std::string_view programmed, const std::string& message) {
    add(out.conditions, "Accepted", status, reason, message, generation);
    add(out.conditions, "Programmed", status, programmed, message, generation);
  };
  if (!entry.allowed) {
    both(false, "NotAllowed", "NotAllowed", "the Gateway's allowedListeners do not allow this namespace");
    return out;
  }
  const auto tally = add_listeners(state, key, generation, out);
  order_by_spec(out.listeners, entry.set->listeners);
  if (!entry.parent_accepted) {
    both(false, "ParentNotAccepted", "ParentNotProgrammed", "the Gateway is not accepted");
  } else if (tally.serving == 0) {
    // One none of whose certificates can be used adds nothing to its Gateway either.
    both(false, "ListenersNotValid", "ListenersNotValid", "listeners that are not valid: " + tally.unserved);
  } else {
    const bool whole = tally.unserved.empty();
    add(out.conditions, "Accepted", true, whole ? "Accepted" : "ListenersNotValid",
        whole ? "the ListenerSet is accepted" : "listeners that are not valid: " + tally.unserved, generation);
    add(out.conditions, "Programmed", true, "Programmed", "the ListenerSet is programmed", generation);
  }
  return out;
}

ObjectStatus route_status(const GatewayState::Impl& state, const ObjectKey& key, const RouteState& route) {
  ObjectStatus out;
  const auto generation = route.base->metadata.generation;
  const auto refused = state.refused.find(key.text());
  for (const auto& parent : route.parents) {
    auto& status = out.parents.emplace_back(ParentStatus{.ref = *parent.ref, .conditions = {}});
    const bool accepted = parent.attachment == Attachment::kAccepted;
    const auto words = words_of(parent.attachment);
    add(status.conditions, "Accepted", accepted, words.reason, std::string(words.message), generation);
    const bool resolved = route.fault == RefFault::kNone;
    const auto refs = words_of(route.fault);
    add(status.conditions, "ResolvedRefs", resolved, refs.reason,
        resolved ? std::string(refs.message) : route.fault_message + std::string(refs.message), generation);
    if (accepted && refused != state.refused.end())
      add(status.conditions, "PartiallyInvalid", true, "UnsupportedValue",
          "Fall Back to the last good version: " + refused->second, generation);
  }
  return out;
}

ObjectStatus class_status(const model::GatewayClass& object) {
  ObjectStatus out;
  const bool accepted = !object.parameters;
  add(out.conditions, "Accepted", accepted, accepted ? "Accepted" : "InvalidParameters",
      accepted ? "the GatewayClass is accepted" : "spec.parametersRef is not served", object.metadata.generation);
  add(out.conditions, "SupportedVersion", true, "SupportedVersion", "the objects are read as those of release 1.6",
      object.metadata.generation);
  return out;
}

/// The Gateways with a route that uses one of these services.
std::set<ObjectKey> ancestors_of(const GatewayState::Impl& state, const std::string& ns,
                                 const std::vector<model::PolicyTarget>& targets) {
  std::set<ObjectKey> out;
  for (const auto& target : targets) {
    const auto users = state.users.find(ns + "/" + target.name);
    if (target.kind.kind != RefKind::kService || users == state.users.end()) continue;
    for (const auto& key : users->second)
      for (const auto& listener : state.routes.at(key).listeners) out.insert(state.listeners.at(listener).gateway);
  }
  return out;
}

model::ParentReference ancestor_ref(const ObjectKey& key) {
  model::ParentReference ref;
  ref.kind.kind = ref_of(key.kind);
  ref.ns = key.ns;
  ref.name = key.name;
  return ref;
}

/// A Service of one of the targets that has the named port, or no name.
bool has_target(const model::Cluster& cluster, const std::string& ns, const std::vector<model::PolicyTarget>& targets) {
  return std::ranges::any_of(targets, [&](const auto& target) {
    const auto service = get_object<model::Service>(cluster, Kind::kService, ns, target.name);
    if (!service || target.kind.kind != RefKind::kService) return false;
    return target.section.empty() ||
           std::ranges::find(service->ports, target.section, &model::ServicePort::name) != service->ports.end();
  });
}

/// Conditions of a policy; one with errors closes what it names, or its last good version stands.
Conditions unless_refused(const GatewayState::Impl& state, const ObjectKey& key, std::int64_t generation,
                          Conditions otherwise) {
  const auto refused = state.refused.find(key.text());
  if (refused == state.refused.end()) return otherwise;
  Conditions out;
  add(out, "Accepted", false, "Invalid", refused->second, generation);
  return out;
}

Conditions tls_policy_conditions(const GatewayState::Impl& state, const model::Cluster& cluster, const ObjectKey& key,
                                 const model::BackendTlsPolicy& policy) {
  Conditions out;
  const auto generation = policy.metadata.generation;
  std::size_t good = 0;
  std::string_view reason = "ResolvedRefs";
  std::string message = "all references are resolved";
  for (const auto& ref : policy.ca_certificates) {
    const auto pem = find_ca(cluster, ref, key.ns);
    if (pem) {
      ++good;
      continue;
    }
    const bool known = ref.kind.kind == RefKind::kConfigMap || ref.kind.kind == RefKind::kSecret;
    reason = known ? "InvalidCACertificateRef" : "InvalidKind";
    message = std::string(model::ref_kind_name(ref.kind)) + " " + key.ns + "/" + ref.name +
              (known ? " " + pem.error().message : " is of a kind that is not served");
  }
  if (const auto* name = model::find_label(policy.options, model::kClientCertificateOption);
      name != nullptr && !cluster.find({Kind::kSecret, key.ns, *name})) {
    reason = "InvalidClientCertificateRef";
    message = "Secret " + key.ns + "/" + *name + " is not there";
  }
  if (!policy.other_well_known.empty())
    add(out, "Accepted", false, "Invalid", "wellKnownCACertificates other than System are not served", generation);
  else if (!has_target(cluster, key.ns, policy.targets))
    add(out, "Accepted", false, "TargetNotFound", "no target exists", generation);
  else if (state.policies.is_superseded(key))
    add(out, "Accepted", false, "Conflicted", "an older policy has the same targets", generation);
  else if (!policy.system_ca && good == 0)
    add(out, "Accepted", false, "NoValidCACertificate", "no CA certificate can be resolved", generation);
  else add(out, "Accepted", true, "Accepted", "the policy is accepted", generation);
  add(out, "ResolvedRefs", reason == "ResolvedRefs", reason, std::move(message), generation);
  return out;
}

Conditions accepted_or_not(bool superseded, bool found, std::int64_t generation) {
  Conditions out;
  if (!found) add(out, "Accepted", false, "TargetNotFound", "no target exists", generation);
  else if (superseded) add(out, "Accepted", false, "Conflicted", "an older policy has the same targets", generation);
  else add(out, "Accepted", true, "Accepted", "the policy is accepted", generation);
  return out;
}

ObjectStatus client_policy_status(const GatewayState::Impl& state, const ObjectKey& key,
                                  const model::ClientPolicy& policy) {
  ObjectStatus out;
  for (const auto& target : policy.targets) {
    const bool of_gateway = target.kind.kind == RefKind::kGateway;
    const ObjectKey owner{of_gateway ? Kind::kGateway : Kind::kListenerSet, key.ns, target.name};
    const bool ours = of_gateway ? state.gateways.contains(owner) : state.sets.contains(owner);
    if (!ours) continue;
    auto ref = ancestor_ref(owner);
    ref.section = target.section;
    const bool found = target.section.empty() || state.listeners.contains({owner, target.section});
    const auto generation = policy.metadata.generation;
    out.parents.push_back({ref, unless_refused(state, key, generation,
                                               accepted_or_not(state.policies.is_superseded(key), found, generation))});
  }
  return out;
}

bool exists(const GatewayState::Impl& state, const model::Cluster& cluster, const std::string& ns,
            const model::PolicyTarget& target) {
  const auto route = [&](Kind kind, const auto& rules_of) {
    const auto object = cluster.find({kind, ns, target.name});
    return object && (target.section.empty() || rules_of(*object));
  };
  const auto has_rule = [&](const auto& rules) {
    return std::ranges::any_of(rules, [&](const auto& rule) { return rule.name == target.section; });
  };
  switch (target.kind.kind) {
    case RefKind::kGateway:
      return state.gateways.contains({Kind::kGateway, ns, target.name}) &&
             (target.section.empty() || state.listeners.contains({{Kind::kGateway, ns, target.name}, target.section}));
    case RefKind::kListenerSet:
      return state.sets.contains({Kind::kListenerSet, ns, target.name}) &&
             (target.section.empty() ||
              state.listeners.contains({{Kind::kListenerSet, ns, target.name}, target.section}));
    case RefKind::kHttpRoute:
      return route(Kind::kHttpRoute, [&](const auto& one) { return has_rule(std::get<model::HttpRoute>(one).rules); });
    case RefKind::kGrpcRoute:
      return route(Kind::kGrpcRoute, [&](const auto& one) { return has_rule(std::get<model::GrpcRoute>(one).rules); });
    case RefKind::kService: return has_target(cluster, ns, {target});
    default: return cluster.has_consumer(ns, target.name);
  }
}

/// Towards each target.
ObjectStatus request_policy_status(const GatewayState::Impl& state, const model::Cluster& cluster, const ObjectKey& key,
                                   const model::RequestPolicy& policy) {
  ObjectStatus out;
  for (const auto& target : policy.targets) {
    model::ParentReference ref;
    ref.kind = target.kind;
    ref.ns = key.ns;
    ref.name = target.name;
    ref.section = target.section;
    const auto generation = policy.metadata.generation;
    const auto usual =
        accepted_or_not(state.policies.is_superseded(key), exists(state, cluster, key.ns, target), generation);
    out.parents.push_back({ref, unless_refused(state, key, generation, usual)});
  }
  return out;
}

/// Towards what it counts for.
ObjectStatus istio_status(const GatewayState::Impl& state, const model::Cluster& cluster, const ObjectKey& key,
                          const ObjectPtr& object) {
  const auto generation = std::visit([](const auto& one) { return one.metadata.generation; }, *object);
  const auto conditions = [&](bool found) {
    return unless_refused(state, key, generation, accepted_or_not(false, found, generation));
  };
  ObjectStatus out;
  const auto* targets = istio_targets(*object);
  if (targets != nullptr && !targets->empty()) {
    for (const auto& target : *targets)
      out.parents.push_back({{.kind = target.kind, .ns = key.ns, .name = target.name},
                             conditions(exists(state, cluster, key.ns, target))});
    return out;
  }
  for (const auto& [gateway, entry] : state.gateways) {
    const auto counting = istio_policies(cluster, gateway, *entry.gateway);
    if (std::ranges::find(counting, object) != counting.end())
      out.parents.push_back({ancestor_ref(gateway), conditions(true)});
  }
  return out;
}

}  // namespace

bool GatewayState::Impl::is_unusable(const ObjectKey& gateway, const std::string& address) const {
  const auto parsed = Address::parse(address);
  if (unusable.empty() || !parsed) return false;
  return std::ranges::any_of(listeners, [&](const auto& entry) {
    const auto& listener = entry.second;
    return listener.gateway == gateway && listener.serving && unusable.contains({*parsed, listener.spec->port});
  });
}

const Condition* ObjectStatus::find(std::string_view type) const {
  const auto found = std::ranges::find(conditions, type, &Condition::type);
  return found == conditions.end() ? nullptr : &*found;
}

std::optional<ObjectStatus> GatewayState::status(const model::Cluster& cluster, const ObjectKey& key,
                                                 const std::vector<Address>& own) const {
  const auto& state = *impl_;
  const auto object = cluster.find(key);
  if (!object) return std::nullopt;
  if (const auto* of_class = std::get_if<model::GatewayClass>(object.get()))
    return of_class->controller_name == state.controller ? std::optional(class_status(*of_class)) : std::nullopt;
  if (const auto found = state.gateways.find(key); found != state.gateways.end())
    return gateway_status(state, key, found->second, own);
  if (const auto found = state.sets.find(key); found != state.sets.end()) return set_status(state, key, found->second);
  if (const auto found = state.routes.find(key); found != state.routes.end())
    return found->second.parents.empty() ? std::nullopt : std::optional(route_status(state, key, found->second));
  ObjectStatus out;
  if (const auto* policy = std::get_if<model::BackendTlsPolicy>(object.get())) {
    for (const auto& gateway : ancestors_of(state, key.ns, policy->targets))
      out.parents.push_back(
          {ancestor_ref(gateway), unless_refused(state, key, policy->metadata.generation,
                                                 tls_policy_conditions(state, cluster, key, *policy))});
  } else if (const auto* backend = std::get_if<model::BackendPolicy>(object.get())) {
    for (const auto& gateway : ancestors_of(state, key.ns, backend->targets))
      out.parents.push_back({ancestor_ref(gateway), accepted_or_not(state.policies.is_superseded(key),
                                                                    has_target(cluster, key.ns, backend->targets),
                                                                    backend->metadata.generation)});
  } else if (const auto* client = std::get_if<model::ClientPolicy>(object.get())) {
    out = client_policy_status(state, key, *client);
  } else if (const auto* request = std::get_if<model::RequestPolicy>(object.get())) {
    out = request_policy_status(state, cluster, key, *request);
  } else if (key.kind == Kind::kRequestAuthentication || key.kind == Kind::kAuthorizationPolicy) {
    out = istio_status(state, cluster, key, object);
  }
  return out.parents.empty() ? std::nullopt : std::optional(std::move(out));
}

}  // namespace fairlead::config
