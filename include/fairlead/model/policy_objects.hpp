// SPDX-License-Identifier: Apache-2.0
#pragma once

// The policies of fairlead.io/v1alpha1, for what Gateway API lacks. Words and defaults follow Envoy Gateway's
// BackendTrafficPolicy and ClientTrafficPolicy and Istio's DestinationRule. Fields and defaults are described for users
// in docs/reference/*-policy.schema.json, which a test holds against the readers.

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/base/address.hpp"
#include "fairlead/model/client_logs.hpp"
#include "fairlead/model/gateway_route_parts.hpp"
#include "fairlead/model/metadata.hpp"

namespace fairlead::model {

using std::chrono::milliseconds;

/// What is done to notice that a peer is gone.
struct TcpKeepalive {
  milliseconds idle_time{60000};  ///< whole seconds, as the next; 0: nothing
  milliseconds interval{15000};
  std::uint32_t probes = 4;
  bool operator==(const TcpKeepalive&) const = default;
};

/// PINGs of HTTP/2, to the same end.
struct Http2Keepalive {
  milliseconds interval{0};  ///< without a byte from the peer; 0: none
  milliseconds timeout{10000};  ///< until one is answered
  bool operator==(const Http2Keepalive&) const = default;
};

// ---- BackendPolicy ------------------------------------------------------------------------------------------------

struct BackendBalancing {
  enum class Type : std::uint8_t { kLeastRequest, kRoundRobin, kRandom, kPeakEwma, kConsistentHash };
  enum class HashBy : std::uint8_t { kSourceIp, kHeader, kCookie, kQueryParam, kPath };
  enum class HashTable : std::uint8_t { kMaglev, kRingHash };
  Type type = Type::kLeastRequest;
  HashBy hash_by = HashBy::kSourceIp;
  std::optional<HashBy> hash_fallback;  ///< where a request has none of it
  std::string hash_fallback_name;  ///< as hash_name
  std::string hash_name;  ///< of the header (lower case), cookie or query parameter
  HashTable table = HashTable::kMaglev;
  std::uint32_t maglev_table_size = 65537;  ///< a prime
  std::uint32_t least_ring_size = 1024;
  std::uint32_t hash_balance_percent =
      0;  ///< a backend with more than this share of the mean load is passed over; 0: none
  bool operator==(const BackendBalancing&) const = default;
};

struct BackendSlowStart {
  milliseconds window{0};  ///< 0: off
  std::uint32_t aggression_percent = 100;
  std::uint32_t least_weight_percent = 10;
  bool operator==(const BackendSlowStart&) const = default;
};

struct BackendLocality {
  bool prefer_local = false;  ///< own zone, then region, then others
  std::uint32_t overprovisioning_percent = 140;
  bool operator==(const BackendLocality&) const = default;
};

struct ActiveHealthCheck {
  enum class Type : std::uint8_t { kHttp, kGrpc, kTcp };
  Type type = Type::kHttp;
  milliseconds interval{3000};
  milliseconds unhealthy_interval{0};  ///< 0: as interval
  milliseconds timeout{1000};
  std::uint32_t unhealthy_threshold = 3;
  /// In its place: failed connects, time-outs, answers; 0: never.
  std::optional<std::array<std::uint32_t, 3>> unhealthy_thresholds;
  std::uint32_t healthy_threshold = 1;
  std::uint16_t port = 0;  ///< 0: the backend's
  std::string path = "/";  ///< HTTP
  std::string method = "GET";  ///< HTTP
  std::string hostname;  ///< HTTP; empty: the backend's address
  std::vector<std::pair<std::uint16_t, std::uint16_t>> expected_statuses;  ///< first to last; empty: 200 to 299
  std::vector<std::pair<std::uint16_t, std::uint16_t>> failure_statuses;  ///< empty: all others; else these say nothing
  std::string grpc_service;
  std::string tcp_send;
  std::string tcp_receive;
  bool operator==(const ActiveHealthCheck&) const = default;
};

struct BackendOutlierDetection {
  std::uint32_t consecutive_5xx = 5;  ///< 0: off; so for the next two
  std::uint32_t consecutive_gateway_errors = 0;
  std::uint32_t consecutive_local_failures = 5;
  bool split_local_failures = true;
  milliseconds interval{10000};
  milliseconds base_ejection_time{30000};
  milliseconds max_ejection_time{300000};
  std::uint32_t max_ejection_percent = 10;
  std::uint32_t failure_percent = 0;  ///< 0: off
  std::uint32_t latency_percent = 0;  ///< of the median backend's mean; 0: off
  std::vector<std::uint16_t> failure_statuses;  ///< that count as 5xx; empty: 5xx do
  bool operator==(const BackendOutlierDetection&) const = default;
};

/// Concurrency limits; 0: none.
struct BackendCircuitBreaker {
  std::uint32_t max_connections = 1024;
  std::uint32_t max_pending_requests = 1024;
  std::uint32_t max_parallel_requests = 1024;
  std::uint32_t max_parallel_retries = 1024;
  bool operator==(const BackendCircuitBreaker&) const = default;
};

struct BackendConnectionPool {
  std::uint32_t max_idle = 1024;  ///< per worker and backend
  std::uint32_t min_idle = 0;
  std::uint32_t max_requests_per_connection = 0;  ///< 0: no limit
  std::uint32_t max_concurrent_streams = 100;  ///< of an HTTP/2 connection
  milliseconds idle_timeout{60000};
  milliseconds max_connection_duration{0};  ///< 0: no limit
  bool operator==(const BackendConnectionPool&) const = default;
};

struct BackendRetry {
  std::uint32_t attempts = 1;  ///< after the first
  std::vector<std::string>
      retry_on;  ///< as written, each known: "connect-failure", "5xx", "unavailable", ...; empty: defaults
  std::vector<std::uint16_t> status_codes;
  milliseconds per_try_timeout{0};  ///< 0: none
  milliseconds backoff_base{25};
  milliseconds backoff_max{250};
  bool operator==(const BackendRetry&) const = default;
};

struct BackendRetryBudget {
  std::uint32_t percent = 20;
  std::uint32_t min_retry_concurrency = 3;
  milliseconds interval{10000};
  bool operator==(const BackendRetryBudget&) const = default;
};

struct BackendHedging {
  milliseconds delay{0};  ///< 0: off
  std::uint32_t max_requests = 1;
  bool operator==(const BackendHedging&) const = default;
};

/// 0: none.
struct BackendTimeouts {
  milliseconds connect{5000};
  milliseconds request{0};
  milliseconds stream_idle{0};
  bool operator==(const BackendTimeouts&) const = default;
};

struct BackendSettings {
  enum class Protocol : std::uint8_t { kAuto, kHttp1, kHttp2 };
  BackendBalancing balancing;
  BackendSlowStart slow_start;
  BackendLocality locality;
  std::optional<ActiveHealthCheck> active_check;
  std::optional<BackendOutlierDetection> outlier;
  std::uint32_t panic_percent = 50;  ///< fewer available than this: health is ignored; 0: never
  std::uint32_t least_available = 0;  ///< percent of the weight; with less available nobody is asked; 0: no bound
  BackendCircuitBreaker breaker{0, 0, 0, 0};
  BackendCircuitBreaker backend_breaker{0, 0, 0, 0};  ///< perBackend
  BackendConnectionPool pool;
  std::optional<BackendRetry> retry;
  BackendRetryBudget budget;
  BackendHedging hedging;
  BackendTimeouts timeouts;
  TcpKeepalive tcp_keepalive;
  Http2Keepalive http2_keepalive;
  Protocol protocol = Protocol::kAuto;  ///< kAuto: appProtocol of the Service's port, else HTTP/1.1
  std::uint8_t proxy_protocol = 0;  ///< version that is sent; 0: none
  bool host_of_backend = false;  ///< Host is the chosen backend's own name, whatever the request or route says
  bool operator==(const BackendSettings&) const = default;
};

/// How the gateway uses the backends of Services.
struct BackendPolicy {
  Metadata metadata;
  std::vector<PolicyTarget> targets;  ///< Services; sectionName: a port by name
  std::shared_ptr<const BackendSettings> settings;  ///< never null
};

// ---- ClientPolicy -------------------------------------------------------------------------------------------------

/// The defaults here are those of the gateway, whether a policy is there or not; the engine's own are the same.
struct ClientLimits {
  std::uint32_t max_connections = 0;  ///< of the listener; 0: none
  std::uint32_t max_header_bytes = 65536;  ///< of a request's head
  std::uint32_t max_headers = 128;
  std::uint32_t max_request_line_bytes = 8192;
  std::uint64_t max_body_bytes = 0;  ///< 0: none
  std::uint32_t max_requests_per_connection = 0;  ///< 0: none
  bool operator==(const ClientLimits&) const = default;
};

/// 0: none.
struct ClientTimeouts {
  milliseconds request_header{15000};  ///< from the first byte to the head's end
  milliseconds request{0};  ///< head and body received
  milliseconds idle{75000};  ///< between requests
  milliseconds body_idle{60000};  ///< between pieces of a body
  milliseconds write{60000};  ///< while the client takes nothing
  milliseconds tls_handshake{10000};
  milliseconds max_connection_duration{0};
  bool operator==(const ClientTimeouts&) const = default;
};

struct ClientForwarded {
  enum class Field : std::uint8_t { kXForwardedFor, kForwarded, kXRealIp };
  std::uint32_t trusted_hops = 0;  ///< xForwardedFor.numTrustedHops: proxies in front of this one
  std::vector<Cidr> trusted_cidrs;  ///< ... or those from these addresses
  Field client_field = Field::kXForwardedFor;  ///< which of their fields names the client
  bool send_forwarded = false;  ///< Forwarded to the backend, too
  bool preserve_request_id = false;  ///< x-request-id of the client is kept
  bool operator==(const ClientForwarded&) const = default;
};

struct ClientHttp2 {
  bool enabled = true;
  std::uint32_t max_concurrent_streams = 128;
  std::uint32_t initial_stream_window = 262144;
  std::uint32_t initial_connection_window = 1048576;
  std::uint32_t max_frame_size = 16384;
  bool operator==(const ClientHttp2&) const = default;
};

struct ClientTls {
  enum class Version : std::uint8_t { k12, k13 };
  enum class ClientCertificate : std::uint8_t { kNone, kRequest, kRequire };
  Version min_version = Version::k12;
  Version max_version = Version::k13;
  std::vector<std::string> ciphers;  ///< OpenSSL's names, TLS 1.2; empty: by default
  std::vector<std::string> alpn_protocols;  ///< empty: h2 and http/1.1
  ClientCertificate client_certificate = ClientCertificate::kNone;
  std::vector<ObjectReference> ca_certificates;  ///< Secret or ConfigMap, with ca.crt; same namespace
  bool forward_identity = false;  ///< x-forwarded-client-cert to the backend
  bool session_tickets = true;
  bool operator==(const ClientTls&) const = default;
};

struct ClientAccessLog {
  enum class Format : std::uint8_t { kJson, kCommon, kCombined, kTemplate, kKong };
  bool enabled = true;
  Format format = Format::kJson;
  std::string text;  ///< of kTemplate
  std::string path;  ///< empty: standard output
  std::uint32_t sampling_percent = 100;
  bool operator==(const ClientAccessLog&) const = default;
};

struct ClientSettings {
  ClientLimits limits;
  ClientTimeouts timeouts;
  ClientForwarded forwarded;
  ClientHttp2 http2;
  ClientTls tls;
  ClientAccessLog access_log;
  TcpKeepalive tcp_keepalive;
  Http2Keepalive http2_keepalive;
  bool proxy_protocol = false;  ///< every connection must begin with it, version 1 or 2
  bool allow_connect = false;  ///< the CONNECT method
  std::vector<std::string> http_upgrade{"websocket"};  ///< protocols, in lower case
  bool path_merge_slashes = true;
  bool loose_targets = false;  ///< targets may have the characters that browsers leave unencoded
  std::vector<ClientLog> logs;  ///< beside access_log
};

/// How the gateway treats the clients of a Gateway or of one of its listeners.
struct ClientPolicy {
  Metadata metadata;
  std::vector<PolicyTarget> targets;  ///< Gateways and ListenerSets; sectionName: a listener
  std::shared_ptr<const ClientSettings> settings;  ///< never null
};

}  // namespace fairlead::model
