// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/kong/plugins.hpp"

#include <algorithm>
#include <charconv>

#include "gateway/dataplane/config/fields.hpp"

namespace fairlead::kong {
namespace {

/// "name:value"; a template of Kong's cannot stand in it, and none of ours is made of it.
bool split(Notes& notes, View at, std::string& name, std::string& value) {
  const auto text = at.text();
  const auto colon = text.find(':');
  if (at.is_mapping() || at.is_sequence() || colon == std::string_view::npos || colon == 0)
    return notes.error(at, "NAME:VALUE"), false;
  name = text.substr(0, colon);
  value = text.substr(colon + 1);
  if (value.find("$(") != std::string::npos || value.find("{{") != std::string::npos)
    return notes.unserved(at, "a value without templates"), false;
  return true;
}

/// headers or querystring of remove, rename, replace, add and append.
void convert_changes(Notes& notes, ConfigView& config, std::string_view list, Json& out) {
  for (const char* kind : {"remove", "rename", "replace", "add", "append"}) {
    const auto items = config.find(kind).find(list);
    if (!items) continue;
    Json all = Json::array();
    notes.reader().items(items, [&](View item) {
      std::string name, value;
      if (std::string_view(kind) == "remove") {
        all.push_back(std::string(item.text()));
      } else if (split(notes, item, name, value)) {
        if (std::string_view(kind) == "rename") all.push_back({{"from", name}, {"to", value}});
        else all.push_back({{"name", name}, {"value", value}});
      }
    });
    if (!all.empty()) out[kind] = all;
  }
}

/// What of these mappings is not served.
void check_changes(Notes& notes, ConfigView& config, std::initializer_list<std::string_view> served) {
  for (const char* kind : {"remove", "rename", "replace", "add", "append"})
    notes.reader().fields(config.find(kind), [&](View child) {
      const bool empty = child.is_sequence() && !child.first();
      if (std::ranges::find(served, child.key()) == served.end() && !empty)
        notes.unserved(child, "changes of headers" + std::string(served.size() > 1 ? " and querystring" : ""));
    });
}

std::string json_text(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// An answer's text is a template.
bool is_no_template(Notes& notes, View at, const std::string& text) {
  if (text.find("{{") == std::string::npos) return true;
  notes.unserved(at, "a text without {{");
  return false;
}

}  // namespace

void convert_cors(Notes& notes, ConfigView& config, PluginParts& out) {
  const auto origins = config.texts("origins", {"*"});
  config.only("preflight_continue", "false");
  config.only("private_network", "false");
  config.only("allow_origin_absent", "true");
  for (const auto& origin : origins)
    if (origin != "*" && !origin.starts_with("http://") && !origin.starts_with("https://"))
      return config.give_up(),
             notes.unserved(config.find("origins"), "origins such as https://a.example, or *: no expressions");
  auto methods =
      config.texts("methods", {"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"});
  Json cors = {{"allowOrigins", origins}, {"allowMethods", methods}};
  const auto headers = config.texts("headers");
  cors["allowHeaders"] = headers.empty() ? std::vector<std::string>{"*"} : headers;
  if (auto exposed = config.texts("exposed_headers"); !exposed.empty()) cors["exposeHeaders"] = exposed;
  if (config.flag("credentials", false)) cors["allowCredentials"] = true;
  if (const auto age = config.number("max_age", 0, 0, 0x7fffffff); age > 0) cors["maxAge"] = age;
  out.cors = std::move(cors);
}

void convert_correlation_id(Notes& notes, ConfigView& config, PluginParts& out) {
  const auto name = config::lower(config.text("header_name", "Kong-Request-ID"));
  const auto generator = config.text("generator", "uuid#counter");
  if (generator != "uuid" && generator != "uuid#counter")
    notes.unserved(config.find("generator"), "uuid or uuid#counter");
  auto& section = out.sections["transform"];
  section["request"]["headers"]["add"] =
      list_of({{"name", name}, {"value", generator == "uuid" ? "{{ uuid }}" : "{{ counted }}"}});
  if (config.flag("echo_downstream", false))
    section["response"]["headers"]["set"] = list_of({{"name", name}, {"value", "{{ request.header." + name + " }}"}});
}

/// The fields of `redis`, or those of before it (redis_host and its likes).
void convert_redis(Notes& notes, ConfigView& config, const std::string& name, bool tolerant, Json& section,
                   PluginParts& out) {
  const auto at = config.find("redis");
  ConfigView redis(notes, at, at);
  Json settings;
  const auto host = redis.text("host", config.text("redis_host", "127.0.0.1"));
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
    if (!verifies)
      notes.unserved(at ? at : config.find("redis_ssl"), "ssl_verify: true, as certificates are always verified here");
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

void convert_rate_limiting(Notes& notes, ConfigView& config, const std::string& name, PluginParts& out) {
  constexpr std::pair<const char*, const char*> kPeriods[] = {
      {"second", "Second"}, {"minute", "Minute"}, {"hour", "Hour"}, {"day", "Day"}, {"month", "Month"}};
  Json key;
  const auto by = config.text("limit_by", "consumer");
  if (by == "consumer") key = {{"type", "Consumer"}};
  else if (by == "credential") key = {{"type", "Credential"}};
  else if (by == "ip") key = {{"type", "ClientIP"}, {"ipv6Prefix", 128}};
  else if (by == "header") key = {{"type", "Header"}, {"name", config::lower(config.text("header_name"))}};
  else return config.give_up(), notes.unserved(config.find("limit_by"), "consumer, credential, ip or header");
  config.ignore("header_name");
  config.only("year", "", "second, minute, hour, day or month");
  config.only("path", "");
  config.only("sync_rate", "-1");
  Json limits = Json::array();
  for (const auto& [period, per] : kPeriods)
    if (const auto most = config.number(period, 0, 1, 1'000'000'000); most > 0)
      limits.push_back(
          {{"name", period}, {"algorithm", "FixedWindow"}, {"requests", most}, {"per", per}, {"key", list_of(key)}});
  if (limits.empty() && !config.find("year"))
    return config.give_up(), notes.error(config.at(), "second, minute, hour, day or month");
  if (limits.empty()) return config.give_up();
  auto& section = out.sections["rateLimits"];
  section["limits"] = limits;
  section["headers"] = config.flag("hide_client_headers", false)
                           ? Json::array()
                           : Json::array({"XRateLimitPeriod", "RateLimitFields", "RetryAfter"});
  // Without words of its own the Gateway's answers are Kong's, with the request's id.
  constexpr const char* kMessage = "API rate limit exceeded";
  const auto status = config.number("error_code", 429, 400, 599);
  const auto message = config.text("error_message", kMessage);
  section["refusal"] = {{"status", status}};
  if (status != 429 || message != kMessage) {
    section["refusal"]["body"] = "{\"message\":" + json_text(message) + "}";
    section["refusal"]["contentType"] = "application/json; charset=utf-8";
  }
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
  config.only("headers", "", "no headers: the variable OTEL_EXPORTER_OTLP_HEADERS says them");
  config.only("resource_attributes", "", "no resource_attributes: the variable OTEL_RESOURCE_ATTRIBUTES says them");
  config.only("propagation", "", "no propagation: --trace-headers says it");
  config.only("header_type", "preserve");
  config.only("http_response_header_for_traceid", "");
  for (const char* pace :
       {"queue", "batch_span_count", "batch_flush_delay", "connect_timeout", "send_timeout", "read_timeout"})
    config.ignore(pace);
  Tracing tracing{.endpoint = traces.empty() ? older : traces};
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
                                    std::pair("bandwidth_metrics", "bandwidth")})
    if (config.flag(field, false)) out.metrics += std::string(",") + name;
  for (const char* field : {"per_consumer", "upstream_health_metrics", "wasm_metrics", "ai_metrics"})
    if (config.flag(field, false)) notes.unserved(config.find(field), "false: there are no such metrics");
}

void convert_redirect(Notes& notes, ConfigView& config, PluginParts& out) {
  const auto status = config.number("status_code", 301, 300, 399);
  const auto location = config.text("location");
  config.only("keep_incoming_path", "false");
  if (location.empty()) return notes.reader().missing(config.at(), "location", "a URL");
  if (!is_no_template(notes, config.find("location"), location)) return;
  out.answers = true;
  out.sections["answer"] = {{"status", status},
                            {"headers", list_of({{"name", "location"}, {"value", location}})},
                            {"body", "redirecting"},
                            {"contentType", "text/plain; charset=utf-8"}};
}

void convert_request_size(Notes& notes, ConfigView& config, PluginParts& out) {
  constexpr std::uint64_t kMostHeld = 67'108'864;
  const auto size = config.number("allowed_payload_size", 128, 0, 1'000'000);
  const auto unit = config.text("size_unit", "megabytes");
  if (unit != "megabytes" && unit != "kilobytes" && unit != "bytes")
    return config.give_up(), notes.error(config.find("size_unit"), "megabytes, kilobytes or bytes");
  const auto bytes = size * (unit == "megabytes" ? 1'048'576 : unit == "kilobytes" ? 1024 : 1);
  const bool length = config.flag("require_content_length", false);
  if (!length && bytes > kMostHeld)
    return notes.unserved(config.find("allowed_payload_size") ? config.find("allowed_payload_size") : config.at(),
                          "at most 64 megabytes, or require_content_length: true");
  out.sections["requestSize"] = {{"maxBytes", bytes}, {"streamed", length ? "Refuse" : "Buffer"}};
}

void convert_request_termination(Notes& notes, ConfigView& config, PluginParts& out) {
  const auto status = config.number("status_code", 503, 200, 599);
  config.only("echo", "false");
  config.only("trigger", "", "no trigger");
  const auto message = config.text("message"), body = config.text("body"), type = config.text("content_type");
  if (!message.empty() && !body.empty()) return notes.error(config.find("message"), "message or body, not both");
  const auto& text = body.empty() ? message : body;
  if (!is_no_template(notes, config.find(body.empty() ? "message" : "body"), text)) return;
  out.answers = true;
  auto& answer = out.sections["answer"];
  answer["status"] = status;
  if (!body.empty()) {
    answer["body"] = body;
    answer["contentType"] = type.empty() ? "application/json; charset=utf-8" : type;
    return;
  }
  std::string said = message;
  if (said.empty()) said = status == 503 ? "Service unavailable" : "";
  answer["body"] = "{\"message\":" + json_text(said) + ",\"request_id\":\"{{ request.id }}\"}";
  answer["contentType"] = "application/json; charset=utf-8";
}

void convert_request_transformer(Notes& notes, ConfigView& config, PluginParts& out) {
  Json request = Json::object();
  if (const auto method = config.text("http_method"); !method.empty()) request["method"] = method;
  Json headers = Json::object(), query = Json::object();
  convert_changes(notes, config, "headers", headers);
  convert_changes(notes, config, "querystring", query);
  check_changes(notes, config, {"headers", "querystring"});
  if (!headers.empty()) request["headers"] = headers;
  if (!query.empty()) request["query"] = query;
  if (!request.empty()) out.sections["transform"]["request"] = std::move(request);
}

void convert_response_transformer(Notes& notes, ConfigView& config, PluginParts& out) {
  Json headers = Json::object();
  convert_changes(notes, config, "headers", headers);
  check_changes(notes, config, {"headers"});
  if (!headers.empty()) out.sections["transform"]["response"]["headers"] = std::move(headers);
}

PluginParts convert_plugin(Notes& notes, const Plugin& plugin, const File& file, const std::string& object_name) {
  PluginParts out;
  ConfigView config(notes, plugin);
  const auto& name = plugin.name;
  if (name == "key-auth") convert_key_auth(notes, config, file, out);
  else if (name == "basic-auth") convert_basic_auth(notes, config, file, out);
  else if (name == "jwt") convert_jwt(notes, config, file, out);
  else if (name == "hmac-auth") convert_hmac_auth(notes, config, file, out);
  else if (name == "acl") convert_acl(notes, config, out);
  else if (name == "ip-restriction") convert_ip_restriction(notes, config, out);
  else if (name == "bot-detection") convert_bot_detection(notes, config, out);
  else if (name == "cors") convert_cors(notes, config, out);
  else if (name == "correlation-id") convert_correlation_id(notes, config, out);
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
    return out;
  }
  config.finish(name);
  return out;
}

}  // namespace fairlead::kong
