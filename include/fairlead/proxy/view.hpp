// SPDX-License-Identifier: Apache-2.0
#pragma once

// What people are shown of a worker beyond its counters: copies, made when somebody asks.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/telemetry/response_flags.hpp"
#include "fairlead/upstream/counters.hpp"

namespace fairlead::proxy {

/// One backend of a cluster. Counts only grow; `active` is a gauge.
struct BackendView {
  std::string name;  ///< "10.0.0.1:80"
  std::uint32_t weight = 1;
  bool available = false;  ///< gets new requests: neither draining, unhealthy nor ejected
  bool healthy = true;     ///< by active checks
  bool ejected = false;
  bool draining = false;   ///< keeps its sessions only
  std::uint64_t active = 0;
  std::uint64_t requests = 0;  ///< tries, retries included
  std::uint64_t responses_5xx = 0;
  std::uint64_t failures = 0;  ///< tries that ended without a response
  std::uint64_t ejections = 0;
};

struct ClusterView {
  std::string name;
  upstream::ClusterCounters counters;
  std::vector<BackendView> backends;
};

/// How a backend stands: the first of these that holds.
enum class BackendState : std::uint8_t { kEjected, kUnhealthy, kDraining, kAvailable, kOut };
inline constexpr std::size_t kBackendStates = 5;
[[nodiscard]] std::string_view name_of(BackendState state);
[[nodiscard]] BackendState state_of(const BackendView& backend);

/// A cluster in numbers only: what a scrape of thousands can be given.
struct ClusterTotals {
  std::string name;
  upstream::ClusterCounters counters;
  std::array<std::uint32_t, kBackendStates> backends{};  ///< by state

  /// Joins what another worker says of it: counters are summed; of the backends, whoever has fewer available is
  /// believed.
  void add(const ClusterTotals& other);
};

/// A request that did not end as it should: an answer of 5xx, or one that has a flag. Texts are cut to a fixed length;
/// the query is left out, as it may hold secrets.
struct FailedRequest {
  std::uint64_t time_ns = 0;      ///< of the end, since 1970
  std::uint64_t duration_ns = 0;  ///< 0: refused before it was a request
  std::uint16_t status = 0;       ///< 0: nothing was sent
  telemetry::ResponseFlags flags;
  std::string method;
  std::string host;
  std::string path;
  std::string route;   ///< "HTTPRoute default/web"; empty: none
  std::string reason;  ///< more than the flags say; may be empty
};

/// Answers since the start.
struct Outcomes {
  std::array<std::uint64_t, 6> by_class{};  ///< by the first digit of their status; 0: none was sent
  std::array<std::uint64_t, telemetry::kResponseFlags> by_flag{};
  std::uint64_t request_bytes = 0;  ///< of bodies, as the next
  std::uint64_t response_bytes = 0;

  Outcomes& operator+=(const Outcomes& other);
};

struct View {
  Outcomes outcomes;
  std::vector<ClusterView> clusters;          ///< by name
  std::vector<std::uint64_t> latencies;       ///< counts by telemetry::LatencyHistogram's buckets
  std::vector<FailedRequest> failed;          ///< the last ones, oldest first

  /// Joins another worker's: clusters and backends by name.
  void add(View other);
};

/// Joins another worker's. Both are by name.
void add(std::vector<ClusterTotals>& into, std::vector<ClusterTotals> other);

}  // namespace fairlead::proxy
