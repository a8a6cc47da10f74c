// SPDX-License-Identifier: Apache-2.0
#include "gateway/stream_plan.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "gateway/client_settings.hpp"
#include "gateway/filter_plan_parts.hpp"
#include "gateway/hostnames.hpp"

namespace fairlead::gateway {
namespace {

using config::CompiledListener;
using model::Kind;
using model::ListenerProtocol;
using proxy::StreamRoute;

bool is_stream(const CompiledListener& listener) {
  const auto protocol = listener.spec->protocol;
  return listener.serving && (protocol == ListenerProtocol::kTls || protocol == ListenerProtocol::kTcp ||
                              protocol == ListenerProtocol::kUdp);
}

bool is_stream(Kind kind) { return kind == Kind::kTlsRoute || kind == Kind::kTcpRoute || kind == Kind::kUdpRoute; }

bool concerns(const config::GatewayState& state, const config::GatewayChange& change) {
  if (change.listeners) return true;
  if (std::ranges::any_of(change.routes, [](const auto& key) { return is_stream(key.kind); })) return true;
  return std::ranges::any_of(change.routed, [&](const auto& key) {
    const auto at = state.listeners().find(key);
    return at != state.listeners().end() && is_stream(at->second);
  });
}

bool terminates(const CompiledListener& listener) {
  return listener.spec->protocol == ListenerProtocol::kTls &&
         (!listener.spec->tls || listener.spec->tls->mode == model::TlsMode::kTerminate);
}

const std::vector<model::StreamRule>& rules_of(const model::Object& object) {
  if (const auto* tls = std::get_if<model::TlsRoute>(&object)) return tls->rules;
  if (const auto* tcp = std::get_if<model::TcpRoute>(&object)) return tcp->rules;
  return std::get<model::UdpRoute>(object).rules;
}

/// How special the host name is that a route asks for, where the listener leaves `name` of it: the name itself before
/// wildcards, of these the longer one.
std::size_t rank_of(const model::Object& route, const std::string& name) {
  const auto* tls = std::get_if<model::TlsRoute>(&route);
  std::size_t rank = 0;
  if (tls == nullptr) return rank;
  for (const auto& asked : tls->hostnames) {
    if (asked == name) return std::string::npos;
    if (config::hostname_covers(asked, name)) rank = std::max(rank, asked.size());
  }
  return rank;
}

/// Policies that select the listener, and that nothing here asks.
void note_policies(const CompiledListener& listener, Remarks::Texts& texts) {
  if (listener.requests.empty()) return;
  texts.push_back("listener \"" + listener.key.name + "\" is not HTTP, and what passes it is not judged by " +
                  text_of(listener.requests));
}

}  // namespace

proxy::RuleAction StreamPlan::action_of(const config::CompiledRoute& route, const ClusterPlan::Credential& credential,
                                        std::vector<std::uint32_t>& used) {
  proxy::RuleAction out;
  out.name = route.key.text();
  for (const auto& rule : rules_of(*route.object))
    for (const auto& backend : rule.backends) {
      proxy::WeightedBackend to{.cluster = proxy::WeightedBackend::kInvalid, .weight = backend.weight};
      const auto* target = route.find(backend);
      if (target != nullptr && target->cluster != nullptr) {
        const auto number = clusters_.acquire(target->cluster, false, credential);
        used.push_back(number);
        if (!clusters_.broken(number)) to.cluster = number;
      }
      out.backends.push_back(to);
      out.total_weight += to.weight;
    }
  return out;
}

/// The listener's routes by name, the more special first, then the older; below its own name what no route takes is
/// refused.
void StreamPlan::add_names(const CompiledListener& listener, const std::vector<std::string>& hostnames,
                           proxy::StreamTable& table, std::vector<std::uint32_t>& used) {
  const auto& own = listener.spec->hostname;
  if (listener.spec->protocol == ListenerProtocol::kHttps) {
    table.names[own].kind = StreamRoute::Kind::kHttp;
    return;
  }
  const bool ends_tls = terminates(listener);
  const auto credential = tls_.credential(listener, remarks_);
  std::map<std::string, std::pair<std::size_t, StreamRoute>> found;  // with the rank of the route
  for (const auto& [order, attached] : listener.routes) {
    if (!is_stream(order.key.kind)) continue;
    StreamRoute route{.kind = ends_tls ? StreamRoute::Kind::kTerminate : StreamRoute::Kind::kPass,
                      .backend_tls = ends_tls || listener.spec->protocol == ListenerProtocol::kTcp,
                      .action = action_of(*attached, credential, used)};
    auto names = config::hostnames_of(listener, *attached);
    if (names.empty()) names.emplace_back();
    for (const auto& name : names) {
      if (is_anothers(hostnames, own, name)) continue;
      const auto rank = rank_of(*attached->object, name);
      const auto [at, fresh] = found.try_emplace(name, rank, route);
      if (!fresh && at->second.first < rank) at->second = {rank, route};
    }
  }
  for (auto& [name, route] : found) table.names.try_emplace(name, std::move(route.second));
  table.names.try_emplace(own);  // refuses
}

void StreamPlan::make(const PortKey& key, Port& port, const model::Cluster& cluster, std::vector<std::uint32_t>& used) {
  const auto& [gateway, number, udp] = key;
  auto spec = std::make_shared<proxy::ListenerSpec>();
  spec->name = gateway.ns + "/" + gateway.name + ":" + std::to_string(number);
  spec->kind = udp ? proxy::ListenerKind::kDatagram : proxy::ListenerKind::kStream;
  for (const auto& address : port.listeners.front()->addresses)
    spec->addresses.emplace_back(net::Endpoint{address, number});
  if (spec->addresses.empty()) spec->addresses.emplace_back(net::Endpoint{*Address::parse("::"), number});
  Remarks::Texts texts;
  const auto settings = settings_of(port.listeners, texts);
  spec->limits = make_limits(settings.get(), nullptr);
  if (logs_ != nullptr && !udp) logs_->give(settings, *spec, texts);
  auto table = std::make_shared<proxy::StreamTable>();
  std::vector<std::string> hostnames;
  std::vector<const CompiledListener*> ending;
  for (const auto* listener : port.listeners) {
    hostnames.push_back(listener->spec->hostname);
    const auto protocol = listener->spec->protocol;
    table->by_name = table->by_name || protocol == ListenerProtocol::kTls;
    if (terminates(*listener)) ending.push_back(listener);
    if (is_stream(*listener)) note_policies(*listener, texts);
  }
  for (const auto* listener : port.listeners) add_names(*listener, hostnames, *table, used);
  if (!ending.empty()) table->tls = tls_.context(ending, cluster, port.tls, texts);
  if (table->tls == nullptr)
    std::erase_if(table->names, [](const auto& entry) { return entry.second.kind == StreamRoute::Kind::kTerminate; });
  spec->streams = std::move(table);
  port.spec = std::move(spec);
  const auto subject = std::string(udp ? "UDP" : "TCP") + " port " + port.spec->name;
  remarks_.set(subject, std::move(texts));
  subjects_.push_back(subject);
}

void StreamPlan::apply(const model::Cluster& cluster, const config::GatewayState& state,
                       const config::GatewayChange& change) {
  if (!concerns(state, change)) return;
  auto before = std::exchange(ports_, {});
  for (const auto& subject : std::exchange(subjects_, {})) remarks_.forget(subject);
  for (const auto& [key, listener] : state.listeners()) {
    if (!is_stream(listener)) continue;
    const bool udp = listener.spec->protocol == ListenerProtocol::kUdp;
    ports_[{listener.gateway, listener.spec->port, udp}].listeners.push_back(&listener);
  }
  for (const auto& [key, listener] : state.listeners()) {
    if (!listener.serving || listener.spec->protocol != ListenerProtocol::kHttps) continue;
    const auto at = ports_.find({listener.gateway, listener.spec->port, false});
    if (at != ports_.end()) at->second.listeners.push_back(&listener);
  }
  std::vector<std::uint32_t> used;
  for (auto& [key, port] : ports_) {
    if (const auto old = before.find(key); old != before.end()) port.tls = std::move(old->second.tls);
    make(key, port, cluster, used);
    port.listeners.clear();
  }
  for (const auto number : std::exchange(used_, std::move(used))) clusters_.release(number);
}

void StreamPlan::merge(std::vector<std::shared_ptr<const proxy::ListenerSpec>>& specs) const {
  for (const auto& [key, port] : ports_) {
    const auto shared = std::ranges::find_if(specs, [&](const auto& spec) {
      return spec->kind == proxy::ListenerKind::kHttps && spec->name == port.spec->name;
    });
    if (std::get<bool>(key) || shared == specs.end()) {
      specs.push_back(port.spec);
      continue;
    }
    auto both = std::make_shared<proxy::ListenerSpec>(**shared);
    both->streams = port.spec->streams;
    *shared = std::move(both);
  }
}

}  // namespace fairlead::gateway
