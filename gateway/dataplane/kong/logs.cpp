// SPDX-License-Identifier: Apache-2.0
// The logs of all plugins as one ClientPolicy, and what lines of logs call routes and services.
#include "gateway/dataplane/kong/conversion.hpp"

namespace fairlead::kong {
namespace {

constexpr std::size_t kMostBytes = 12 * 1024;  // of what a line says of a route and its service

/// With its id, where the file gives it.
Json named(View at, const std::string& name) {
  Json out = Json::object();
  if (const auto id = at.find("id"); id && !id.is_null()) out["id"] = std::string(id.text());
  if (!name.empty()) out["name"] = name;
  return out;
}

void put_list(Json& out, const char* name, const std::vector<std::string>& list) {
  if (!list.empty()) out[name] = list;
}

Json route_of(const Route& route) {
  auto out = named(route.at, route.name);
  put_list(out, "protocols", route.protocols);
  put_list(out, "methods", route.methods);
  put_list(out, "hosts", route.hosts);
  std::vector<std::string> paths;
  for (const auto& path : route.paths) paths.push_back(path.regex ? "~" + path.text : path.text);
  put_list(out, "paths", paths);
  out["strip_path"] = route.strip_path;
  out["preserve_host"] = route.preserve_host;
  out["regex_priority"] = route.regex_priority;
  out["https_redirect_status_code"] = route.https_redirect;
  return out;
}

Json service_of(const Service& service) {
  auto out = named(service.at, service.name);
  out["protocol"] = service.protocol;
  out["host"] = service.host;
  out["port"] = service.port;
  out["path"] = service.path;
  out["retries"] = service.retries;
  out["connect_timeout"] = service.connect_ms;
  out["read_timeout"] = service.read_ms;
  out["write_timeout"] = service.write_ms;
  return out;
}

}  // namespace

std::string entities_of(const File& file, const Route& route) {
  Json out;
  out["route"] = route_of(route);
  if (route.service) out["service"] = service_of(file.services[*route.service]);
  const auto text = [&] { return out.dump(-1, ' ', false, Json::error_handler_t::replace); };
  if (text().size() > kMostBytes) out["route"] = named(route.at, route.name);
  return text();
}

/// Of several plugins of one name the most special counts, so one for all routes passes over those that have another.
void Conversion::add_logs(View root) {
  std::vector<std::vector<std::string>> of(plugins_.size()), others(plugins_.size());
  for (const auto& parts : routes_)
    for (const auto& [name, index] : parts.plugins) {
      if (plugins_[index].log.is_null()) continue;
      of[index].insert(of[index].end(), parts.objects.begin(), parts.objects.end());
      for (const auto all : plugins_of_all_)
        if (all != index && file_.plugins[all].name == name)
          others[all].insert(others[all].end(), parts.objects.begin(), parts.objects.end());
    }
  Json logs = Json::array();
  std::map<std::string, std::size_t> same;  // plugins of routes that say the same share a log
  for (std::size_t i = 0; i < plugins_.size(); ++i) {
    const auto& plugin = file_.plugins[i];
    if (plugins_[i].log.is_null() || !plugin.enabled || plugin.consumer) continue;
    const bool all = !plugin.service && !plugin.route;
    if (!all && of[i].empty()) continue;
    if (!all) {
      const auto [known, fresh] = same.emplace(plugin.name + plugins_[i].log.dump(), logs.size());
      if (!fresh) {
        for (const auto& name : of[i]) logs[known->second]["routes"].push_back(name);
        continue;
      }
    }
    Json log = {{"name", plugin_names_[i]}};
    if (!all) log["routes"] = of[i];
    else if (!others[i].empty()) log["exceptRoutes"] = others[i];
    for (const auto& [key, value] : plugins_[i].log.items()) log[key] = value;
    logs.push_back(std::move(log));
  }
  if (logs.empty()) return;
  Json target = {{"group", "gateway.networking.k8s.io"}, {"kind", "Gateway"}, {"name", "kong"}};
  out_.add(root, "fairlead.io/v1alpha1", "ClientPolicy", "kong",
           {{"spec", {{"targetRefs", list_of(std::move(target))}, {"logs", std::move(logs)}}}});
}

}  // namespace fairlead::kong
