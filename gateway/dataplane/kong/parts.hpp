// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fairlead/kong/convert.hpp"
#include "gateway/dataplane/kong/entities.hpp"

namespace fairlead::kong {

using Json = nlohmann::ordered_json;

/// A list of one: braces alone leave open whether they are a list.
[[nodiscard]] inline Json list_of(Json one) {
  auto out = Json::array();
  out.push_back(std::move(one));
  return out;
}

/// An object that was made, and the entity it comes from.
struct Made {
  Json object;
  View from;
};

/// What a conversion has made so far.
struct Output {
  std::vector<Made> objects;
  std::optional<Tracing> tracing{};
  void add(View from, std::string_view version, std::string_view kind, const std::string& name, Json spec,
           std::string_view created = {});
};

/// What a plugin adds to the routes it is for.
struct PluginParts {
  Json sections = Json::object();  ///< of a RequestPolicy
  std::string host;                ///< what backends get as Host; empty: as the route says
  bool authenticates = false;
  bool passes_options = false;     ///< of those that authenticate: OPTIONS requests are not asked
  bool encoded_secrets = false;    ///< of the plugin jwt: consumers' secrets are in base64
  bool by_service = false;         ///< of those that count: each service for itself
  bool answers = false;            ///< no backend is asked
  bool closes = false;             ///< it would say who passes, and is not served: nobody does
  std::vector<std::pair<std::string, Json>> secrets;  ///< name and stringData
  std::optional<Tracing> tracing{};
  Json log;                        ///< of a ClientPolicy, without name and routes; null: none
  std::string metrics;             ///< of Kong's families, those that are shown: "status,latency"
};

/// A name for an object: lower case, digits and '-', no other of the kind has it.
class Names {
 public:
  std::string make(std::string_view prefix, std::string_view name);
  /// This very name, where none has it.
  bool take(const std::string& name) { return used_.try_emplace(name, 1).second; }

 private:
  std::unordered_map<std::string, std::size_t> used_;  ///< with the number that was tried last behind them
};

/// A plugin's config; what is wrong or not served is in the notes.
[[nodiscard]] PluginParts convert_plugin(Notes& notes, const Plugin& plugin, const File& file,
                                         const std::string& object_name);

/// Whether all routes of one plugin share what it counts, and so its policy.
[[nodiscard]] bool counts_together(const std::string& plugin);

/// A backend as an HTTPRoute names it.
struct Backend {
  std::string service;  ///< empty: none
  std::uint16_t port = 80;
  std::string host;     ///< what Host is without preserve_host
  std::string session;  ///< the cookie that keeps a client at its target; empty: none
  std::string session_path;  ///< of that cookie
};

/// What the objects of a service are called, and whether metrics show its targets.
struct ServiceName {
  std::string name;
  bool tells_health = false;
};

/// Makes the objects of a service's backends.
[[nodiscard]] Backend convert_service(Notes& notes, const File& file, const Service& service, const ServiceName& named,
                                      Output& out);

/// One condition of a route in Gateway API's terms, with Kong's priority.
struct RouteMatch {
  std::size_t route = 0;
  Json match;            ///< of an HTTPRoute
  std::string path;      ///< an expression; empty: every path, and nothing is replaced
  std::string plain;     ///< what every path that it matches begins with
  bool regex = false;
  bool replaces = false; ///< by ReplacePrefixMatch
  std::uint64_t priority = 0;
};

struct RoutePlan {
  std::vector<RouteMatch> matches;  ///< those of a route side by side
  bool ranked = false;              ///< hosts and order stand in expressions: Gateway API's order would be another
};

/// The matches of all routes, in an order that is Kong's.
[[nodiscard]] RoutePlan plan_matches(Notes& notes, const File& file);
/// Whether an HTTPRoute's hostnames take it: others, such as `NAME.*` and `a_b.example`, stand in expressions.
[[nodiscard]] bool is_object_host(std::string_view host);
/// Expression for a Host header with any of these; of those without a port with any port. The port of one with a port
/// may be left out where a listener has it.
[[nodiscard]] std::string host_expression(const std::vector<std::string>& hosts,
                                          std::initializer_list<std::uint16_t> listening);
/// The path in front of a route's, at its backends.
[[nodiscard]] std::string base_of(const File& file, const Route& route);

/// A route and its service as logs show them: {"route": {...}, "service": {...}}, on one line.
[[nodiscard]] std::string entities_of(const File& file, const Route& route);

/// The file's, or the one that Kong makes of the user name.
[[nodiscard]] std::string id_of(const Consumer& consumer);
/// The same of an API key.
[[nodiscard]] std::string id_of(const Credential& key);

/// YAML in block style.
[[nodiscard]] std::string to_yaml(const Json& object);

}  // namespace fairlead::kong
