// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/admin.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>

#include "agent/telemetry/flow.hpp"

namespace fairlead::admin {
namespace {

constexpr std::size_t kFlows = 4096;

std::string parameter(const Request& request, const std::string& name, const std::string& otherwise = {}) {
  const auto found = request.parameters.find(name);
  return found == request.parameters.end() ? otherwise : found->second;
}

std::size_t number(const std::string& text, std::size_t otherwise) {
  std::size_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Response answer(const Result<Json>& json) {
  if (json) return {.body = json->dump(-1, ' ', false, Json::error_handler_t::replace)};
  return {.status = 400,
          .body = Json{{"error", json.error().message}}.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

}  // namespace

Admin::Admin(Sources sources, event::Loop& loop)
    : sources_(std::move(sources)), loop_(loop), started_ns_(telemetry::monotonic_ns()) {}

Admin::~Admin() = default;

Result<std::unique_ptr<Admin>> Admin::open(const Options& options, Sources sources, event::Loop& loop) {
  std::unique_ptr<Admin> self(new Admin(std::move(sources), loop));
  if (!options.socket.empty()) {
    FL_TRY(self->socket_, Server::on_unix_socket(options.socket));
    self->routes();
  }
  if (!options.metrics.empty()) {
    FL_TRY(self->public_, Server::on_tcp(options.metrics));
    self->public_routes();
    spdlog::info("metrics on port {}", self->public_->port());
  }
  return self;
}

void Admin::start() {
  if (socket_) socket_->start();
  if (public_) public_->start();
}

void Admin::view(const std::string& path, std::function<Result<Json>(const Request&)> make) {
  socket_->get(path, [this, make = std::move(make)](const Request& request) {
    return on_loop(loop_, [request, make] { return answer(make(request)); });
  });
}

void Admin::routes() {
  view("/v1/status", [this](const Request&) { return status_view(sources_, started_ns_); });
  view("/v1/services", [this](const Request&) { return services_view(sources_); });
  view("/v1/backends", [this](const Request&) { return backends_view(sources_); });
  view("/v1/workloads", [this](const Request&) { return workloads_view(sources_); });
  view("/v1/policy", [this](const Request&) { return policy_view(sources_); });
  view("/v1/maps", [this](const Request&) { return maps_view(sources_); });
  view("/v1/pairs", [this](const Request&) { return pairs_view(sources_); });
  view("/v1/why", [this](const Request& request) {
    return why_view(sources_, parameter(request, "from"), parameter(request, "to"),
                    parameter(request, "protocol", "tcp"));
  });
  view("/v1/flows", [this](const Request& request) -> Result<Json> {
    Json list = Json::array();
    for (const auto& line : sources_.telemetry.events().recent(number(parameter(request, "last"), kFlows)))
      list.push_back(Json::parse(line));
    return Json{{"on", sources_.datapath.settings().events != 0}, {"flows", std::move(list)}};
  });
  socket_->stream("/v1/flows/follow", [this](const Request&) { return follow_flows(); });
  socket_->get("/metrics", [this](const Request& request) { return metrics(request); });
}

Server::Source Admin::follow_flows() {
  auto& events = sources_.telemetry.events();
  const auto follower = events.follow();
  // Lives as long as the source does, that is until the connection ends.
  const std::shared_ptr<void> end(nullptr, [&events, follower](void*) { events.unfollow(follower); });
  return [follower, end](std::string& piece) {
    piece = follower->take();
    return true;
  };
}

void Admin::public_routes() {
  public_->get("/metrics", [this](const Request& request) { return metrics(request); });
  const auto alive = [this](const Request&) {
    return on_loop(loop_, [] { return Response{.type = "text/plain", .body = "ok\n"}; });
  };
  public_->get("/healthz", alive);
  // It listens only once the kernel holds the configuration, so being asked is being ready.
  public_->get("/readyz", alive);
}

Response Admin::metrics(const Request& request) {
  const auto format = metrics::Page::accepted(request.accept);
  return on_loop(loop_, [this, format] {
    auto page = sources_.telemetry.page(format);
    if (!page) return Response{.status = 500, .type = "text/plain", .body = page.error().message + "\n"};
    return Response{.type = std::string(metrics::Page::content_type(format)), .body = std::move(*page)};
  });
}

}  // namespace fairlead::admin
