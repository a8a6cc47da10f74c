// SPDX-License-Identifier: Apache-2.0
#pragma once

// The nouns of a cluster: a named group of backends and how they are to be used. No behaviour. Names and defaults
// follow Envoy's cluster and Istio's DestinationRule where they agree; time-outs of 0 mean none unless said otherwise.

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/net/keep_alive.hpp"
#include "fairlead/net/stream.hpp"

namespace fairlead::upstream {

using std::chrono::milliseconds;

class HashTable;

/// Where a backend is, as in topology.kubernetes.io/region and zone; empty where nobody said.
struct Locality {
  std::string region{};
  std::string zone{};
  auto operator<=>(const Locality&) const = default;
};

/// One backend of a cluster. Its identity is address, port and hostname: with these unchanged it keeps its connections,
/// its ejection and its counts through a change of anything else.
struct EndpointSpec {
  net::Endpoint address{};
  std::string hostname{};  ///< name of the backend: Host of probes, SNI where TLS has none; from DNS the name asked for
  Locality locality{};
  std::uint32_t weight = 1;  ///< relative to the other endpoints; 0: gets no traffic but keeps its sessions
  std::uint8_t priority = 0;  ///< 0 is used first
  bool ready = true;  ///< EndpointSlice's ready
  bool draining = false;  ///< terminating: no new traffic but that of persistent sessions
};

/// A host name that becomes endpoints by DNS (a Service of type ExternalName).
struct DnsSpec {
  std::string name{};
  std::uint16_t port = 0;
  std::uint32_t weight = 1;
  std::uint8_t priority = 0;
  milliseconds least_ttl{1000};  ///< a shorter TTL counts as this
  milliseconds greatest_ttl{300000};
  milliseconds failure_refresh{5000};  ///< after an answer that failed; grows twofold up to greatest_ttl
};

enum class Balancing : std::uint8_t { kRoundRobin, kRandom, kLeastRequest, kPeakEwma, kRingHash, kMaglev };

/// What of a request a hash policy hashes; a request that has none of it, nor of what stands in for it, goes to any
/// backend.
enum class HashBy : std::uint8_t { kSourceAddress, kHeader, kCookie, kQueryParameter, kPath };

struct BalancingSpec {
  Balancing policy = Balancing::kLeastRequest;
  HashBy hash_by = HashBy::kSourceAddress;
  std::optional<HashBy> hash_fallback{};
  std::string hash_fallback_name{};
  std::string hash_name{};  ///< of the header (lower case), cookie or query parameter
  std::uint32_t least_ring_size = 1024;
  std::uint32_t greatest_ring_size = 8388608;
  std::uint32_t maglev_table_size = 65537;  ///< a prime
  std::uint32_t hash_balance_percent =
      0;  ///< a hash policy passes over backends with more than this share of the mean load (125); 0: none
  milliseconds ewma_decay{10000};  ///< time constant of peak EWMA
  milliseconds ewma_default{30};  ///< expected latency of a backend that nobody asked yet
  bool operator==(const BalancingSpec&) const = default;
};

enum class LocalityMode : std::uint8_t {
  kNone,  ///< localities do not count
  kWeighted,  ///< LocalitySpec::weights, scaled by how much of each locality is available
  kFailover,  ///< own zone, then own region, then others, as levels below each priority
};

struct LocalityWeight {
  Locality locality{};
  std::uint32_t weight = 0;
  bool operator==(const LocalityWeight&) const = default;
};

struct LocalitySpec {
  LocalityMode mode = LocalityMode::kNone;
  Locality own{};
  std::vector<LocalityWeight> weights{};  ///< localities without a row get no traffic
  std::uint32_t overprovisioning = 140;  ///< percent: a level spills once fewer than 100/1.4 % of it are available
  std::uint32_t panic_percent = 50;  ///< fewer available than this: health is ignored; 0: never
  std::uint32_t least_available = 0;  ///< percent of all weight; with less available nobody is asked; 0: no such bound
  bool operator==(const LocalitySpec&) const = default;
};

struct SlowStartSpec {
  milliseconds window{0};  ///< 0: off
  double aggression = 1.0;  ///< 1: linear; greater: faster at first
  std::uint32_t least_weight_percent = 10;
  bool operator==(const SlowStartSpec&) const = default;
};

/// Concurrency limits; 0: none. Of a cluster, or of each of its backends.
struct BreakerSpec {
  std::uint32_t max_connections = 0;
  std::uint32_t max_pending = 0;
  std::uint32_t max_requests = 0;
  std::uint32_t max_retries = 0;
  bool operator==(const BreakerSpec&) const = default;
};

struct EjectionSpec {
  std::uint32_t consecutive_5xx = 5;  ///< 0: off; so for the next two
  std::uint32_t consecutive_gateway_errors = 0;  ///< 502, 503, 504
  std::uint32_t consecutive_local_failures = 5;  ///< connect failures, resets, time-outs: made on our side of the wire
  bool split_local_failures = true;  ///< false: a local failure counts as a 5xx too
  milliseconds interval{10000};  ///< of the statistics below and of the return of backends
  std::uint32_t success_rate_deviations = 0;  ///< thousandths of a standard deviation below the mean (1900); 0: off
  std::uint32_t success_rate_hosts = 5;  ///< fewer with enough requests: no statistics
  std::uint32_t success_rate_requests = 100;  ///< in one interval
  std::uint32_t failure_percent = 0;  ///< at or above: ejected; 0: off
  std::uint32_t failure_percent_hosts = 5;
  std::uint32_t failure_percent_requests = 50;
  std::uint32_t latency_percent = 0;  ///< mean latency above this share of the median backend's (300); 0: off
  std::uint32_t latency_requests = 50;
  milliseconds base_time{30000};  ///< times the count of ejections in a row
  milliseconds max_time{300000};
  milliseconds max_jitter{0};  ///< added, so that many do not return at once
  std::uint32_t max_percent = 10;  ///< of the cluster; one may always be ejected where there are two or more
  std::vector<std::uint16_t> failure_statuses{};  ///< that count as 5xx; empty: 5xx do
  bool operator==(const EjectionSpec&) const = default;
};

enum class Check : std::uint8_t { kHttp, kGrpc, kTcp };

struct StatusRange {
  std::uint16_t first = 200;
  std::uint16_t last = 299;
  bool operator==(const StatusRange&) const = default;
};

struct HealthCheckSpec {
  Check kind = Check::kHttp;
  milliseconds interval{10000};
  milliseconds unhealthy_interval{0};  ///< of a backend that is unhealthy; 0: as interval
  milliseconds no_traffic_interval{60000};  ///< while the cluster has had no request; 0: as interval
  milliseconds timeout{1000};  ///< of one probe, connect included
  std::uint32_t jitter_percent = 10;  ///< of the interval, added at random
  std::uint32_t healthy_threshold = 2;  ///< successes in a row; the first answer of all counts alone
  std::uint32_t unhealthy_threshold = 3;
  /// In its place, each kind of failure for itself, until a success: connects, time-outs, answers; 0: never.
  std::optional<std::array<std::uint32_t, 3>> unhealthy_thresholds{};
  std::string path = "/";
  std::string method = "GET";
  std::string host{};  ///< empty: the endpoint's hostname, else its address
  std::vector<StatusRange> expected{};  ///< empty: 200 to 299
  std::vector<StatusRange> failing{};  ///< empty: all others; else what is in neither says nothing
  std::string grpc_service{};
  std::string send{};  ///< kTcp: bytes; empty: the connect is enough
  std::string expect{};  ///< kTcp: must occur in what is received
  bool tls = false;
  bool http2 = false;  ///< kHttp: with prior knowledge; with tls ALPN decides
  std::uint8_t proxy_protocol = 0;  ///< version of the header that says LOCAL or UNKNOWN; 0: none
  std::uint16_t port = 0;  ///< 0: the endpoint's
  bool operator==(const HealthCheckSpec&) const = default;
};

enum class Protocol : std::uint8_t { kHttp1, kHttp2, kAuto };  ///< kAuto: what ALPN agrees on; HTTP/1.1 without TLS

struct PoolSpec {
  Protocol protocol = Protocol::kHttp1;
  milliseconds connect_timeout{5000};
  milliseconds idle_timeout{60000};
  milliseconds pending_timeout{0};  ///< longest wait for a connection; 0: the connect time-out
  milliseconds max_connection_age{0};  ///< after it no new requests; 0: none
  std::uint32_t max_idle = 1024;  ///< per worker and backend
  std::uint32_t min_idle = 0;  ///< kept warm
  std::uint32_t max_requests_per_connection = 0;
  std::uint32_t max_concurrent_streams = 100;  ///< of one HTTP/2 connection
  milliseconds stream_idle{0};  ///< of TCP and UDP passed on as they are; 0: who passes them decides
  std::uint8_t proxy_protocol = 0;  ///< version that is sent: 0 (none), 1 or 2
  net::KeepAlive keep_alive{};
  milliseconds ping_interval{0};  ///< of HTTP/2, while a request waits; 0: none
  milliseconds ping_timeout{10000};
  bool operator==(const PoolSpec&) const = default;
};

/// When a request may be tried again; bits of RetrySpec::on.
enum RetryOn : std::uint32_t {
  kRetryConnectFailure = 1u << 0,
  kRetryRefused = 1u << 1,  ///< REFUSED_STREAM, GOAWAY below the stream: certainly not processed
  kRetryReset = 1u << 2,  ///< reset before any response byte
  kRetry5xx = 1u << 3,  ///< any 5xx, and no response at all
  kRetryGatewayError = 1u << 4,  ///< 502, 503, 504
  kRetryStatusCodes = 1u << 5,  ///< RetrySpec::status_codes
  kRetryGrpcCancelled = 1u << 6,
  kRetryGrpcDeadline = 1u << 7,
  kRetryGrpcInternal = 1u << 8,
  kRetryGrpcExhausted = 1u << 9,
  kRetryGrpcUnavailable = 1u << 10,
  kRetryPerTryTimeout = 1u << 11,
  kRetryReused = 1u << 12,  ///< a connection that was used before closed before any response byte
};

struct RetryBudgetSpec {
  std::uint32_t percent = 20;  ///< of the active requests
  std::uint32_t least_concurrency = 3;  ///< always allowed
  std::uint32_t window_percent = 0;  ///< of the requests within `window` (Finagle, Linkerd); 0: no such limit
  std::uint32_t least_per_second = 10;  ///< with window_percent
  milliseconds window{10000};
  bool operator==(const RetryBudgetSpec&) const = default;
};

struct RetrySpec {
  std::uint32_t on = kRetryConnectFailure | kRetryRefused | kRetryReused;
  std::uint32_t attempts = 1;  ///< beyond the first try
  bool unsafe_methods =
      false;  ///< also what is not idempotent (RFC 9110 section 9.2.2), where it may have been processed
  std::vector<std::uint16_t> status_codes{};
  milliseconds per_try_timeout{0};
  milliseconds backoff_base{25};
  milliseconds backoff_max{250};
  milliseconds backoff_least{0};  ///< at least so long between two tries; what the others say comes on top
  bool operator==(const RetrySpec&) const = default;
};

struct HedgeSpec {
  milliseconds delay{0};  ///< a second try starts after it; 0: off
  std::uint32_t max_extra = 1;
  bool operator==(const HedgeSpec&) const = default;
};

struct TimeoutSpec {
  milliseconds request{0};  ///< from the request's head to the response's end, tries included
  milliseconds backend{0};  ///< of one try
  milliseconds idle{0};  ///< of a stream on which nothing moves
  bool operator==(const TimeoutSpec&) const = default;
};

enum class Persistence : std::uint8_t { kNone, kCookie, kHeader };

/// Gateway API's sessionPersistence.
struct PersistenceSpec {
  Persistence kind = Persistence::kNone;
  std::string name{};  ///< of the cookie or header (lower case)
  std::string path = "/";  ///< of the cookie
  bool permanent = false;  ///< lifetimeType: Permanent, so the cookie outlives the browser
  milliseconds absolute_timeout{0};  ///< since the session's start
  bool operator==(const PersistenceSpec&) const = default;
};

/// One cluster. Immutable once published; workers share it.
struct ClusterSpec {
  std::string name{};
  std::vector<EndpointSpec> endpoints{};
  std::vector<DnsSpec> dns{};
  BalancingSpec balancing;
  LocalitySpec locality;
  SlowStartSpec slow_start;
  BreakerSpec breakers;  ///< of the cluster, all workers together
  BreakerSpec backend_breakers;  ///< of each backend, all workers together
  std::optional<EjectionSpec> ejection{};
  std::vector<HealthCheckSpec> checks{};
  PoolSpec pool;
  RetrySpec retry;
  RetryBudgetSpec retry_budget;
  HedgeSpec hedge;
  TimeoutSpec timeouts;
  PersistenceSpec persistence;
  /// The TLS context towards the backends; null: plain. Its type is known to who connects; here it is only handed on.
  std::shared_ptr<const void> tls{};
  std::string sni{};  ///< empty: the endpoint's hostname
  bool host_of_backend = false;  ///< requests are sent to each backend under its own name, not under the client's
  /// Tables of the hash policies by level, where build_hash_tables() made them once for all workers.
  std::vector<std::shared_ptr<const HashTable>> hash_tables{};
};

using ClusterSpecRef = std::shared_ptr<const ClusterSpec>;

}  // namespace fairlead::upstream
