// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "fairlead/upstream/pool.hpp"

namespace fairlead::upstream {

/// A place among the pools of a client.
class ClientPoolNode : public ListNode {
 public:
  virtual void on_client_gone() = 0;

 protected:
  ~ClientPoolNode() = default;
};

/// A client that backends are told of, for as long as it is connected.
/// Owner: the client's connection. Thread: its worker's.
class ToldClient {
 public:
  /// `id`: of its connection, unique in the worker.
  ToldClient(std::uint64_t id, const ClientEnds& ends) : id_(id), ends_(ends) {}
  ToldClient(const ToldClient&) = delete;
  ToldClient& operator=(const ToldClient&) = delete;
  ~ToldClient();  ///< connections to backends that are idle close, the others once their requests are over

 private:
  friend class ClientPools;
  std::uint64_t id_;
  ClientEnds ends_;
  List<ClientPoolNode> pools_;
};

/// The pools of one worker to one backend: the one that all share, and, where connections begin with a PROXY header,
/// one for each client that asks, as a connection that began with a client's addresses is for no other's requests.
/// What all clients have left idle is bounded together, and gives way where the breakers allow no more connections.
/// Owner: a backend. Thread: its worker's.
class ClientPools {
 public:
  /// All outlive the pools, as with Pool.
  ClientPools(ClusterContext& context, BackendContext& backend, const EndpointSpec& endpoint);
  ~ClientPools();
  ClientPools(const ClientPools&) = delete;
  ClientPools& operator=(const ClientPools&) = delete;

  /// Whether requests of a client need a pool of its own.
  [[nodiscard]] bool by_client() const { return context_.spec->pool.proxy_protocol != 0; }
  /// For requests of our own, and for all where nobody is told of clients.
  [[nodiscard]] Pool& shared() { return shared_; }
  [[nodiscard]] Pool& of(ToldClient& client);

  // As of a pool, for all.
  void on_spec();
  void drain();
  void end();
  void undrain();
  void warm_up();
  void on_wanted();
  [[nodiscard]] bool empty() const { return shared_.empty() && members_.empty(); }
  [[nodiscard]] std::size_t clients() const { return members_.size(); }
  [[nodiscard]] std::uint32_t idle() const { return shared_.idle() + idle_; }

 private:
  class Member;
  struct IdlePlace : ListNode {
    explicit IdlePlace(Pool& its_pool) : pool(its_pool) {}
    Pool& pool;
  };
  template <class Call>
  void each_member(Call call);
  void on_idle(IdlePlace& place);
  void on_busy(IdlePlace& place);
  bool close_oldest_idle();

  ClusterContext& context_;
  BackendContext& backend_;
  const EndpointSpec& endpoint_;
  Pool shared_;
  List<IdlePlace> by_idle_;  // pools of clients with something idle, the latest first
  std::unordered_map<std::uint64_t, std::unique_ptr<Member>> members_;
  std::uint32_t idle_ = 0;  // of clients
  bool draining_ = false;
};

}  // namespace fairlead::upstream
