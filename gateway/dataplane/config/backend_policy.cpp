// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "gateway/dataplane/config/gateway_kinds.hpp"
#include "gateway/dataplane/config/gateway_references.hpp"

namespace fairlead::config {
namespace {

using std::chrono::milliseconds;

void read_time(Reader& reader, View at, milliseconds& out) {
  if (const auto value = read_duration(reader, at)) out = *value;
}

bool is_prime(std::uint32_t value) {
  if (value < 2) return false;
  for (std::uint32_t by = 2; by * by <= value; ++by)
    if (value % by == 0) return false;
  return true;
}

void read_hash(Reader& reader, View at, model::BackendBalancing& out) {
  using By = model::BackendBalancing::HashBy;
  std::optional<std::size_t> type;
  const auto name = [&](By by, auto read) {
    return [&reader, &out, by, read](View v) {
      if (out.hash_by == by) read(reader, v, out.hash_name);
      else reader.error(v, "a name only where type asks for it");
    };
  };
  // The type first, wherever it stands.
  if (const auto v = at.find("type"))
    if ((type = reader.one_of(v, {"SourceIP", "Header", "Cookie", "QueryParam", "Path"})))
      out.hash_by = static_cast<By>(*type);
  const auto token = [](Reader& r, View v, std::string& text) {
    read_text(r, v, text, 1, 256, is_token, "a name: letters, digits and !#$%&'*+-.^_`|~");
  };
  read_mapping(reader, at, required("type", "SourceIP, Header, Cookie, QueryParam or Path", [](View) {}),
               field("header", name(By::kHeader, read_header_name)), field("cookie", name(By::kCookie, token)),
               field("queryParam", name(By::kQueryParam, token)),
               field("fallback",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"SourceIP", "Header", "Cookie", "QueryParam", "Path"}))
                         out.hash_fallback = static_cast<By>(*found);
                     }),
               field("fallbackName",
                     [&](View v) {
                       const auto fallback = at.find("fallback");
                       if (fallback && fallback.text() == "Header") read_header_name(reader, v, out.hash_fallback_name);
                       else token(reader, v, out.hash_fallback_name);
                     }),
               field("table",
                     [&](View v) {
                       if (const auto table = reader.one_of(v, {"Maglev", "RingHash"}))
                         out.table = static_cast<model::BackendBalancing::HashTable>(*table);
                     }),
               field("tableSize",
                     [&](View v) {
                       read_number(reader, v, 3, 5'000'011, out.maglev_table_size);
                       if (!is_prime(out.maglev_table_size)) reader.error(v, "a prime such as 65537");
                     }),
               number_field(reader, "minimumRingSize", out.least_ring_size, 1, 8388608),
               number_field(reader, "balancePercent", out.hash_balance_percent, 0, 1000));
  constexpr std::string_view kNames[] = {"", "header", "cookie", "queryParam", ""};
  if (type && !kNames[*type].empty() && !at.find(kNames[*type]))
    reader.missing(at, kNames[*type], "a name, by the type");
  const bool named = out.hash_fallback && *out.hash_fallback != By::kSourceIp && *out.hash_fallback != By::kPath;
  if (named && !at.find("fallbackName")) reader.missing(at, "fallbackName", "a name, by fallback");
  if (!named && at.find("fallbackName"))
    reader.error(at.find("fallbackName"), "a name only where fallback is Header, Cookie or QueryParam");
}

void read_balancing(Reader& reader, View at, model::BackendBalancing& out) {
  using Type = model::BackendBalancing::Type;
  read_mapping(reader, at,
               required("type", "LeastRequest, RoundRobin, Random, PeakEWMA or ConsistentHash",
                        [&](View v) {
                          const auto type =
                              reader.one_of(v, {"LeastRequest", "RoundRobin", "Random", "PeakEWMA", "ConsistentHash"});
                          if (type) out.type = static_cast<Type>(*type);
                        }),
               field("consistentHash", [&](View v) { read_hash(reader, v, out); }));
  const auto hash = at.find("consistentHash");
  if (out.type == Type::kConsistentHash && !hash) reader.missing(at, "consistentHash", "a mapping, by the type");
  if (hash && out.type != Type::kConsistentHash) reader.error(hash, "consistentHash only with type ConsistentHash");
}

void read_slow_start(Reader& reader, View at, model::BackendSlowStart& out) {
  read_mapping(reader, at, required("window", "a duration", [&](View v) { read_time(reader, v, out.window); }),
               number_field(reader, "aggressionPercent", out.aggression_percent, 1, 1000),
               number_field(reader, "minWeightPercent", out.least_weight_percent, 1, 100));
}

void read_locality(Reader& reader, View at, model::BackendLocality& out) {
  read_mapping(reader, at, field("preferLocal", [&](View v) { reader.read(v, out.prefer_local); }),
               number_field(reader, "overprovisioningPercent", out.overprovisioning_percent, 100, 1000));
}

void read_statuses(Reader& reader, View at, std::vector<std::pair<std::uint16_t, std::uint16_t>>& out) {
  read_list(reader, at, 1, 32, out, [&](View item, auto& one) {
    read_mapping(reader, item,
                 required("start", "a status", [&](View v) { read_number(reader, v, 100, 599, one.first); }),
                 required("end", "a status", [&](View v) { read_number(reader, v, 100, 599, one.second); }));
    if (one.first > one.second) reader.error(item, "a start of at most the end");
  });
}

void read_http_check(Reader& reader, View at, model::ActiveHealthCheck& out) {
  const auto path = [](std::string_view text) {
    return text.starts_with('/') && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; });
  };
  read_mapping(
      reader, at,
      field("path", [&](View v) { read_text(reader, v, out.path, 1, 1024, path, "a path that begins with /"); }),
      field("method",
            [&](View v) {
              if (reader.one_of(v, {"GET", "HEAD", "OPTIONS", "POST"})) out.method = v.text();
            }),
      field("hostname", [&](View v) { read_hostname(reader, v, out.hostname, false); }),
      field("expectedStatuses", [&](View v) { read_statuses(reader, v, out.expected_statuses); }),
      field("failureStatuses", [&](View v) { read_statuses(reader, v, out.failure_statuses); }));
}

void read_thresholds(Reader& reader, View at, model::ActiveHealthCheck& out) {
  auto& counts = out.unhealthy_thresholds.emplace();
  read_mapping(reader, at, number_field(reader, "connect", counts[0], 0, 1000),
               number_field(reader, "timeout", counts[1], 0, 1000), number_field(reader, "answer", counts[2], 0, 1000));
  if (at.parent().find("unhealthyThreshold")) reader.error(at, "unhealthyThreshold or unhealthyThresholds, not both");
}

void read_active(Reader& reader, View at, std::optional<model::ActiveHealthCheck>& out) {
  auto& check = out.emplace();
  std::optional<std::size_t> type;
  constexpr std::string_view kNames[] = {"http", "grpc", "tcp"};
  const auto positive = [&](milliseconds& time) {
    return [&](View v) {
      read_time(reader, v, time);
      if (time.count() == 0) reader.error(v, "a duration of at least 1ms");
    };
  };
  read_mapping(
      reader, at,
      required("type", "HTTP, GRPC or TCP", [&](View v) { type = reader.one_of(v, {"HTTP", "GRPC", "TCP"}); }),
      field("interval", positive(check.interval)), field("unhealthyInterval", positive(check.unhealthy_interval)),
      field("timeout", positive(check.timeout)),
      number_field(reader, "unhealthyThreshold", check.unhealthy_threshold, 1, 1000),
      field("unhealthyThresholds", [&](View v) { read_thresholds(reader, v, check); }),
      number_field(reader, "healthyThreshold", check.healthy_threshold, 1, 1000),
      field("port", [&](View v) { reader.read_port(v, check.port); }),
      field("http", [&](View v) { read_http_check(reader, v, check); }),
      field("grpc",
            [&](View v) {
              read_mapping(reader, v,
                           field("service", [&](View s) { read_text(reader, s, check.grpc_service, 0, 1024); }));
            }),
      field("tcp", [&](View v) {
        read_mapping(reader, v, field("send", [&](View s) { read_text(reader, s, check.tcp_send, 1, 1024); }),
                     field("receive", [&](View s) { read_text(reader, s, check.tcp_receive, 1, 1024); }));
      }));
  if (!type) return;
  check.type = static_cast<model::ActiveHealthCheck::Type>(*type);
  for (std::size_t i = 0; i < std::size(kNames); ++i)
    if (const auto other = at.find(kNames[i]); other && i != *type)
      reader.error(other, "only " + std::string(kNames[*type]) + ", by the type");
}

void read_outlier(Reader& reader, View at, std::optional<model::BackendOutlierDetection>& out) {
  auto& value = out.emplace();
  read_mapping(
      reader, at, number_field(reader, "consecutive5xxErrors", value.consecutive_5xx),
      number_field(reader, "consecutiveGatewayErrors", value.consecutive_gateway_errors),
      number_field(reader, "consecutiveLocalOriginFailures", value.consecutive_local_failures),
      field("splitExternalLocalOriginErrors", [&](View v) { reader.read(v, value.split_local_failures); }),
      time_field(reader, "interval", value.interval), time_field(reader, "baseEjectionTime", value.base_ejection_time),
      time_field(reader, "maxEjectionTime", value.max_ejection_time),
      number_field(reader, "maxEjectionPercent", value.max_ejection_percent, 0, 100),
      number_field(reader, "failurePercentageThreshold", value.failure_percent, 0, 100),
      number_field(reader, "latencyPercent", value.latency_percent, 0, 10000), field("failureStatuses", [&](View v) {
        read_list(reader, v, 1, 64, value.failure_statuses,
                  [&](View item, std::uint16_t& one) { read_number(reader, item, 100, 599, one); });
      }));
}

template <class... F>
void read_breaker(Reader& reader, View at, model::BackendCircuitBreaker& out, const Field<F>&... more) {
  read_mapping(reader, at, number_field(reader, "maxConnections", out.max_connections),
               number_field(reader, "maxPendingRequests", out.max_pending_requests),
               number_field(reader, "maxParallelRequests", out.max_parallel_requests),
               number_field(reader, "maxParallelRetries", out.max_parallel_retries), more...);
}

void read_pool(Reader& reader, View at, model::BackendConnectionPool& out) {
  read_mapping(reader, at, number_field(reader, "maxIdle", out.max_idle), number_field(reader, "minIdle", out.min_idle),
               number_field(reader, "maxRequestsPerConnection", out.max_requests_per_connection),
               number_field(reader, "maxConcurrentStreams", out.max_concurrent_streams, 1),
               time_field(reader, "idleTimeout", out.idle_timeout),
               time_field(reader, "maxConnectionDuration", out.max_connection_duration));
  if (out.min_idle > out.max_idle) reader.error(at, "a minIdle of at most maxIdle");
}

void read_retry_on(Reader& reader, View at, std::vector<std::string>& out) {
  read_list(reader, at, 1, 16, out, [&](View item, std::string& one) {
    if (reader.one_of(item, {"connect-failure", "refused-stream", "reset", "5xx", "gateway-error", "cancelled",
                             "deadline-exceeded", "internal", "resource-exhausted", "unavailable"}))
      one = item.text();
  });
}

void read_retry(Reader& reader, View at, std::optional<model::BackendRetry>& out) {
  auto& value = out.emplace();
  read_mapping(reader, at, number_field(reader, "attempts", value.attempts, 0, 100),
               field("retryOn", [&](View v) { read_retry_on(reader, v, value.retry_on); }),
               field("httpStatusCodes",
                     [&](View v) {
                       read_list(reader, v, 1, 64, value.status_codes,
                                 [&](View item, std::uint16_t& one) { read_number(reader, item, 400, 599, one); });
                     }),
               time_field(reader, "perTryTimeout", value.per_try_timeout), field("backOff", [&](View v) {
                 read_mapping(reader, v, time_field(reader, "baseInterval", value.backoff_base),
                              time_field(reader, "maxInterval", value.backoff_max));
                 if (value.backoff_base > value.backoff_max) reader.error(v, "a baseInterval of at most maxInterval");
               }));
}

void read_budget(Reader& reader, View at, model::BackendRetryBudget& out) {
  read_mapping(reader, at, number_field(reader, "percent", out.percent, 0, 100),
               number_field(reader, "minRetryConcurrency", out.min_retry_concurrency),
               time_field(reader, "interval", out.interval));
}

void read_timeouts(Reader& reader, View at, model::BackendTimeouts& out) {
  read_mapping(reader, at, time_field(reader, "connect", out.connect), time_field(reader, "request", out.request),
               time_field(reader, "streamIdle", out.stream_idle));
}

void read_health(Reader& reader, View at, model::BackendSettings& out) {
  read_mapping(reader, at, field("active", [&](View v) { read_active(reader, v, out.active_check); }),
               field("passive", [&](View v) { read_outlier(reader, v, out.outlier); }),
               number_field(reader, "panicThreshold", out.panic_percent, 0, 100),
               number_field(reader, "minimumAvailable", out.least_available, 0, 100));
}

void read_protocol_of(Reader& reader, View at, model::BackendSettings& out) {
  if (const auto found = reader.one_of(at, {"Auto", "HTTP1", "HTTP2"}))
    out.protocol = static_cast<model::BackendSettings::Protocol>(*found);
}

void read_proxy_protocol(Reader& reader, View at, model::BackendSettings& out) {
  read_mapping(reader, at, required("version", "V1 or V2", [&](View v) {
                 if (const auto found = reader.one_of(v, {"V1", "V2"}))
                   out.proxy_protocol = static_cast<std::uint8_t>(*found + 1);
               }));
}

}  // namespace

model::BackendPolicy read_backend_policy(Reader& reader, View root) {
  model::BackendPolicy out;
  out.metadata = read_metadata(reader, root, true);
  auto settings = std::make_shared<model::BackendSettings>();
  auto& s = *settings;
  read_spec(reader, root, [&](View spec) {
    read_mapping(
        reader, spec,
        required("targetRefs", "at least one Service",
                 [&](View v) {
                   const auto good = [](const auto& kind) { return kind.kind == model::RefKind::kService; };
                   read_targets(reader, v, out.targets, good, "Service, of group \"\"");
                 }),
        field("loadBalancer", [&](View v) { read_balancing(reader, v, s.balancing); }),
        field("slowStart", [&](View v) { read_slow_start(reader, v, s.slow_start); }),
        field("locality", [&](View v) { read_locality(reader, v, s.locality); }),
        field("healthCheck", [&](View v) { read_health(reader, v, s); }),
        field("circuitBreaker",
              [&](View v) {
                s.breaker = {};
                read_breaker(reader, v, s.breaker,
                             field("perBackend", [&](View b) { read_breaker(reader, b, s.backend_breaker); }));
              }),
        field("connectionPool", [&](View v) { read_pool(reader, v, s.pool); }),
        field("retry", [&](View v) { read_retry(reader, v, s.retry); }),
        field("retryBudget", [&](View v) { read_budget(reader, v, s.budget); }),
        field("hedging",
              [&](View v) {
                read_mapping(reader, v,
                             required("delay", "a duration", [&](View d) { read_time(reader, d, s.hedging.delay); }),
                             number_field(reader, "maxRequests", s.hedging.max_requests, 1, 10));
              }),
        field("tcpKeepalive", [&](View v) { read_tcp_keepalive(reader, v, s.tcp_keepalive); }),
        field("http2Keepalive", [&](View v) { read_http2_keepalive(reader, v, s.http2_keepalive); }),
        field("timeouts", [&](View v) { read_timeouts(reader, v, s.timeouts); }),
        field("protocol", [&](View v) { read_protocol_of(reader, v, s); }),
        field("proxyProtocol", [&](View v) { read_proxy_protocol(reader, v, s); }), field("hostHeader", [&](View v) {
          if (const auto found = reader.one_of(v, {"Request", "Backend"})) s.host_of_backend = *found == 1;
        }));
  });
  out.settings = std::move(settings);
  return out;
}

}  // namespace fairlead::config
