// SPDX-License-Identifier: Apache-2.0
// proxy-cache: a cache by settings.
#include <algorithm>

#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/kong/plugins.hpp"

namespace fairlead::kong {
namespace {

/// Statuses whose responses are stored, for `ttl` seconds.
Json statuses_of(Notes& notes, ConfigView& config, std::uint64_t ttl) {
  Json out = Json::array();
  for (const auto& text : config.texts("response_code", {"200", "301", "404"})) {
    const auto status = std::strtoul(text.c_str(), nullptr, 10);
    if (status < 200 || status > 599 || status == 206 || status == 304) {
      notes.unserved(config.find("response_code"), "statuses from 200 to 599, without 206 and 304");
      continue;
    }
    out.push_back({{"status", status}, {"ttl", std::to_string(ttl) + "s"}});
  }
  return out;
}

}  // namespace

void convert_proxy_cache(Notes& notes, ConfigView& config, PluginParts& out) {
  constexpr std::uint64_t kMostSeconds = 31'536'000;
  if (config.text("strategy") != "memory")
    return config.give_up(),
           notes.error(config.find("strategy") ? config.find("strategy") : config.at(), "strategy: memory");
  Json cache = {{"storeBy", "Settings"}};
  cache["statuses"] = statuses_of(notes, config, config.number("cache_ttl", 300, 1, kMostSeconds));
  if (cache["statuses"].empty()) return config.give_up();  // which is in the notes
  constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PATCH", "PUT"};
  cache["methods"] = config.texts("request_method", {"GET", "HEAD"});
  for (const auto& method : cache["methods"])
    if (std::ranges::find(kMethods, method.get<std::string>()) == std::end(kMethods))
      notes.error(config.find("request_method"), "GET, HEAD, POST, PATCH and PUT");
  cache["contentTypes"] = config.texts("content_type", {"text/plain", "application/json"});
  if (config.find("storage_ttl"))
    cache["keepFor"] = std::to_string(config.number("storage_ttl", 1, 1, kMostSeconds)) + "s";
  config.ignore("memory");
  cache["honourRequestDirectives"] = config.flag("cache_control", false);
  Json key = {{"consumer", true}};
  if (config.flag("ignore_uri_case", false)) key["ignoreCase"] = true;
  if (auto names = config.texts("vary_headers"); !names.empty()) {
    for (auto& name : names) name = config::lower(name);
    key["headers"] = names;
  }
  if (auto names = config.texts("vary_query_params"); !names.empty()) key["query"] = {{"include", names}};
  cache["key"] = std::move(key);
  cache["keyHeader"] = true;
  notes.reader().fields(config.find("response_headers"), [&](View field) {
    bool told = true;
    notes.reader().read(field, told);
    const auto name = config::lower(field.key());
    if (name == "age") cache["ageHeader"] = told;
    else if (name == "x-cache-status") cache["cacheStatusHeader"] = told;
    else if (name == "x-cache-key") cache["keyHeader"] = told;
    else notes.reader().unknown_field(field, "age, X-Cache-Status or X-Cache-Key");
  });
  out.sections["cache"] = std::move(cache);
}

}  // namespace fairlead::kong
