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

/// Base64 of either alphabet as base64url without padding.
std::string base64url_of(std::string text) {
  for (auto& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  while (text.ends_with('=')) text.pop_back();
  return text;
}

Json credential_of(const Credential& one, bool encoded_secrets) {
  switch (one.kind) {
    case Credential::Kind::kKey: return {{"apiKey", {{"name", id_of(one)}, {"key", one.secret}}}};
    case Credential::Kind::kBasic: return {{"basic", {{"username", one.id}, {"password", one.secret}}}};
    case Credential::Kind::kHmac: return {{"hmac", {{"keyId", one.id}, {"secret", one.secret}}}};
    case Credential::Kind::kJwt: {
      Json jwt = {{"key", one.id}, {"algorithm", one.algorithm}};
      if (!one.public_key.empty() && !one.algorithm.starts_with("HS")) jwt["publicKey"] = one.public_key;
      else if (encoded_secrets) jwt["secretBase64"] = base64url_of(one.secret);
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

/// Words of a list with commas, each once.
std::string joined(std::string all, std::string_view more) {
  while (!more.empty()) {
    const auto word = more.substr(0, more.find(','));
    more.remove_prefix(std::min(word.size() + 1, more.size()));
    if (("," + all + ",").find("," + std::string(word) + ",") == std::string::npos)
      all.append(all.empty() ? "" : ",").append(word);
  }
  return all;
}

/// Of two plugins of one name the one of more weight counts.
int weight_of(const Plugin& plugin) {
  const bool route = plugin.route.has_value(), service = plugin.service.has_value();
  if (plugin.consumer) return route && service ? 12 : route ? 10 : service ? 9 : 5;
  if (plugin.group) return route && service ? 11 : route ? 8 : service ? 7 : 4;
  return route && service ? 6 : route ? 3 : service ? 2 : 1;
}

}  // namespace

void Conversion::add_policy(View from, const std::string& name, const std::string& kind,
                            const std::vector<std::string>& targets, const Json& sections,
                            const std::vector<std::string>& consumers) {
  if (sections.empty()) return;
  for (std::size_t i = 0; i < targets.size(); i += kMostTargets) {
    Json refs = Json::array();
    for (auto k = i; k < std::min(targets.size(), i + kMostTargets); ++k)
      refs.push_back(
          {{"group", kind == "Consumer" ? "fairlead.io" : kGatewayApi}, {"kind", kind}, {"name", targets[k]}});
    Json spec = {{"targetRefs", refs}};
    if (!consumers.empty()) spec["consumers"] = consumers;
    for (const auto& [key, value] : sections.items()) spec[key] = value;
    out_.add(from, kOwn, "RequestPolicy", i == 0 ? name : name + "-" + std::to_string(i / kMostTargets),
             {{"spec", std::move(spec)}});
  }
}

/// Whether services or upstreams show it to their backends.
bool Conversion::is_clients(const Certificate& certificate) const {
  const auto shows = [&](const auto& one) { return one.client && &file_.certificates[*one.client] == &certificate; };
  return std::ranges::any_of(file_.services, shows) || std::ranges::any_of(file_.upstreams, shows);
}

void Conversion::add_gateway(View root) {
  http_ = options_.http_port != 0;
  Json references = Json::array();
  const auto add = [&](const Certificate& one) {
    out_.add(one.at, "v1", "Secret", one.object, secret_of(one));
    // What only backends are shown is shown to nobody else.
    if (one.names.empty() && is_clients(one)) return;
    references.push_back({{"name", one.object}});
  };
  for (const auto& one : file_.certificates) add(one);
  if (references.empty() && !options_.default_certificate.empty())
    add({.at = root,
         .id = {},
         .cert = options_.default_certificate,
         .key = options_.default_key,
         .object = "certificate-of-gateway"});
  https_ = options_.https_port != 0 && !references.empty();
  out_.add(root, kGatewayApiV1, "GatewayClass", "fairlead",
           {{"spec", {{"controllerName", "fairlead.io/gateway-controller"}}}});
  Json listeners = Json::array();
  if (http_) listeners.push_back({{"name", "http"}, {"protocol", "HTTP"}, {"port", options_.http_port}});
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
      else credentials.push_back(credential_of(*credential, encoded_secrets_));
    }
    if (!groups.empty()) spec["groups"] = groups;
    if (!credentials.empty()) spec["credentials"] = credentials;
    out_.add(one.at, kOwn, "Consumer", one.object, {{"spec", std::move(spec)}});
  }
}

void Conversion::take_tracing(const Plugin& plugin, const Tracing& tracing) {
  out_.tracing = tracing;
  if (!options_.objects_only) return;
  std::string flags = "--otlp-endpoint " + tracing.endpoint;
  if (tracing.sample_percent >= 0) flags += " --trace-sample " + Json(tracing.sample_percent).dump();
  if (!tracing.headers.empty()) flags += ", OTEL_EXPORTER_OTLP_HEADERS";
  if (!tracing.resource_attributes.empty()) flags += ", OTEL_RESOURCE_ATTRIBUTES=" + tracing.resource_attributes;
  notes_.unserved(plugin.at.find("name"), "no opentelemetry, as no object says it: give the gateway " + flags);
}

/// Kong tells by them requests from streams and nothing else (3.9, kong/runloop/plugins_iterator.lua).
void Conversion::check_protocols(const Plugin& plugin) {
  if (plugin.protocols.empty()) return;
  const auto listed = [&](const std::string& protocol) {
    return std::ranges::find(plugin.protocols, protocol) != plugin.protocols.end();
  };
  for (const auto& route : file_.routes) {
    if ((plugin.service && plugin.service != route.service) ||
        (plugin.route && &file_.routes[*plugin.route] != &route) || std::ranges::all_of(route.protocols, listed))
      continue;
    return notes_.reader().warn(plugin.protocols_at,
                                "the plugin is for all requests of its routes, as it is in Kong: it is routes that "
                                "choose by protocol");
  }
}

void Conversion::convert_plugins() {
  std::map<std::string, View> scopes;
  bool jwt = false;
  for (const auto& plugin : file_.plugins) {
    auto& name = plugin_names_.emplace_back(names_.make("", plugin.name));
    auto& parts = plugins_.emplace_back();
    if (!plugin.enabled) continue;
    check_protocols(plugin);
    parts = convert_plugin(notes_, plugin, file_, name);
    if (!parts.metrics.empty()) metrics_ = joined(std::move(metrics_), parts.metrics);
    logs_ = logs_ || !parts.log.is_null();
    if (parts.tracing) take_tracing(plugin, *parts.tracing);
    if (plugin.name == "jwt") {
      if (jwt && encoded_secrets_ != parts.encoded_secrets)
        notes_.unserved(plugin.config.find("secret_is_base64") ? plugin.config.find("secret_is_base64") : plugin.at,
                        "the same secret_is_base64 in all plugins jwt, as they share the consumers' secrets");
      encoded_secrets_ = parts.encoded_secrets;
      jwt = true;
    }
    for (const auto& [secret, data] : parts.secrets)
      out_.add(plugin.at, "v1", "Secret", secret, {{"stringData", data}});
    const auto text = [](const Index& index) { return index ? std::to_string(*index) : std::string("-"); };
    const auto scope = plugin.name + "/" + text(plugin.service) + "/" + text(plugin.route) + "/" +
                       text(plugin.consumer) + "/" + text(plugin.group);
    if (!scopes.emplace(scope, plugin.at).second)
      notes_.error(plugin.at.find("name"), "a plugin once for each service, route, consumer and consumer group");
    if (plugin.consumer && plugin.group) notes_.error(plugin.at, "a consumer or a consumer group, not both");
    if ((plugin.consumer || plugin.group) && !serves_consumers(plugin.name))
      notes_.unserved(plugin.at.find("name"),
                      "correlation-id, proxy-cache, rate-limiting, redirect, request-termination, request-transformer, "
                      "response-ratelimiting or response-transformer for a consumer or a consumer group");
  }
}

void Conversion::sort_plugins() {
  for (std::size_t i = 0; i < file_.plugins.size(); ++i) {
    const auto& plugin = file_.plugins[i];
    if (!plugin.enabled) continue;
    if (plugin.consumer || plugin.group) {
      auto& of = plugin.consumer ? plugins_of_consumers_[*plugin.consumer] : plugins_of_groups_[*plugin.group];
      if (serves_consumers(plugin.name)) of.push_back(i);
    } else if (plugin.route) {
      plugins_of_routes_[*plugin.route].push_back(i);
    } else if (plugin.service) {
      plugins_of_services_[*plugin.service].push_back(i);
    } else {
      plugins_of_all_.push_back(i);
    }
  }
}

/// One of each name, the most special one: kong/runloop/plugins_iterator.lua; of a caller's groups the first by name.
Conversion::Chosen Conversion::choose_plugins(std::size_t route, const Callers& callers) const {
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
  choose_of(plugins_of_consumers_, callers.own);
  for (const auto group : callers.groups) choose_of(plugins_of_groups_, group);
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
  if (std::ranges::any_of(plugins, [&](const auto& one) { return plugins_[one.second].closes; }))
    out["answer"] = {{"status", 503}, {"detail", "a plugin that decides who passes is not served"}};
  return out;
}

/// Kong asks one after the other, and goes on without a credential where a plugin has `anonymous`: so those that have
/// none decide, where there are such; else the first that succeeds.
void Conversion::join_authentication(std::size_t route, std::vector<std::size_t> callers) {
  auto& sections = routes_[route].sections;
  const auto named = [&](std::size_t index) {
    return plugins_[index].sections.at("authentication").contains("anonymous");
  };
  const bool all_asked = !std::ranges::all_of(callers, named);
  if (all_asked) std::erase_if(callers, named);
  if (callers.empty()) return;
  bool body = false, before_body = false;
  std::size_t passing = 0;
  // The last that Kong runs has the last word on who is anonymous.
  for (const char* name : {"hmac-auth", "basic-auth", "key-auth", "jwt"})
    for (const auto index : callers) {
      if (file_.plugins[index].name != name) continue;
      const auto& methods = plugins_[index].sections.at("authentication")["methods"];
      if (plugins_[index].passes_options) ++passing;
      body = body || (methods.contains("hmac") && methods["hmac"]["validateBody"] == true);
      before_body = before_body || methods.contains("basic") || methods.contains("jwt");
      merge(sections, plugins_[index].sections);
    }
  const auto at = file_.plugins[callers.back()].at.find("name");
  if (passing != 0 && passing != callers.size())
    notes_.unserved(at, "run_on_preflight alike in all plugins of a route that authenticate");
  if (callers.size() < 2 || !all_asked) return;
  sections["authentication"]["mode"] = "Each";
  if (body && before_body) notes_.unserved(at, "hmac-auth without validate_request_body beside basic-auth or jwt");
}

void Conversion::merge_plugins(std::size_t route) {
  auto& parts = routes_[route];
  std::vector<std::size_t> callers;
  parts.plugins = choose_plugins(route, {});
  parts.sections = merged(parts.plugins);
  for (const auto& [name, index] : parts.plugins) {
    const auto& plugin = plugins_[index];
    parts.answers = parts.answers || plugin.answers;
    if (!plugin.host.empty()) parts.host = plugin.host;
    if (plugin.authenticates) callers.push_back(index);
  }
  join_authentication(route, callers);
  if (!file_.routes[route].service && !parts.answers && !parts.sections.contains("answer"))
    parts.sections["answer"] = {{"status", 503}, {"detail", "no Service found with those values"}};
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
    if (entity.left_out || (entity.service && !file_.services[*entity.service].enabled)) continue;
    if (entity.service && !backends_.contains(*entity.service)) {
      const auto& service = file_.services[*entity.service];
      const bool tells = ("," + metrics_ + ",").find(",upstreams,") != std::string::npos;
      backends_[*entity.service] =
          convert_service(notes_, file_, service, {names_.make("service-", service.name), tells}, out_);
    }
    merge_plugins(route);
    add_route(route, of[route], plan.ranked, time_of(place));
  }
}

void Conversion::add_route(std::size_t index, const std::vector<RouteMatch>& matches, bool ranked,
                           const std::string& created) {
  const auto& route = file_.routes[index];
  // Host names stand where they are found by hash, but what Gateway API cannot say, and what has to be in order.
  std::vector<std::string> names, others;
  for (const auto& host : route.hosts) (ranked || !is_object_host(host) ? others : names).push_back(host);
  struct Hosts {
    Json hostnames = Json::array();
    std::string expression;
  };
  std::vector<Hosts> groups;
  for (std::size_t i = 0; i < names.size(); i += kMostHosts) {
    auto& group = groups.emplace_back();
    for (auto k = i; k < std::min(names.size(), i + kMostHosts); ++k) group.hostnames.push_back(names[k]);
  }
  if (!others.empty())
    groups.emplace_back().expression = host_expression(others, {options_.http_port, options_.https_port});
  if (groups.empty()) groups.emplace_back();
  const auto has = [&](const char* protocol) {
    return std::ranges::find(route.protocols, protocol) != route.protocols.end();
  };
  const bool http = http_ && (has("http") || has("grpc")), https = https_ && (has("https") || route.grpc());
  const std::string section = http && https ? "" : http ? "http" : "https";
  for (const auto& group : groups)
    for (const bool replaces : {true, false}) {
      Json all = Json::array();
      const auto flush = [&] {
        if (all.empty()) return;
        if ((http || https) && route.grpc()) add_grpc(index, section, all, replaces, group.hostnames, created);
        else if (http || https) add_http_route(index, section, all, replaces, group.hostnames, created);
        if (http_ && !http) add_https_only(index, all, group.hostnames, created);
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
  Json rule = {{"name", "kong"}, {"matches", matches}};
  if (route.service) {
    const auto& backend = backends_.at(*route.service);
    const auto& host = !parts.host.empty() ? parts.host : route.preserve_host ? std::string() : backend.host;
    if (!host.empty())
      filters.push_back({{"type", "RequestHeaderModifier"},
                         {"requestHeaderModifier", {{"set", list_of({{"name", "host"}, {"value", host}})}}}});
    if (replaces) {
      const Json path = {{"type", "ReplacePrefixMatch"}, {"replacePrefixMatch", base_of(file_, route)}};
      filters.push_back({{"type", "URLRewrite"}, {"urlRewrite", {{"path", path}}}});
    }
    rule["backendRefs"] = list_of({{"name", backend.service}, {"port", backend.port}});
    if (!backend.session.empty()) rule["sessionPersistence"] = {{"sessionName", backend.session}, {"type", "Cookie"}};
  }
  if (!filters.empty()) rule["filters"] = filters;
  Json parent = {{"name", "kong"}};
  if (!section.empty()) parent["sectionName"] = section;
  Json spec = {{"parentRefs", list_of(parent)}};
  if (!hostnames.empty()) spec["hostnames"] = hostnames;
  spec["rules"] = list_of(std::move(rule));
  Json object = {{"spec", std::move(spec)}};
  if (const auto path = route.service ? backends_.at(*route.service).session_path : std::string(); path.size() > 1)
    object["annotations"]["fairlead.io/session-cookie-path"] = path;
  if (logs_) object["annotations"]["fairlead.io/kong-log"] = entities_of(file_, route);
  name_for_metrics(route, object);
  out_.add(route.at, kGatewayApiV1, "HTTPRoute", name, std::move(object), created);
  parts.objects.push_back(name);
}

void Conversion::name_for_metrics(const Route& route, Json& object) const {
  if (metrics_.empty()) return;
  const auto id = route.at.find("id");
  object["annotations"]["fairlead.io/kong-route"] = route.name.empty() && id ? std::string(id.text()) : route.name;
  if (!route.service) return;
  const auto& service = file_.services[*route.service];
  object["annotations"]["fairlead.io/kong-service"] = service.name.empty() ? service.host : service.name;
}

std::string Conversion::add_answering(std::size_t index, const char* kind, const std::string& section,
                                      const Json& matches, const Json& hostnames, const std::string& created,
                                      Json rule) {
  const auto& route = file_.routes[index];
  const auto name = names_.make(kind, route.name.empty() ? std::to_string(index) : route.name);
  rule["name"] = "kong";
  rule["matches"] = matches;
  Json parent = {{"name", "kong"}};
  if (!section.empty()) parent["sectionName"] = section;
  Json spec = {{"parentRefs", list_of(std::move(parent))}};
  if (!hostnames.empty()) spec["hostnames"] = hostnames;
  spec["rules"] = list_of(std::move(rule));
  Json object = {{"spec", std::move(spec)}};
  name_for_metrics(route, object);
  out_.add(route.at, kGatewayApiV1, "HTTPRoute", name, std::move(object), created);
  return name;
}

/// What a route for https says to http.
void Conversion::add_https_only(std::size_t index, const Json& matches, const Json& hostnames,
                                const std::string& created) {
  const auto& route = file_.routes[index];
  Json rule = Json::object();
  const bool redirects = route.https_redirect != 426;
  if (redirects)
    rule["filters"] = list_of({{"type", "RequestRedirect"},
                               {"requestRedirect", {{"scheme", "https"}, {"statusCode", route.https_redirect}}}});
  const auto name = add_answering(index, "https-", "http", matches, hostnames, created, std::move(rule));
  if (redirects) return;
  add_policy(route.at, name, "HTTPRoute", {name},
             {{"answer", {{"status", 426}, {"detail", "Please use HTTPS protocol"}}}});
}

/// What a route for gRPC serves, and what it says to the rest.
void Conversion::add_grpc(std::size_t index, const std::string& section, Json matches, bool replaces,
                          const Json& hostnames, const std::string& created) {
  const auto name = add_answering(index, "grpc-", section, matches, hostnames, created, Json::object());
  add_policy(file_.routes[index].at, name, "HTTPRoute", {name},
             {{"answer", {{"status", 415}, {"detail", "Non-gRPC request matched gRPC route"}}}});
  for (auto& match : matches)
    match["headers"].push_back(
        {{"type", "RegularExpression"}, {"name", "content-type"}, {"value", "application/grpc.*"}});
  add_http_route(index, section, matches, replaces, hostnames, created);
}

void Conversion::add_policies() {
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const auto& parts = routes_[i];
    if (parts.objects.empty()) continue;
    add_policy(file_.routes[i].at, parts.objects.front(), "HTTPRoute", parts.objects, parts.sections);
  }
  Counted counted;
  for (std::size_t i = 0; i < routes_.size(); ++i)
    for (const auto& [name, plugin] : routes_[i].plugins) count_on(i, name, plugin, counted);
  for (const auto& [of, targets] : counted) add_rate_limit(of.first, of.second, targets);
}

/// Those of a route belong to what a plugin counts together.
void Conversion::count_on(std::size_t route, const std::string& name, std::size_t plugin, Counted& out) const {
  if (!counts_together(name)) return;
  const auto service = plugins_[plugin].by_service ? file_.routes[route].service : Index();
  auto& targets = out[{plugin, service}];
  targets.insert(targets.end(), routes_[route].objects.begin(), routes_[route].objects.end());
}

/// The plugin's own, or one like it.
std::string Conversion::policy_name(std::size_t plugin) {
  const auto& name = plugin_names_[plugin];
  return named_.insert(plugin).second ? name : names_.make("", name);
}

/// One policy for all routes of a plugin, as they count together; or of a plugin and a service.
void Conversion::add_rate_limit(std::size_t plugin, Index service, const std::vector<std::string>& targets,
                                const std::vector<std::string>& consumers) {
  const auto& entity = file_.plugins[plugin];
  if (targets.empty()) return;
  const auto name = service ? names_.make("", plugin_names_[plugin] + "-of-service") : policy_name(plugin);
  if (targets.size() > kMostTargets)
    notes_.unserved(entity.at.find("name"), "at most " + std::to_string(kMostTargets) +
                                                " routes that count together, found " + std::to_string(targets.size()));
  else add_policy(entity.at, name, "HTTPRoute", targets, plugins_[plugin].sections, consumers);
}

void Conversion::add_not_found(View root) {
  out_.add(root, kGatewayApiV1, "HTTPRoute", "no-route",
           {{"spec", {{"parentRefs", list_of({{"name", "kong"}})}, {"rules", list_of({{"name", "kong"}})}}}},
           "2100-01-01T00:00:00Z");
  add_policy(root, "no-route", "HTTPRoute", {"no-route"},
             {{"answer", {{"status", 404}, {"detail", "no Route matched with those values"}}}});
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
