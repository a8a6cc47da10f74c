// SPDX-License-Identifier: Apache-2.0
#include "gateway/plan.hpp"

#include <algorithm>
#include <optional>

#include "fairlead/tls/client_context.hpp"
#include "fairlead/tls/ktls.hpp"
#include "gateway/client_settings.hpp"

namespace fairlead::gateway {
namespace {

void add_endpoint(const TargetArgument& target, upstream::ClusterSpec& cluster) {
  if (target.is_name) {
    cluster.dns.push_back({.name = target.host, .port = target.port});
  } else {
    cluster.endpoints.push_back({.address = {*Address::parse(target.host), target.port}});
  }
}

Result<upstream::ClusterSpecRef> plan_cluster(const Arguments& arguments) {
  auto cluster = std::make_shared<upstream::ClusterSpec>();
  cluster->name = "to";
  cluster->balancing.policy = upstream::Balancing::kLeastRequest;
  // Beyond what is certain not to have been processed: one that met a keep-alive time-out, where a repetition is
  // harmless.
  cluster->retry.attempts = 2;
  std::optional<TargetArgument> first;
  for (const auto& text : arguments.to) {
    FL_TRY(const auto target, TargetArgument::parse(text));
    if (first && (first->tls != target.tls || first->http2 != target.http2))
      return fail("--to: found " + text + " beside " + arguments.to.front() + ", expected targets of one scheme");
    if (!first) first = target;
    add_endpoint(target, *cluster);
  }
  if (first->http2) cluster->pool.protocol = upstream::Protocol::kHttp2;
  if (!first->tls) return cluster;
  tls::ClientConfig config;
  config.hostname = first->host;
  config.alpn = {"h2", "http/1.1"};
  config.ktls = tls::ktls().available;
  cluster->pool.protocol = upstream::Protocol::kAuto;
  FL_TRY(auto context, tls::ClientContext::create(std::move(config)));
  cluster->tls = std::move(context);
  return cluster;
}

Result<std::shared_ptr<const route::Router>> plan_router() {
  auto action = std::make_shared<proxy::RouteAction>();
  action->name = "--to";
  action->rules.push_back({.name = "0", .backends = {{.cluster = 0, .weight = 1}}, .total_weight = 1});
  route::Route all;
  all.key = {"", "--to"};
  all.rules.emplace_back();
  all.data = action;
  FL_TRY(auto prepared, route::prepare(std::move(all)));
  return route::Router::build(std::span(&prepared, 1));
}

}  // namespace

Result<proxy::Update> plan_from_arguments(const Arguments& arguments, const std::vector<std::uint16_t>& ports,
                                          const std::shared_ptr<const telemetry::AccessLog>& log,
                                          const std::shared_ptr<const tls::ServerContext>& tls) {
  auto snapshot = std::make_shared<proxy::Snapshot>();
  snapshot->version = 1;
  FL_TRY(auto cluster, plan_cluster(arguments));
  snapshot->clusters.push_back(cluster);
  FL_TRY(const auto router, plan_router());
  const auto limits = make_limits(nullptr, nullptr);
  if (arguments.loose_targets) limits->take_loose_targets();
  for (std::size_t i = 0; i < arguments.listen.size(); ++i) {
    FL_TRY(const auto listen, ListenArgument::parse(arguments.listen[i]));
    auto listener = std::make_shared<proxy::ListenerSpec>();
    listener->name = arguments.listen[i];
    listener->kind = tls != nullptr ? proxy::ListenerKind::kHttps : proxy::ListenerKind::kHttp;
    const auto port = listen.port == 0 && i < ports.size() ? ports[i] : listen.port;
    listener->addresses.emplace_back(net::Endpoint{*Address::parse(listen.address), port});
    listener->tls = tls;
    listener->router = router;
    listener->limits = limits;
    listener->log = log;
    snapshot->listeners.push_back(std::move(listener));
  }
  auto changes = std::make_shared<upstream::ClusterChanges>();
  changes->updated.push_back(std::move(cluster));
  return proxy::Update{std::move(snapshot), std::move(changes)};
}

proxy::Update with_tls(const proxy::Snapshot& before, const std::shared_ptr<const tls::ServerContext>& tls) {
  auto snapshot = std::make_shared<proxy::Snapshot>(before);
  ++snapshot->version;
  for (auto& listener : snapshot->listeners) {
    auto made = std::make_shared<proxy::ListenerSpec>(*listener);
    made->tls = tls;
    listener = std::move(made);
  }
  return {std::move(snapshot), std::make_shared<upstream::ClusterChanges>()};
}

}  // namespace fairlead::gateway
