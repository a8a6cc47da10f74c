// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "fairlead/base/result.hpp"
#include "fairlead/http/exchange.hpp"
#include "fairlead/upstream/clock.hpp"
#include "fairlead/upstream/cluster_spec.hpp"
#include "fairlead/upstream/counters.hpp"
#include "fairlead/upstream/intrusive_list.hpp"
#include "fairlead/upstream/shared.hpp"

namespace fairlead::upstream {

/// Why a pool gives no stream. Nothing of the request was sent, so that it may go to another backend.
enum class PoolFailure : std::uint8_t {
  kConnect,         ///< refused, unreachable, TLS failed
  kConnectTimeout,
  kPendingTimeout,
  kPending,         ///< breaker: too many wait
  kConnections,     ///< breaker: no connection is allowed, and none is there to wait for
  kDraining,        ///< the backend has been removed
};
[[nodiscard]] std::string_view pool_failure_name(PoolFailure failure);

/// Who a client is, as a PROXY header tells a backend: both ends of its connection to us.
struct ClientEnds {
  net::Endpoint client, server;
};

/// Makes connections to backends.
/// Owner: a worker. Thread: its worker's.
class SessionFactory {
 public:
  /// Begins to connect; `owner` is not called before this returns, and outlives the session. `cluster`, `endpoint` and
  /// `client` are good during the call only. `client`: whom a PROXY header names, where the cluster wants one; null:
  /// nobody, the connection is our own.
  virtual Result<std::unique_ptr<http::ClientSession>> connect(const ClusterSpec& cluster, const EndpointSpec& endpoint,
                                                               const ClientEnds* client,
                                                               http::ClientSessionOwner& owner) = 0;

 protected:
  ~SessionFactory() = default;
};

/// A place among the pools that want a connection.
class WantingNode : public ListNode {
 protected:
  WantingNode() = default;
  ~WantingNode() = default;
};

/// What the backends of a cluster have in common on one worker.
/// Owner: a cluster. Thread: its worker's.
struct ClusterContext {
  ClusterContext(Clock& its_clock, SessionFactory& its_factory, std::shared_ptr<SharedCluster> its_shared,
                 std::uint32_t its_worker)
      : clock(its_clock), factory(its_factory), shared(std::move(its_shared)), worker(its_worker) {}

  Clock& clock;
  SessionFactory& factory;
  ClusterSpecRef spec = std::make_shared<const ClusterSpec>();  ///< never null
  std::shared_ptr<SharedCluster> shared;  ///< with the other workers
  std::uint32_t worker;
  Breakers breakers{std::shared_ptr<SharedBreakers>(shared, &shared->breakers), worker};
  ClusterCounters counters{};
  List<WantingNode> wanting{};  ///< pools that a limit of connections holds back, the first first
};

/// What the pools to one backend have in common on one worker.
/// Owner: a backend. Thread: its worker's.
struct BackendContext {
  BackendContext(std::shared_ptr<SharedBackend> its_shared, std::uint32_t worker)
      : shared(std::move(its_shared)), breakers(std::shared_ptr<SharedBreakers>(shared, &shared->breakers), worker) {}

  std::shared_ptr<SharedBackend> shared;  ///< with the other workers
  Breakers breakers;
  std::uint32_t yielding = 0;  ///< sessions that end for other workers after their requests
};

/// What a pool keeps of a waiter; destroying it ends the wait.
class PoolWaiterNode : public ListNode {
 protected:
  PoolWaiterNode() = default;
  ~PoolWaiterNode();

 private:
  friend class Pool;
  class Pool* pool_ = nullptr;  // while it waits
  http::ClientHandler* handler_ = nullptr;
  std::uint64_t deadline_ms_ = 0;
};

/// A request that waits for a stream: part of the request's own object, so that waiting allocates nothing.
/// Owner: a request. Thread: its worker's.
class PoolWaiter : public PoolWaiterNode {
 public:
  /// The stream is the waiter's; its handler is the one given to acquire().
  virtual void on_stream(http::ClientStream& stream) = 0;
  virtual void on_pool_failure(PoolFailure why, std::string_view text) = 0;

 protected:
  ~PoolWaiter() = default;
};

/// Who keeps a pool whose connections are for one client.
/// Owner: ClientPools. Thread: its worker's.
class PoolKeeper {
 public:
  [[nodiscard]] virtual const ClientEnds& ends() const = 0;
  virtual void on_idle() = 0;  ///< one connection more is idle
  virtual void on_busy() = 0;  ///< one less
  /// Closes a connection that another client has left idle; false: there is none.
  virtual bool make_room() = 0;
  /// No connection, and nobody waits. It may be on the stack.
  virtual void on_unused() = 0;

 protected:
  ~PoolKeeper() = default;
};

/// The connections of one worker to one backend: idle ones (the latest used first, so that the others may time out),
/// HTTP/2 ones with room, those under way, and a queue of requests that wait. A connection that closes while idle is
/// dropped at once; one that closes under a request resets its stream, and ClientStream::reused_connection() with
/// failure_of() tells whether the request may be repeated. Where a limit of connections, which is of all workers, holds
/// it back it wants one of those of other workers, who give up what is idle, or, where it has none at all, what has
/// ended its request.
/// Owner: a backend. Thread: its worker's.
class Pool : private WantingNode {
 public:
  /// All outlive the pool while it holds anything; `backend`: its breakers are counted in beside the cluster's;
  /// `keeper`: of a pool for one client.
  Pool(ClusterContext& context, BackendContext& backend, const EndpointSpec& endpoint, PoolKeeper* keeper = nullptr);
  ~Pool();  ///< closes everything; waiters are told kDraining
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  struct Acquired {
    http::ClientStream* stream = nullptr;  ///< at once
    std::optional<PoolFailure> refused{};  ///< counted; neither: the waiter will be called, never before this returns
  };
  [[nodiscard]] Acquired acquire(PoolWaiter& waiter, http::ClientHandler& handler);
  /// The waiter is not called any more; nothing where it does not wait.
  static void cancel(PoolWaiterNode& waiter);

  /// The cluster's spec has changed: for later connections; what stands keeps its protocol. Where the TLS context is
  /// another one, or another PROXY header is due, what stands takes no new requests: its backend was verified, or told,
  /// by rules that are gone.
  void on_spec();
  /// No new requests: idle connections close, waiters are told kDraining, streams under way go on.
  void drain();
  /// Its backend has gone with all others of its cluster: no new requests, and drained once nobody waits.
  void end();
  /// New requests again: a removed backend has come back.
  void undrain() {
    ending_ = false;
    draining_ = leaving_;
  }
  /// Its client is gone: drained once nobody waits.
  void leave();
  /// Makes room for others; where something is idle only.
  void close_oldest_idle();
  /// Those that want a connection try again, who has wanted longest first.
  static void on_room(ClusterContext& context);
  /// Another worker wants one of its connections.
  void on_wanted();
  /// Opens connections up to min_idle; called by the owner where a cluster is to be warm.
  void warm_up();

  [[nodiscard]] bool empty() const { return sessions_ == 0; }
  [[nodiscard]] std::uint32_t sessions() const { return sessions_; }
  [[nodiscard]] std::uint32_t idle() const { return idle_count_; }
  [[nodiscard]] std::uint32_t connecting() const { return connecting_count_; }
  [[nodiscard]] std::uint32_t pending() const { return pending_count_; }

 private:
  class Session;
  struct Lists;
  /// While a call is under way, calls within it included, the pool stays, even where it holds nothing for a moment.
  class Hold {
   public:
    explicit Hold(Pool& pool) : pool_(pool) { ++pool.holds_; }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { pool_.let_go(); }

   private:
    Pool& pool_;
  };
  class Alarm final : public event::Timer {
   public:
    explicit Alarm(Pool& pool) : pool_(pool) {}
    void on_timer() override;

   private:
    Pool& pool_;
  };

  void let_go();
  void one_idle();
  void one_busy();
  [[nodiscard]] bool may_connect() const;
  [[nodiscard]] bool others_connected() const;
  [[nodiscard]] bool gives_way() const;
  [[nodiscard]] bool uncovered() const { return pending_count_ > connecting_count_ * expected_streams_; }
  void settle();
  void retry();
  void yield();
  void leave_both(Breaker breaker);
  http::ClientStream* open_on_standing(http::ClientHandler& handler);
  [[nodiscard]] Session* usable();
  std::optional<PoolFailure> connect_or_wait();
  bool enter_connection();
  void leave_connection();
  std::optional<PoolFailure> connect_one(std::string_view* text);
  [[nodiscard]] const PoolSpec& spec() const { return context_.spec->pool; }
  void grow();
  void place(Session& session);
  void dispatch();
  void end_session(Session& session);
  void close_session(Session& session, std::uint64_t ClusterCounters::* reason);
  void fail_uncovered(std::uint64_t most, PoolFailure why, std::string_view text);
  void pop_waiter(PoolWaiterNode& waiter);
  void tick();
  void expire_connecting(std::uint64_t now);
  void set_alarm();

  void on_ready(Session& session);
  void on_capacity(Session& session);
  void on_draining(Session& session);
  void retire_standing();
  void on_closed(Session& session, std::string_view why);

  ClusterContext& context_;
  BackendContext& backend_;
  const EndpointSpec& endpoint_;
  PoolKeeper* keeper_;
  std::unique_ptr<Lists> lists_;
  Alarm alarm_;
  std::uint64_t expected_streams_;  // of a new connection
  Protocol protocol_;  // that they were expected for
  const void* tls_;  // the TLS context of new connections, which keep it alive
  std::uint8_t header_;  // the PROXY header's version that they begin with
  std::uint32_t sessions_ = 0;
  std::uint32_t idle_count_ = 0;
  std::uint32_t connecting_count_ = 0;
  std::uint32_t pending_count_ = 0;
  std::uint32_t holds_ = 0;
  bool held_back_ = false;  // by a limit of connections, at the last try
  bool wants_ = false;  // counted in the shared backend and cluster; so for the next
  bool starves_ = false;
  bool draining_ = false;
  bool leaving_ = false;
  bool ending_ = false;
  bool dispatching_ = false;
};

}  // namespace fairlead::upstream
