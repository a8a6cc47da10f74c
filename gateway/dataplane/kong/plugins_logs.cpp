// SPDX-License-Identifier: Apache-2.0
// file-log, http-log, statsd and datadog, as logs of a ClientPolicy.
#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include "fairlead/auth/digest.hpp"
#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/kong/plugins.hpp"

namespace fairlead::kong {
namespace {

constexpr const char* kNoLua = "no custom_fields_by_lua: there is no Lua here";

/// As policies have durations: at most five digits of a unit.
std::string duration(std::uint64_t ms) {
  constexpr std::pair<std::uint64_t, const char*> kUnits[] = {{3'600'000, "h"}, {60'000, "m"}, {1000, "s"}, {1, "ms"}};
  std::string out;
  for (const auto& [unit, name] : kUnits)
    if (const auto count = ms / unit; count > 0) {
      out += std::to_string(count) + name;
      ms %= unit;
    }
  return out.empty() ? "0s" : out;
}

/// A number of seconds, in milliseconds; nothing where it is not given, or wrong.
std::optional<std::uint64_t> milliseconds(Notes& notes, ConfigView& config, std::string_view name, double low,
                                          double high) {
  const auto at = config.find(name);
  if (!at || at.is_null()) return std::nullopt;
  double value = 0;
  const auto text = at.text();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && value >= low && value <= high)
    return static_cast<std::uint64_t>(std::max(value, 0.0) * 1000 + 0.5);
  notes.error(at, "a number of seconds from " + Json(low).dump() + " to " + Json(high).dump());
  return std::nullopt;
}

/// The queue in its own words, and in those of releases before 3.3 where they say other than they did by default.
Json queue_of(Notes& notes, ConfigView& config) {
  constexpr double kLongest = 1'000'000;
  Json out = Json::object();
  config.ignore("retry_count");  // Kong does not heed it either
  if (const auto size = config.number("queue_size", 1, 1, 1'000'000); size != 1) out["maxBatchSize"] = size;
  if (const auto delay = milliseconds(notes, config, "flush_timeout", 0, 3600); delay && *delay != 2000)
    out["maxDelay"] = duration(*delay);
  const auto at = config.find("queue");
  if (!at) return out;
  ConfigView queue(notes, at, at);
  const auto count = [&](const char* name, const char* field) {
    if (queue.find(name) && !out.contains(field)) out[field] = queue.number(name, 1, 1, 1'000'000);
  };
  const auto seconds = [&](const char* name, const char* field, double low, double high) {
    const auto value = milliseconds(notes, queue, name, low, high);
    if (value && !out.contains(field)) out[field] = duration(*value);
  };
  count("max_batch_size", "maxBatchSize");
  count("max_entries", "maxEntries");
  seconds("max_coalescing_delay", "maxDelay", 0, 3600);
  seconds("max_retry_time", "maxRetryTime", -1, kLongest);
  seconds("initial_retry_delay", "initialRetryDelay", 0.001, kLongest);
  seconds("max_retry_delay", "maxRetryDelay", 0.001, kLongest);
  queue.only("max_bytes", "", "max_entries");
  queue.only("concurrency_limit", "1");
  queue.ignore("name");
  queue.finish("a queue");
  return out;
}

/// user:password@ of a URL becomes a header, as it does at Kong.
bool split_url(Notes& notes, View at, std::string& url, Json& headers) {
  constexpr const char* kExpected = "a URL of http or https";
  const auto scheme = url.find("://");
  if (!url.starts_with("http://") && !url.starts_with("https://")) return notes.error(at, kExpected), false;
  const auto user = url.substr(scheme + 3, url.find('/', scheme + 3) - (scheme + 3));
  if (const auto mark = user.rfind('@'); mark != std::string::npos) {
    for (const auto& header : headers)
      if (header["name"] == "authorization")
        return notes.error(at, "user and password in the URL, or a header Authorization, not both"), false;
    headers.push_back({{"name", "authorization"}, {"value", "Basic " + auth::encode_base64(user.substr(0, mark))}});
    url.erase(scheme + 3, mark + 1);
  }
  return true;
}

Json headers_of(Notes& notes, ConfigView& config) {
  Json out = Json::array();
  auto& reader = notes.reader();
  reader.fields(config.find("headers"), [&](View child) {
    const auto name = config::lower(child.key());
    reader.hide_values(true);
    if (child.is_mapping() || child.is_sequence()) notes.error(child, "a text");
    else if (name == "host" || name == "content-length" || name == "content-type")
      notes.error(child, "a header other than Host, Content-Length and Content-Type");
    else out.push_back({{"name", name}, {"value", std::string(child.text())}});
    reader.hide_values(false);
  });
  return out;
}

struct Word {
  std::string_view kong, ours;
};
constexpr Word kConsumers[] = {{"custom_id", "CustomId"}, {"username", "Username"}};
constexpr Word kServices[] = {
    {"service_name", "Name"}, {"service_host", "Host"}, {"service_name_or_host", "NameOrHost"}};

/// The word of ours for one of Kong's; entities have no ids here.
void put_identifier(Notes& notes, ConfigView& config, std::string_view name, std::span<const Word> words,
                    std::string_view id, const char* field, Json& out) {
  const auto at = config.find(name);
  if (!at) return;
  std::string list;
  for (const auto& word : words) {
    if (at.text() == word.kong) return void(out[field] = word.ours);
    list.append(list.empty() ? "" : " or ").append(word.kong);
  }
  if (at.text() == id) notes.unserved(at, list);
  else notes.error(at, list + " or " + std::string(id));
}

/// What stands in datagrams: nothing of theirs.
bool is_metric_text(std::string_view text) {
  return !text.empty() && text.size() <= 255 &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != '|' && c != '#' && c != ','; }) &&
         text.find('@') == std::string_view::npos;
}

/// A field that goes into datagrams as it is.
std::string metric_text(Notes& notes, ConfigView& config, std::string_view name, std::string otherwise) {
  auto text = config.text(name, std::move(otherwise));
  if (!is_metric_text(text)) notes.error(config.find(name), "a text without spaces and | # , @");
  return text;
}

/// "200-299"
bool is_range(std::string_view text) {
  const auto digits = [](std::string_view part) {
    return part.size() == 3 && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
  };
  return text.size() == 7 && text[3] == '-' && digits(text.substr(0, 3)) && digits(text.substr(4)) &&
         text.substr(0, 3) <= text.substr(4);
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

/// A metric's sample_rate, which counters and gauges must have.
void put_rate(Notes& notes, ConfigView& metric, const std::string& type, Json& out) {
  const auto at = metric.find("sample_rate");
  if (!at) {
    if (type == "counter" || type == "gauge")
      notes.reader().missing(metric.at(), "sample_rate", "a number above 0, for counters and gauges");
    return;
  }
  double rate = 0;
  const auto text = at.text();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (error != std::errc{} || end != text.data() + text.size() || !(rate > 0))
    return notes.error(at, "a number above 0");
  if (rate != 1) out["sampleRate"] = text;
}

void put_metric(Notes& notes, View at, bool datadog, Json& out) {
  ConfigView metric(notes, at, at);
  Json made;
  const auto name = metric.text("name"), type = metric.text("stat_type");
  const bool common = is_one_of(
      name, {"request_count", "request_size", "response_size", "latency", "upstream_latency", "kong_latency"});
  const bool counted = is_one_of(name, {"status_count", "unique_users", "request_per_user", "status_count_per_user",
                                        "status_count_per_workspace", "status_count_per_user_per_route"});
  if (!datadog && name == "shdict_usage") return notes.unserved(metric.find("name"), "another metric");
  if (!common && (datadog || !counted))
    return notes.error(metric.find("name") ? metric.find("name") : at, "a metric's name such as request_count");
  if (!is_one_of(type, {"counter", "gauge", "histogram", "meter", "set", "timer"}) &&
      !(datadog && type == "distribution"))
    return notes.error(metric.find("stat_type") ? metric.find("stat_type") : at, "a type such as counter or timer");
  made["name"] = name;
  made["type"] = type;
  put_rate(notes, metric, type, made);
  put_identifier(notes, metric, "consumer_identifier", kConsumers, "consumer_id", "consumerIdentifier", made);
  if (datadog) {
    if (const auto tags = metric.texts("tags"); !tags.empty()) made["tags"] = tags;
    if (!std::ranges::all_of(metric.texts("tags"), is_metric_text))
      notes.error(metric.find("tags"), "tags without spaces and | # , @");
  } else {
    put_identifier(notes, metric, "service_identifier", kServices, "service_id", "serviceIdentifier", made);
    metric.ignore("workspace_identifier");
  }
  metric.finish("a metric");
  out.push_back(std::move(made));
}

/// What Kong sends without `metrics`; but shdict_usage, as there is no such memory here.
Json default_metrics(bool datadog) {
  Json out = Json::array();
  const auto add = [&](const char* name, const char* type) {
    Json one = {{"name", name}, {"type", type}};
    if (datadog) {
      one["consumerIdentifier"] = "CustomId";
      one["tags"] = Json::array({"app:kong"});
    }
    out.push_back(std::move(one));
  };
  const char* size = datadog ? "timer" : "counter";
  add("request_count", "counter");
  add("latency", "timer");
  add("request_size", size);
  if (!datadog) add("status_count", "counter");
  add("response_size", size);
  if (!datadog) add("unique_users", "set");
  if (!datadog) add("request_per_user", "counter");
  add("upstream_latency", "timer");
  add("kong_latency", "timer");
  if (datadog) return out;
  for (const char* name : {"status_count_per_user", "status_count_per_workspace", "status_count_per_user_per_route"})
    add(name, "counter");
  return out;
}

/// What statsd and datadog have alike.
Json datagrams_of(Notes& notes, ConfigView& config, bool datadog) {
  Json out = {{"style", datadog ? "Datadog" : "StatsD"}};
  const auto host = config.text("host", "localhost");
  out["host"] = host;
  out["port"] = config.number("port", 8125, 1, 65535);
  out["prefix"] = metric_text(notes, config, "prefix", "kong");
  const auto queue = queue_of(notes, config);
  Json metrics = Json::array();
  const auto at = config.find("metrics");
  notes.reader().items(at, [&](View item) { put_metric(notes, item, datadog, metrics); });
  if (at && metrics.empty() && at.is_sequence() && !at.first()) notes.error(at, "at least one metric");
  out["metrics"] = at ? metrics : default_metrics(datadog);
  // Kong's entries are requests.
  const auto entries =
      queue.value("maxEntries", std::uint64_t{10'000}) * std::max<std::size_t>(1, out["metrics"].size());
  out["maxEntries"] = std::min<std::uint64_t>(entries, 1'000'000);
  return out;
}

}  // namespace

void convert_file_log(Notes& notes, ConfigView& config, PluginParts& out) {
  const auto path = config.text("path");
  const bool reopen = config.flag("reopen", false);
  config.only("custom_fields_by_lua", "", kNoLua);
  if (path.empty()) return notes.reader().missing(config.at(), "path", "a file's path");
  if (path.find_first_of("*&%\\`") != std::string::npos)
    return notes.error(config.find("path"), "a file's path without * & % \\ and `");
  if (!path.starts_with('/')) return notes.unserved(config.find("path"), "an absolute path");
  out.log["file"]["path"] = path;
  if (reopen) out.log["file"]["reopen"] = true;
}

void convert_http_log(Notes& notes, ConfigView& config, PluginParts& out) {
  auto url = config.text("http_endpoint");
  config.only("custom_fields_by_lua", "", kNoLua);
  config.ignore("keepalive");  // the connection is kept as long as the server keeps it
  const auto method = config.text("method", "POST"), type = config.text("content_type", "application/json");
  const auto timeout = config.number("timeout", 10'000, 1, kMostMs);
  auto headers = headers_of(notes, config);
  const auto queue = queue_of(notes, config);
  if (!is_one_of(method, {"POST", "PUT", "PATCH"})) notes.error(config.find("method"), "POST, PUT or PATCH");
  if (!is_one_of(type, {"application/json", "application/json; charset=utf-8"}))
    notes.error(config.find("content_type"), "application/json or application/json; charset=utf-8");
  if (url.empty()) return notes.reader().missing(config.at(), "http_endpoint", "a URL of http or https");
  notes.reader().hide_values(url.find('@') != std::string::npos);
  const bool good = split_url(notes, config.find("http_endpoint"), url, headers);
  notes.reader().hide_values(false);
  if (!good) return;
  auto& http = out.log["http"];
  http["url"] = url;
  if (method != "POST") http["method"] = method;
  if (type != "application/json") http["contentType"] = type;
  if (timeout != 10'000) http["timeout"] = duration(timeout);
  if (!headers.empty()) http["headers"] = headers;
  if (!queue.empty()) http["queue"] = queue;
}

void convert_statsd(Notes& notes, ConfigView& config, PluginParts& out) {
  auto statsd = datagrams_of(notes, config, false);
  config.only("use_tcp", "false");
  config.only("tag_style", "", "no tag_style, or the plugin datadog");
  config.ignore("workspace_identifier_default");
  if (config.flag("hostname_in_prefix", false)) statsd["hostnameInPrefix"] = true;
  if (const auto size = config.number("udp_packet_size", 0, 0, 65507); size > 0) statsd["maxDatagramBytes"] = size;
  const auto statuses = config.texts("allow_status_codes");
  if (!statuses.empty()) statsd["statuses"] = statuses;
  if (!std::ranges::all_of(statuses, is_range))
    notes.error(config.find("allow_status_codes"), "ranges such as 200-299");
  put_identifier(notes, config, "consumer_identifier_default", kConsumers, "consumer_id", "consumerIdentifier", statsd);
  put_identifier(notes, config, "service_identifier_default", kServices, "service_id", "serviceIdentifier", statsd);
  if (!statsd["metrics"].empty()) out.log["statsd"] = std::move(statsd);  // else all of them are left out
}

void convert_datadog(Notes& notes, ConfigView& config, PluginParts& out) {
  auto statsd = datagrams_of(notes, config, true);
  for (const auto& [name, field, usual] :
       {std::tuple("service_name_tag", "serviceTag", "name"), std::tuple("status_tag", "statusTag", "status"),
        std::tuple("consumer_tag", "consumerTag", "consumer")})
    if (const auto tag = metric_text(notes, config, name, usual); tag != usual) statsd[field] = tag;
  if (!statsd["metrics"].empty()) out.log["statsd"] = std::move(statsd);
}

}  // namespace fairlead::kong
