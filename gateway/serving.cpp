// SPDX-License-Identifier: Apache-2.0
#include "gateway/serving.hpp"

#include <nlohmann/json.hpp>

#include "fairlead/metrics/exposition.hpp"
#include "fairlead/tls/ktls.hpp"
#include "gateway/cluster_metrics.hpp"
#include "gateway/kong_metrics.hpp"
#include "gateway/page.hpp"
#include "gateway/protocol_metrics.hpp"
#include "gateway/redis_metrics.hpp"

namespace fairlead::gateway {
namespace {

using metrics::Type;

void add_streams(metrics::Page& page, const proxy::Counters& counters) {
  const auto directions = [&](const char* name, const std::array<std::uint64_t, 2>& values, const char* help) {
    auto& family = page.family(name, Type::kCounter, help);
    family.add(metrics::label_text({{"direction", "to-backend"}}), values[0]);
    family.add(metrics::label_text({{"direction", "to-client"}}), values[1]);
  };
  page.family("fairlead_gateway_streams", Type::kCounter, "connections passed to backends by TLSRoutes and TCPRoutes")
      .add("", counters.streams);
  directions("fairlead_gateway_stream_bytes", counters.stream_bytes, "bytes of these connections");
  page.family("fairlead_gateway_datagram_sessions", Type::kCounter, "sessions of UDPRoutes")
      .add("", counters.datagram_sessions);
  directions("fairlead_gateway_datagrams", counters.datagrams, "datagrams of UDPRoutes that were passed on");
  auto& refusals = page.family("fairlead_gateway_stream_refusals", Type::kCounter,
                               "connections and datagrams that went no further than here");
  for (std::size_t i = 0; i < counters.stream_refusals.size(); ++i)
    refusals.add(metrics::label_text({{"reason", std::string(name_of(static_cast<proxy::StreamRefusal>(i)))}}),
                 counters.stream_refusals[i]);
}

void add_extra_requests(metrics::Page& page, const proxy::Counters& counters) {
  const auto add = [](metrics::Family& family, const char* what, std::uint64_t value) {
    family.add(metrics::label_text({{"what", what}}), value);
  };
  auto& mirrors = page.family("fairlead_gateway_mirrors", Type::kCounter, "copies of requests by RequestMirror");
  add(mirrors, "begun", counters.mirrors);
  add(mirrors, "dropped", counters.mirrors_dropped);
  add(mirrors, "failed", counters.mirrors_failed);
  auto& hedges = page.family("fairlead_gateway_hedges", Type::kCounter, "second tries while the first had no answer");
  add(hedges, "begun", counters.hedges);
  add(hedges, "won", counters.hedges_won);
}

void add_watched(metrics::Page& page, const BackendWatch::State& state) {
  auto& checks = page.family("fairlead_gateway_health_checks", Type::kCounter, "active health checks that have ended");
  checks.add(metrics::label_text({{"result", "success"}}), state.checks.successes);
  checks.add(metrics::label_text({{"result", "failure"}}), state.checks.failures - state.checks.timeouts);
  checks.add(metrics::label_text({{"result", "timeout"}}), state.checks.timeouts);
  auto& changes = page.family("fairlead_gateway_health_changes", Type::kCounter, "backends that failed or came back");
  changes.add(metrics::label_text({{"to", "healthy"}}), state.checks.became_healthy);
  changes.add(metrics::label_text({{"to", "unhealthy"}}), state.checks.became_unhealthy);
  page.family("fairlead_gateway_health_targets", Type::kGauge, "backends that are probed")
      .add("", static_cast<double>(state.targets));
  page.family("fairlead_gateway_health_targets_failing", Type::kGauge, "backends that fail their health checks now")
      .add("", static_cast<double>(state.failing));
  auto& dns = page.family("fairlead_gateway_dns_answers", Type::kCounter, "answers of name servers for backends");
  dns.add(metrics::label_text({{"result", "address"}}), state.dns.answers);
  dns.add(metrics::label_text({{"result", "negative"}}), state.dns.negative);
  dns.add(metrics::label_text({{"result", "failure"}}), state.dns.failures);
  page.family("fairlead_gateway_dns_changes", Type::kCounter, "answers with other addresses than before")
      .add("", state.dns.changes);
}

nlohmann::json checks_of(const BackendWatch::State& state) {
  auto backends = nlohmann::json::array();
  for (const auto& one : state.backends) {
    auto& row = backends.emplace_back(nlohmann::json{
        {"cluster", one.cluster}, {"backend", one.backend}, {"healthy", one.healthy}, {"asked", one.asked}});
    if (!one.why.empty()) row["why"] = one.why;
  }
  return {{"targets", state.targets}, {"failing", state.failing}, {"backends", std::move(backends)}};
}

nlohmann::json names_of(const BackendWatch::State& state) {
  auto out = nlohmann::json::array();
  for (const auto& one : state.names) {
    auto addresses = nlohmann::json::array();
    for (const auto& address : one.addresses) addresses.push_back(address.text());
    const char* last = !one.answered                                ? "none"
                       : one.last == upstream::DnsStatus::kAnswer   ? "address"
                       : one.last == upstream::DnsStatus::kNegative ? "negative"
                                                                    : "failure";
    out.push_back({{"name", one.name}, {"addresses", std::move(addresses)}, {"lastAnswer", last}});
  }
  return out;
}

void add_configuration_counts(metrics::Page& page, const ConfigPlan::Counts& counts) {
  const auto gauge = [&](const char* name, std::uint64_t value, const char* help) {
    page.family(name, Type::kGauge, help).add("", static_cast<double>(value));
  };
  page.family("fairlead_gateway_config_changes", Type::kCounter, "readings of the configuration that changed something")
      .add("", counts.changes);
  gauge("fairlead_gateway_config_errors", counts.errors,
        "documents that are refused; their last good ones are in force");
  gauge("fairlead_gateway_config_warnings", counts.warnings,
        "remarks on the configuration, what is not served included");
  gauge("fairlead_gateway_listeners", counts.listeners, "ports of Gateways that are served");
  gauge("fairlead_gateway_routes", counts.routes, "HTTPRoutes and GRPCRoutes that are attached");
  gauge("fairlead_gateway_clusters", counts.clusters, "Service ports that routes lead to");
}

void add_sections(metrics::Page& page, const FilterPlan& filters) {
  for (const auto& section : filters.sections()) {
    const auto labels = metrics::label_text({{"policy", section.owner.policy}, {"section", section.owner.section}});
    for (const auto& one : section.held) {
      auto& family = page.family(one.family, one.type, one.help);
      if (one.type == Type::kCounter) family.add(labels, one.value);
      else family.add(labels, static_cast<double>(one.value));
    }
  }
}

std::string page_of(Workers& workers, const TelemetryParts& telemetry, const BackendWatch::State& watched,
                    const ConfigPlan* plan, metrics::Format format) {
  const auto counters = workers.counters();
  const auto clusters = workers.clusters();
  metrics::Page page;
  telemetry.add_to(page);
  page.family("fairlead_gateway_buffer_bytes", Type::kGauge, "bytes of buffers in use")
      .add("", static_cast<double>(counters.buffer_bytes));
  const auto count = [&](const char* name, std::uint64_t value, const char* help) {
    page.family(name, Type::kCounter, help).add("", value);
  };
  count("fairlead_gateway_spliced_bytes", counters.spliced_bytes, "bytes that were moved by splice, without a copy");
  count("fairlead_gateway_pipes_refused", counters.pipes_refused,
        "times that there was no pipe to splice by: bytes were copied");
  add_protocols(page, counters.protocols);
  add_streams(page, counters);
  add_extra_requests(page, counters);
  add_watched(page, watched);
  add_clusters(page, clusters);
  page.family("fairlead_gateway_open_datagram_sessions", Type::kGauge, "sessions of UDPRoutes that stand")
      .add("", static_cast<double>(counters.open_datagram_sessions));
  if (plan != nullptr) {
    add_configuration_counts(page, plan->counts());
    add_sections(page, plan->filters());
    add_redis(page, plan->filters());
    add_kong_metrics(page, plan->objects(), telemetry.kong_meter(), counters,
                     [&] { return KongBackends{.clusters = workers.view().clusters, .names = watched.names}; });
  }
  return page.print(format);
}

nlohmann::json status_of(const proxy::Counters& counters, std::size_t workers, bool ready) {
  return {{"ready", ready},
          {"workers", workers},
          {"engine", "epoll"},
          {"kernelTls", {{"available", tls::ktls().available}, {"why", tls::ktls().why}}},
          {"connections", counters.open_connections},
          {"activeRequests", counters.active_requests},
          {"requests", counters.requests},
          {"refusedRequests", counters.refused}};
}

nlohmann::json configuration_of(const ConfigPlan::Counts& counts) {
  return {{"files", counts.files},   {"documents", counts.documents}, {"changes", counts.changes},
          {"errors", counts.errors}, {"warnings", counts.warnings},   {"listeners", counts.listeners},
          {"routes", counts.routes}, {"clusters", counts.clusters}};
}

/// Null: none are kept.
nlohmann::json quotas_of(const QuotaKeeper* quotas) {
  if (quotas == nullptr) return nullptr;
  const auto state = quotas->state();
  nlohmann::json out = {
      {"directory", state.directory}, {"limits", state.limits}, {"writes", state.writes}, {"failures", state.failures}};
  if (!state.failure.empty()) out["failure"] = state.failure;
  return out;
}

}  // namespace

Result<std::unique_ptr<Serving>> Serving::open(const Arguments& arguments, Workers& workers, BackendWatch& watch,
                                               event::Loop& loop, const TelemetryParts& telemetry,
                                               const ConfigPlan* plan, const QuotaKeeper* quotas,
                                               const MachineLimits& limits) {
  std::unique_ptr<Serving> self(new Serving(workers, watch, loop, telemetry, plan, quotas, limits));
  if (!arguments.admin.empty()) {
    auto opened = admin::Server::on_tcp(arguments.admin, admin::Server::Port::kShared);
    if (!opened) return fail("--admin: " + opened.error().message);
    self->tcp_ = std::move(*opened);
    self->address_ = arguments.admin.substr(0, arguments.admin.rfind(':') + 1) + std::to_string(self->tcp_->port());
    self->add_handlers(*self->tcp_);
    add_page(*self->tcp_);
  }
  if (!arguments.socket.empty()) {
    FL_TRY(self->socket_, admin::Server::on_unix_socket(arguments.socket));
    self->add_handlers(*self->socket_);
    self->api_.add_owner_questions(*self->socket_);
  }
  return self;
}

void Serving::add_handlers(admin::Server& server) {
  server.get("/healthz", [](const admin::Request&) {
    return admin::Response{.status = 200, .type = "text/plain", .body = "ok\n"};
  });
  server.get("/readyz", [this](const admin::Request&) {
    const bool ready = ready_;
    return admin::Response{.status = ready ? 200 : 503, .type = "text/plain", .body = ready ? "ok\n" : "draining\n"};
  });
  server.get("/metrics", [this](const admin::Request& request) {
    return admin::on_loop(loop_, [this, accept = request.accept] {
      const auto format = metrics::Page::accepted(accept);
      return admin::Response{.status = 200,
                             .type = std::string(metrics::Page::content_type(format)),
                             .body = page_of(workers_, telemetry_, watch_.state(), plan_, format)};
    });
  });
  server.get("/v1/status", [this](const admin::Request&) {
    return admin::on_loop(loop_, [this] {
      auto status = status_of(workers_.counters(), workers_.count(), ready_);
      status["limits"] = {{"files", limits_.files}, {"bufferBytes", limits_.memory}};
      const auto watched = watch_.state();
      status["healthChecks"] = checks_of(watched);
      status["names"] = names_of(watched);
      status["quotas"] = quotas_of(quotas_);
      if (plan_ != nullptr) {
        status["configuration"] = configuration_of(plan_->counts());
        status["redis"] = redis_json(plan_->filters());
      }
      // Paths, and what a Redis says, may be of any bytes.
      return admin::Response{.body = status.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
    });
  });
  api_.add_questions(server);
}

void Serving::start() {
  if (tcp_ != nullptr) tcp_->start();
  if (socket_ != nullptr) socket_->start();
}

void Serving::stop() {
  if (tcp_ != nullptr) tcp_->stop();
  if (socket_ != nullptr) socket_->stop();
}

}  // namespace fairlead::gateway
