// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/telemetry/counters.hpp"
#include "agent/telemetry/names.hpp"
#include "fairlead/metrics/exposition.hpp"

namespace fairlead::telemetry {

/// The names by which both ends and the service of a series are known.
struct PairNames {
  WorkloadLabels source;
  WorkloadLabels destination;
  bool has_service = false;
  ServiceLabels service{};
  std::uint16_t port = 0;
};
[[nodiscard]] PairNames names_of(const fl_pair_key& key, Names& names);

/// The labels of Istio's TCP metrics, each present in every series, for Kiali drops a series that lacks one.
[[nodiscard]] std::string istio_labels(const fl_pair_key& key, const PairNames& names, const std::string& domain);

inline constexpr double kMicros = 1e6;  // of a second
inline constexpr const char* kLostLines = "flow lines that a slow follower or a full disk did not take";
inline constexpr const char* kUnwrittenPolicies =
    "changes of policies that could not be written to the kernel: workloads concerned are closed";

/// istio_tcp_* and fairlead_* of the series.
void add_pairs(metrics::Page& page, std::span<const Pair> pairs, Names& names, const std::string& domain);
/// fairlead_* of the kernel's counters.
void add_counters(metrics::Page& page, std::span<const std::uint64_t> counters);
/// fairlead_service_* and fairlead_backend_* of what has been used.
void add_services(metrics::Page& page, const datapath::Services& services, const BackendSums& sums,
                  std::uint64_t now_ns);

/// How full a map is.
struct MapFill {
  std::string name;
  std::string type;
  std::uint32_t capacity = 0;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;  ///< memory, as the kernel counts it
};
void add_maps(metrics::Page& page, std::span<const MapFill> maps);
/// Reads every map pinned in the directory; counting walks the keys of hashes.
[[nodiscard]] Result<std::vector<MapFill>> read_maps(const std::string& pin_dir);

}  // namespace fairlead::telemetry
