// SPDX-License-Identifier: Apache-2.0
#include "fairlead/config/gateway_state.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include "gateway/dataplane/config/gateway_impl.hpp"

namespace fairlead::config {
namespace {

/// What changes ask for.
struct Work {
  bool listeners = false;  ///< to be made anew
  bool attach = false;     ///< all routes to be attached anew
  bool policies = false;
  bool grants = false;
  bool consumers = false;          ///< policies for them
  bool targets = false;            ///< Services, which policies name, came or went
  std::set<std::string> services;  ///< "ns/name" whose clusters are made anew
  std::set<ObjectKey> routes;      ///< that came, changed or went
};

void touch_slice(const ObjectPtr& object, Work& work) {
  const auto* slice = object ? std::get_if<model::EndpointSlice>(object.get()) : nullptr;
  if (slice != nullptr) work.services.insert(slice->metadata.ns + "/" + slice->service);
}

template <class T>
void touch_targets(const ObjectPtr& object, Work& work) {
  const auto* policy = object ? std::get_if<T>(object.get()) : nullptr;
  if (policy == nullptr) return;
  for (const auto& target : policy->targets) work.services.insert(policy->metadata.ns + "/" + target.name);
}

void touch_requests(const ObjectPtr& object, Work& work) {
  const auto* policy = object ? std::get_if<model::RequestPolicy>(object.get()) : nullptr;
  if (policy == nullptr) return;
  const auto& ns = policy->metadata.ns;
  for (const auto& target : policy->targets) {
    switch (target.kind.kind) {
      case RefKind::kGateway:
      case RefKind::kListenerSet: work.listeners = true; break;
      case RefKind::kHttpRoute: work.routes.insert({Kind::kHttpRoute, ns, target.name}); break;
      case RefKind::kGrpcRoute: work.routes.insert({Kind::kGrpcRoute, ns, target.name}); break;
      case RefKind::kService: work.services.insert(ns + "/" + target.name); break;
      default: work.consumers = true;
    }
  }
}

/// Any RequestPolicy of the namespace may rest on this Secret, ConfigMap or Service.
void touch_requests_of(const model::Cluster& cluster, const std::string& ns, Work& work) {
  const auto& all = cluster.objects(Kind::kRequestPolicy);
  for (auto it = all.lower_bound({Kind::kRequestPolicy, ns, ""}); it != all.end() && it->first.ns == ns; ++it)
    touch_requests(it->second, work);
}

void touch_istio(const ObjectPtr& object, Work& work) {
  work.listeners = true;
  const auto* targets = object ? istio_targets(*object) : nullptr;
  if (targets == nullptr) return;
  for (const auto& target : *targets)
    if (target.kind.kind == RefKind::kService) work.services.insert(object_ns(*object) + "/" + target.name);
}

/// Any RequestAuthentication of the namespace may fetch its keys from this Service.
void touch_key_servers(const model::Cluster& cluster, const std::string& ns, Work& work) {
  for (const auto& [key, object] : cluster.objects(Kind::kRequestAuthentication))
    if (key.ns == ns) touch_istio(object, work);
}

/// The services whose TLS rests on this ConfigMap or Secret.
void touch_authorities(const model::Cluster& cluster, const ObjectKey& key, Work& work) {
  const auto& all = cluster.objects(Kind::kBackendTlsPolicy);
  for (auto it = all.lower_bound({Kind::kBackendTlsPolicy, key.ns, ""}); it != all.end() && it->first.ns == key.ns;
       ++it) {
    const auto& policy = std::get<model::BackendTlsPolicy>(*it->second);
    const auto* client = model::find_label(policy.options, model::kClientCertificateOption);
    if (std::ranges::find(policy.ca_certificates, key.name, &model::ObjectReference::name) !=
            policy.ca_certificates.end() ||
        (client != nullptr && *client == key.name))
      touch_targets<model::BackendTlsPolicy>(it->second, work);
  }
}

void sort_change(const model::Cluster& cluster, const model::Change& change, Work& work) {
  switch (change.key.kind) {
    case Kind::kGateway:
    case Kind::kListenerSet:
    case Kind::kGatewayClass:
    case Kind::kNamespace: work.listeners = work.attach = true; break;
    case Kind::kReferenceGrant: work.listeners = work.attach = work.grants = true; break;
    case Kind::kSecret:
    case Kind::kConfigMap:
      work.listeners = true;
      touch_authorities(cluster, change.key, work);
      touch_requests_of(cluster, change.key.ns, work);
      break;
    case Kind::kClientPolicy: work.listeners = work.policies = true; break;
    case Kind::kBackendTlsPolicy:
      work.policies = true;
      touch_targets<model::BackendTlsPolicy>(change.before, work);
      touch_targets<model::BackendTlsPolicy>(change.object, work);
      break;
    case Kind::kBackendPolicy:
      work.policies = true;
      touch_targets<model::BackendPolicy>(change.before, work);
      touch_targets<model::BackendPolicy>(change.object, work);
      break;
    case Kind::kRequestPolicy:
      work.policies = true;
      touch_requests(change.before, work);
      touch_requests(change.object, work);
      break;
    case Kind::kService:
      work.targets = true;
      work.services.insert(change.key.ns + "/" + change.key.name);
      touch_requests_of(cluster, change.key.ns, work);
      touch_key_servers(cluster, change.key.ns, work);
      break;
    case Kind::kAuthorizationPolicy:
    case Kind::kRequestAuthentication:
      touch_istio(change.before, work);
      touch_istio(change.object, work);
      break;
    case Kind::kEndpointSlice:
      touch_slice(change.before, work);
      touch_slice(change.object, work);
      break;
    default:
      if (is_route(change.key.kind)) work.routes.insert(change.key);
  }
}

using RouteConditions = std::map<ObjectKey, Transitions::All>;

/// Of the routes that a change may touch, as they stand before it. All are attached anew for GRPCRoutes, too.
RouteConditions conditions_before(const GatewayState::Impl& state, const Work& work) {
  RouteConditions out;
  const bool all = work.attach || state.grpc_routes > 0 ||
                   std::ranges::any_of(work.routes, [](const auto& key) { return key.kind == Kind::kGrpcRoute; });
  if (all) {
    for (const auto& [key, route] : state.routes) out.emplace(key, GatewayState::Impl::conditions_of(route));
    return out;
  }
  for (const auto& key : work.routes)
    if (const auto found = state.routes.find(key); found != state.routes.end())
      out.emplace(key, GatewayState::Impl::conditions_of(found->second));
  return out;
}

/// `only`: null: all routes.
void note_routes(GatewayState::Impl& state, const RouteConditions& before, const std::set<ObjectKey>* only,
                 std::int64_t now) {
  const auto note = [&](const ObjectKey& key, const RouteState& route) {
    const auto old = before.find(key);
    state.transitions.note(key, old == before.end() ? nullptr : &old->second, GatewayState::Impl::conditions_of(route),
                           now);
  };
  if (only == nullptr) {
    for (const auto& [key, route] : state.routes) note(key, route);
    for (const auto& [key, conditions] : before)
      if (!state.routes.contains(key)) state.transitions.forget(key);
    return;
  }
  for (const auto& key : *only) {
    const auto found = state.routes.find(key);
    if (found == state.routes.end()) state.transitions.forget(key);
    else note(key, found->second);
  }
}

}  // namespace

bool is_route(Kind kind) {
  return kind == Kind::kHttpRoute || kind == Kind::kGrpcRoute || kind == Kind::kTlsRoute || kind == Kind::kTcpRoute ||
         kind == Kind::kUdpRoute;
}

RefKind ref_of(Kind kind) {
  switch (kind) {
    case Kind::kService: return RefKind::kService;
    case Kind::kSecret: return RefKind::kSecret;
    case Kind::kConfigMap: return RefKind::kConfigMap;
    case Kind::kGateway: return RefKind::kGateway;
    case Kind::kListenerSet: return RefKind::kListenerSet;
    case Kind::kHttpRoute: return RefKind::kHttpRoute;
    case Kind::kGrpcRoute: return RefKind::kGrpcRoute;
    case Kind::kTlsRoute: return RefKind::kTlsRoute;
    case Kind::kTcpRoute: return RefKind::kTcpRoute;
    case Kind::kUdpRoute: return RefKind::kUdpRoute;
    case Kind::kBackendTlsPolicy: return RefKind::kBackendTlsPolicy;
    default: return RefKind::kOther;
  }
}

GatewayState::GatewayState(std::string controller) : impl_(std::make_unique<Impl>()) {
  impl_->controller = std::move(controller);
}
GatewayState::~GatewayState() = default;

GatewayChange GatewayState::update(const model::Cluster& cluster, const model::ChangeSet& changes) {
  auto& state = *impl_;
  GatewayChange out;
  Work work;
  for (const auto& change : changes) sort_change(cluster, change, work);
  if (work.policies) state.policies.rebuild(cluster);
  for (const auto& service : work.services) {
    state.drop_clusters(service);
    if (const auto users = state.users.find(service); users != state.users.end())
      work.routes.insert(users->second.begin(), users->second.end());
  }
  if (work.grants)
    for (const auto& [key, route] : state.routes)
      if (route.abroad) work.routes.insert(key);
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  const bool first = state.transitions.start() == 0;
  if (first) state.transitions.begin(now);
  const auto stood = first ? RouteConditions{} : conditions_before(state, work);
  const auto finish = [&] {
    if (!first) note_routes(state, stood, work.attach ? nullptr : &work.routes, now);
    if (work.listeners || work.policies || work.targets || first) state.note_others(*this, cluster, now);
  };
  out.consumers = work.consumers;
  const bool both_kinds = state.grpc_routes > 0;
  for (const auto& key : work.routes) {
    if (const auto known = state.routes.find(key); known != state.routes.end()) {
      state.detach(known->second, &out.routed);
      state.forget_route(key);
    }
    if (const auto object = cluster.find(key)) state.compile_route(cluster, key, object, out.clusters);
    out.routes.push_back(key);
  }
  if (work.listeners) {
    auto before = std::move(state.listeners);
    state.rebuild_listeners(cluster);
    for (auto& [key, listener] : state.listeners)
      if (const auto old = before.find(key); old != before.end() && !work.attach)
        listener.routes = std::move(old->second.routes);
    out.listeners = true;
  }
  if (work.attach || ((both_kinds || state.grpc_routes > 0) && !work.routes.empty())) {
    state.attach_all(cluster);
    for (const auto& [key, listener] : state.listeners) out.routed.insert(key);
    work.attach = true;
    finish();
    return out;
  }
  for (const auto& key : work.routes) {
    const auto route = state.routes.find(key);
    if (route == state.routes.end()) continue;
    state.attach(cluster, key, route->second);
    out.routed.insert(route->second.listeners.begin(), route->second.listeners.end());
  }
  finish();
  return out;
}

void GatewayState::set_refused(const Diagnostics& diagnostics) {
  const auto before = std::exchange(impl_->refused_since, {});
  impl_->refused.clear();
  for (const auto& remark : diagnostics) {
    if (remark.severity != Severity::kError || remark.object.empty()) continue;
    impl_->refused.try_emplace(remark.object, remark.text());
    const auto known = before.find(remark.object);
    impl_->refused_since.try_emplace(
        remark.object, known == before.end() ? static_cast<std::int64_t>(std::time(nullptr)) : known->second);
  }
}

void GatewayState::set_unusable(const model::Cluster& cluster, const Endpoints& unusable) {
  if (impl_->unusable == unusable) return;
  impl_->take(*this, cluster, [&](Impl& state) { state.unusable = unusable; });
}

void GatewayState::set_bad_certificates(const model::Cluster& cluster, const BadCertificates& bad) {
  if (impl_->bad_certificates == bad) return;
  impl_->take(*this, cluster, [&](Impl& state) { state.bad_certificates = bad; });
}

const std::map<ListenerKey, CompiledListener>& GatewayState::listeners() const { return impl_->listeners; }

CompiledRoutePtr GatewayState::route(const model::ObjectKey& key) const {
  const auto found = impl_->routes.find(key);
  return found == impl_->routes.end() ? nullptr : found->second.compiled;
}

const std::map<std::string, BackendClusterPtr, std::less<>>& GatewayState::clusters() const { return impl_->clusters; }

std::map<std::string, RequestPolicies> GatewayState::consumer_policies() const { return impl_->policies.consumers(); }

}  // namespace fairlead::config
