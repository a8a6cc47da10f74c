// SPDX-License-Identifier: Apache-2.0
#include "gateway/backend_settings.hpp"

#include <string_view>
#include <utility>

namespace fairlead::gateway {
namespace {

upstream::BreakerSpec breaker_of(const model::BackendCircuitBreaker& from) {
  return {.max_connections = from.max_connections,
          .max_pending = from.max_pending_requests,
          .max_requests = from.max_parallel_requests,
          .max_retries = from.max_parallel_retries};
}

upstream::EjectionSpec ejection_of(const model::BackendOutlierDetection& from) {
  upstream::EjectionSpec out;
  out.consecutive_5xx = from.consecutive_5xx;
  out.failure_statuses = from.failure_statuses;
  out.consecutive_gateway_errors = from.consecutive_gateway_errors;
  out.consecutive_local_failures = from.consecutive_local_failures;
  out.split_local_failures = from.split_local_failures;
  out.interval = from.interval;
  out.base_time = from.base_ejection_time;
  out.max_time = from.max_ejection_time;
  out.max_percent = from.max_ejection_percent;
  out.failure_percent = from.failure_percent;
  out.latency_percent = from.latency_percent;
  return out;
}

std::uint32_t retry_bit(std::string_view word) {
  constexpr std::pair<std::string_view, std::uint32_t> kWords[] = {
      {"connect-failure", upstream::kRetryConnectFailure},       {"refused-stream", upstream::kRetryRefused},
      {"reset", upstream::kRetryReset | upstream::kRetryReused}, {"5xx", upstream::kRetry5xx},
      {"gateway-error", upstream::kRetryGatewayError},           {"cancelled", upstream::kRetryGrpcCancelled},
      {"deadline-exceeded", upstream::kRetryGrpcDeadline},       {"internal", upstream::kRetryGrpcInternal},
      {"resource-exhausted", upstream::kRetryGrpcExhausted},     {"unavailable", upstream::kRetryGrpcUnavailable}};
  for (const auto& [name, bit] : kWords)
    if (name == word) return bit;
  return 0;
}

upstream::RetrySpec retry_of(const model::BackendRetry& from) {
  upstream::RetrySpec out;
  out.attempts = from.attempts;
  if (!from.retry_on.empty()) out.on = 0;
  for (const auto& word : from.retry_on) out.on |= retry_bit(word);
  if (!from.status_codes.empty()) out.on |= upstream::kRetryStatusCodes;
  out.status_codes = from.status_codes;
  out.per_try_timeout = from.per_try_timeout;
  if (out.per_try_timeout.count() > 0) out.on |= upstream::kRetryPerTryTimeout;  // else nothing would follow it
  out.backoff_base = from.backoff_base;
  out.backoff_max = from.backoff_max;
  return out;
}

upstream::HashBy hash_by(model::BackendBalancing::HashBy by) {
  switch (by) {
    case model::BackendBalancing::HashBy::kSourceIp: break;
    case model::BackendBalancing::HashBy::kHeader: return upstream::HashBy::kHeader;
    case model::BackendBalancing::HashBy::kCookie: return upstream::HashBy::kCookie;
    case model::BackendBalancing::HashBy::kQueryParam: return upstream::HashBy::kQueryParameter;
    case model::BackendBalancing::HashBy::kPath: return upstream::HashBy::kPath;
  }
  return upstream::HashBy::kSourceAddress;
}

void take_balancing(const model::BackendBalancing& from, upstream::BalancingSpec& to) {
  using Type = model::BackendBalancing::Type;
  switch (from.type) {
    case Type::kLeastRequest: to.policy = upstream::Balancing::kLeastRequest; break;
    case Type::kRoundRobin: to.policy = upstream::Balancing::kRoundRobin; break;
    case Type::kRandom: to.policy = upstream::Balancing::kRandom; break;
    case Type::kPeakEwma: to.policy = upstream::Balancing::kPeakEwma; break;
    case Type::kConsistentHash:
      to.policy = from.table == model::BackendBalancing::HashTable::kMaglev ? upstream::Balancing::kMaglev
                                                                            : upstream::Balancing::kRingHash;
      break;
  }
  to.hash_by = hash_by(from.hash_by);
  to.hash_name = from.hash_name;
  if (from.hash_fallback) to.hash_fallback = hash_by(*from.hash_fallback);
  to.hash_fallback_name = from.hash_fallback_name;
  to.maglev_table_size = from.maglev_table_size;
  to.least_ring_size = from.least_ring_size;
  to.hash_balance_percent = from.hash_balance_percent;
}

void take_pool(const model::BackendSettings& from, upstream::PoolSpec& to) {
  to.connect_timeout = from.timeouts.connect;
  to.idle_timeout = from.pool.idle_timeout;
  to.max_connection_age = from.pool.max_connection_duration;
  to.max_idle = from.pool.max_idle;
  to.min_idle = from.pool.min_idle;
  to.max_requests_per_connection = from.pool.max_requests_per_connection;
  to.max_concurrent_streams = from.pool.max_concurrent_streams;
  to.stream_idle = from.timeouts.stream_idle;
  to.proxy_protocol = from.proxy_protocol;
  to.keep_alive = keep_alive_of(from.tcp_keepalive);
  to.ping_interval = from.http2_keepalive.interval;
  to.ping_timeout = from.http2_keepalive.timeout;
}

upstream::HealthCheckSpec check_of(const model::ActiveHealthCheck& from, std::uint8_t proxy_protocol) {
  using Type = model::ActiveHealthCheck::Type;
  upstream::HealthCheckSpec out;
  out.kind = from.type == Type::kHttp   ? upstream::Check::kHttp
             : from.type == Type::kGrpc ? upstream::Check::kGrpc
                                        : upstream::Check::kTcp;
  out.interval = from.interval;
  out.no_traffic_interval = upstream::milliseconds{0};
  out.timeout = from.timeout;
  out.unhealthy_interval = from.unhealthy_interval;
  out.unhealthy_threshold = from.unhealthy_threshold;
  out.unhealthy_thresholds = from.unhealthy_thresholds;
  out.healthy_threshold = from.healthy_threshold;
  out.port = from.port;
  out.path = from.path;
  out.method = from.method;
  out.host = from.hostname;
  for (const auto& [first, last] : from.expected_statuses) out.expected.push_back({first, last});
  for (const auto& [first, last] : from.failure_statuses) out.failing.push_back({first, last});
  out.grpc_service = from.grpc_service;
  out.send = from.tcp_send;
  out.expect = from.tcp_receive;
  if (from.port == 0) out.proxy_protocol = proxy_protocol;  // another port is another server's
  return out;
}

void take_locality(const model::BackendSettings& from, const std::string& zone, upstream::LocalitySpec& to,
                   Remarks::Texts& texts) {
  to.overprovisioning = from.locality.overprovisioning_percent;
  to.panic_percent = from.panic_percent;
  to.least_available = from.least_available;
  if (!from.locality.prefer_local) return;
  if (zone.empty()) {
    texts.emplace_back("locality.preferLocal: no --zone is given, so all zones count alike");
    return;
  }
  to.mode = upstream::LocalityMode::kFailover;
  to.own.zone = zone;
}

}  // namespace

net::KeepAlive keep_alive_of(const model::TcpKeepalive& from) {
  const auto seconds = [](model::milliseconds time) { return static_cast<std::uint32_t>(time.count() / 1000); };
  return {.idle_s = seconds(from.idle_time), .interval_s = seconds(from.interval), .probes = from.probes};
}

void take_settings(const model::BackendSettings& from, const std::string& zone, upstream::ClusterSpec& to,
                   Remarks::Texts& texts) {
  take_balancing(from.balancing, to.balancing);
  to.slow_start = {.window = from.slow_start.window,
                   .aggression = from.slow_start.aggression_percent / 100.0,
                   .least_weight_percent = from.slow_start.least_weight_percent};
  take_locality(from, zone, to.locality, texts);
  if (from.active_check) to.checks.push_back(check_of(*from.active_check, from.proxy_protocol));
  to.hedge = {.delay = from.hedging.delay, .max_extra = from.hedging.max_requests};
  to.host_of_backend = from.host_of_backend;
  to.timeouts.request = from.timeouts.request;
  to.timeouts.idle = from.timeouts.stream_idle;
  to.breakers = breaker_of(from.breaker);
  to.backend_breakers = breaker_of(from.backend_breaker);
  if (from.outlier) to.ejection = ejection_of(*from.outlier);
  take_pool(from, to.pool);
  if (from.retry) to.retry = retry_of(*from.retry);
  to.retry_budget.percent = from.budget.percent;
  to.retry_budget.least_concurrency = from.budget.min_retry_concurrency;
  to.retry_budget.window = from.budget.interval;
}

}  // namespace fairlead::gateway
