// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"
#include "fairlead/event/reactor.hpp"
#include "fairlead/proxy/datagram_session.hpp"
#include "fairlead/proxy/protocol_counters.hpp"
#include "fairlead/proxy/snapshot.hpp"
#include "fairlead/proxy/stream_refusal.hpp"
#include "fairlead/proxy/view.hpp"
#include "fairlead/telemetry/kong_meter.hpp"
#include "fairlead/telemetry/meter.hpp"
#include "fairlead/telemetry/otlp.hpp"
#include "fairlead/telemetry/trace_context.hpp"
#include "fairlead/upstream/cluster_set.hpp"
#include "fairlead/upstream/persistence.hpp"

namespace fairlead::proxy {

/// A socket that listens, or takes datagrams, at one address of a snapshot's listeners; each worker has one of its own,
/// or more where it takes over from a process of more workers.
struct BoundSocket {
  net::SocketAddress address;
  Fd fd;
  bool datagram = false;  ///< UDP
  bool waits = false;  ///< UDP of a process before: nothing is taken from it before take_datagrams()
};

/// A snapshot, and how its clusters differ from those of the one before. Shared by the workers.
struct Update {
  SnapshotPtr snapshot;
  std::shared_ptr<const upstream::ClusterChanges> clusters;
};

/// Traces: kept or begun for every request, those that are sampled exported.
/// Owner: the daemon; outlives the workers. Thread: any; immutable.
struct Tracing {
  telemetry::TracePolicy policy;
  telemetry::Propagations formats{telemetry::Propagation::kW3c};
  telemetry::SpanExporter* exporter = nullptr;  ///< null: passed on to backends only
};

/// What a worker has done: sums of its meter over all listeners, then gauges of its own.
struct Counters {
  std::uint64_t connections = 0;  ///< accepted
  std::uint64_t requests = 0;  ///< that became an exchange
  std::uint64_t refused = 0;  ///< malformed: answered before they became one
  std::uint64_t out_of_memory = 0;
  std::uint64_t streams = 0;  ///< connections passed to a backend by a TLSRoute or TCPRoute
  std::array<std::uint64_t, 2> stream_bytes{};  ///< to backends; to clients
  std::uint64_t datagram_sessions = 0;  ///< of UDPRoutes
  std::array<std::uint64_t, 2> datagrams{};  ///< to backends; to clients
  std::array<std::uint64_t, kStreamRefusals> stream_refusals{};  ///< by StreamRefusal
  std::uint64_t spliced_bytes = 0;  ///< moved without a copy, of bodies
  std::uint64_t pipes_refused = 0;  ///< times that there was no pipe to splice by: copied instead
  std::uint64_t mirrors = 0;  ///< copies of requests that were begun
  std::uint64_t mirrors_dropped = 0;  ///< not begun, or given up: a limit, no backend, a body faster than its taker
  std::uint64_t mirrors_failed = 0;  ///< without an answer
  std::uint64_t hedges = 0;  ///< second tries beside a first one
  std::uint64_t hedges_won = 0;  ///< that answered first
  ProtocolCounters protocols;
  std::uint64_t open_connections = 0;  ///< gauge
  std::uint64_t active_requests = 0;  ///< gauge
  std::uint64_t open_datagram_sessions = 0;  ///< gauge
  std::uint64_t buffer_bytes = 0;  ///< gauge

  Counters& operator+=(const Counters& other);
};

/// One worker's part of the proxy: accepts, serves and measures on its reactor, and shares nothing with the others but
/// immutable snapshots, and what limits and ejection count of backends.
/// Owner: a daemon's composition root, by way of its Worker thread. Thread: the reactor's.
class WorkerProxy {
 public:
  struct Options {
    std::uint32_t worker = 0;
    std::uint32_t workers = 1;
    std::size_t memory_limit = std::size_t{512} << 20;  ///< bytes of buffers, from which new requests get 503
    std::uint64_t queue_limit_ms = 0;  ///< what requests may wait for their turn, else they get 503; 0: however long
    std::uint64_t seed = 0;  ///< of random choices
    telemetry::Meter* meter = nullptr;  ///< null: one of its own, that nobody reads
    telemetry::KongMeter* kong_meter = nullptr;  ///< null: none
    telemetry::LogWriter* log_writer = nullptr;  ///< null: no listener's log is written
    /// Descriptors or memory are out (errno), and connections are closed for that: on the worker's thread, often.
    std::function<void(int error)> on_exhausted{};
    const Tracing* tracing = nullptr;  ///< null: what requests say of traces is passed on as it is
    /// What workers know of backends together.
    std::shared_ptr<upstream::SharedClusters> clusters = std::make_shared<upstream::SharedClusters>(1);
    std::shared_ptr<const upstream::SessionReferences> references{};  ///< null: no session persistence
  };

  WorkerProxy(event::Reactor& reactor, const Options& options);
  ~WorkerProxy();  ///< a turn after shut()
  WorkerProxy(const WorkerProxy&) = delete;
  WorkerProxy& operator=(const WorkerProxy&) = delete;

  /// Serves by another snapshot from the next request on. `sockets`: those of addresses that are new. Ports that are
  /// not in it any more close; their connections end after what is under way.
  Result<> apply(const Update& update, std::vector<BoundSocket> sockets);
  /// Other clusters under the names of the snapshot, by what is known outside of it: addresses from DNS.
  void apply(const upstream::ClusterChanges& changes);
  /// From the health checker.
  void apply(const upstream::HealthChange& change);
  /// Still accepts, and serves; but connections end after what is under way, new ones after their first request.
  void leave();
  /// Stops accepting; connections end after what is under way (GOAWAY, `Connection: close`).
  void drain();
  /// Ends what is left.
  void close_connections();
  /// Ends everything, backends' connections too. The last call but for counters().
  void shut();

  /// Duplicates of the sockets that listen or take datagrams, for a process that takes over; without those for which no
  /// descriptor was left.
  [[nodiscard]] std::vector<BoundSocket> sockets() const;
  /// Takes no more datagrams, which then wait in their sockets, and gives up all sessions.
  [[nodiscard]] std::vector<DatagramSession> hold_datagrams();
  /// Takes datagrams again, or from sockets that waited; first, out of `sessions`, those of its sockets' clients.
  Result<> take_datagrams(std::vector<DatagramSession>& sessions);
  [[nodiscard]] std::size_t connections() const;
  [[nodiscard]] Counters counters() const;
  [[nodiscard]] View view() const;
  [[nodiscard]] std::vector<ClusterTotals> clusters() const;  ///< by name

 private:
  std::unique_ptr<class Worker> worker_;
};

}  // namespace fairlead::proxy
