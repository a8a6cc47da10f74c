// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/client_logs.hpp"

#include <algorithm>
#include <charconv>
#include <span>

#include "fairlead/model/cluster.hpp"
#include "gateway/dataplane/config/fields.hpp"

namespace fairlead::config {
namespace {

using model::ClientLog;
using Metric = model::ClientLogMetric;
constexpr std::size_t kMostLogs = 1024, kMostRoutes = 65536, kMostMetrics = 64;

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}
bool is_absolute(std::string_view text) { return text.starts_with('/') && text.find('\0') == std::string_view::npos; }
bool is_url(std::string_view text) {
  const auto host = text.starts_with("http://") ? text.substr(7) : text.starts_with("https://") ? text.substr(8) : "";
  return !host.empty() && host[0] != '/' && is_plain(text) && host.substr(0, host.find('/')).find('@') == host.npos;
}
/// No mark of the datagram's own.
bool is_metric_text(std::string_view text) { return is_plain(text) && text.find_first_of("|#,@") == text.npos; }

auto metric_text(Reader& reader, std::string_view name, std::string& out, std::size_t least = 1) {
  return field(name, [&reader, &out, least](View v) {
    read_text(reader, v, out, least, 255, is_metric_text, "a text without spaces and | # , @");
  });
}
constexpr std::string_view kConsumers[] = {"CustomId", "Username"};
constexpr std::string_view kServices[] = {"Name", "Host", "NameOrHost"};
constexpr std::string_view kStyles[] = {"StatsD", "Datadog"};
constexpr std::string_view kMetrics[] = {"request_count",
                                         "request_size",
                                         "response_size",
                                         "latency",
                                         "upstream_latency",
                                         "kong_latency",
                                         "status_count",
                                         "unique_users",
                                         "request_per_user",
                                         "status_count_per_user",
                                         "status_count_per_workspace",
                                         "status_count_per_user_per_route"};
constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram", "meter", "set", "timer", "distribution"};

/// One of `words`, which outlive the field: the enumerator of its place, counted from `first`.
template <class Value>
auto choice(Reader& reader, std::string_view name, Value& out, std::span<const std::string_view> words, int first = 0) {
  return field(name, [&reader, &out, words, first](View v) {
    if (const auto found = reader.one_of(v, words)) out = static_cast<Value>(static_cast<int>(*found) + first);
  });
}
auto consumer_field(Reader& reader, Metric::Consumer& out) {
  return choice(reader, "consumerIdentifier", out, kConsumers, 1);
}
auto service_field(Reader& reader, Metric::Service& out) {
  return choice(reader, "serviceIdentifier", out, kServices, 1);
}

void read_file(Reader& reader, View at, model::ClientLogFile& out) {
  read_mapping(reader, at,
               required("path", "an absolute path",
                        [&](View v) { read_text(reader, v, out.path, 1, 1024, is_absolute, "an absolute path"); }),
               bool_field(reader, "reopen", out.reopen));
}

void read_queue(Reader& reader, View at, model::ClientLogQueue& out) {
  read_mapping(reader, at, number_field(reader, "maxBatchSize", out.max_batch, 1, 1'000'000),
               number_field(reader, "maxEntries", out.max_entries, 1, 1'000'000),
               time_field(reader, "maxDelay", out.max_delay), time_field(reader, "maxRetryTime", out.max_retry_time),
               time_field(reader, "initialRetryDelay", out.first_retry),
               time_field(reader, "maxRetryDelay", out.last_retry));
  if (out.first_retry.count() == 0 || out.last_retry < out.first_retry)
    reader.error(at, "an initialRetryDelay of at least 1ms and at most maxRetryDelay");
}

constexpr std::size_t kMostValue = 4096;

/// Values may be secrets.
void read_header(Reader& reader, View at, std::pair<std::string, std::string>& out) {
  read_mapping(reader, at,
               required("name", "a header's name",
                        [&](View v) {
                          read_header_name(reader, v, out.first);
                          if (out.first == "host" || out.first == "content-length" || out.first == "content-type")
                            reader.error(v, "a header other than Host, Content-Length and Content-Type");
                        }),
               field("value",
                     [&](View v) {
                       reader.hide_values(true);
                       read_text(reader, v, out.second, 1, kMostValue, is_header_value, "a header's value");
                       reader.hide_values(false);
                     }),
               field("file", [&](View v) {
                 if (auto text = reader.file(v, kMostValue)) out.second = std::move(*text);
                 if (!out.second.empty() && !is_header_value(out.second))
                   reader.error(v, "a file with a header's value");
               }));
  if (at.is_mapping()) check_one(reader, at, {"value", "file"});
}

void read_http(Reader& reader, View at, model::ClientLogHttp& out) {
  read_mapping(
      reader, at,
      required("url", "a URL of http or https",
               [&](View v) {
                 read_text(reader, v, out.url, 8, 2048, is_url, "a URL of http or https, without user and password");
               }),
      field("method",
            [&](View v) {
              if (reader.one_of(v, {"POST", "PUT", "PATCH"})) out.method = v.text();
            }),
      field("contentType",
            [&](View v) {
              if (reader.one_of(v, {"application/json", "application/json; charset=utf-8"}))
                out.content_type = v.text();
            }),
      field("timeout",
            [&](View v) {
              const auto value = read_duration(reader, v);
              if (value && value->count() == 0) reader.error(v, "a duration of at least 1ms");
              else if (value) out.timeout = *value;
            }),
      field("headers",
            [&](View v) {
              read_list(reader, v, 1, 64, out.headers,
                        [&](View item, std::pair<std::string, std::string>& one) { read_header(reader, item, one); });
            }),
      field("queue", [&](View v) { read_queue(reader, v, out.queue); }));
}

/// A number above 0, as it is told.
void read_rate(Reader& reader, View at, std::string& out) {
  double rate = 0;
  const auto text = at.text();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (error != std::errc{} || end != text.data() + text.size() || !(rate > 0 && rate <= 1e6) || text.size() > 24)
    return reader.error(at, "a number above 0");
  if (rate != 1) out = text;
}

void read_metric(Reader& reader, View at, Metric& out) {
  read_mapping(reader, at, required("name", "a metric's name", choice(reader, "name", out.name, kMetrics).read),
               required("type", "a metric's type", choice(reader, "type", out.type, kTypes).read),
               field("sampleRate", [&](View v) { read_rate(reader, v, out.sample_rate); }),
               consumer_field(reader, out.consumer), service_field(reader, out.service), field("tags", [&](View v) {
                 read_list(reader, v, 1, 64, out.tags, [&](View item, std::string& one) {
                   read_text(reader, item, one, 1, 255, is_metric_text, "a tag without spaces and | # , @");
                 });
               }));
}

/// "200-299"
void read_statuses(Reader& reader, View at, std::pair<std::uint16_t, std::uint16_t>& out) {
  const auto text = at.text();
  const auto* const stop = text.data() + text.size();
  const auto first = std::from_chars(text.data(), stop, out.first);
  const bool dash = first.ec == std::errc{} && first.ptr != stop && *first.ptr == '-';
  const auto second = dash ? std::from_chars(first.ptr + 1, stop, out.second) : first;
  if (!dash || second.ec != std::errc{} || second.ptr != stop || out.first > out.second)
    reader.error(at, "statuses such as 200-299");
}

void read_statsd(Reader& reader, View at, model::ClientLogStatsd& out) {
  read_mapping(
      reader, at, choice(reader, "style", out.style, kStyles),
      field("host", [&](View v) { read_text(reader, v, out.host, 1, 253, is_plain, "a host name or an address"); }),
      field("port", [&](View v) { reader.read_port(v, out.port); }), metric_text(reader, "prefix", out.prefix),
      bool_field(reader, "hostnameInPrefix", out.hostname_in_prefix),
      number_field(reader, "maxDatagramBytes", out.max_datagram, 0, 65507),
      field("statuses",
            [&](View v) {
              read_list(reader, v, 1, 64, out.statuses,
                        [&](View item, auto& one) { read_statuses(reader, item, one); });
            }),
      consumer_field(reader, out.consumer), service_field(reader, out.service),
      metric_text(reader, "serviceTag", out.service_tag), metric_text(reader, "statusTag", out.status_tag),
      metric_text(reader, "consumerTag", out.consumer_tag),
      number_field(reader, "maxEntries", out.max_entries, 1, 1'000'000),
      required("metrics", "at least one metric", [&](View v) {
        read_list(reader, v, 1, kMostMetrics, out.metrics,
                  [&](View item, Metric& one) { read_metric(reader, item, one); });
      }));
}

void read_routes(Reader& reader, View at, std::size_t least, const std::string& ns, std::vector<std::string>& out) {
  read_list(reader, at, least, kMostRoutes, out, [&](View item, std::string& one) {
    std::string name;
    read_object_name(reader, item, name);
    one = model::ObjectKey{.kind = model::Kind::kHttpRoute, .ns = ns, .name = name}.text();
  });
}

void read_log(Reader& reader, View at, const std::string& ns, ClientLog& out) {
  read_mapping(reader, at, required("name", "a name", [&](View v) { read_section_name(reader, v, out.name); }),
               field("routes", [&](View v) { read_routes(reader, v, 1, ns, out.routes.emplace()); }),
               field("exceptRoutes", [&](View v) { read_routes(reader, v, 1, ns, out.except_routes); }),
               field("file", [&](View v) { read_file(reader, v, out.file.emplace()); }),
               field("http", [&](View v) { read_http(reader, v, out.http.emplace()); }),
               field("statsd", [&](View v) { read_statsd(reader, v, out.statsd.emplace()); }));
  if (int{out.file.has_value()} + int{out.http.has_value()} + int{out.statsd.has_value()} != 1 && at.is_mapping())
    reader.error(at, "exactly one of file, http and statsd");
}

}  // namespace

void read_client_logs(Reader& reader, View at, const std::string& ns, std::vector<ClientLog>& out) {
  read_list(reader, at, 1, kMostLogs, out, [&](View item, ClientLog& one) {
    read_log(reader, item, ns, one);
    if (!one.name.empty() && std::ranges::count(out, one.name, &ClientLog::name) > 1)
      reader.error(item.find("name"), "a name that no other log of the policy has");
  });
}

}  // namespace fairlead::config
