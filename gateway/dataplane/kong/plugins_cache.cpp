// SPDX-License-Identifier: Apache-2.0
// proxy-cache, as far as a cache by RFC 9111 does the same.
#include "gateway/dataplane/kong/plugins.hpp"

namespace fairlead::kong {
namespace {

/// Statuses whose responses are fresh for `ttl` seconds where they do not say for how long.
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
  Json cache = Json::object();
  auto statuses = statuses_of(notes, config, config.number("cache_ttl", 300, 1, kMostSeconds));
  if (!statuses.empty()) cache["statuses"] = std::move(statuses);
  Json methods = Json::array();
  for (const auto& method : config.texts("request_method", {"GET", "HEAD"})) {
    if (method == "GET" || method == "HEAD") methods.push_back(method);
    else notes.unserved(config.find("request_method"), "GET and HEAD");
  }
  if (methods.size() == 1) cache["methods"] = methods;
  // Which types are stored is left to what responses say; so is how long.
  config.ignore("content_type");
  config.only("ignore_uri_case", "false");
  config.ignore("storage_ttl");
  config.ignore("memory");
  cache["honourRequestDirectives"] = config.flag("cache_control", false);
  Json key = {{"consumer", true}};
  if (auto names = config.texts("vary_headers"); !names.empty()) key["headers"] = names;
  if (auto names = config.texts("vary_query_params"); !names.empty()) key["query"] = {{"include", names}};
  cache["key"] = std::move(key);
  if (const auto fields = config.find("response_headers"))
    notes.reader().fields(fields, [&](View field) {
      if (field.text() == "false") notes.unserved(field, "true: Age and X-Cache-Status are always told");
    });
  out.sections["cache"] = std::move(cache);
}

}  // namespace fairlead::kong
