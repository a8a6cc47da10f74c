// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/arena.hpp"
#include "fairlead/event/reactor.hpp"
#include "fairlead/http/exchange.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "fairlead/upstream/cluster.hpp"
#include "fairlead/upstream/random.hpp"

namespace fairlead::proxy {

class Connection;
class Mirrors;

/// The copy of one request, under way to another backend; its answer is thrown away. It holds nothing of the original
/// and is never waited for: where its backend takes a body slower than it comes, or answers too late, it is given up.
/// Owner: Mirrors. Thread: the worker's.
class Mirror final : public event::Retired,
                     private event::Timer,
                     private http::ClientHandler,
                     private upstream::PoolWaiter {
 public:
  static constexpr std::size_t kMostPending = 64 * 1024;        ///< bytes of a body that wait for the backend
  static constexpr std::uint64_t kMostAnswer = 256 * 1024;      ///< bytes; a longer answer is cut off
  static constexpr std::uint64_t kMostTimeMs = 15'000;          ///< from its beginning, unless the cluster says less

  Mirror(Mirrors& owner, upstream::Cluster& cluster, upstream::Backend& backend)
      : owner_(owner), cluster_(cluster), backend_(&backend) {}

  // What the original's client sends.
  void on_request_body(std::string_view data, bool end);
  void on_request_trailers(const http::Fields& trailers);

 private:
  friend class Mirrors;

  void start(Connection& client, const http::RequestHead& head, bool end);
  void on_timer() override;
  void on_stream(http::ClientStream& stream) override;
  void on_pool_failure(upstream::PoolFailure why, std::string_view text) override;
  void on_informational(http::ResponseHead&) override {}
  void on_head(http::ResponseHead& head, bool end) override;
  void on_body(std::string_view data, bool end) override;
  void on_trailers(http::Fields&) override {}
  void on_writable() override;
  void on_reset(http::Reset why) override;
  void on_done() override;
  void flush();
  void give_up(upstream::Failure failure);
  void drop();
  void end();

  Mirrors& owner_;
  upstream::Cluster& cluster_;
  upstream::Backend* backend_;  // null: over
  http::ClientStream* stream_ = nullptr;
  std::vector<Mirror*>* listed_ = nullptr;  // among those of the original, while it is there
  std::size_t place_ = 0;                   // in the owner's list
  Arena arena_;
  http::RequestHead head_;
  http::Fields trailers_;
  std::string pending_;
  std::uint64_t begin_ns_ = 0;
  std::uint64_t answered_ = 0;  // bytes of the answer's body
  bool waiting_ = false;
  bool ended_ = false;  // the request is whole
  bool sent_ = false;   // and with the session
  bool has_trailers_ = false;
  bool blocked_ = false;
  bool observed_ = false;
};

/// The mirrors of one worker. Owner: the worker. Thread: its own.
class Mirrors {
 public:
  static constexpr std::size_t kMost = 512;  ///< at a time; more are dropped

  Mirrors(event::Reactor& reactor, upstream::Random& random, Counters& counters)
      : reactor_(reactor), random_(random), counters_(counters) {}

  /// Begins a copy of a request where its lot is drawn; it then stands in `of_original` until it is over.
  void begin(const MirrorTarget& target, upstream::Cluster* cluster, Connection& client, const http::RequestHead& head,
             bool end, std::vector<Mirror*>& of_original);
  /// The original is over: what was not copied whole is given up, the rest goes on alone.
  void leave(std::vector<Mirror*>& of_original);
  /// Gives all up.
  void close();
  [[nodiscard]] std::size_t size() const { return standing_.size(); }

 private:
  friend class Mirror;
  void forget(Mirror& mirror);

  event::Reactor& reactor_;
  upstream::Random& random_;
  Counters& counters_;
  std::vector<std::unique_ptr<Mirror>> standing_;
};

}  // namespace fairlead::proxy
