// SPDX-License-Identifier: Apache-2.0
// Filters as JSON, in the words of Gateway API.
#include <algorithm>
#include <array>
#include <functional>
#include <random>
#include <variant>

#include "gateway/admin_json.hpp"

namespace fairlead::gateway {
namespace {

/// Of names in lower case.
constexpr std::array<std::string_view, 8> kSecretWords = {"auth",   "cookie", "token",      "key",
                                                          "secret", "passw",  "credential", "signature"};

bool may_be_secret(std::string_view name) {
  return std::ranges::any_of(kSecretWords, [&](auto word) { return name.find(word) != std::string_view::npos; });
}

/// So that nobody can try values against what is shown.
const std::string& salt() {
  static const std::string kSalt = [] {
    std::random_device device;
    return std::to_string(device()) + std::to_string(device()) + std::to_string(device());
  }();
  return kSalt;
}

Json headers_json(const std::vector<model::HttpHeader>& headers) {
  Json out = Json::object();
  for (const auto& header : headers) out[header.name] = shown_value(header.name, header.value);
  return out;
}

Json modifier_json(const char* type, const model::HeaderModifier& modifier) {
  Json out{{"type", type}};
  if (!modifier.set.empty()) out["set"] = headers_json(modifier.set);
  if (!modifier.add.empty()) out["add"] = headers_json(modifier.add);
  if (!modifier.remove.empty()) out["remove"] = modifier.remove;
  return out;
}

void add_path(const std::optional<model::PathModifier>& path, Json& out) {
  if (!path) return;
  const bool full = path->type == model::PathModifier::Type::kReplaceFullPath;
  out["path"] = {{"type", full ? "ReplaceFullPath" : "ReplacePrefixMatch"}, {"value", path->value}};
}

std::string target_text(const model::BackendTarget& target) {
  return (target.ref.ns.empty() ? "" : target.ref.ns + "/") + target.ref.name +
         (target.port == 0 ? "" : ":" + std::to_string(target.port));
}

struct ToJson {
  Json operator()(const model::RequestHeaderModifier& filter) const {
    return modifier_json("RequestHeaderModifier", filter);
  }
  Json operator()(const model::ResponseHeaderModifier& filter) const {
    return modifier_json("ResponseHeaderModifier", filter);
  }
  Json operator()(const model::RequestMirror& filter) const {
    return {{"type", "RequestMirror"},
            {"backend", target_text(filter.backend)},
            {"fraction", std::to_string(filter.numerator) + "/" + std::to_string(filter.denominator)}};
  }
  Json operator()(const model::RequestRedirect& filter) const {
    Json out{{"type", "RequestRedirect"}, {"statusCode", filter.status_code}};
    using Scheme = model::RequestRedirect::Scheme;
    if (filter.scheme != Scheme::kUnset) out["scheme"] = filter.scheme == Scheme::kHttps ? "https" : "http";
    if (!filter.hostname.empty()) out["hostname"] = filter.hostname;
    if (filter.port != 0) out["port"] = filter.port;
    add_path(filter.path, out);
    return out;
  }
  Json operator()(const model::UrlRewrite& filter) const {
    Json out{{"type", "URLRewrite"}};
    if (!filter.hostname.empty()) out["hostname"] = filter.hostname;
    add_path(filter.path, out);
    return out;
  }
  Json operator()(const model::Cors& filter) const {
    return {{"type", "CORS"},
            {"allowOrigins", filter.allow_origins},
            {"allowMethods", filter.allow_methods},
            {"allowHeaders", filter.allow_headers},
            {"exposeHeaders", filter.expose_headers},
            {"allowCredentials", filter.allow_credentials},
            {"maxAge", filter.max_age_seconds}};
  }
  Json operator()(const model::ExternalAuth& filter) const {
    return {{"type", "ExternalAuth"}, {"backend", target_text(filter.backend)}};
  }
  Json operator()(const model::ExtensionRef& filter) const {
    return {{"type", "ExtensionRef"}, {"name", filter.ref.name}};
  }
};

}  // namespace

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }
std::string error_text(const std::string& what) { return dump({{"error", what}}); }

std::string shown_value(std::string_view name, std::string_view value) {
  if (!may_be_secret(name)) return std::string(value);
  const auto number = std::hash<std::string>()(salt() + std::string(value) + salt()) % 0xffffff;
  return "(hidden " + std::to_string(number) + ")";
}

Json filters_json(const model::HttpFilters* filters) {
  Json out = Json::array();
  if (filters == nullptr) return out;
  for (const auto& filter : *filters) out.push_back(std::visit(ToJson{}, filter));
  return out;
}

}  // namespace fairlead::gateway
