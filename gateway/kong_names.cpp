// SPDX-License-Identifier: Apache-2.0
#include "gateway/kong_names.hpp"

#include <nlohmann/json.hpp>

namespace fairlead::gateway {
namespace {

constexpr const char* kAnnotation = "fairlead.io/kong-log";
constexpr std::size_t kMost = 15 * 1024;  // what a line of a log has room for

std::string text_of(const nlohmann::ordered_json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// What only metrics show.
std::shared_ptr<const telemetry::KongNames> counted_names(const model::Labels& annotations) {
  const auto* route = model::find_label(annotations, "fairlead.io/kong-route");
  if (route == nullptr) return nullptr;
  auto out = std::make_shared<telemetry::KongNames>();
  out->route = *route;
  if (const auto* service = model::find_label(annotations, "fairlead.io/kong-service")) out->service = *service;
  return out;
}

}  // namespace

std::shared_ptr<const telemetry::KongNames> kong_names(const model::Labels& annotations,
                                                       std::vector<std::string>& texts) {
  const auto* said = model::find_label(annotations, kAnnotation);
  if (said == nullptr) return counted_names(annotations);
  const auto root = nlohmann::ordered_json::parse(*said, nullptr, false);
  const auto none = nlohmann::ordered_json::object();
  const auto route = root.is_object() ? root.value("route", none) : none;
  const auto service = root.is_object() ? root.value("service", none) : none;
  auto out = std::make_shared<telemetry::KongNames>();
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  out->route_json = route.dump(-1, ' ', false, kReplace);
  if (!service.empty()) out->service_json = service.dump(-1, ' ', false, kReplace);
  if (!root.is_object() || !route.is_object() || !service.is_object() ||
      out->route_json.size() + out->service_json.size() > kMost) {
    texts.push_back(
        std::string("annotation ") + kAnnotation +
        ": expected a JSON object with the objects route and service, of at most 15 KiB: logs do not name them");
    return nullptr;
  }
  out->route = text_of(route, "name");
  out->route_id = text_of(route, "id");
  out->service = text_of(service, "name");
  out->service_host = text_of(service, "host");
  return out;
}

}  // namespace fairlead::gateway
