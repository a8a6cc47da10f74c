// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/event/worker.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "gateway/telemetry_parts.hpp"

namespace fairlead::gateway {

/// The worker threads, each with its part of the proxy, and the sockets that they accept on.
/// Owner: Gateway. Thread: main.
class Workers {
 public:
  /// What all have alike. memory_limit: of all together; else see WorkerProxy::Options.
  struct Common {
    std::uint64_t memory_limit = 0;
    std::uint64_t queue_limit_ms = 0;
    std::function<void(int error)> on_exhausted{};
    std::shared_ptr<const upstream::SessionReferences> references{};
  };
  static Result<std::unique_ptr<Workers>> start(unsigned count, const Common& common, TelemetryParts& telemetry);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Opens one socket for each worker at an address that none has yet, so that an error is known before anything
  /// changes. Port 0 becomes the port that the kernel chose, the same for all.
  Result<net::SocketAddress> listen(const net::SocketAddress& at, bool datagram = false);
  /// Sockets of a predecessor: listen() takes them for their addresses, in place of new ones.
  void inherit(std::vector<proxy::BoundSocket> sockets) { inherited_ = std::move(sockets); }
  /// Closes those that no address asked for.
  void forget_inherited() { inherited_.clear(); }
  /// Duplicates of all sockets that listen or take datagrams.
  [[nodiscard]] std::vector<proxy::BoundSocket> sockets();
  /// Gives up the sessions of UDPRoutes, and takes no datagrams before take_datagrams().
  [[nodiscard]] std::vector<proxy::DatagramSession> hold_datagrams();
  /// Those of a predecessor, or none.
  Result<> take_datagrams(std::vector<proxy::DatagramSession> sessions);
  /// Hands the update to every worker; returns when all serve by it.
  Result<> apply(const proxy::Update& update);
  /// Other addresses of clusters; returns when all have them.
  void apply(const upstream::ClusterChanges& changes);
  /// Tells all, without waiting. Any thread.
  void post(upstream::HealthChange change);
  /// What is served now; null before the first update.
  [[nodiscard]] const proxy::SnapshotPtr& snapshot() const { return snapshot_; }
  /// Stops accepting; what is under way goes on.
  void leave();
  void drain();
  [[nodiscard]] std::size_t connections();
  [[nodiscard]] proxy::Counters counters();
  /// Of all workers together.
  [[nodiscard]] proxy::View view();
  [[nodiscard]] std::vector<proxy::ClusterTotals> clusters();
  [[nodiscard]] std::size_t count() const { return parts_.size(); }

 private:
  struct Part {
    std::unique_ptr<event::Worker> thread;
    std::unique_ptr<proxy::WorkerProxy> proxy;  // used on the thread only
    std::vector<proxy::BoundSocket> opened;     // not handed over yet
  };
  Workers() = default;
  bool take_inherited(const net::SocketAddress& at, bool datagram);
  std::vector<std::unique_ptr<Part>> parts_;
  std::vector<proxy::BoundSocket> inherited_;
  proxy::SnapshotPtr snapshot_;
};

}  // namespace fairlead::gateway
