// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/upstream/client_pools.hpp"
#include "fairlead/upstream/peak_ewma.hpp"
#include "fairlead/upstream/shared.hpp"

namespace fairlead::upstream {

struct BackendCounters {
  std::uint64_t requests = 0;
  std::uint64_t responses_5xx = 0;
  std::uint64_t failures = 0;
  std::uint64_t ejections = 0;
};

/// One backend as one worker sees it. Its cluster changes it; others read. What a pick reads comes first.
/// Owner: its Cluster, until the last request and connection are over. Thread: its worker's.
class Backend final : public event::Retired {
 public:
  Backend(EndpointSpec endpoint, ClusterContext& context);

  /// May get new requests: not removed, draining, unhealthy or ejected.
  [[nodiscard]] bool available() const { return available_; }
  [[nodiscard]] std::uint32_t active() const { return active_; }
  [[nodiscard]] const EndpointSpec& endpoint() const { return endpoint_; }
  [[nodiscard]] const std::string& name() const { return name_; }  ///< "10.0.0.1:80", "[2001:db8::1]:80"
  [[nodiscard]] bool healthy() const { return failing_checks_.empty(); }
  [[nodiscard]] const EjectionState& ejection() const { return context_.shared->ejection; }  ///< of all workers
  [[nodiscard]] const PeakEwma& ewma() const { return ewma_; }
  [[nodiscard]] const BackendCounters& counters() const { return counters_; }
  [[nodiscard]] const Breakers& breakers() const { return context_.breakers; }
  [[nodiscard]] bool removed() const { return removed_; }
  [[nodiscard]] Pool& pool() { return pools_.shared(); }
  [[nodiscard]] ClientPools& pools() { return pools_; }

 private:
  friend class Cluster;
  friend class Levels;
  /// Serves what was promised to it: a persistent session may stay through draining, not through failure.
  [[nodiscard]] bool serves_sessions() const {
    return !removed_ && healthy() && !ejection().ejected() && endpoint_.ready;
  }

  std::uint32_t active_ = 0;
  std::uint32_t weight_ = 1;
  bool available_ = false;
  bool in_set_ = false;       // of its group's balancer
  bool removed_ = false;
  bool mark_ = false;         // scratch of Cluster::apply
  bool put_aside_ = false;    // among Cluster::ejected_
  std::uint32_t level_ = 0;
  std::uint32_t group_ = 0;
  std::uint64_t since_ms_ = 0;  // when it came or returned: slow start
  PeakEwma ewma_;
  BackendContext context_;
  EndpointSpec endpoint_;
  std::string name_;
  std::vector<std::uint64_t> failing_checks_;  // ids of targets
  BackendCounters counters_;
  Tally* tally_ = nullptr;  // null: nobody asks for statistics
  ClientPools pools_;
};

/// "10.0.0.1:80", "[2001:db8::1]:80".
[[nodiscard]] std::string endpoint_name(const net::Endpoint& endpoint);

}  // namespace fairlead::upstream
