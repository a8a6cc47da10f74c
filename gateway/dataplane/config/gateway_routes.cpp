// SPDX-License-Identifier: Apache-2.0
// Which listeners take a route, and for which hosts.
#include <algorithm>

#include "gateway/dataplane/config/gateway_impl.hpp"

namespace fairlead::config {

bool allows(const model::Cluster& cluster, const model::AllowedNamespaces& allowed, const std::string& own,
            const std::string& ns) {
  switch (allowed.from) {
    case model::AllowedNamespaces::From::kAll: return true;
    case model::AllowedNamespaces::From::kSame: return own == ns;
    case model::AllowedNamespaces::From::kNone: return false;
    case model::AllowedNamespaces::From::kSelector: break;
  }
  const auto found = get_object<model::Namespace>(cluster, Kind::kNamespace, "", ns);
  if (!allowed.selector) return false;
  // Every namespace has this label, also one that no document describes.
  auto labels = found ? found->metadata.labels : model::Labels{};
  if (model::find_label(labels, "kubernetes.io/metadata.name") == nullptr) {
    labels.emplace_back("kubernetes.io/metadata.name", ns);
    std::ranges::sort(labels);
  }
  return allowed.selector->matches(labels);
}

void GatewayState::Impl::detach(RouteState& state, std::set<ListenerKey>* touched) {
  const RouteOrder order{state.base == nullptr ? 0 : state.base->metadata.created,
                         state.compiled ? state.compiled->key : ObjectKey{}};
  for (const auto& key : state.listeners) {
    if (const auto found = listeners.find(key); found != listeners.end()) found->second.routes.erase(order);
    if (touched != nullptr) touched->insert(key);
  }
  state.listeners.clear();
  state.parents.clear();
}

void GatewayState::Impl::attach_to(const model::Cluster& cluster, const ObjectKey& key, RouteState& state,
                                   const std::shared_ptr<const model::ParentReference>& ref, const ObjectKey& parent) {
  auto reached = Attachment::kNoMatchingParent;
  const auto advance = [&](Attachment to) {
    if (reached != Attachment::kAccepted) reached = to;
  };
  const auto* hostnames = route_hostnames(*state.compiled->object);
  for (auto it = listeners.lower_bound({parent, ""}); it != listeners.end() && it->first.owner == parent; ++it) {
    auto& listener = it->second;
    if (!ref->section.empty() && ref->section != listener.key.name) continue;
    if (ref->port != 0 && ref->port != listener.spec->port) continue;
    if (reached == Attachment::kNoMatchingParent) reached = Attachment::kNotAllowedByListeners;
    if (std::ranges::find(listener.kinds, ref_of(key.kind)) == listener.kinds.end()) continue;
    if (!allows(cluster, listener.spec->namespaces, parent.ns, key.ns)) continue;
    auto common = hostnames == nullptr ? std::optional(std::vector<std::string>{})
                                       : intersect_hostnames(listener.spec->hostname, *hostnames);
    if (!common) {
      advance(Attachment::kNoMatchingListenerHostname);
      continue;
    }
    const RouteOrder order{state.base->metadata.created, key};
    const auto overlaps = [&](const std::vector<std::string>& others) {
      const std::vector<std::string> any{""};
      for (const auto& a : common->empty() ? any : *common)
        for (const auto& b : others.empty() ? any : others)
          if (hostname_covers(a, b) || hostname_covers(b, a)) return true;
      return false;
    };
    // While both kinds are about, routes come oldest first, so whoever stands here has precedence.
    const bool contested = grpc_routes > 0 && (key.kind == Kind::kHttpRoute || key.kind == Kind::kGrpcRoute);
    if (contested && std::ranges::any_of(by_kind[listener.key][key.kind == Kind::kGrpcRoute ? 0 : 1], overlaps)) {
      advance(Attachment::kOtherRouteKind);
      continue;
    }
    reached = Attachment::kAccepted;
    listener.routes.insert_or_assign(order, state.compiled);
    if (contested) by_kind[listener.key][key.kind == Kind::kGrpcRoute ? 1 : 0].push_back(std::move(*common));
    state.listeners.push_back(listener.key);
  }
  state.parents.push_back({ref, reached});
}

void GatewayState::Impl::attach(const model::Cluster& cluster, const ObjectKey& key, RouteState& state) {
  for (const auto& ref : state.base->parents) {
    const std::shared_ptr<const model::ParentReference> shared(state.compiled->object, &ref);
    const auto& ns = ref.ns.empty() ? key.ns : ref.ns;
    if (ref.kind.kind == RefKind::kGateway && gateways.contains({Kind::kGateway, ns, ref.name}))
      attach_to(cluster, key, state, shared, {Kind::kGateway, ns, ref.name});
    if (ref.kind.kind == RefKind::kListenerSet && sets.contains({Kind::kListenerSet, ns, ref.name}))
      attach_to(cluster, key, state, shared, {Kind::kListenerSet, ns, ref.name});
  }
  if (!state.base->use_default_gateways) return;
  for (const auto& [gateway, entry] : gateways) {
    const auto named = std::ranges::any_of(state.base->parents, [&](const auto& ref) {
      return ref.kind.kind == RefKind::kGateway && ref.name == gateway.name &&
             (ref.ns.empty() ? key.ns : ref.ns) == gateway.ns;
    });
    if (!entry.gateway->default_scope || named) continue;
    auto ref = std::make_shared<model::ParentReference>();
    ref->ns = gateway.ns;
    ref->name = gateway.name;
    attach_to(cluster, key, state, ref, gateway);
    if (state.parents.back().attachment != Attachment::kAccepted) state.parents.pop_back();
  }
}

void GatewayState::Impl::attach_all(const model::Cluster& cluster) {
  for (auto& [key, listener] : listeners) listener.routes.clear();
  by_kind.clear();
  std::vector<std::pair<const ObjectKey, RouteState>*> order;
  order.reserve(routes.size());
  for (auto& entry : routes) order.push_back(&entry);
  std::ranges::sort(order, [](const auto* a, const auto* b) {
    return RouteOrder{a->second.base->metadata.created, a->first} <
           RouteOrder{b->second.base->metadata.created, b->first};
  });
  for (auto* entry : order) {
    entry->second.listeners.clear();
    entry->second.parents.clear();
    attach(cluster, entry->first, entry->second);
  }
  by_kind.clear();
}

// ---- Host names -----------------------------------------------------------------------------------------------------

bool hostname_covers(std::string_view pattern, std::string_view name) {
  if (pattern.empty() || pattern == name) return true;
  if (!pattern.starts_with("*.")) return false;
  const auto suffix = pattern.substr(1);  // ".example"
  return name.size() > suffix.size() && name.ends_with(suffix);
}

std::optional<std::vector<std::string>> intersect_hostnames(std::string_view listener,
                                                            const std::vector<std::string>& route) {
  if (route.empty()) return listener.empty() ? std::vector<std::string>{} : std::vector{std::string(listener)};
  std::vector<std::string> out;
  for (const auto& name : route) {
    if (hostname_covers(listener, name)) out.push_back(name);
    else if (hostname_covers(name, listener)) out.emplace_back(listener);
  }
  std::ranges::sort(out);
  const auto twice = std::ranges::unique(out);
  out.erase(twice.begin(), twice.end());
  return out.empty() ? std::nullopt : std::optional(std::move(out));
}

std::vector<std::string> hostnames_of(const CompiledListener& listener, const CompiledRoute& route) {
  const auto* own = route_hostnames(*route.object);
  if (own == nullptr) return {};
  return intersect_hostnames(listener.spec->hostname, *own).value_or(std::vector<std::string>{});
}

bool RouteOrder::operator<(const RouteOrder& other) const {
  return std::tie(created, key.ns, key.name, key.kind) <
         std::tie(other.created, other.key.ns, other.key.name, other.key.kind);
}

}  // namespace fairlead::config
