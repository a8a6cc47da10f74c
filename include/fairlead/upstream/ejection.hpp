// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "fairlead/upstream/cluster_spec.hpp"
#include "fairlead/upstream/outcome.hpp"
#include "fairlead/upstream/random.hpp"

namespace fairlead::upstream {

enum class EjectionCause : std::uint8_t {
  kConsecutive5xx,
  kGatewayErrors,
  kLocalFailures,
  kSuccessRate,
  kFailurePercent,
  kLatency,
};

/// What is known of one backend for outlier detection, by all workers together. Ejector changes it.
/// Owner: a SharedBackend. Thread: any for what is atomic; for the rest, who holds the lock of the cluster.
struct EjectionState {
  std::atomic<std::uint32_t> consecutive_5xx{0};
  std::atomic<std::uint32_t> consecutive_gateway{0};
  std::atomic<std::uint32_t> consecutive_local{0};
  std::atomic<std::uint64_t> until_ms{0};  ///< 0: not ejected; changed under the lock
  std::uint32_t requests = 0;         // of the interval that is judged; so for the next two
  std::uint32_t failures = 0;
  std::uint64_t latency_ns = 0;
  std::uint32_t times = 0;            ///< ejections in a row; goes down by one for each interval without
  std::uint64_t returned_ms = 0;      ///< when it last came back
  [[nodiscard]] bool ejected() const { return until_ms.load() != 0; }
};

/// Outlier detection of one cluster: which backends to leave out for a while, and when to take them back. Pure: told of
/// outcomes and of time, it says what to do; who asks keeps the states, and the lock for all calls but observe().
/// Owner: a cluster. Thread: its worker's.
class Ejector {
 public:
  explicit Ejector(const EjectionSpec& spec) : spec_(spec) {}
  void set_spec(const EjectionSpec& spec) { spec_ = spec; }
  [[nodiscard]] const EjectionSpec& spec() const { return spec_; }
  /// Whether judge() may find anybody.
  [[nodiscard]] bool statistics() const {
    return spec_.success_rate_deviations > 0 || spec_.failure_percent > 0 || spec_.latency_percent > 0;
  }

  /// The cause for which the backend is to be ejected now, if any: the limits of consecutive failures. Any thread.
  [[nodiscard]] std::optional<EjectionCause> observe(EjectionState& state, const Outcome& outcome) const;
  /// Whether one more of `total` may be ejected.
  [[nodiscard]] bool allows(std::uint32_t ejected, std::uint32_t total) const;
  /// Ejects: base_time times the count in a row, at most max_time, plus jitter.
  void eject(EjectionState& state, std::uint64_t now_ms, Random& random) const;
  /// True where its time is over; then it is back.
  [[nodiscard]] bool release(EjectionState& state, std::uint64_t now_ms) const;

  struct Verdict {
    std::uint32_t index;
    EjectionCause cause;
  };
  /// At the end of an interval: outliers among `states` (indices into it) by statistics, worst first; counts of the
  /// interval begin anew.
  [[nodiscard]] std::vector<Verdict> judge(std::span<EjectionState* const> states) const;

 private:
  [[nodiscard]] bool fails(const Outcome& outcome) const;
  void judge_success_rate(std::span<EjectionState* const> states, std::vector<Verdict>& out) const;
  void judge_failure_percent(std::span<EjectionState* const> states, std::vector<Verdict>& out) const;
  void judge_latency(std::span<EjectionState* const> states, std::vector<Verdict>& out) const;

  EjectionSpec spec_;
};

}  // namespace fairlead::upstream
