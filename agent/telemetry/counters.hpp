// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "agent/kernel/map.hpp"
#include "fairlead/abi/metric.h"

namespace fairlead::telemetry {

/// One of the kernel's counters: its place, its metric, and what tells it from others of the same metric.
struct CounterKind {
  fl_counter index;
  const char* metric;  ///< without `_total`
  const char* label;   ///< null: none
  const char* value;
  const char* help;    ///< of the metric
  const char* note;    ///< of this label value; null: the help says it
};

[[nodiscard]] std::span<const CounterKind> counter_kinds();

/// As the page of metrics shows it: "fairlead_denied_total{side=\"client\"}".
[[nodiscard]] std::string counter_name(const CounterKind& kind);

/// "no_backend", as metrics, flows and fairctl name it.
[[nodiscard]] std::string_view reason_name(std::uint32_t reason);
/// What it means for the caller: "the service has no usable endpoint".
[[nodiscard]] std::string_view reason_text(std::uint32_t reason);

/// The sums of fl_counters over all CPUs.
/// Owner: Telemetry. Thread: its.
class Counters {
 public:
  Counters() = default;
  static Result<Counters> open(Fd map);
  [[nodiscard]] Result<std::array<std::uint64_t, FL_COUNTERS>> read() const;

 private:
  Fd map_;
};

/// The sum of every series over all CPUs.
struct Pair {
  fl_pair_key key;
  fl_pair_stats stats;
};

/// fl_pairs.
/// Owner: Telemetry. Thread: its.
class Pairs {
 public:
  Pairs() = default;
  /// Makes the overflow row.
  static Result<Pairs> open(Fd map);
  [[nodiscard]] Result<std::vector<Pair>> read() const;
  Result<> remove(std::span<const fl_pair_key> keys) const;
  [[nodiscard]] std::uint32_t capacity() const { return capacity_; }

 private:
  Fd map_;
  std::uint32_t capacity_ = 0;
};

struct BackendKeyLess {
  bool operator()(const fl_backend_key& a, const fl_backend_key& b) const {
    return std::tie(a.backend_id, a.generation) < std::tie(b.backend_id, b.generation);
  }
};
/// The sum of every backend's series over all CPUs.
using BackendSums = std::map<fl_backend_key, fl_backend_stats, BackendKeyLess>;

/// fl_be_stats.
/// Owner: Telemetry. Thread: its.
class BackendRows {
 public:
  BackendRows() = default;
  static Result<BackendRows> open(Fd map);
  [[nodiscard]] Result<BackendSums> read() const;
  Result<> remove(std::span<const fl_backend_key> keys) const;

 private:
  Fd map_;
};

}  // namespace fairlead::telemetry
