// SPDX-License-Identifier: Apache-2.0
#include "gateway/admin_api.hpp"

#include <spdlog/spdlog.h>

#include "fairlead/cache/registry.hpp"
#include "gateway/admin_json.hpp"
#include "gateway/redis_metrics.hpp"

namespace fairlead::gateway {
namespace {

admin::Response bad(const std::string& what) { return {.status = 400, .body = error_text(what)}; }

/// What only a gateway with --config knows.
admin::Response without_objects(const admin::Request&) {
  return {.status = 404,
          .body = error_text("found a gateway of --listen and --to, expected one of --config: it has no "
                             "objects")};
}

std::string parameter(const admin::Request& request, const char* name) {
  const auto found = request.parameters.find(name);
  return found == request.parameters.end() ? std::string() : found->second;
}

Json level_json() {
  const auto level = spdlog::level::to_string_view(spdlog::get_level());
  return {{"level", std::string(level.data(), level.size())}};
}

/// The names that --log-level takes.
bool is_level(const std::string& name) {
  return name == "trace" || name == "debug" || name == "info" || name == "warn" || name == "err";
}

admin::Response set_level(const admin::Request& request) {
  const auto level = parameter(request, "level");
  if (!is_level(level)) return bad("level: found \"" + level + "\", expected trace, debug, info, warn or err");
  spdlog::set_level(spdlog::level::from_str(level));
  spdlog::log(spdlog::get_level(), "log level is {} now", level);
  return {.body = dump(level_json())};
}

/// Forgets stored responses by one of url, prefix and tag; on the server's thread, which workers do not wait for.
admin::Response purge(const admin::Request& request) {
  const auto url = parameter(request, "url"), prefix = parameter(request, "prefix"), tag = parameter(request, "tag");
  if ((url.empty() ? 0 : 1) + (prefix.empty() ? 0 : 1) + (tag.empty() ? 0 : 1) != 1)
    return bad("found none or several of url, prefix and tag, expected one");
  auto& stores = cache::Registry::of_process();
  const auto count = !url.empty()      ? stores.purge_url(url)
                     : !prefix.empty() ? stores.purge_prefix(prefix)
                                       : stores.purge_tag(tag);
  spdlog::info("purged {} stored responses", count);
  return {.body = dump({{"purged", count}})};
}

}  // namespace

admin::Response AdminApi::status(const admin::Request& request) const {
  if (parameter(request, "format") != "json")
    return {.status = 200, .type = "application/yaml", .body = plan_->status()};
  return {.body = dump({{"notes", plan_->notes()},
                        {"items", documents_json(plan_->status())},
                        {"redis", redis_json(plan_->filters())}})};
}

/// Plans what `path` would give beside what is served, on the caller's thread.
admin::Response AdminApi::diff(const std::string& path) const {
  if (path.empty() || path.front() != '/') return bad("path: found \"" + path + "\", expected an absolute path");
  auto other = ConfigPlan::open(path, plan_->zone(), nullptr, nullptr, nullptr, true);
  if (!other) return bad(other.error().message);
  auto planned = (*other)->load();
  if (!planned) return bad(planned.error().message);
  const auto after = dump_json(*(*planned)->snapshot);
  const auto notes = (*other)->notes();
  return admin::on_loop(loop_, [this, after, notes] {
    return admin::Response{
        .body = dump({{"changes", differences(dump_json(*workers_.snapshot()), after)}, {"notes", notes}})};
  });
}

void AdminApi::add_questions(admin::Server& server) {
  const auto on_main = [this, &server](const char* path, std::function<Json()> answer) {
    server.get(path, [this, answer = std::move(answer)](const admin::Request&) {
      return admin::on_loop(loop_, [answer] { return admin::Response{.body = dump(answer())}; });
    });
  };
  on_main("/v1/gateway/routes", [this] { return routes_json(*workers_.snapshot()); });
  on_main("/v1/gateway/backends", [this] { return backends_json(workers_.view()); });
  on_main("/v1/gateway/live", [this] { return live_json(*workers_.snapshot(), workers_.counters(), workers_.view()); });
  on_main("/v1/gateway/log-level", [] { return level_json(); });
  server.get("/v1/gateway/why", [this](const admin::Request& request) {
    const Question question{.method = parameter(request, "method"),
                            .url = parameter(request, "url"),
                            .headers = parameter(request, "headers"),
                            .client = parameter(request, "client")};
    if (question.method.empty() || question.url.empty()) return bad("found no method or no url, expected both");
    return admin::on_loop(loop_, [this, question] {
      const auto answer = why_json(*workers_.snapshot(), question);
      return answer ? admin::Response{.body = dump(*answer)} : bad(answer.error().message);
    });
  });
  if (plan_ == nullptr) {
    for (const auto* path : {"/v1/gateway/filters", "/v1/gateway/status"}) server.get(path, without_objects);
    return;
  }
  on_main("/v1/gateway/filters",
          [this] { return sections_json(plan_->filters().sections(), telemetry_.meter().counter_sets()); });
  server.get("/v1/gateway/status", [this](const admin::Request& request) {
    return admin::on_loop(loop_, [this, request] { return status(request); });
  });
}

void AdminApi::add_owner_questions(admin::Server& server) {
  server.get("/v1/gateway/config", [this](const admin::Request&) {
    return admin::on_loop(loop_, [this] { return admin::Response{.body = dump(dump_json(*workers_.snapshot()))}; });
  });
  server.get("/v1/gateway/config/diff", [this](const admin::Request& request) {
    return plan_ == nullptr ? without_objects(request) : diff(parameter(request, "path"));
  });
  server.post("/v1/gateway/log-level", set_level);
  server.post("/v1/gateway/purge", purge);
}

}  // namespace fairlead::gateway
