// SPDX-License-Identifier: Apache-2.0
#pragma once

// Logs in Kong's form, of a ClientPolicy: what Kong's plugins file-log, http-log, statsd and datadog become.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fairlead::model {

/// A JSON object on a line for each request.
struct ClientLogFile {
  std::string path;
  bool reopen = false;  ///< where another file has this path by now
};

/// What waits to be sent.
struct ClientLogQueue {
  std::uint32_t max_batch = 1;  ///< entries in one request; more than 1: as a JSON array
  std::uint32_t max_entries = 10'000;
  std::chrono::milliseconds max_delay{1000};  ///< that an entry waits for others
  std::chrono::milliseconds max_retry_time{60'000};  ///< 0: each batch is tried once
  std::chrono::milliseconds first_retry{10}, last_retry{60'000};
};

/// The same objects, to a server.
struct ClientLogHttp {
  std::string url;
  std::string method = "POST";
  std::string content_type = "application/json";
  std::chrono::milliseconds timeout{10'000};
  std::vector<std::pair<std::string, std::string>> headers;  ///< may be secrets
  ClientLogQueue queue;
};

struct ClientLogMetric {
  enum class Name : std::uint8_t {
    kRequestCount,
    kRequestSize,
    kResponseSize,
    kLatency,
    kUpstreamLatency,
    kKongLatency,
    kStatusCount,
    kUniqueUsers,
    kRequestPerUser,
    kStatusCountPerUser,
    kStatusCountPerWorkspace,
    kStatusCountPerUserPerRoute
  };
  enum class Type : std::uint8_t { kCounter, kGauge, kHistogram, kMeter, kSet, kTimer, kDistribution };
  enum class Consumer : std::uint8_t { kNone, kCustomId, kUsername };
  enum class Service : std::uint8_t { kNone, kName, kHost, kNameOrHost };
  Name name = Name::kRequestCount;
  Type type = Type::kCounter;
  std::string sample_rate;  ///< as it is told; empty: 1
  Consumer consumer = Consumer::kNone;  ///< kNone: the log's, with StatsD; not told, with Datadog
  Service service = Service::kNone;     ///< kNone: the log's
  std::vector<std::string> tags;
};

/// Metrics of each request as datagrams.
struct ClientLogStatsd {
  enum class Style : std::uint8_t { kStatsd, kDatadog };
  Style style = Style::kStatsd;
  std::string host = "localhost";
  std::uint16_t port = 8125;
  std::string prefix = "kong";
  bool hostname_in_prefix = false;
  std::uint32_t max_datagram = 0;  ///< bytes; 0: one metric in each
  std::vector<std::pair<std::uint16_t, std::uint16_t>> statuses;  ///< from and to; empty: all
  ClientLogMetric::Consumer consumer = ClientLogMetric::Consumer::kCustomId;
  ClientLogMetric::Service service = ClientLogMetric::Service::kNameOrHost;
  std::string service_tag = "name", status_tag = "status", consumer_tag = "consumer";  ///< of kDatadog
  std::uint32_t max_entries = 10'000;  ///< metrics that wait
  std::vector<ClientLogMetric> metrics;
};

/// Exactly one of the three.
struct ClientLog {
  std::string name;
  std::optional<std::vector<std::string>> routes;  ///< only of these, as ObjectKey::text() has them; nothing: of all
  std::vector<std::string> except_routes;          ///< not of these
  std::optional<ClientLogFile> file;
  std::optional<ClientLogHttp> http;
  std::optional<ClientLogStatsd> statsd;
};

}  // namespace fairlead::model
