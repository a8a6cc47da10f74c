// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "fairlead/telemetry/meter.hpp"

namespace fairlead::telemetry {

/// What the numbers of series and listeners stand for. Names never move: readers keep pointers to them.
struct Meter::Names {
  std::deque<SeriesLabels> series;
  std::unordered_map<std::string, SeriesId> series_ids;
  std::deque<std::string> listeners;
  std::unordered_map<std::string, ListenerId> listener_ids;
};

/// By number.
struct Meter::View {
  std::vector<const SeriesLabels*> series;
  std::vector<const std::string*> listeners;
  std::vector<const WorkerMeter*> workers;
  std::uint64_t refused_series = 0;
};

/// Equal for equal labels, and for no others.
[[nodiscard]] std::string key_of(const SeriesLabels& labels);

}  // namespace fairlead::telemetry
