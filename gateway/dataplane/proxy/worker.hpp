// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fairlead/http/h1_session.hpp"
#include "fairlead/http/h2.hpp"
#include "fairlead/net/chunk_pool.hpp"
#include "fairlead/net/listener.hpp"
#include "fairlead/net/pipe_pool.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "fairlead/upstream/cluster_set.hpp"
#include "fairlead/upstream/connector.hpp"
#include "gateway/dataplane/proxy/call.hpp"
#include "gateway/dataplane/proxy/connection.hpp"
#include "gateway/dataplane/proxy/datagram_port.hpp"
#include "gateway/dataplane/proxy/generation.hpp"
#include "gateway/dataplane/proxy/mirror.hpp"
#include "gateway/dataplane/proxy/observer.hpp"
#include "gateway/dataplane/proxy/queue_probe.hpp"
#include "gateway/dataplane/proxy/watch.hpp"

namespace fairlead::proxy {

/// An address that a worker accepts on, with what is served there now. It stays, closed, until its last connection
/// ends.
struct Port final : net::AcceptHandler {
  Port(Worker& its_worker, net::SocketAddress its_address) : worker(its_worker), address(its_address) {}
  void on_accept(Fd fd, const net::Endpoint& peer, const net::Endpoint& local) override;
  bool make_room(int error) override;
  void on_shed(std::uint64_t count) override;
  /// Of connections that are accepted from now on.
  void keep(const net::KeepAlive& keep_alive);

  Worker& worker;
  net::SocketAddress address;
  std::unique_ptr<net::Listener> listener;  // null: closed
  GenerationRef generation;                 // that of spec
  const ListenerSpec* spec = nullptr;
  telemetry::ListenerId meter_id = 0;
  std::vector<std::shared_ptr<telemetry::WorkerLog>> logs;
  bool shows_response = false;  // a log does
  std::size_t connections = 0;
  std::optional<net::KeepAlive> kept;  // what the listener's socket has
};

/// Everything that one worker serves with.
/// Owner: a WorkerProxy. Thread: its reactor's.
class Worker final : private event::Deferred {
 public:
  Worker(event::Reactor& reactor, const WorkerProxy::Options& options);
  ~Worker();

  Result<> apply(const Update& update, std::vector<BoundSocket> sockets);
  [[nodiscard]] std::vector<BoundSocket> sockets() const;
  void apply(const upstream::ClusterChanges& changes) { set_->apply(changes); }
  void apply(const upstream::HealthChange& change) { set_->apply_health({&change, 1}); }
  void leave();
  void drain();
  void close_connections();
  void shut();

  [[nodiscard]] event::Reactor& reactor() { return reactor_; }
  [[nodiscard]] upstream::Random& random() { return random_; }
  [[nodiscard]] net::ChunkPool& pool() { return pool_; }
  [[nodiscard]] net::PipePool& pipes() { return pipes_; }
  [[nodiscard]] http::H1Context& h1() { return h1_; }
  [[nodiscard]] http::H2Context h2_server(const ClientLimits& limits) {
    return {reactor_, pool_, limits.h2, h2_counters_};
  }
  [[nodiscard]] telemetry::WorkerMeter& meter() { return observer_.meter(); }
  [[nodiscard]] Observer& observer() { return observer_; }
  /// What is not a series of the meter: streams, datagrams, splices.
  [[nodiscard]] Counters& counters() { return counters_; }
  [[nodiscard]] Mirrors& mirrors() { return mirrors_; }
  [[nodiscard]] Calls& calls() { return calls_; }
  /// This worker's object of filters for `key`; null: to be made.
  [[nodiscard]] std::unique_ptr<filter::Local>& local(const std::shared_ptr<const void>& key);
  /// Null: no session persistence.
  [[nodiscard]] const upstream::SessionReferences* references() const { return references_.get(); }
  /// For people who look; costs what there is to show.
  [[nodiscard]] View view();
  [[nodiscard]] std::vector<ClusterTotals> clusters();
  [[nodiscard]] bool overloaded() const { return budget_.over(); }
  /// Of a request that has just come: what comes has waited for too long.
  [[nodiscard]] bool queues() { return queue_.over(); }
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }
  [[nodiscard]] std::size_t datagram_sessions() const;
  [[nodiscard]] std::vector<DatagramSession> hold_datagrams();
  Result<> take_datagrams(std::vector<DatagramSession>& sessions);
  [[nodiscard]] std::size_t exchanges() const { return active_; }

  void accept(Port& port, Fd fd, const net::Endpoint& peer, const net::Endpoint& local);
  /// The connection is over: destroyed at the end of the turn.
  void forget(Connection& connection);
  /// It has been destroyed.
  void release(Port& port);
  /// Descriptors or memory are out: closes what is idle, and tells the program. False: nothing is.
  bool make_room(int error);
  void refused(Connection& connection, const http::Refusal& refusal);
  void flooded(const Connection& connection, std::string_view kind);
  [[nodiscard]] ProtocolCounters protocols() const;
  /// The cluster of that number in that generation; nullptr where it is gone. Good until the turn ends, or while a try
  /// is admitted to it.
  [[nodiscard]] upstream::Cluster* cluster(const GenerationRef& generation, std::uint32_t number);
  /// Destroyed at the end of the turn.
  void let_go(std::unique_ptr<net::Stream> stream);
  Exchange& take_exchange(Connection& connection);
  /// The exchange is over and told of: kept for another request.
  void finished(Exchange& exchange);

 private:
  void on_turn_end() override;
  void watch(const Exchange& exchange);
  void number_clusters(const Snapshot& snapshot);
  Result<> open_given(const net::SocketAddress& address, std::vector<BoundSocket>& sockets);
  Result<> open_ports(const Snapshot& snapshot, std::vector<BoundSocket> sockets);
  Result<> open_datagrams(const Snapshot& snapshot, std::vector<BoundSocket>& sockets);
  Result<> open_given_datagrams(const net::SocketAddress& address, std::vector<BoundSocket>& sockets);
  void close_port(Port& port);
  void end_connections(const Port* port);  // after what is under way; null: of all ports

  event::Reactor& reactor_;
  net::MemoryBudget budget_;
  QueueProbe queue_;
  net::ChunkPool pool_{budget_};
  net::PipePool pipes_;
  http::H1Context h1_{reactor_, pool_};
  http::H2Counters h2_counters_;
  upstream::Connector connector_;
  upstream::ReactorClock clock_{reactor_};
  upstream::Random random_;
  upstream::WorkerContext upstream_;
  std::unique_ptr<upstream::ClusterSet> set_ = std::make_unique<upstream::ClusterSet>(upstream_);
  std::vector<upstream::Cluster*> clusters_;  // by number in generation_
  std::shared_ptr<const upstream::SessionReferences> references_;
  Counters counters_;
  Mirrors mirrors_{reactor_, random_, counters_};
  Calls calls_{reactor_};
  struct LocalEntry {
    std::weak_ptr<const void> key;
    std::unique_ptr<filter::Local> object;
  };
  std::unordered_map<const void*, LocalEntry> locals_;
  Observer observer_;
  Watch watch_;
  std::uint64_t floods_untold_ = 0;  // since the last line in the log
  std::uint64_t next_told_ms_ = 0;
  GenerationRef generation_;
  std::vector<std::unique_ptr<Port>> ports_;
  net::ListenerCounts closed_listeners_;  // what those have counted that are gone
  std::vector<std::unique_ptr<DatagramPort>> datagrams_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> gone_;  // they may be on the stack until the turn ends
  std::vector<std::unique_ptr<net::Stream>> streams_gone_;  // the same
  std::vector<std::unique_ptr<Exchange>> free_;
  std::vector<std::unique_ptr<Exchange>> finished_;  // the same
  std::size_t active_ = 0;
  std::uint64_t next_connection_;  // in steps of the number of workers
  std::uint32_t workers_;
  std::function<void(int)> told_of_exhaustion_;
  bool leaving_ = false;  // accepts, but nobody is to stay
  bool draining_ = false;
  bool shut_ = false;
};

}  // namespace fairlead::proxy
