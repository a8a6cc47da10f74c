// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "fairlead/event/loop.hpp"
#include "fairlead/event/worker.hpp"
#include "fairlead/upstream/cluster_set.hpp"
#include "fairlead/upstream/dns.hpp"
#include "fairlead/upstream/health_checker.hpp"
#include "gateway/workers.hpp"

namespace fairlead::gateway {

/// What is known of backends beside requests, once for all workers, on a thread of its own: active health checks, and
/// addresses of host names by DNS. Workers hear changes of health by message, other addresses by way of main, which
/// alone publishes clusters. Owner: Gateway. Thread: main.
class BackendWatch final : private upstream::HealthListener {
 public:
  /// For status and metrics.
  struct State {
    upstream::CheckerCounters checks;
    upstream::DnsCounters dns;
    std::uint64_t targets = 0;
    std::uint64_t failing = 0;
    std::vector<upstream::TargetState> backends;  ///< by cluster and address
    std::vector<upstream::NameState> names;
  };

  /// `dns_servers`: see upstream::DnsResolver. All that is given outlives it.
  static Result<std::unique_ptr<BackendWatch>> start(Workers& workers, event::Loop& loop,
                                                     const std::string& dns_servers);
  ~BackendWatch();
  BackendWatch(const BackendWatch&) = delete;
  BackendWatch& operator=(const BackendWatch&) = delete;

  /// Watches what these clusters have from now on. The same changes with the addresses of names, as far as they are
  /// known: for the workers.
  upstream::ClusterChanges apply(const upstream::ClusterChanges& changes);
  /// Until each name has been answered once, well or not, or so long; then the workers have what came.
  void await_names(std::chrono::milliseconds limit);
  [[nodiscard]] State state();

 private:
  struct Parts;  // of the thread

  BackendWatch(Workers& workers, event::Loop& loop);
  void on_health(upstream::HealthChange change, std::string_view why) override;
  void on_names(const std::string& cluster);
  void publish_names();

  Workers& workers_;
  event::Loop& loop_;
  std::unique_ptr<Parts> parts_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::set<std::string> changed_;  // clusters with other addresses; under mutex_
  bool posted_ = false;            // publish_names() is to come; under mutex_
  std::unique_ptr<event::Worker> thread_;
};

}  // namespace fairlead::gateway
