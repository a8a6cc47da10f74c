// SPDX-License-Identifier: Apache-2.0
// Which listeners there are, which of them conflict, and what their references lead to.
#include <algorithm>

#include "gateway/dataplane/config/gateway_impl.hpp"

namespace fairlead::config {
namespace {

using model::ListenerProtocol;

/// What cannot share a port: clear text, TLS (told apart by server name), bare TCP, UDP.
enum class PortUse : std::uint8_t { kPlain, kTls, kTcp, kUdp, kNone };

PortUse use_of(ListenerProtocol protocol) {
  switch (protocol) {
    case ListenerProtocol::kHttp: return PortUse::kPlain;
    case ListenerProtocol::kHttps:
    case ListenerProtocol::kTls: return PortUse::kTls;
    case ListenerProtocol::kTcp: return PortUse::kTcp;
    case ListenerProtocol::kUdp: return PortUse::kUdp;
    case ListenerProtocol::kOther: break;
  }
  return PortUse::kNone;
}

ListenerFault conflict_of(const CompiledListener& a, const CompiledListener& b) {
  const auto left = use_of(a.spec->protocol);
  const auto right = use_of(b.spec->protocol);
  const bool apart = a.spec->port != b.spec->port || left == PortUse::kNone || right == PortUse::kNone ||
                     (left == PortUse::kUdp) != (right == PortUse::kUdp);
  if (apart) return ListenerFault::kNone;
  if (left != right) return ListenerFault::kProtocolConflict;
  if (left == PortUse::kTcp || left == PortUse::kUdp) return ListenerFault::kListenerConflict;
  return a.spec->hostname == b.spec->hostname ? ListenerFault::kHostnameConflict : ListenerFault::kNone;
}

/// Whether two listeners of one port number want the same socket.
bool share_port(const CompiledListener& a, const CompiledListener& b) {
  if ((use_of(a.spec->protocol) == PortUse::kUdp) != (use_of(b.spec->protocol) == PortUse::kUdp)) return false;
  if (a.addresses.empty() || b.addresses.empty()) return true;
  return std::ranges::any_of(a.addresses,
                             [&](const auto& one) { return std::ranges::find(b.addresses, one) != b.addresses.end(); });
}

/// OverlappingTLSConfig among the HTTPS listeners of a port that are taken.
void mark_overlaps(const std::vector<CompiledListener*>& of_port) {
  const auto counts = [](const CompiledListener* listener) {
    return listener->fault == ListenerFault::kNone && listener->spec->protocol == ListenerProtocol::kHttps;
  };
  for (auto* a : of_port)
    for (auto* b : of_port) {
      if (a == b || a->gateway != b->gateway || !counts(a) || !counts(b)) continue;
      if (hostname_covers(a->spec->hostname, b->spec->hostname) ||
          hostname_covers(b->spec->hostname, a->spec->hostname))
        a->overlapping = true;
    }
}

std::vector<RefKind> kinds_of(ListenerProtocol protocol) {
  switch (protocol) {
    case ListenerProtocol::kHttp:
    case ListenerProtocol::kHttps: return {RefKind::kHttpRoute, RefKind::kGrpcRoute};
    case ListenerProtocol::kTls: return {RefKind::kTlsRoute};
    case ListenerProtocol::kTcp: return {RefKind::kTcpRoute};
    case ListenerProtocol::kUdp: return {RefKind::kUdpRoute};
    case ListenerProtocol::kOther: break;
  }
  return {};
}

void note(CompiledListener& listener, ListenerRefFault fault, std::string message) {
  if (listener.ref_fault != ListenerRefFault::kNone) return;
  listener.ref_fault = fault;
  listener.message = std::move(message);
}

void choose_kinds(CompiledListener& listener) {
  const auto can = kinds_of(listener.spec->protocol);
  if (listener.spec->kinds.empty()) {
    listener.kinds = can;
    return;
  }
  for (const auto& wanted : listener.spec->kinds) {
    if (std::ranges::find(can, wanted.kind) != can.end()) {
      listener.kinds.push_back(wanted.kind);
    } else {
      note(listener, ListenerRefFault::kInvalidRouteKinds,
           std::string(model::ref_kind_name(wanted)) + " is no kind of route that this listener can carry");
    }
  }
}

std::string name_of(const model::ObjectReference& ref, const std::string& ns) {
  return std::string(model::ref_kind_name(ref.kind)) + " " + ns + "/" + ref.name;
}

void resolve_certificates(const model::Cluster& cluster, RefKind from, CompiledListener& listener) {
  const bool terminates = listener.spec->protocol == ListenerProtocol::kHttps ||
                          (listener.spec->protocol == ListenerProtocol::kTls && listener.spec->tls &&
                           listener.spec->tls->mode == model::TlsMode::kTerminate);
  if (!terminates) return;
  if (!listener.spec->tls || listener.spec->tls->certificates.empty())
    return note(listener, ListenerRefFault::kInvalidCertificateRef, "no certificate is given");
  for (const auto& ref : listener.spec->tls->certificates) {
    const auto& ns = ref.ns.empty() ? listener.key.owner.ns : ref.ns;
    if (ns != listener.key.owner.ns && !is_granted(cluster, from, listener.key.owner.ns, ref.kind.kind, ns, ref.name)) {
      note(listener, ListenerRefFault::kRefNotPermitted, name_of(ref, ns) + " is not granted by a ReferenceGrant");
    } else if (auto secret = find_certificate(cluster, ref, ns)) {
      listener.certificates.push_back(std::move(secret));
    } else {
      note(listener, ListenerRefFault::kInvalidCertificateRef,
           name_of(ref, ns) + " is no Secret with tls.crt and tls.key in PEM");
    }
  }
}

const model::FrontendValidation* validation_of(const model::Gateway& gateway, std::uint16_t port) {
  if (!gateway.tls || !gateway.tls->frontend) return nullptr;
  for (const auto& [of_port, validation] : gateway.tls->frontend->per_port)
    if (of_port == port) return validation ? &*validation : nullptr;
  const auto& by_default = gateway.tls->frontend->by_default;
  return by_default ? &*by_default : nullptr;
}

void resolve_client_ca(const model::Cluster& cluster, const model::Gateway& gateway, CompiledListener& listener) {
  if (listener.spec->protocol != ListenerProtocol::kHttps) return;
  const auto* validation = validation_of(gateway, listener.spec->port);
  if (validation == nullptr) return;
  auto& out = listener.client_validation.emplace();
  out.insecure = validation->mode == model::FrontendValidation::Mode::kAllowInsecureFallback;
  for (const auto& ref : validation->ca_certificates) {
    const auto& own = gateway.metadata.ns;
    const auto& ns = ref.ns.empty() ? own : ref.ns;
    if (ref.kind.kind != RefKind::kConfigMap && ref.kind.kind != RefKind::kSecret) {
      note(listener, ListenerRefFault::kInvalidCaCertificateKind, name_of(ref, ns) + " is no ConfigMap or Secret");
    } else if (ns != own && !is_granted(cluster, RefKind::kGateway, own, ref.kind.kind, ns, ref.name)) {
      note(listener, ListenerRefFault::kRefNotPermitted, name_of(ref, ns) + " is not granted by a ReferenceGrant");
    } else if (auto pem = find_ca(cluster, ref, ns)) {
      out.ca_pem.push_back(std::move(*pem));
    } else {
      note(listener, ListenerRefFault::kInvalidCaCertificateRef, name_of(ref, ns) + " " + pem.error().message);
    }
  }
  if (out.ca_pem.empty()) listener.fault = ListenerFault::kNoValidCaCertificate;
}

/// The authorities of a ClientPolicy, where the Gateway itself asks for no client certificates.
void resolve_policy_ca(const model::Cluster& cluster, const ObjectPtr& object, CompiledListener& listener) {
  const auto& policy = std::get<model::ClientPolicy>(*object);
  const auto& tls = policy.settings->tls;
  if (tls.client_certificate == model::ClientTls::ClientCertificate::kNone || listener.client_validation ||
      listener.spec->protocol != ListenerProtocol::kHttps)
    return;
  auto& out = listener.client_validation.emplace();
  for (const auto& ref : tls.ca_certificates) {
    if (auto pem = find_ca(cluster, ref, policy.metadata.ns)) {
      out.ca_pem.push_back(std::move(*pem));
    } else {
      note(listener, ListenerRefFault::kInvalidCaCertificateRef,
           name_of(ref, policy.metadata.ns) + " " + pem.error().message);
    }
  }
  if (out.ca_pem.empty()) listener.fault = ListenerFault::kNoValidCaCertificate;
}

GatewayEntry entry_of(const model::Cluster& cluster, const ObjectPtr& object) {
  GatewayEntry out{.object = object, .gateway = &std::get<model::Gateway>(*object), .backend_message = {}};
  for (const auto& address : out.gateway->addresses)
    if (address.type != model::GatewayAddress::Type::kIpAddress) out.unsupported_address = true;
  out.bad_parameters = out.gateway->infrastructure && out.gateway->infrastructure->parameters;
  if (!out.gateway->tls || !out.gateway->tls->client_certificate) return out;
  const auto& ref = *out.gateway->tls->client_certificate;
  const auto& own = out.gateway->metadata.ns;
  const auto& ns = ref.ns.empty() ? own : ref.ns;
  if (ns != own && !is_granted(cluster, RefKind::kGateway, own, ref.kind.kind, ns, ref.name)) {
    out.backend_fault = ListenerRefFault::kRefNotPermitted;
    out.backend_message = name_of(ref, ns) + " is not granted by a ReferenceGrant";
  } else if (!find_certificate(cluster, ref, ns)) {
    out.backend_fault = ListenerRefFault::kInvalidCertificateRef;
    out.backend_message = name_of(ref, ns) + " is no Secret with tls.crt and tls.key in PEM";
  }
  return out;
}

bool is_terminating(const CompiledListener& listener) {
  return listener.spec->protocol == ListenerProtocol::kHttps ||
         (listener.spec->protocol == ListenerProtocol::kTls && listener.spec->tls &&
          listener.spec->tls->mode == model::TlsMode::kTerminate);
}

/// The kinds of object, sorted by age and then by name.
template <class Map>
auto by_age(Map& map) {
  std::vector<typename Map::value_type*> out;
  for (auto& entry : map) out.push_back(&entry);
  const auto created = [](const auto* entry) {
    return std::visit([](const auto& one) { return one.metadata.created; }, *entry->second.object);
  };
  std::ranges::sort(out, [&](const auto* a, const auto* b) {
    return std::tuple(created(a), a->first) < std::tuple(created(b), b->first);
  });
  return out;
}

}  // namespace

void GatewayState::Impl::add_listener(const model::Cluster& cluster, const GatewayEntry& gateway,
                                      const ObjectKey& gateway_key, const ObjectKey& owner, const ObjectPtr& object,
                                      const model::Listener& spec) {
  auto& out = listeners[{owner, spec.name}];
  out.key = {owner, spec.name};
  out.gateway = gateway_key;
  out.object = object;
  out.spec = &spec;
  for (const auto& address : gateway.gateway->addresses)
    if (const auto parsed = Address::parse(address.value)) out.addresses.push_back(*parsed);
  if (spec.protocol == ListenerProtocol::kOther) out.fault = ListenerFault::kUnsupportedProtocol;
  choose_kinds(out);
  resolve_certificates(cluster, ref_of(owner.kind), out);
  resolve_client_ca(cluster, *gateway.gateway, out);
  if (gateway.gateway->tls && gateway.gateway->tls->client_certificate &&
      gateway.backend_fault == ListenerRefFault::kNone) {
    const auto& ref = *gateway.gateway->tls->client_certificate;
    out.backend_certificate = find_certificate(cluster, ref, ref.ns.empty() ? gateway_key.ns : ref.ns);
  }
  auto policy = policies.client(ref_of(owner.kind), owner.ns + "/" + owner.name, spec.name);
  if (!policy && owner.kind == Kind::kListenerSet)
    policy = policies.client(RefKind::kGateway, gateway_key.ns + "/" + gateway_key.name, "");
  if (policy) out.settings = std::get<model::ClientPolicy>(*policy).settings;
  if (policy) resolve_policy_ca(cluster, policy, out);
  const auto target = std::string(model::kind_name(owner.kind)) + " " + owner.ns + "/" + owner.name;
  out.requests = policies.requests(target, spec.name);
  const auto add = [&](const RequestPolicies& more) {
    out.requests.insert(out.requests.end(), more.begin(), more.end());
  };
  if (owner.kind == Kind::kListenerSet)
    add(policies.requests("Gateway " + gateway_key.ns + "/" + gateway_key.name, ""));
  add(istio_policies(cluster, gateway_key, *gateway.gateway));
}

/// Those of older Gateways first, of each Gateway its own, then those of its ListenerSets by age.
std::vector<CompiledListener*> GatewayState::Impl::listeners_by_precedence() {
  std::vector<CompiledListener*> out;
  const auto add = [&](const ObjectKey& owner) {
    for (auto it = listeners.lower_bound({owner, ""}); it != listeners.end() && it->first.owner == owner; ++it)
      out.push_back(&it->second);
  };
  const auto set_order = by_age(sets);
  for (const auto* gateway : by_age(gateways)) {
    if (!gateway->second.accepted()) continue;
    add(gateway->first);
    for (const auto* set : set_order)
      if (set->second.gateway == gateway->first && set->second.allowed) add(set->first);
  }
  return out;
}

/// Of one Gateway's own listeners that conflict none is taken; a ListenerSet's gives way to what comes before it, as
/// the listener of a younger Gateway does that wants a taken port.
void GatewayState::Impl::mark_conflicts() {
  std::map<std::uint16_t, std::vector<CompiledListener*>> taken;
  for (auto* one : listeners_by_precedence()) {
    if (one->fault != ListenerFault::kNone) continue;
    auto& before = taken[one->spec->port];
    for (auto* other : before) {
      if (other->gateway != one->gateway) {
        if (other->fault != ListenerFault::kNone || !share_port(*one, *other)) continue;
        one->fault = ListenerFault::kPortUnavailable;
        one->message = "the port is taken by " + other->gateway.text();
        break;
      }
      const auto conflict = conflict_of(*one, *other);
      if (conflict == ListenerFault::kNone) continue;
      const bool own = one->key.owner == other->key.owner && one->key.owner.kind == Kind::kGateway;
      if (!own && other->fault != ListenerFault::kNone) continue;
      one->fault = conflict;
      if (own) other->fault = conflict;
    }
    before.push_back(one);
  }
  for (auto& [port, all] : taken) mark_overlaps(all);
}

void GatewayState::Impl::rebuild_listeners(const model::Cluster& cluster) {
  listeners.clear();
  gateways.clear();
  sets.clear();
  for (const auto& [key, object] : cluster.objects(Kind::kGateway)) {
    const auto& gateway = std::get<model::Gateway>(*object);
    const auto of_class = get_object<model::GatewayClass>(cluster, Kind::kGatewayClass, "", gateway.class_name);
    if (!of_class || of_class->controller_name != controller || of_class->parameters) continue;
    const auto& entry = gateways.emplace(key, entry_of(cluster, object)).first->second;
    for (const auto& spec : gateway.listeners) add_listener(cluster, entry, key, key, object, spec);
  }
  for (const auto& [key, object] : cluster.objects(Kind::kListenerSet)) {
    const auto& set = std::get<model::ListenerSet>(*object);
    const ObjectKey parent{Kind::kGateway, set.parent.ns.empty() ? key.ns : set.parent.ns, set.parent.name};
    const auto found = gateways.find(parent);
    if (set.parent.kind.kind != RefKind::kGateway || found == gateways.end()) continue;
    auto& entry = sets.emplace(key, ListenerSetEntry{.object = object, .set = &set, .gateway = parent}).first->second;
    entry.parent_accepted = found->second.accepted();
    entry.allowed = allows(cluster, found->second.gateway->allowed_listeners, parent.ns, key.ns);
    if (!entry.allowed) continue;
    for (const auto& spec : set.listeners) add_listener(cluster, found->second, parent, key, object, spec);
  }
  mark_conflicts();
  for (auto& [key, listener] : listeners) {
    const bool usable = !is_terminating(listener) || !listener.certificates.empty();
    listener.serving = listener.fault == ListenerFault::kNone && usable && gateways.at(listener.gateway).accepted();
  }
  for (auto& [key, set] : sets) {
    if (!set.allowed || !set.parent_accepted) continue;
    const bool any = std::ranges::any_of(set.set->listeners,
                                         [&](const auto& spec) { return listeners.at({key, spec.name}).serving; });
    if (any) ++gateways.at(set.gateway).listener_sets;
  }
}

}  // namespace fairlead::config
