// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "fairlead/upstream/cluster_spec.hpp"

namespace fairlead::upstream {

/// Keeps retries a share of the traffic, so that a failing cluster is not buried under them. Two forms, both in force
/// where both are set: retries under way against requests under way (Envoy, Istio), and retries against requests of a
/// sliding window (Finagle, Linkerd). A retry needs room in each.
/// Owner: a cluster. Thread: its worker's.
class RetryBudget {
 public:
  explicit RetryBudget(const RetryBudgetSpec& spec) : spec_(spec) {}
  void set_spec(const RetryBudgetSpec& spec) { spec_ = spec; }

  void on_request(std::uint64_t now_ms);  ///< first tries
  /// True: counted; on_retry_end() is due when the try has ended. `active`: first tries and retries under way.
  [[nodiscard]] bool try_retry(std::uint32_t active, std::uint64_t now_ms);
  void on_retry_end() {
    if (active_retries_ > 0) --active_retries_;
  }
  [[nodiscard]] std::uint32_t active_retries() const { return active_retries_; }
  /// Retries that the window leaves; for status pages.
  [[nodiscard]] std::int64_t balance(std::uint64_t now_ms);

 private:
  static constexpr std::size_t kSlices = 10;
  void roll(std::uint64_t now_ms);

  RetryBudgetSpec spec_;
  std::uint32_t active_retries_ = 0;
  std::uint64_t slice_ = 0;                     // number of the current slice since the clock's start
  std::array<std::uint32_t, kSlices> requests_{};
  std::array<std::uint32_t, kSlices> retries_{};
};

}  // namespace fairlead::upstream
