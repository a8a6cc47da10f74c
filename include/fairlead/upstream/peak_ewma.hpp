// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

namespace fairlead::upstream {

/// Peak EWMA as Finagle and Linkerd define it: an exponentially weighted mean of latencies that jumps to a peak at once
/// and forgets it with a time constant; the cost is that mean times the requests under way. A backend that nobody has
/// asked yet costs `initial`. Times in nanoseconds of one monotonic clock.
/// Owner: a backend. Thread: its worker's.
class PeakEwma {
 public:
  /// A response took `latency_ns`.
  void observe(double latency_ns, std::uint64_t now_ns, double decay_ns) {
    if (stamp_ns_ == 0 || latency_ns > mean_ns_) {
      mean_ns_ = latency_ns;
    } else {
      const auto kept = weight(now_ns, decay_ns);
      mean_ns_ = mean_ns_ * kept + latency_ns * (1.0 - kept);
    }
    if (now_ns > stamp_ns_) stamp_ns_ = now_ns;
  }

  /// What one more request costs; the mean has decayed since the last response, so that a slow backend is tried again.
  [[nodiscard]] double cost(std::uint32_t active, std::uint64_t now_ns, double decay_ns, double initial_ns) const {
    const auto mean = stamp_ns_ == 0 ? initial_ns : mean_ns_ * weight(now_ns, decay_ns);
    return mean * (static_cast<double>(active) + 1.0);
  }
  [[nodiscard]] double mean_ns() const { return mean_ns_; }

 private:
  [[nodiscard]] double weight(std::uint64_t now_ns, double decay_ns) const {
    if (now_ns <= stamp_ns_) return 1.0;
    return std::exp(-static_cast<double>(now_ns - stamp_ns_) / decay_ns);
  }

  double mean_ns_ = 0;
  std::uint64_t stamp_ns_ = 0;
};

}  // namespace fairlead::upstream
