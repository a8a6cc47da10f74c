// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/kong/plugins.hpp"

#include <algorithm>
#include <charconv>

#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/kong/read.hpp"

namespace fairlead::kong {
namespace {

std::string json_text(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// As OpenTelemetry's variables have them, where a ',' parts two.
std::string pairs_of(Notes& notes, View at) {
  std::string out;
  notes.reader().fields(at, [&](View field) {
    if (field.is_mapping() || field.is_sequence()) return notes.error(field, "a text");
    out.append(out.empty() ? "" : ",").append(field.key()).append("=");
    for (const char c : field.text()) {
      constexpr std::string_view kHex = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      if (c > ' ' && c <= '~' && std::string_view("%,;=\"\\").find(c) == std::string_view::npos) out += c;
      else out.append("%").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    }
  });
  return out;
}

constexpr const char *kJsonType = "application/json; charset=utf-8", *kTextType = "text/plain; charset=utf-8";

/// Kong sends none, so that clients guess.
const char* type_of(std::string_view body) {
  if (body.empty()) return "text/plain";
  if (Json::accept(body)) return kJsonType;
  return body.starts_with('<') ? "text/html; charset=utf-8" : kTextType;
}

/// An answer's text is a template.
bool is_no_template(Notes& notes, View at, const std::string& text) {
  if (text.find("{{") == std::string::npos) return true;
  notes.unserved(at, "a text without {{");
  return false;
}

/// Plugins of Kong's that let nobody pass but those they know. Where one is left out its routes are closed.
bool decides_who_passes(std::string_view name) {
  constexpr std::string_view kNames[] = {
      "ldap-auth", "ldap-auth-advanced", "oauth2",       "openid-connect", "oauth2-introspection",
      "mtls-auth", "header-cert-auth",   "key-auth-enc", "jwt-signer",     "saml",
      "opa",       "vault-auth"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

}  // namespace

void convert_cors(Notes& notes, ConfigView& config, PluginParts& out) {
  Json cors = Json::object();
  for (const auto& [from, to] : {std::pair("origins", "origins"), std::pair("methods", "methods"),
                                 std::pair("headers", "headers"), std::pair("exposed_headers", "exposedHeaders")})
    if (auto all = config.texts(from); !all.empty()) cors[to] = std::move(all);
  if (cors.contains("origins"))
    for (const auto& origin : cors["origins"])
      if (origin != "*" && !is_regex(origin.get<std::string>()))
        return config.give_up(), notes.unserved(config.find("origins"), "origins, or expressions that RE2 takes");
  for (const auto& [from, to] :
       {std::pair("credentials", "credentials"), std::pair("private_network", "privateNetwork")})
    if (config.flag(from, false)) cors[to] = true;
  if (config.flag("preflight_continue", false)) cors["preflights"] = "Pass";
  if (!config.flag("allow_origin_absent", true)) cors["withoutOrigin"] = false;
  if (config.find("max_age")) cors["maxAge"] = config.number("max_age", 0, 0, 0x7fffffff);
  out.sections["crossOrigin"] = std::move(cors);
}

void convert_correlation_id(Notes& notes, ConfigView& config, const Plugin& plugin, PluginParts& out) {
  const auto name = config::lower(config.text("header_name", "Kong-Request-ID"));
  const auto generator = config.text("generator", "uuid#counter");
  const bool echo = config.flag("echo_downstream", false);
  constexpr std::pair<std::string_view, const char*> kGenerators[] = {
      {"uuid", "UUID"}, {"uuid#counter", "Counter"}, {"tracker", "Tracker"}};
  const auto* found = std::ranges::find(kGenerators, generator, &std::pair<std::string_view, const char*>::first);
  if (found == std::end(kGenerators)) return notes.error(config.find("generator"), "uuid, uuid#counter or tracker");
  if (!plugin.consumer) {
    out.sections["correlation"] = {{"header", name}, {"generator", found->second}, {"echo", echo}};
    return;
  }
  // Who calls is known behind authentication only.
  if (generator == "tracker") return notes.unserved(config.find("generator"), "uuid or uuid#counter for a consumer");
  auto& section = out.sections["transform"];
  section["request"]["headers"]["add"] =
      list_of({{"name", name}, {"value", generator == "uuid" ? "{{ uuid }}" : "{{ counted }}"}});
  if (echo)
    section["response"]["headers"]["set"] = list_of({{"name", name}, {"value", "{{ request.header." + name + " }}"}});
}

/// The fields of `redis`, or those of before it (redis_host and its likes).
void convert_redis(Notes& notes, ConfigView& config, const std::string& name, bool tolerant, Json& section,
                   PluginParts& out) {
  const auto at = config.find("redis");
  ConfigView redis(notes, at, at);
  Json settings;
  const auto host = redis.text("host", config.text("redis_host"));
  if (host.empty())
    return config.give_up(), notes.reader().missing(at ? at : config.at(), "host", "a host, for policy: redis");
  const auto port = redis.number("port", config.number("redis_port", 6379, 1, 65535), 1, 65535);
  settings["addresses"] =
      list_of((host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + std::to_string(port));
  settings["timeout"] =
      std::to_string(redis.number("timeout", config.number("redis_timeout", 2000, 1, 10'000), 1, 10'000)) + "ms";
  settings["database"] = redis.number("database", config.number("redis_database", 0, 0, 65535), 0, 65535);
  settings["onFailure"] = tolerant ? "Open" : "Closed";
  const bool verifies = redis.flag("ssl_verify", config.flag("redis_ssl_verify", false));
  const auto server = redis.text("server_name", config.text("redis_server_name"));
  if (redis.flag("ssl", config.flag("redis_ssl", false))) {
    settings["tls"] = Json::object();
    if (!server.empty()) settings["tls"]["hostname"] = server;
    if (!verifies) settings["tls"]["verify"] = false;
  }
  const auto user = redis.text("username", config.text("redis_username"));
  const auto password = redis.text("password", config.text("redis_password"));
  if (!password.empty()) {
    out.secrets.emplace_back(name + "-redis", Json{{"password", password}});
    settings["passwordSecretRef"] = {{"name", name + "-redis"}};
    if (!user.empty()) settings["username"] = user;
  }
  redis.finish("a limit's redis");
  section["store"] = "Redis";
  section["redis"] = std::move(settings);
}

void check_periods(Notes& notes, ConfigView& limits) {
  std::uint64_t most = 0;
  const char* of = nullptr;
  for (const char* period : {"second", "minute", "hour", "day", "month", "year"}) {
    const auto at = limits.find(period);
    const std::uint64_t value = at ? std::strtoull(std::string(at.text()).c_str(), nullptr, 10) : 0;
    if (value == 0) continue;
    if (value < most) notes.error(at, std::string("no less than for the ") + of + ", " + std::to_string(most));
    if (value > most) of = period;
    most = std::max(most, value);
  }
}

void convert_rate_limiting(Notes& notes, ConfigView& config, const std::string& name, PluginParts& out) {
  constexpr std::pair<const char*, const char*> kPeriods[] = {{"second", "Second"}, {"minute", "Minute"},
                                                              {"hour", "Hour"},     {"day", "Day"},
                                                              {"month", "Month"},   {"year", "Year"}};
  Json key;
  const auto by = config.text("limit_by", "consumer");
  if (by == "consumer") key = {{"type", "Consumer"}};
  else if (by == "credential") key = {{"type", "Credential"}};
  else if (by == "ip") key = {{"type", "ClientIP"}, {"ipv6Prefix", 128}};
  else if (by == "header") key = {{"type", "Header"}, {"name", config::lower(config.text("header_name"))}};
  else if (by == "path") key = {{"type", "Path"}, {"name", config.text("path")}};
  else if (by == "service") key = {{"type", "Everyone"}};
  else
    return config.give_up(), notes.error(config.find("limit_by"), "consumer, credential, ip, service, header or path");
  for (const auto& [kind, field] : {std::pair("header", "header_name"), std::pair("path", "path")})
    if (by == kind && config.text(field).empty())
      return config.give_up(), notes.reader().missing(config.at(), field, "a text, for limit_by: " + by);
  out.by_service = by == "service";
  for (const char* of_key : {"header_name", "path", "sync_rate"}) config.ignore(of_key);
  Json limits = Json::array();
  for (const auto& [period, per] : kPeriods)
    if (const auto most = config.number(period, 0, 1, 1'000'000'000); most > 0)
      limits.push_back(
          {{"name", period}, {"algorithm", "FixedWindow"}, {"requests", most}, {"per", per}, {"key", list_of(key)}});
  if (limits.empty()) return config.give_up(), notes.error(config.at(), "second, minute, hour, day, month or year");
  check_periods(notes, config);
  auto& section = out.sections["rateLimits"];
  section["limits"] = limits;
  section["headers"] = config.flag("hide_client_headers", false)
                           ? Json::array()
                           : Json::array({"XRateLimitPeriod", "RateLimitFields", "RetryAfter"});
  // Without words of its own the Gateway's answers are Kong's.
  section["refusal"] = {{"status", config.number("error_code", 429, 400, 599)},
                        {"detail", config.text("error_message", "API rate limit exceeded")}};
  convert_limit_store(notes, config, name, section, out);
}

/// policy, redis and fault_tolerant of both plugins that limit.
void convert_limit_store(Notes& notes, ConfigView& config, const std::string& name, Json& section, PluginParts& out) {
  const auto policy = config.text("policy", "local");
  const bool tolerant = config.flag("fault_tolerant", true);
  if (policy == "redis") return convert_redis(notes, config, name, tolerant, section, out);
  if (policy != "local") return notes.unserved(config.find("policy"), "local or redis");
  for (const char* unused : {"redis", "redis_host", "redis_port", "redis_password", "redis_username", "redis_ssl",
                             "redis_ssl_verify", "redis_server_name", "redis_timeout", "redis_database"})
    config.ignore(unused);
}

void convert_opentelemetry(Notes& notes, ConfigView& config, const Plugin& plugin, PluginParts& out) {
  if (plugin.service || plugin.route)
    notes.unserved(plugin.at.find("name"), "opentelemetry for all routes: traces are the whole gateway's");
  const auto traces = config.text("traces_endpoint"), older = config.text("endpoint");
  config.only("logs_endpoint", "");
  config.ignore("sampling_strategy");
  const auto propagation = config.find("propagation");
  notes.reader().fields(propagation, [&](View field) {
    const bool usual = field.key() == "default_format" ? field.text() == "w3c" : field.is_null() || !field.first();
    if (!usual) notes.unserved(propagation, "no propagation but by w3c: --trace-headers says it");
  });
  config.only("header_type", "preserve");
  config.only("http_response_header_for_traceid", "");
  for (const char* pace :
       {"queue", "batch_span_count", "batch_flush_delay", "connect_timeout", "send_timeout", "read_timeout"})
    config.ignore(pace);
  Tracing tracing{.endpoint = traces.empty() ? older : traces};
  tracing.headers = pairs_of(notes, config.find("headers"));
  tracing.resource_attributes = pairs_of(notes, config.find("resource_attributes"));
  if (tracing.endpoint.empty()) return notes.reader().missing(config.at(), "traces_endpoint", "a URL");
  if (!tracing.endpoint.starts_with("http://") && !tracing.endpoint.starts_with("https://"))
    return notes.error(config.find(traces.empty() ? "endpoint" : "traces_endpoint"), "a URL of http or https");
  if (const auto at = config.find("sampling_rate")) {
    double rate = 0;
    const auto text = at.text();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
    if (error != std::errc{} || end != text.data() + text.size() || !(rate >= 0 && rate <= 1))
      return notes.error(at, "a number from 0 to 1");
    tracing.sample_percent = rate * 100;
  }
  out.tracing = std::move(tracing);
}

void convert_prometheus(Notes& notes, ConfigView& config, PluginParts& out) {
  out.metrics = "node";
  for (const auto& [field, name] : {std::pair("status_code_metrics", "status"), std::pair("latency_metrics", "latency"),
                                    std::pair("bandwidth_metrics", "bandwidth"), std::pair("per_consumer", "consumer"),
                                    std::pair("upstream_health_metrics", "upstreams")})
    if (config.flag(field, false)) out.metrics += std::string(",") + name;
  for (const char* field : {"wasm_metrics", "ai_metrics"})
    if (config.flag(field, false)) notes.unserved(config.find(field), "false: there are no such metrics");
}

void convert_redirect(Notes& notes, ConfigView& config, PluginParts& out) {
  const auto status = config.number("status_code", 301, 200, 599);
  auto location = config.text("location");
  const bool keeps = config.flag("keep_incoming_path", false);
  if (location.empty()) return notes.reader().missing(config.at(), "location", "a URL");
  if (!is_no_template(notes, config.find("location"), location)) return;
  if (keeps) {
    const auto scheme = location.find("://");
    location = location.substr(0, scheme == std::string::npos ? scheme : location.find_first_of("/?#", scheme + 3)) +
               "{{ request.target }}";
  }
  out.answers = true;
  out.sections["answer"] = {{"status", status},
                            {"headers", list_of({{"name", "location"}, {"value", location}})},
                            {"body", "redirecting"},
                            {"contentType", kTextType}};
}

/// Above what is held in memory a body without a length is not limited.
void convert_request_size(Notes& notes, ConfigView& config, PluginParts& out) {
  constexpr std::uint64_t kMostHeld = 67'108'864;
  const auto size = config.number("allowed_payload_size", 128, 0, 1'000'000);
  const auto unit = config.text("size_unit", "megabytes");
  if (unit != "megabytes" && unit != "kilobytes" && unit != "bytes")
    return config.give_up(), notes.error(config.find("size_unit"), "megabytes, kilobytes or bytes");
  const auto bytes = size * (unit == "megabytes" ? 1'048'576 : unit == "kilobytes" ? 1024 : 1);
  out.sections["requestSize"] = {{"maxBytes", bytes}, {"streamed", bytes > kMostHeld ? "Pass" : "Buffer"}};
  if (config.flag("require_content_length", false)) out.sections["requestSize"]["requireLength"] = true;
}

void convert_request_termination(Notes& notes, ConfigView& config, PluginParts& out) {
  constexpr std::pair<std::uint64_t, const char*> kWords[] = {
      {401, "Unauthorized"},       {404, "Not found"},
      {405, "Method not allowed"}, {500, "An unexpected error occurred"},
      {502, "Bad Gateway"},        {503, "Service unavailable"}};
  const auto status = config.number("status_code", 503, 200, 599);
  config.only("echo", "false");
  const auto trigger = config.text("trigger");
  const auto message = config.text("message"), body = config.text("body"), type = config.text("content_type");
  if (!message.empty() && (!body.empty() || !type.empty()))
    return notes.error(config.find("message"), "message, or body and content_type, not both");
  if (!type.empty() && body.empty()) return notes.error(config.find("content_type"), "a body with content_type");
  if (!is_no_template(notes, config.find(body.empty() ? "message" : "body"), body.empty() ? message : body)) return;
  out.answers = trigger.empty();
  auto& answer = out.sections["answer"];
  answer["status"] = status;
  if (!trigger.empty()) answer["trigger"] = trigger;
  if (status == 204 || status == 205 || status == 304) return;
  const auto* words = std::ranges::find(kWords, status, &std::pair<std::uint64_t, const char*>::first);
  const auto said = !message.empty() ? message : words == std::end(kWords) ? std::string() : words->second;
  answer["body"] = !body.empty() ? body : said.empty() ? "" : "{\"message\":" + json_text(said) + "}";
  answer["contentType"] = !type.empty() ? type : body.empty() && !said.empty() ? kJsonType : type_of(body);
  if (body.empty() || Json::accept(body) || answer["contentType"].get<std::string>().find("json") == std::string::npos)
    return;
  // Said to be JSON, which a template would have to be.
  answer["headers"] = list_of({{"name", "content-type"}, {"value", type}});
  answer["contentType"] = kTextType;
}

PluginParts convert_plugin(Notes& notes, const Plugin& plugin, const File& file, const std::string& object_name) {
  PluginParts out;
  ConfigView config(notes, plugin);
  const auto& name = plugin.name;
  if (name == "key-auth") convert_key_auth(notes, config, file, out);
  else if (name == "basic-auth") convert_basic_auth(notes, config, file, out);
  else if (name == "jwt") convert_jwt(notes, config, file, out);
  else if (name == "hmac-auth") convert_hmac_auth(notes, config, file, out);
  else if (name == "acl") convert_acl(notes, config, file, out);
  else if (name == "ip-restriction") convert_ip_restriction(notes, config, out);
  else if (name == "bot-detection") convert_bot_detection(notes, config, out);
  else if (name == "cors") convert_cors(notes, config, out);
  else if (name == "correlation-id") convert_correlation_id(notes, config, plugin, out);
  else if (name == "rate-limiting") convert_rate_limiting(notes, config, object_name, out);
  else if (name == "response-ratelimiting") convert_response_limits(notes, config, object_name, out);
  else if (name == "redirect") convert_redirect(notes, config, out);
  else if (name == "request-size-limiting") convert_request_size(notes, config, out);
  else if (name == "request-termination") convert_request_termination(notes, config, out);
  else if (name == "request-transformer") convert_request_transformer(notes, config, out);
  else if (name == "response-transformer") convert_response_transformer(notes, config, out);
  else if (name == "proxy-cache") convert_proxy_cache(notes, config, out);
  else if (name == "opentelemetry") convert_opentelemetry(notes, config, plugin, out);
  else if (name == "prometheus") convert_prometheus(notes, config, out);
  else if (name == "file-log") convert_file_log(notes, config, out);
  else if (name == "http-log") convert_http_log(notes, config, out);
  else if (name == "statsd") convert_statsd(notes, config, out);
  else if (name == "datadog") convert_datadog(notes, config, out);
  else {
    const auto at = plugin.at.find("name");
    notes.unserved(at, "a plugin that is served from Kong's file (docs/operate/from-kong.md)");
    out.closes = decides_who_passes(name);
    return out;
  }
  config.finish(name);
  return out;
}

}  // namespace fairlead::kong
