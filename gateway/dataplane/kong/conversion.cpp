// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/kong/conversion.hpp"

#include <algorithm>
#include <array>

namespace fairlead::kong {

bool counts_together(const std::string& plugin) {
  return plugin == "rate-limiting" || plugin == "response-ratelimiting";
}

namespace {

constexpr const char* kGatewayApi = "gateway.networking.k8s.io";
constexpr const char* kGatewayApiV1 = "gateway.networking.k8s.io/v1";
constexpr const char* kOwn = "fairlead.io/v1alpha1";
constexpr std::size_t kMostMatches = 64, kMostHosts = 16, kMostTargets = 1024;

/// Members of mappings are put together, items of lists one behind the other; what is there already stays.
void merge(Json& into, const Json& from) {
  for (const auto& [key, value] : from.items()) {
    if (!into.contains(key)) into[key] = value;
    else if (into[key].is_object() && value.is_object()) merge(into[key], value);
    else if (into[key].is_array() && value.is_array())
      for (const auto& item : value) into[key].push_back(item);
  }
}

Json secret_of(const Certificate& one) {
  return {{"type", "kubernetes.io/tls"}, {"stringData", {{"tls.crt", one.cert}, {"tls.key", one.key}}}};
}

Json credential_of(const Credential& one) {
  switch (one.kind) {
    case Credential::Kind::kKey: return {{"apiKey", {{"key", one.secret}}}};
    case Credential::Kind::kBasic: return {{"basic", {{"username", one.id}, {"password", one.secret}}}};
    case Credential::Kind::kHmac: return {{"hmac", {{"keyId", one.id}, {"secret", one.secret}}}};
    case Credential::Kind::kJwt: {
      Json jwt = {{"key", one.id}, {"algorithm", one.algorithm}};
      if (!one.public_key.empty() && !one.algorithm.starts_with("HS")) jwt["publicKey"] = one.public_key;
      else jwt["secret"] = one.secret;
      return {{"jwt", jwt}};
    }
    case Credential::Kind::kGroup: break;
  }
  return {};
}

/// 2000-01-01T00:00:00Z and a number of seconds; the first in Kong's order is the oldest.
std::string time_of(std::size_t order) {
  std::array<char, 32> text{};
  const auto day = order / 86'400, second = order % 86'400;
  std::snprintf(text.data(), text.size(), "2000-%02zu-%02zuT%02zu:%02zu:%02zuZ", 1 + day / 28 % 12, 1 + day % 28,
                second / 3600, second / 60 % 60, second % 60);
  return text.data();
}

/// Their sections stand behind authentication; prometheus counts everything wherever it stands.
bool serves_consumers(const std::string& plugin) {
  constexpr std::string_view kServed[] = {
      "correlation-id",      "prometheus",          "proxy-cache",           "rate-limiting",       "redirect",
      "request-termination", "request-transformer", "response-ratelimiting", "response-transformer"};
  return std::ranges::find(kServed, plugin) != std::end(kServed);
}

/// Of two plugins of one name the one of more weight counts.
int weight_of(const Plugin& plugin) {
  const bool route = plugin.route.has_value(), service = plugin.service.has_value();
  if (plugin.consumer) return route && service ? 8 : route ? 7 : service ? 6 : 4;
  return route && service ? 5 : route ? 3 : service ? 2 : 1;
}

}  // namespace

void Conversion::add_policy(View from, const std::string& name, const std::string& kind,
                            const std::vector<std::string>& targets, const Json& sections,
                            const std::string& consumer) {
  if (sections.empty()) return;
  for (std::size_t i = 0; i < targets.size(); i += kMostTargets) {
    Json refs = Json::array();
    for (auto k = i; k < std::min(targets.size(), i + kMostTargets); ++k)
      refs.push_back(
          {{"group", kind == "Consumer" ? "fairlead.io" : kGatewayApi}, {"kind", kind}, {"name", targets[k]}});
    Json spec = {{"targetRefs", refs}};
    if (!consumer.empty()) spec["consumers"] = list_of(consumer);
    for (const auto& [key, value] : sections.items()) spec[key] = value;
    out_.add(from, kOwn, "RequestPolicy", i == 0 ? name : name + "-" + std::to_string(i / kMostTargets),
             {{"spec", std::move(spec)}});
  }
}

void Conversion::add_gateway(View root) {
  http_ = options_.http_port != 0;
  const Certificate own{.at = root, .id = {}, .cert = options_.default_certificate, .key = options_.default_key};
  auto certificates = file_.certificates;
  if (certificates.empty() && !own.cert.empty()) certificates.push_back(own);
  https_ = options_.https_port != 0 && !certificates.empty();
  out_.add(root, kGatewayApiV1, "GatewayClass", "fairlead",
           {{"spec", {{"controllerName", "fairlead.io/gateway-controller"}}}});
  Json listeners = Json::array();
  if (http_) listeners.push_back({{"name", "http"}, {"protocol", "HTTP"}, {"port", options_.http_port}});
  Json references = Json::array();
  for (const auto& one : certificates) {
    const auto name = names_.make("certificate-", std::to_string(references.size()));
    out_.add(one.at, "v1", "Secret", name, secret_of(one));
    references.push_back({{"name", name}});
  }
  if (https_)
    listeners.push_back({{"name", "https"},
                         {"protocol", "HTTPS"},
                         {"port", options_.https_port},
                         {"tls", {{"certificateRefs", references}}}});
  Json spec = {{"gatewayClassName", "fairlead"}, {"listeners", listeners}};
  Json annotations = {{"fairlead.io/answers", "Kong"}};
  if (!metrics_.empty()) annotations["fairlead.io/kong-metrics"] = metrics_;
  if (!options_.address.empty()) spec["addresses"] = list_of({{"type", "IPAddress"}, {"value", options_.address}});
  out_.add(root, kGatewayApiV1, "Gateway", "kong", {{"annotations", annotations}, {"spec", std::move(spec)}});
}

void Conversion::add_consumers() {
  std::vector<std::vector<const Credential*>> of(file_.consumers.size());
  for (const auto& credential : file_.credentials)
    if (credential.consumer) of[*credential.consumer].push_back(&credential);
  for (std::size_t i = 0; i < file_.consumers.size(); ++i) {
    const auto& one = file_.consumers[i];
    if (one.called().empty()) continue;
    Json spec = Json::object(), groups = Json::array(), credentials = Json::array();
    spec["id"] = id_of(one);
    if (one.called() != one.object) spec["username"] = one.called();
    if (!one.custom_id.empty()) spec["customId"] = one.custom_id;
    for (const auto* credential : of[i]) {
      if (credential->kind == Credential::Kind::kGroup) groups.push_back(credential->id);
      else credentials.push_back(credential_of(*credential));
    }
    if (!groups.empty()) spec["groups"] = groups;
    if (!credentials.empty()) spec["credentials"] = credentials;
    out_.add(one.at, kOwn, "Consumer", one.object, {{"spec", std::move(spec)}});
  }
}

void Conversion::convert_plugins() {
  std::map<std::string, View> scopes;
  for (const auto& plugin : file_.plugins) {
    auto& name = plugin_names_.emplace_back(names_.make("", plugin.name));
    auto& parts = plugins_.emplace_back();
    if (!plugin.enabled) continue;
    parts = convert_plugin(notes_, plugin, file_, name);
    if (!parts.metrics.empty()) metrics_ = parts.metrics;
    logs_ = logs_ || !parts.log.is_null();
    if (parts.tracing) out_.tracing = parts.tracing;
    for (const auto& [secret, data] : parts.secrets)
      out_.add(plugin.at, "v1", "Secret", secret, {{"stringData", data}});
    const auto text = [](const Index& index) { return index ? std::to_string(*index) : std::string("-"); };
    const auto scope =
        plugin.name + "/" + text(plugin.service) + "/" + text(plugin.route) + "/" + text(plugin.consumer);
    if (!scopes.emplace(scope, plugin.at).second)
      notes_.error(plugin.at.find("name"), "a plugin once for each service, route and consumer");
    if (plugin.consumer && !serves_consumers(plugin.name))
      notes_.unserved(plugin.at.find("name"),
                      "correlation-id, proxy-cache, rate-limiting, redirect, request-termination, request-transformer, "
                      "response-ratelimiting or response-transformer for a consumer");
  }
}

void Conversion::sort_plugins() {
  for (std::size_t i = 0; i < file_.plugins.size(); ++i) {
    const auto& plugin = file_.plugins[i];
    if (!plugin.enabled) continue;
    if (plugin.consumer) {
      if (serves_consumers(plugin.name)) plugins_of_consumers_[*plugin.consumer].push_back(i);
    } else if (plugin.route) {
      plugins_of_routes_[*plugin.route].push_back(i);
    } else if (plugin.service) {
      plugins_of_services_[*plugin.service].push_back(i);
    } else {
      plugins_of_all_.push_back(i);
    }
  }
}

/// One of each name, the most special one: kong/runloop/plugins_iterator.lua. consumer: none, for requests of nobody
/// that some plugin is for.
Conversion::Chosen Conversion::choose_plugins(std::size_t route, Index consumer) const {
  Chosen out;
  std::map<std::string, int> best;
  const auto service = file_.routes[route].service;
  const auto choose = [&](const std::vector<std::size_t>& from) {
    for (const auto i : from) {
      const auto& plugin = file_.plugins[i];
      if ((plugin.service && plugin.service != service) || (plugin.route && plugin.route != route)) continue;
      const int weight = weight_of(plugin);
      if (weight <= best[plugin.name]) continue;
      best[plugin.name] = weight;
      out[plugin.name] = i;
    }
  };
  const auto choose_of = [&](const std::map<std::size_t, std::vector<std::size_t>>& all, Index of) {
    if (const auto found = of ? all.find(*of) : all.end(); found != all.end()) choose(found->second);
  };
  choose(plugins_of_all_);
  choose_of(plugins_of_services_, service);
  choose_of(plugins_of_routes_, route);
  choose_of(plugins_of_consumers_, consumer);
  return out;
}

/// Sections of RequestPolicies, but who calls and what is counted.
Json Conversion::merged(const Chosen& plugins) const {
  Json out = Json::object();
  // A redirect goes before a termination; Kong's correlation id before its transformers.
  for (const char* first : {"correlation-id", "redirect"})
    if (const auto at = plugins.find(first); at != plugins.end()) merge(out, plugins_[at->second].sections);
  for (const auto& [name, index] : plugins) {
    const auto& plugin = plugins_[index];
    if (plugin.authenticates || counts_together(name) || name == "correlation-id" || name == "redirect") continue;
    if (name == "request-termination" && out.contains("answer")) continue;
    merge(out, plugin.sections);
  }
  return out;
}

/// Without `anonymous` Kong asks for all of them; where each has it, for any.
void Conversion::join_authentication(std::size_t route, const std::vector<std::size_t>& callers) {
  // The last that Kong runs has the last word on who is anonymous.
  auto& sections = routes_[route].sections;
  bool body = false, before_body = false;
  std::size_t anonymous = 0;
  for (const char* name : {"hmac-auth", "basic-auth", "key-auth", "jwt"})
    for (const auto index : callers) {
      if (file_.plugins[index].name != name) continue;
      const auto& section = plugins_[index].sections.at("authentication");
      if (section.contains("anonymous")) ++anonymous;
      body = body || (section["methods"].contains("hmac") && section["methods"]["hmac"]["validateBody"] == true);
      before_body = before_body || section["methods"].contains("basic") || section["methods"].contains("jwt");
      merge(sections, plugins_[index].sections);
    }
  if (callers.size() < 2) return;
  const auto at = file_.plugins[callers.back()].at.find("name");
  if (anonymous == 0) sections["authentication"]["mode"] = "All";
  if (anonymous != 0 && anonymous != callers.size())
    notes_.unserved(at, "anonymous in all plugins of a route that authenticate, or in none");
  if (anonymous == 0 && body && before_body)
    notes_.unserved(at, "hmac-auth without validate_request_body beside basic-auth or jwt");
}

void Conversion::merge_plugins(std::size_t route) {
  auto& parts = routes_[route];
  std::vector<std::size_t> callers;
  parts.plugins = choose_plugins(route, std::nullopt);
  parts.sections = merged(parts.plugins);
  for (const auto& [name, index] : parts.plugins) {
    const auto& plugin = plugins_[index];
    parts.answers = parts.answers || plugin.answers;
    if (!plugin.cors.is_null()) parts.cors = plugin.cors;
    if (plugin.authenticates) callers.push_back(index);
  }
  join_authentication(route, callers);
  if (parts.sections.contains("access") && callers.empty())
    notes_.error(file_.plugins[parts.plugins.at("acl")].at.find("name"), "acl beside a plugin that authenticates");
}

void Conversion::add_routes() {
  const auto plan = plan_matches(notes_, file_);
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  std::vector<std::vector<RouteMatch>> of(file_.routes.size());
  for (const auto& match : plan.matches) of[match.route].push_back(match);
  for (std::size_t i = 0; i < of.size(); ++i) {
    std::ranges::stable_sort(of[i], std::greater<>(), &RouteMatch::priority);
    order.emplace_back(of[i].empty() ? 0 : of[i].front().priority, i);
  }
  std::ranges::stable_sort(order, std::greater<>(), &std::pair<std::uint64_t, std::size_t>::first);
  for (std::size_t place = 0; place < order.size(); ++place) {
    const auto route = order[place].second;
    const auto& entity = file_.routes[route];
    if (entity.service && !file_.services[*entity.service].enabled) continue;
    if (entity.service && !backends_.contains(*entity.service)) {
      const auto& service = file_.services[*entity.service];
      backends_[*entity.service] = convert_service(notes_, file_, service, names_.make("service-", service.name), out_);
    }
    merge_plugins(route);
    if (!entity.service && !routes_[route].answers)
      notes_.unserved(entity.at, "a service, or the plugin request-termination or redirect");
    add_route(route, of[route], plan.ranked, time_of(place));
  }
}

void Conversion::add_route(std::size_t index, const std::vector<RouteMatch>& matches, bool ranked,
                           const std::string& created) {
  const auto& route = file_.routes[index];
  // Host names stand where they are found by hash, but what Gateway API cannot say, and what has to be in order.
  std::vector<std::string> names, others;
  for (const auto& host : route.hosts) (ranked || host.ends_with('*') ? others : names).push_back(host);
  struct Hosts {
    Json hostnames = Json::array();
    std::string expression;
  };
  std::vector<Hosts> groups;
  for (std::size_t i = 0; i < names.size(); i += kMostHosts) {
    auto& group = groups.emplace_back();
    for (auto k = i; k < std::min(names.size(), i + kMostHosts); ++k) group.hostnames.push_back(names[k]);
  }
  if (!others.empty()) groups.emplace_back().expression = host_expression(others);
  if (groups.empty()) groups.emplace_back();
  const auto has = [&](const char* protocol) {
    return std::ranges::find(route.protocols, protocol) != route.protocols.end();
  };
  for (const auto& group : groups)
    for (const bool replaces : {true, false}) {
      Json all = Json::array();
      const auto flush = [&] {
        if (all.empty()) return;
        const bool http = http_ && has("http"), https = https_ && has("https");
        if (http || https)
          add_http_route(index, http && https ? "" : http ? "http" : "https", all, replaces, group.hostnames, created);
        if (http_ && !has("http")) add_https_only(index, "http", all, group.hostnames, created);
        all = Json::array();
      };
      for (const auto& match : matches) {
        if (match.replaces != replaces) continue;
        Json one = match.match.is_null() ? Json::object() : match.match;
        if (match.path.empty()) one["path"] = {{"type", "PathPrefix"}, {"value", "/"}};
        else one["path"] = {{"type", "RegularExpression"}, {"value", match.path}};
        if (!group.expression.empty())
          one["headers"].push_back({{"type", "RegularExpression"}, {"name", "host"}, {"value", group.expression}});
        all.push_back(std::move(one));
        if (all.size() == kMostMatches) flush();
      }
      flush();
    }
}

void Conversion::add_http_route(std::size_t index, const std::string& section, const Json& matches, bool replaces,
                                const Json& hostnames, const std::string& created) {
  const auto& route = file_.routes[index];
  auto& parts = routes_[index];
  const auto name = names_.make("route-", route.name.empty() ? std::to_string(index) : route.name);
  Json filters = Json::array();
  if (!parts.cors.is_null()) filters.push_back({{"type", "CORS"}, {"cors", parts.cors}});
  Json rule = {{"name", "kong"}, {"matches", matches}};
  if (route.service) {
    const auto& backend = backends_.at(*route.service);
    if (!route.preserve_host && !backend.host.empty())
      filters.push_back({{"type", "RequestHeaderModifier"},
                         {"requestHeaderModifier", {{"set", list_of({{"name", "host"}, {"value", backend.host}})}}}});
    if (replaces) {
      const Json path = {{"type", "ReplacePrefixMatch"}, {"replacePrefixMatch", base_of(file_, route)}};
      filters.push_back({{"type", "URLRewrite"}, {"urlRewrite", {{"path", path}}}});
    }
    rule["backendRefs"] = list_of({{"name", backend.service}, {"port", backend.port}});
  }
  if (!filters.empty()) rule["filters"] = filters;
  Json parent = {{"name", "kong"}};
  if (!section.empty()) parent["sectionName"] = section;
  Json spec = {{"parentRefs", list_of(parent)}};
  if (!hostnames.empty()) spec["hostnames"] = hostnames;
  spec["rules"] = list_of(std::move(rule));
  Json object = {{"spec", std::move(spec)}};
  if (logs_) object["annotations"]["fairlead.io/kong-log"] = entities_of(file_, route);
  if (!metrics_.empty()) {
    object["annotations"]["fairlead.io/kong-route"] = route.name;
    if (route.service) object["annotations"]["fairlead.io/kong-service"] = file_.services[*route.service].name;
  }
  out_.add(route.at, kGatewayApiV1, "HTTPRoute", name, std::move(object), created);
  parts.objects.push_back(name);
}

/// What a route for https says to http.
void Conversion::add_https_only(std::size_t index, const std::string& section, const Json& matches,
                                const Json& hostnames, const std::string& created) {
  const auto& route = file_.routes[index];
  const auto name = names_.make("https-", route.name.empty() ? std::to_string(index) : route.name);
  Json rule = {{"name", "kong"}, {"matches", matches}};
  const bool redirects = route.https_redirect != 426;
  if (redirects)
    rule["filters"] = list_of({{"type", "RequestRedirect"},
                               {"requestRedirect", {{"scheme", "https"}, {"statusCode", route.https_redirect}}}});
  Json spec = {{"parentRefs", list_of({{"name", "kong"}, {"sectionName", section}})}};
  if (!hostnames.empty()) spec["hostnames"] = hostnames;
  spec["rules"] = list_of(std::move(rule));
  out_.add(route.at, kGatewayApiV1, "HTTPRoute", name, {{"spec", std::move(spec)}}, created);
  if (redirects) return;
  add_policy(route.at, name, "HTTPRoute", {name},
             {{"answer",
               {{"status", 426},
                {"body", R"({"message":"Please use HTTPS protocol","request_id":"{{ request.id }}"})"},
                {"contentType", "application/json; charset=utf-8"}}}});
}

void Conversion::add_policies() {
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const auto& parts = routes_[i];
    if (parts.objects.empty()) continue;
    add_policy(file_.routes[i].at, parts.objects.front(), "HTTPRoute", parts.objects, parts.sections);
  }
  std::map<std::size_t, std::vector<std::string>> targets;  // of plugins that count
  for (const auto& parts : routes_)
    for (const auto& [name, plugin] : parts.plugins)
      if (counts_together(name))
        targets[plugin].insert(targets[plugin].end(), parts.objects.begin(), parts.objects.end());
  for (const auto& [plugin, objects] : targets) add_rate_limits(plugin, objects);
}

/// One policy for all routes of a plugin, as they count together.
void Conversion::add_rate_limits(std::size_t plugin, const std::vector<std::string>& targets) {
  if (targets.empty()) return;
  if (targets.size() > kMostTargets)
    notes_.unserved(file_.plugins[plugin].at.find("name"), "at most " + std::to_string(kMostTargets) +
                                                               " routes that count together, found " +
                                                               std::to_string(targets.size()));
  else
    add_policy(file_.plugins[plugin].at, plugin_names_[plugin], "HTTPRoute", targets, plugins_[plugin].sections,
               file_.plugins[plugin].consumer ? file_.consumers[*file_.plugins[plugin].consumer].object : "");
}

void Conversion::add_not_found(View root) {
  out_.add(root, kGatewayApiV1, "HTTPRoute", "no-route",
           {{"spec", {{"parentRefs", list_of({{"name", "kong"}})}, {"rules", list_of({{"name", "kong"}})}}}},
           "2100-01-01T00:00:00Z");
  add_policy(root, "no-route", "HTTPRoute", {"no-route"},
             {{"answer",
               {{"status", 404},
                {"body", R"({"message":"no Route matched with those values","request_id":"{{ request.id }}"})"},
                {"contentType", "application/json; charset=utf-8"}}}});
}

Output Conversion::run(View root) {
  names_.make("", "no-route");
  routes_.resize(file_.routes.size());
  convert_plugins();
  add_gateway(root);
  add_consumers();
  sort_plugins();
  add_routes();
  add_policies();
  add_consumer_policies();
  add_logs(root);
  add_not_found(root);
  return std::move(out_);
}

}  // namespace fairlead::kong
