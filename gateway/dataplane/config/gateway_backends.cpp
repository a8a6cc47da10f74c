// SPDX-License-Identifier: Apache-2.0
// What the backends of routes lead to.
#include <algorithm>
#include <set>

#include "fairlead/model/request_canary.hpp"
#include "gateway/dataplane/config/gateway_impl.hpp"

namespace fairlead::config {
namespace {

void each_filter_target(const model::HttpFilters& filters, auto&& call, bool& extension) {
  for (const auto& filter : filters) {
    if (const auto* mirror = std::get_if<model::RequestMirror>(&filter)) call(mirror->backend);
    if (const auto* auth = std::get_if<model::ExternalAuth>(&filter)) call(auth->backend);
    if (std::holds_alternative<model::ExtensionRef>(filter)) extension = true;
  }
}

/// Calls for each target, in the order of CompiledRoute::targets.
void each_target(const model::Object& object, auto&& call, bool& extension) {
  const auto http = [&](const auto& rules) {
    for (const auto& rule : rules) {
      for (const auto& backend : rule.backends) {
        call(backend);
        each_filter_target(backend.filters, call, extension);
      }
      each_filter_target(rule.filters, call, extension);
    }
  };
  const auto stream = [&](const auto& rules) {
    for (const auto& rule : rules)
      for (const auto& backend : rule.backends) call(backend);
  };
  if (const auto* route = std::get_if<model::HttpRoute>(&object)) http(route->rules);
  if (const auto* route = std::get_if<model::GrpcRoute>(&object)) http(route->rules);
  if (const auto* route = std::get_if<model::TlsRoute>(&object)) stream(route->rules);
  if (const auto* route = std::get_if<model::TcpRoute>(&object)) stream(route->rules);
  if (const auto* route = std::get_if<model::UdpRoute>(&object)) stream(route->rules);
}

/// Of all policies, each once.
std::set<const model::BackendTarget*> canary_targets(const CompiledRoute& route) {
  std::set<const model::BackendTarget*> out;
  if (route.requests == nullptr) return out;
  for (const auto& [section, policies] : *route.requests)
    for (const auto& object : policies)
      if (const auto* policy = std::get_if<model::RequestPolicy>(object.get());
          policy != nullptr && policy->settings->canary != nullptr)
        out.insert(&policy->settings->canary->backend);
  return out;
}

/// "ns/name" of Services that the route names, found or not.
std::set<std::string> services_of(const CompiledRoute& route) {
  std::set<std::string> out;
  for (const auto& [target, cluster, fault] : route.targets)
    if (target->ref.kind.kind == RefKind::kService)
      out.insert((target->ref.ns.empty() ? route.key.ns : target->ref.ns) + "/" + target->ref.name);
  return out;
}

const model::ServicePort* find_port(const model::Service& service, std::uint16_t port, bool udp) {
  const model::ServicePort* other = nullptr;
  for (const auto& one : service.ports) {
    if (one.port != port) continue;
    if ((one.protocol == model::Protocol::kUdp) == udp) return &one;
    other = &one;
  }
  return other;
}

/// In GatewayState::clusters(): TCP and UDP may have the same port number.
std::string cluster_key(const BackendCluster& cluster) {
  return cluster.name() + (cluster.protocol == model::Protocol::kUdp ? "/udp" : "");
}

void add_endpoints(const model::EndpointSlice& slice, BackendCluster& out) {
  const auto weight = model::weight_of(slice).value_or(1);
  for (const auto& port : slice.ports) {
    if (port.name != out.port_name || port.protocol != out.protocol || port.port == 0) continue;
    for (const auto& name : slice.names) out.names.push_back({name, port.port, weight});
    for (const auto& endpoint : slice.endpoints) {
      const bool ready = endpoint.ready && !endpoint.terminating;
      if (!ready && !(endpoint.terminating && endpoint.serving)) continue;
      for (const auto& address : endpoint.addresses)
        out.endpoints.push_back(
            {address, port.port, endpoint.zone, ready, endpoint.terminating, weight, endpoint.target});
    }
  }
}

/// A pod counts once: by its address of the Service's first family, as most clients in the cluster reach it, where it
/// has one of each.
void take_one_family(const model::Service& service, BackendCluster& out) {
  const bool v4_first = service.cluster_ips.empty() || service.cluster_ips.front().is_v4();
  const auto is_second = [&](const BackendEndpoint& endpoint) { return endpoint.address.is_v4() != v4_first; };
  if (std::ranges::none_of(out.endpoints, is_second)) return;
  std::set<std::uint32_t> known;
  for (const auto& endpoint : out.endpoints)
    if (endpoint.target != 0 && !is_second(endpoint)) known.insert(endpoint.target);
  std::erase_if(out.endpoints,
                [&](const auto& endpoint) { return is_second(endpoint) && known.contains(endpoint.target); });
}

/// Where nothing is ready, what is on its way out and still serves is better than nobody: as kube-proxy has it.
void take_last_endpoints(BackendCluster& out) {
  if (!out.names.empty() || std::ranges::any_of(out.endpoints, &BackendEndpoint::ready)) return;
  for (auto& endpoint : out.endpoints) {
    endpoint.ready = true;
    endpoint.terminating = false;
  }
}

}  // namespace

const model::RouteBase* route_base(const model::Object& object) {
  if (const auto* route = std::get_if<model::HttpRoute>(&object)) return route;
  if (const auto* route = std::get_if<model::GrpcRoute>(&object)) return route;
  if (const auto* route = std::get_if<model::TlsRoute>(&object)) return route;
  if (const auto* route = std::get_if<model::TcpRoute>(&object)) return route;
  return std::get_if<model::UdpRoute>(&object);
}

const std::vector<std::string>* route_hostnames(const model::Object& object) {
  if (const auto* route = std::get_if<model::HttpRoute>(&object)) return &route->hostnames;
  if (const auto* route = std::get_if<model::GrpcRoute>(&object)) return &route->hostnames;
  if (const auto* route = std::get_if<model::TlsRoute>(&object)) return &route->hostnames;
  return nullptr;
}

const CompiledTarget* CompiledRoute::find(const model::BackendTarget& target) const {
  const auto found = std::ranges::find(targets, &target, &CompiledTarget::target);
  return found == targets.end() ? nullptr : &*found;
}

std::optional<BackendTls> GatewayState::Impl::make_tls(const model::Cluster& cluster,
                                                       const BackendCluster& backend) const {
  const auto object = policies.tls(backend.ns + "/" + backend.service, backend.port_name);
  if (!object) return std::nullopt;
  const auto& policy = std::get<model::BackendTlsPolicy>(*object);
  BackendTls out{.policy = {Kind::kBackendTlsPolicy, policy.metadata.ns, policy.metadata.name},
                 .hostname = policy.hostname,
                 .alt_names = policy.alt_names,
                 .system_ca = policy.system_ca,
                 .ca_pem = {}};
  for (const auto& ref : policy.ca_certificates)
    if (auto pem = find_ca(cluster, ref, policy.metadata.ns)) out.ca_pem.push_back(std::move(*pem));
  const auto* skips = model::find_label(policy.options, "fairlead.io/insecure-skip-verify");
  out.verifies = skips == nullptr || *skips != "true";
  // Nothing has such a name (RFC 6761): where none is verified it stands for none, and is not sent as SNI.
  if (!out.verifies && out.hostname.ends_with(".invalid")) out.hostname.clear();
  out.broken = !out.system_ca && out.ca_pem.empty();
  if (const auto* name = model::find_label(policy.options, model::kClientCertificateOption)) {
    out.client_secret = *name;
    out.client = get_object<model::Secret>(cluster, Kind::kSecret, policy.metadata.ns, *name);
  }
  return out;
}

BackendClusterPtr GatewayState::Impl::make_cluster(const model::Cluster& cluster, const model::Service& service,
                                                   const model::ServicePort* port, std::uint16_t number,
                                                   bool udp) const {
  auto out = std::make_shared<BackendCluster>();
  out->protocol = udp ? model::Protocol::kUdp : model::Protocol::kTcp;
  out->ns = service.metadata.ns;
  out->service = service.metadata.name;
  out->port = number;
  if (port != nullptr) {
    out->port_name = port->name;
    out->app_protocol = port->app_protocol;
  }
  if (service.external_name) {
    out->names.push_back({service.external_host, number, 1});
  } else {
    for (const auto& slice : cluster.slices(out->ns, out->service)) add_endpoints(*slice, *out);
    take_one_family(service, *out);
    take_last_endpoints(*out);
  }
  out->tls = make_tls(cluster, *out);
  if (const auto policy = policies.backend(out->ns + "/" + out->service, out->port_name))
    out->settings = std::get<model::BackendPolicy>(*policy).settings;
  out->requests = policies.requests("Service " + out->ns + "/" + out->service, out->port_name);
  const auto more = istio_policies(cluster, out->ns, out->service);
  out->requests.insert(out->requests.end(), more.begin(), more.end());
  return out;
}

CompiledTarget GatewayState::Impl::compile_target(const model::Cluster& cluster, const ObjectKey& route,
                                                  const model::BackendTarget& target, RouteState& state,
                                                  std::vector<BackendClusterPtr>& fresh) {
  CompiledTarget out{.target = &target, .cluster = nullptr};
  const auto& ns = target.ref.ns.empty() ? route.ns : target.ref.ns;
  if (target.ref.kind.kind != RefKind::kService) {
    out.fault = RefFault::kInvalidKind;
    return out;
  }
  if (ns != route.ns) {
    state.abroad = true;
    if (!is_granted(cluster, ref_of(route.kind), route.ns, RefKind::kService, ns, target.ref.name)) {
      out.fault = RefFault::kRefNotPermitted;
      return out;
    }
  }
  const bool udp = route.kind == Kind::kUdpRoute;
  auto name = ns + "/" + target.ref.name + ":" + std::to_string(target.port) + (udp ? "/udp" : "");
  const auto use = [&] { ++cluster_uses[name]; };
  if (const auto known = clusters.find(name); known != clusters.end()) {
    out.cluster = known->second;
    use();
    return out;
  }
  const auto service = get_object<model::Service>(cluster, Kind::kService, ns, target.ref.name);
  const auto* port = service ? find_port(*service, target.port, udp) : nullptr;
  if (!service || (port == nullptr && !service->external_name)) {
    out.fault = RefFault::kBackendNotFound;
  } else if (port != nullptr && (port->protocol == model::Protocol::kUdp) != udp) {
    out.fault = RefFault::kUnsupportedProtocol;
  } else {
    out.cluster = make_cluster(cluster, *service, port, target.port, udp);
    use();
    clusters.emplace(std::move(name), out.cluster);
    fresh.push_back(out.cluster);
  }
  return out;
}

void GatewayState::Impl::compile_route(const model::Cluster& cluster, const ObjectKey& key, const ObjectPtr& object,
                                       std::vector<BackendClusterPtr>& fresh) {
  auto& state = routes[key];
  auto compiled = std::make_unique<CompiledRoute>();
  compiled->key = key;
  compiled->object = object;
  state.base = route_base(*object);
  state.fault = RefFault::kNone;
  each_target(
      *object,
      [&](const model::BackendTarget& target) {
        auto& done = compiled->targets.emplace_back(compile_target(cluster, key, target, state, fresh));
        if (done.fault == RefFault::kNone || state.fault != RefFault::kNone) return;
        state.fault = done.fault;
        state.fault_message = std::string(model::ref_kind_name(target.ref.kind)) + " " +
                              (target.ref.ns.empty() ? key.ns : target.ref.ns) + "/" + target.ref.name +
                              (target.port == 0 ? "" : " port " + std::to_string(target.port));
      },
      compiled->extension);
  if (compiled->extension && state.fault == RefFault::kNone) {
    state.fault = RefFault::kInvalidKind;
    state.fault_message = "no filter of an ExtensionRef";
  }
  const auto target = std::string(model::kind_name(key.kind)) + " " + key.ns + "/" + key.name;
  std::map<std::string, RequestPolicies> requests;
  for (const auto& section : policies.request_sections(target)) requests[section] = policies.requests(target, section);
  if (!requests.empty()) compiled->requests = std::make_unique<const decltype(requests)>(std::move(requests));
  for (const auto* canary : canary_targets(*compiled))
    compiled->targets.push_back(compile_target(cluster, key, *canary, state, fresh));
  compiled->targets.shrink_to_fit();
  for (const auto& service : services_of(*compiled)) users[service].insert(key);
  state.compiled = CompiledRoutePtr(compiled.release());
  if (key.kind == Kind::kGrpcRoute) ++grpc_routes;
}

/// Of all ports of a service; they are made again where a route or a policy needs them.
void GatewayState::Impl::drop_clusters(const std::string& service) {
  for (auto* all : {&clusters, &policy_clusters}) {
    auto first = all->lower_bound(service + ":");
    auto last = first;
    while (last != all->end() && last->first.starts_with(service) && last->first[service.size()] == ':') ++last;
    all->erase(first, last);
  }
}

BackendClusterPtr GatewayState::backend(const model::Cluster& cluster, const std::string& ns,
                                        const model::BackendTarget& target) {
  const bool own = target.ref.ns.empty() || target.ref.ns == ns;
  if (target.ref.kind.kind != RefKind::kService || !own) return nullptr;
  const auto name = ns + "/" + target.ref.name + ":" + std::to_string(target.port);
  if (const auto known = impl_->clusters.find(name); known != impl_->clusters.end()) return known->second;
  auto& entry = impl_->policy_clusters[name];
  if (entry != nullptr) return entry;
  const auto service = get_object<model::Service>(cluster, Kind::kService, ns, target.ref.name);
  const auto* port = service ? find_port(*service, target.port, false) : nullptr;
  const bool good = service && (port != nullptr ? port->protocol != model::Protocol::kUdp : service->external_name);
  if (good) entry = impl_->make_cluster(cluster, *service, port, target.port, false);
  return entry;
}

BackendClusterPtr GatewayState::redis_backend(const model::Cluster& cluster, const std::string& ns,
                                              const model::BackendTarget& target) {
  if (target.ref.ns.empty() || target.ref.ns == ns) return backend(cluster, ns, target);
  const auto from = model::ref_kind("fairlead.io", "RequestPolicy");
  if (!is_granted(cluster, from, ns, RefKind::kService, target.ref.ns, target.ref.name)) return nullptr;
  return backend(cluster, target.ref.ns, target);
}

void GatewayState::Impl::forget_route(const ObjectKey& key) {
  const auto found = routes.find(key);
  if (found == routes.end()) return;
  for (const auto& service : services_of(*found->second.compiled)) {
    const auto of = users.find(service);
    if (of == users.end()) continue;
    of->second.erase(key);
    if (of->second.empty()) users.erase(of);
  }
  for (const auto& target : found->second.compiled->targets) {
    if (!target.cluster) continue;
    const auto name = cluster_key(*target.cluster);
    const auto uses = cluster_uses.find(name);
    if (--uses->second > 0) continue;
    cluster_uses.erase(uses);
    clusters.erase(name);
  }
  if (key.kind == Kind::kGrpcRoute) --grpc_routes;
  routes.erase(found);
}

}  // namespace fairlead::config
