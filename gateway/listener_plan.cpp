// SPDX-License-Identifier: Apache-2.0
#include "gateway/listener_plan.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "fairlead/filter/make.hpp"
#include "fairlead/route/compile.hpp"
#include "gateway/client_settings.hpp"
#include "gateway/hostnames.hpp"

namespace fairlead::gateway {
namespace {

using config::CompiledListener;
using model::ListenerProtocol;

bool is_served(const CompiledListener& listener) {
  return listener.serving &&
         (listener.spec->protocol == ListenerProtocol::kHttp || listener.spec->protocol == ListenerProtocol::kHttps);
}

std::string name_of(const CompiledListener& listener) {
  return listener.key.owner.text() + ": listener \"" + listener.key.name + "\"";
}

/// What of the listener is not served.
Remarks::Texts remarks_of(const CompiledListener& listener) {
  Remarks::Texts texts;
  if (!listener.serving) {
    texts.push_back("stays closed: " + (listener.message.empty() ? "see the Gateway's status" : listener.message));
  }
  return texts;
}

Result<route::RoutePtr> compile(const config::CompiledRoute& route, const std::string& hostname,
                                std::shared_ptr<const void> data) {
  if (const auto* http = std::get_if<model::HttpRoute>(route.object.get()))
    return route::compile(*http, hostname, std::move(data));
  return route::compile(std::get<model::GrpcRoute>(*route.object), hostname, std::move(data));
}

bool is_http(const model::ObjectKey& key) {
  return key.kind == model::Kind::kHttpRoute || key.kind == model::Kind::kGrpcRoute;
}

/// Whether other routes than those that an update names may have come or gone: a GRPCRoute takes host names from
/// HTTPRoutes, and gives them back.
bool may_move_others(const model::Cluster& cluster, const config::GatewayChange& change) {
  if (change.listeners || change.routes.empty()) return true;
  if (!cluster.objects(model::Kind::kGrpcRoute).empty()) return true;
  return std::ranges::any_of(change.routes, [](const auto& key) { return key.kind == model::Kind::kGrpcRoute; });
}

/// The route without the hosts that belong to other listeners; null where none is left.
route::RoutePtr narrowed(route::RoutePtr made, const std::vector<std::string>& hostnames, const std::string& own) {
  const auto taken = [&](const std::string& host) { return is_anothers(hostnames, own, host); };
  if (std::ranges::none_of(made->hosts, taken)) return made;
  auto rest = std::make_shared<route::Route>(*made);
  std::erase_if(rest->hosts, taken);
  if (rest->hosts.empty()) return nullptr;
  return rest;
}

/// What the Gateway, or the ListenerSet, asks for by an annotation.
proxy::AnswerStyle style_of(const CompiledListener& listener, Remarks::Texts& texts) {
  const auto* said = std::visit(
      [](const auto& object) { return model::find_label(object.metadata.annotations, "fairlead.io/answers"); },
      *listener.object);
  if (said == nullptr) return proxy::AnswerStyle::kOwn;
  if (*said == "Kong") return proxy::AnswerStyle::kKong;
  texts.push_back("annotation fairlead.io/answers: found \"" + *said + "\", expected Kong: answers are fairlead's own");
  return proxy::AnswerStyle::kOwn;
}

std::int64_t created_of(const config::CompiledRoute& route) {
  return std::visit([](const auto& object) { return object.metadata.created; }, *route.object);
}

const model::Authentication* authentication_of(const config::RequestPolicies& policies) {
  for (const auto& object : policies)
    if (const auto* policy = std::get_if<model::RequestPolicy>(object.get());
        policy != nullptr && policy->settings->authentication != nullptr)
      return policy->settings->authentication.get();
  return nullptr;
}

/// What some routes of the listener tell backends of who calls, and others must not pass on. Empty: none does, or no
/// more than the listener's own section, which all meet.
std::set<std::string> guarded_headers(const config::CompiledListener& listener) {
  std::set<std::string> out;
  const auto take = [&](const config::RequestPolicies& policies) {
    if (const auto* settings = authentication_of(policies)) out.merge(filter::identity_headers(*settings));
  };
  for (const auto& [order, attached] : listener.routes) {
    if (attached->requests != nullptr)
      for (const auto& [rule, policies] : *attached->requests) take(policies);
    for (const auto& target : attached->targets)
      if (target.cluster != nullptr) take(target.cluster->requests);
  }
  if (const auto* own = authentication_of(listener.requests))
    for (const auto& name : filter::identity_headers(*own)) out.erase(name);
  return out;
}

}  // namespace

/// Which listeners there are, port by port.
void ListenerPlan::group(const config::GatewayState& state) {
  auto before = std::exchange(places_, {});
  for (auto& [key, port] : ports_) port.compiled.clear();
  for (const auto& [key, listener] : state.listeners()) {
    remarks_.set(name_of(listener), remarks_of(listener));
    if (!is_served(listener)) continue;
    const PortKey place{listener.gateway, listener.spec->port};
    places_.emplace(key, place);
    ports_[place].compiled.push_back(&listener);
  }
  for (const auto& [key, place] : before) {
    if (!state.listeners().contains(key)) remarks_.forget(key.owner.text() + ": listener \"" + key.name + "\"");
    const auto now = places_.find(key);
    if (now != places_.end() && now->second == place) continue;
    auto& port = ports_.at(place);
    drop(port, port.listeners.at(key));
    port.listeners.erase(key);
  }
  std::erase_if(ports_, [](const auto& entry) { return entry.second.compiled.empty(); });
  for (auto& [key, port] : ports_) fence(port);
}

/// Below each host name that a more general listener has too, a last route that nothing passes: it leads to 404. Where
/// the host names of the port are others than before, all routes are attached anew.
void ListenerPlan::fence(Port& port) {
  std::vector<std::string> hostnames;
  for (const auto* listener : port.compiled) hostnames.push_back(listener->spec->hostname);
  std::ranges::sort(hostnames);
  if (port.hostnames == hostnames) return;
  for (auto& [key, listener] : port.listeners) drop(port, listener);
  port.listeners.clear();
  port.hostnames = std::move(hostnames);
  for (auto& old : std::exchange(port.fences, {})) port.removed.push_back(std::move(old));
  for (const auto& host : port.hostnames) {
    const auto is_wider = [&](const auto& other) { return other != host && config::hostname_covers(other, host); };
    if (host.empty() || std::ranges::none_of(port.hostnames, is_wider)) continue;
    route::Route last;
    last.key = {"", "404"};
    last.created = std::numeric_limits<std::int64_t>::max();
    last.hosts = {host};
    last.narrowed = std::make_shared<const route::Narrowed>(host, "");  // behind what others are narrowed to
    last.rules.emplace_back();
    auto made = route::prepare(std::move(last));
    if (!made) continue;
    port.added.push_back(*made);
    port.fences.push_back(std::move(*made));
  }
}

void ListenerPlan::drop(Port& port, Listener& listener) {
  while (!listener.routes.empty()) {
    const auto key = listener.routes.begin()->first;
    detach(port, listener, key);
  }
}

void ListenerPlan::detach(Port& port, Listener& listener, const model::ObjectKey& key) {
  const auto at = listener.routes.find(key);
  if (at == listener.routes.end()) return;
  if (at->second.route != nullptr) port.removed.push_back(std::move(at->second.route));
  listener.routes.erase(at);
  routes_.release(key, listener.credential);
}

void ListenerPlan::attach(Port& port, Listener& listener, const config::CompiledRoutePtr& compiled) {
  auto action = routes_.use(compiled, listener.chain,
                            listener.credential);  // before the old use goes, so that what both have stays
  if (const auto at = listener.routes.find(compiled->key); at != listener.routes.end()) {
    if (at->second.action == action) {
      at->second.from = compiled;
      return routes_.release(compiled->key, listener.credential);
    }
    detach(port, listener, compiled->key);
  }
  auto made = compile(*compiled, listener.hostname, action);
  const auto subject = compiled->key.text() + " at \"" + listener.hostname + "\"";
  if (made) {
    remarks_.forget(subject);
    *made = narrowed(std::move(*made), port.hostnames, listener.hostname);
    if (*made != nullptr) port.added.push_back(*made);
  } else {
    remarks_.set(subject, {"not served: " + made.error().message});
  }
  listener.routes[compiled->key] = {compiled, std::move(action), made ? std::move(*made) : nullptr};
}

void ListenerPlan::attach_all(Port& port, Listener& listener, const CompiledListener& compiled) {
  std::vector<model::ObjectKey> gone;
  for (const auto& [key, attached] : listener.routes)
    if (!compiled.routes.contains({created_of(*attached.from), key})) gone.push_back(key);
  for (const auto& key : gone) detach(port, listener, key);
  for (const auto& [order, attached] : compiled.routes) {
    if (!is_http(order.key)) continue;
    const auto at = listener.routes.find(order.key);
    if (at == listener.routes.end() || at->second.from != attached) attach(port, listener, attached);
  }
}

void ListenerPlan::finish_router(Port& port) {
  const auto removed = std::exchange(port.removed, {});
  const auto added = std::exchange(port.added, {});
  if (port.router == nullptr) {
    port.router = route::Router::build(added);
  } else if (!removed.empty() || !added.empty()) {
    port.router = port.router->changed(removed, added);
  }
}

/// Makes the port's spec anew where a part of it is another than before.
void ListenerPlan::finish(const PortKey& key, Port& port, const model::Cluster& cluster) {
  finish_router(port);
  if (port.compiled.empty()) {  // only routes have changed
    if (port.spec == nullptr || port.spec->router == port.router) return;
    auto spec = std::make_shared<proxy::ListenerSpec>(*port.spec);
    spec->router = port.router;
    port.spec = std::move(spec);
    return;
  }
  auto spec = std::make_shared<proxy::ListenerSpec>();
  spec->name = key.first.ns + "/" + key.first.name + ":" + std::to_string(key.second);
  const auto& first = *port.compiled.front();
  if (first.addresses.empty()) {
    spec->addresses.emplace_back(net::Endpoint{*Address::parse("::"), key.second});
  } else {
    for (const auto& address : first.addresses) spec->addresses.emplace_back(net::Endpoint{address, key.second});
  }
  Remarks::Texts texts;
  const auto settings = settings_of(port.compiled, texts);
  auto limits = make_limits(settings.get(), port.open_connections);
  limits->style = style_of(first, texts);
  if (limits->style == proxy::AnswerStyle::kKong) limits->take_loose_targets();  // as there
  if (port.limits == nullptr || settings != port.settings || port.limits->style != limits->style)
    port.limits = std::move(limits);
  port.settings = settings;
  spec->router = port.router;
  spec->limits = port.limits;
  if (logs_ != nullptr) logs_->give(settings, *spec, texts);
  bool usable = true;
  if (first.spec->protocol == ListenerProtocol::kHttps) {
    spec->kind = proxy::ListenerKind::kHttps;
    spec->tls = tls_.context(port.compiled, cluster, port.tls, texts);
    usable = spec->tls != nullptr;
  }
  remarks_.set("port " + spec->name, std::move(texts));
  port.compiled.clear();
  const bool same = port.spec != nullptr && port.spec->kind == spec->kind && port.spec->addresses == spec->addresses &&
                    port.spec->tls == spec->tls && port.spec->router == spec->router &&
                    port.spec->limits == spec->limits && port.spec->log == spec->log &&
                    port.spec->more_logs == spec->more_logs;
  if (!usable) port.spec.reset();
  else if (!same) port.spec = std::move(spec);
}

/// True: it has another chain than before. `routed`: its routes may be others than before.
bool ListenerPlan::take_chain(Listener& listener, const config::CompiledListener& compiled, bool routed) {
  auto policies = filters_.chain(compiled.requests);
  auto guarded = routed || policies != listener.policies ? guarded_headers(compiled) : listener.guarded;
  if (policies == listener.policies && guarded == listener.guarded) return false;
  listener.chain = guarded.empty() ? policies : filters_.with_identity_guard(policies, guarded);
  listener.policies = std::move(policies);
  listener.guarded = std::move(guarded);
  return true;
}

void ListenerPlan::apply(const model::Cluster& cluster, const config::GatewayState& state,
                         const config::GatewayChange& change) {
  if (change.listeners) group(state);
  const bool all = may_move_others(cluster, change);
  std::set<PortKey> touched;
  for (const auto& [key, place] : places_) {
    const auto& compiled = state.listeners().at(key);
    auto& port = ports_.at(place);
    const auto [at, fresh] = port.listeners.try_emplace(key);
    auto& listener = at->second;
    const bool chained = take_chain(listener, compiled, fresh || change.listeners || change.routed.contains(key));
    auto credential = tls_.credential(compiled, remarks_);
    const bool renamed =
        !fresh && (listener.hostname != compiled.spec->hostname || chained || listener.credential != credential);
    if (renamed) drop(port, listener);
    listener.hostname = compiled.spec->hostname;
    listener.credential = std::move(credential);
    if (change.listeners) touched.insert(place);
    if (!fresh && !renamed && !change.routed.contains(key)) continue;
    touched.insert(place);
    if (all || fresh || renamed) {
      attach_all(port, listener, compiled);
      continue;
    }
    for (const auto& route : change.routes) {
      if (!is_http(route)) continue;
      const auto now = state.route(route);
      const auto found = now ? compiled.routes.find({created_of(*now), route}) : compiled.routes.end();
      if (found == compiled.routes.end()) {
        detach(port, listener, route);
      } else {
        attach(port, listener, found->second);
      }
    }
  }
  for (const auto& place : touched) finish(place, ports_.at(place), cluster);
}

std::vector<std::shared_ptr<const proxy::ListenerSpec>> ListenerPlan::specs() const {
  std::vector<std::shared_ptr<const proxy::ListenerSpec>> out;
  for (const auto& [key, port] : ports_)
    if (port.spec != nullptr) out.push_back(port.spec);
  return out;
}

}  // namespace fairlead::gateway
