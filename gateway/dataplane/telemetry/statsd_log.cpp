// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <array>

#include "fairlead/telemetry/statsd.hpp"
#include "gateway/dataplane/telemetry/kong_facts.hpp"
#include "gateway/dataplane/telemetry/text.hpp"

namespace fairlead::telemetry {
namespace {

using text::put;
using Metric = model::ClientLogMetric;
using Name = Metric::Name;
using Style = model::ClientLogStatsd::Style;

constexpr std::size_t kText = 255;  // of a name out of the configuration or of a consumer's
constexpr std::size_t kMetric = 6 * kText + 256;

constexpr std::array<std::string_view, 7> kTypes{"c", "g", "h", "m", "s", "ms", "d"};

/// A name as a part of a metric's: what would end it, and a dot where `dots` is false, becomes _.
char* put_name(char* out, std::string_view name, bool dots) {
  for (const char c : name.substr(0, kText)) {
    const bool mark = c <= ' ' || c > '~' || std::string_view(":|@#,").find(c) != std::string_view::npos;
    *out++ = mark || (!dots && c == '.') ? '_' : c;
  }
  return out;
}

char* put_value(char* out, std::int64_t value, std::string_view type, std::string_view rate) {
  *out++ = ':';
  out = put(out, value);
  *out++ = '|';
  out = put(out, type);
  return rate.empty() ? out : put(put(out, std::string_view("|@")), rate);
}

std::string_view consumer_of(const RequestRecord& record, Metric::Consumer by) {
  if (by == Metric::Consumer::kNone) return {};
  return by == Metric::Consumer::kUsername ? record.consumer : record.consumer_custom_id;
}

std::string_view service_of(const KongNames& names, Metric::Service by) {
  if (by == Metric::Service::kHost) return names.service_host;
  if (by == Metric::Service::kName || !names.service.empty()) return names.service;
  return names.service_host;
}

bool has_service(const RequestRecord& record) { return record.kong != nullptr && !record.kong->service_json.empty(); }

/// A metric that is a number of each request; -1: this one has none.
std::int64_t number_of(const RequestRecord& record, const KongLatencies& took, Name name) {
  switch (name) {
    case Name::kRequestSize: return static_cast<std::int64_t>(record.bytes.request_head + record.bytes.request_body);
    case Name::kResponseSize: return static_cast<std::int64_t>(record.bytes.response_head + record.bytes.response_body);
    case Name::kLatency: return took.request;
    case Name::kUpstreamLatency: return took.proxy;
    case Name::kKongLatency: return took.kong;
    default: return 1;
  }
}

/// "request.count"; empty: the metric is not of this kind.
std::string_view word_of(Name name) {
  switch (name) {
    case Name::kRequestCount: return "request.count";
    case Name::kRequestSize: return "request.size";
    case Name::kResponseSize: return "response.size";
    case Name::kLatency: return "latency";
    case Name::kUpstreamLatency: return "upstream_latency";
    case Name::kKongLatency: return "kong_latency";
    default: return {};
  }
}

class StatsdWriter final : public RecordWriter {
 public:
  explicit StatsdWriter(const model::ClientLogStatsd& log) : log_(log), prefix_(log.prefix) {
    if (log.hostname_in_prefix) {
      std::array<char, kText + 1> host{};
      ::gethostname(host.data(), host.size() - 1);
      std::array<char, kText> name;
      prefix_ += ".node." + std::string(name.data(), put_name(name.data(), host.data(), false));
    }
    for (const auto& metric : log.metrics) {
      max_ += kMetric + prefix_.size();
      for (const auto& tag : metric.tags) max_ += tag.size() + 1;
    }
  }

  char* write(const RequestRecord& record, char* out) const override {
    const auto is_in = [&](const auto& range) { return record.status >= range.first && record.status <= range.second; };
    if (!log_.statuses.empty() && std::ranges::none_of(log_.statuses, is_in)) return out;
    const auto took = kong_latencies(record);
    for (const auto& metric : log_.metrics) {
      const auto word = word_of(metric.name);
      if (word.empty()) {
        out = put_count(out, metric, record);
        continue;
      }
      const auto value = number_of(record, took, metric.name);
      if (value < 0) continue;
      out = log_.style == Style::kDatadog ? put_tagged(out, metric, word, value, record)
                                          : put_plain(out, metric, word, value, record);
    }
    return out;
  }
  [[nodiscard]] std::size_t max_bytes() const override { return max_; }
  [[nodiscard]] bool shows_response() const override { return false; }

 private:
  [[nodiscard]] char* put_prefix(char* out) const {
    out = put(out, prefix_);
    *out++ = '.';
    return out;
  }

  /// "kong.service.NAME."
  char* put_scope(char* out, const Metric& metric, const RequestRecord& record) const {
    out = put_prefix(out);
    if (!has_service(record)) return put(out, std::string_view("global.unmatched."));
    const auto by = metric.service == Metric::Service::kNone ? log_.service : metric.service;
    const auto name = service_of(*record.kong, by);
    out = put(out, std::string_view("service."));
    out = name.empty() ? put(out, std::string_view("unnamed")) : put_name(out, name, false);
    *out++ = '.';
    return out;
  }

  char* put_plain(char* out, const Metric& metric, std::string_view word, std::int64_t value,
                  const RequestRecord& record) const {
    out = put(put_scope(out, metric, record), word);
    out = put_value(out, value, kTypes[static_cast<std::size_t>(metric.type)], metric.sample_rate);
    *out++ = '\n';
    return out;
  }

  char* put_tagged(char* out, const Metric& metric, std::string_view word, std::int64_t value,
                   const RequestRecord& record) const {
    out = put(put_prefix(out), word);
    out = put_value(out, value, kTypes[static_cast<std::size_t>(metric.type)], metric.sample_rate);
    out = put(put(put(out, std::string_view("|#")), log_.service_tag), std::string_view(":"));
    if (has_service(record)) out = put_name(out, service_of(*record.kong, Metric::Service::kNameOrHost), false);
    out = put(put(put(out, std::string_view(",")), log_.status_tag), std::string_view(":"));
    out = put(out, std::uint64_t{record.status});
    if (const auto consumer = consumer_of(record, metric.consumer); !consumer.empty()) {
      out = put(put(put(out, std::string_view(",")), log_.consumer_tag), std::string_view(":"));
      out = put_name(out, consumer, true);
    }
    for (const auto& tag : metric.tags) out = put(put(out, std::string_view(",")), tag);
    *out++ = '\n';
    return out;
  }

  /// What counts by status or by consumer; nothing where the consumer is not known.
  char* put_count(char* out, const Metric& metric, const RequestRecord& record) const {
    const bool by_user = metric.name != Name::kStatusCount && metric.name != Name::kStatusCountPerWorkspace;
    const auto consumer =
        consumer_of(record, metric.consumer == Metric::Consumer::kNone ? log_.consumer : metric.consumer);
    const bool by_route = metric.name == Name::kStatusCountPerUserPerRoute;
    const auto* names = record.kong;
    const auto route = names == nullptr ? std::string_view() : names->route_id.empty() ? names->route : names->route_id;
    if ((by_user && consumer.empty()) || (by_route && route.empty())) return out;
    if (metric.name == Name::kUniqueUsers) {
      out = put(put_scope(out, metric, record), std::string_view("user.uniques:"));
      return put(put_name(out, consumer, true), std::string_view("|s\n"));
    }
    out = by_route ? put_name(put(put_prefix(out), std::string_view("route.")), route, false)
                   : put_scope(out, metric, record);
    if (by_route) *out++ = '.';
    if (by_user) out = put_name(put(out, std::string_view("user.")), consumer, true);
    if (by_user) *out++ = '.';
    if (metric.name == Name::kStatusCountPerWorkspace) out = put(out, std::string_view("workspace.default."));
    if (metric.name == Name::kRequestPerUser) out = put(out, std::string_view("request.count"));
    else out = put(put(out, std::string_view("status.")), std::uint64_t{record.status});
    out = put_value(out, 1, "c", metric.sample_rate);
    *out++ = '\n';
    return out;
  }

  const model::ClientLogStatsd log_;
  std::string prefix_;
  std::size_t max_ = 1;
};

}  // namespace

LogFormat statsd_format(const model::ClientLogStatsd& log) {
  return LogFormat::of(std::make_shared<const StatsdWriter>(log));
}

}  // namespace fairlead::telemetry
