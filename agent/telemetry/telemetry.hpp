// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "agent/kernel/skeleton.hpp"
#include "agent/kernel/walk.hpp"
#include "agent/telemetry/counters.hpp"
#include "agent/telemetry/events.hpp"
#include "agent/telemetry/names.hpp"
#include "agent/telemetry/page.hpp"
#include "agent/telemetry/retiring.hpp"
#include "agent/telemetry/udp_bytes.hpp"

namespace fairlead::telemetry {

struct Options {
  std::string pin_dir;
  std::string flow_log;  ///< empty: none
  std::string cluster_domain = "cluster.local";
  std::chrono::seconds keep_series{300};  ///< of ends and services that are gone
};

/// Joins the kernel's numbers with names.
/// Owner: Agent. Thread: the agent's main thread.
class Telemetry {
 public:
  static Result<std::unique_ptr<Telemetry>> open(Options options, kernel::Datapath& datapath,
                                                 const datapath::Services& services, const policy::Policies& policies,
                                                 const model::Cluster& cluster, event::Loop& loop);

  /// The configuration changed: names are looked up anew.
  void invalidate(const model::ChangeSet& changes);
  /// The page of /metrics.
  [[nodiscard]] Result<std::string> page(metrics::Format format);

  /// Adds what living connections moved to their series, unless that was just done: the longer it takes, the longer
  /// it holds, a second at most.
  void sweep();
  [[nodiscard]] Result<std::vector<Pair>> pairs();
  [[nodiscard]] Result<BackendSums> backends();
  [[nodiscard]] Result<std::array<std::uint64_t, FL_COUNTERS>> counters() const { return counters_.read(); }
  [[nodiscard]] Result<std::vector<MapFill>> maps() const { return read_maps(options_.pin_dir); }
  [[nodiscard]] Names& names() { return names_; }
  [[nodiscard]] Events& events() { return *events_; }
  [[nodiscard]] std::uint32_t series_capacity() const { return pairs_.capacity(); }

 private:
  Telemetry(Options options, kernel::Datapath& datapath, const datapath::Services& services,
            const policy::Policies& policies, Names names)
      : options_(std::move(options)),
        datapath_(datapath),
        services_(services),
        policies_(policies),
        names_(std::move(names)),
        retiring_(options_.keep_series),
        udp_bytes_(datapath) {}
  [[nodiscard]] bool counts_udp() const;
  void follow_udp();
  void retire();
  void retire_backends();

  Options options_;
  kernel::Datapath& datapath_;
  const datapath::Services& services_;
  const policy::Policies& policies_;
  Names names_;
  Counters counters_;
  Pairs pairs_;
  BackendRows backends_;
  std::unique_ptr<Events> events_;
  Retiring retiring_;
  std::uint64_t retired_ = 0;
  UdpBytes udp_bytes_;
  std::optional<kernel::Walk> account_;  // none where the kernel does not take its program
  std::uint64_t swept_ns_ = 0;
  std::uint64_t sweep_took_ns_ = 0;
};

}  // namespace fairlead::telemetry
