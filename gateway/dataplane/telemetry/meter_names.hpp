// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "fairlead/telemetry/meter.hpp"

namespace fairlead::telemetry {

/// What the numbers of series, listeners and counters stand for. Names never move: readers keep pointers to them.
struct Meter::Names {
  struct CounterSet {
    CounterFamily family;
    CounterOwner owner;
    CounterPart part;
    CounterId first = 0;
  };
  std::deque<SeriesLabels> series;
  std::unordered_map<std::string, SeriesId> series_ids;
  std::deque<std::string> listeners;
  std::unordered_map<std::string, ListenerId> listener_ids;
  std::deque<CounterSet> counter_sets;
  std::unordered_map<std::string, CounterId> counter_ids;  // of the sets' first
  CounterId next_counter = kMostInSet;
};

/// By number.
struct Meter::View {
  std::vector<const SeriesLabels*> series;
  std::vector<const std::string*> listeners;
  std::vector<const WorkerMeter*> workers;
  std::uint64_t refused_series = 0;
  std::uint64_t refused_counters = 0;
};

/// Equal for equal labels, and for no others.
[[nodiscard]] std::string key_of(const SeriesLabels& labels);

}  // namespace fairlead::telemetry
