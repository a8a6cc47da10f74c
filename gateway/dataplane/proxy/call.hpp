// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/arena.hpp"
#include "fairlead/event/reactor.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/http/exchange.hpp"
#include "fairlead/upstream/cluster.hpp"

namespace fairlead::proxy {

class Calls;
class OpenCall;

/// What the filter holds; the call itself ends with a turn.
class CallHandle final : public filter::Call {
 public:
  explicit CallHandle(OpenCall& call) : call_(&call) {}
  ~CallHandle() override;

 private:
  friend class OpenCall;
  OpenCall* call_;  // null: over
};

/// A request that a filter makes, from its beginning to the whole answer.
/// Owner: Calls. Thread: the worker's.
class OpenCall final : public event::Retired,
                       private event::Timer,
                       private http::ClientHandler,
                       private upstream::PoolWaiter {
 public:
  OpenCall(Calls& owner, upstream::Cluster& cluster, upstream::Backend& backend, filter::CallHandler& handler)
      : owner_(owner), cluster_(cluster), backend_(&backend), handler_(&handler) {}

  /// False: it has failed already; nobody was told.
  bool start(const filter::CallSpec& spec);
  /// Nobody waits for it any more.
  void abandon();

 private:
  friend class Calls;

  bool acquire();
  void on_timer() override { give_up(upstream::Failure::kTimeout, "no answer in time"); }
  void on_stream(http::ClientStream& stream) override;
  void on_pool_failure(upstream::PoolFailure why, std::string_view text) override;
  void on_informational(http::ResponseHead&) override {}
  void on_head(http::ResponseHead& head, bool end) override;
  void on_body(std::string_view data, bool end) override;
  void on_trailers(http::Fields& trailers) override;
  void on_writable() override {}
  void on_reset(http::Reset why) override;
  void on_done() override;
  void observe(const upstream::Outcome& outcome);
  void give_up(upstream::Failure failure, std::string_view why);
  void answered();
  void end();

  Calls& owner_;
  upstream::Cluster& cluster_;
  upstream::Backend* backend_;    // null: over
  filter::CallHandler* handler_;  // null: told, or nobody waits
  CallHandle* handle_ = nullptr;  // null: let go
  http::ClientStream* stream_ = nullptr;
  std::size_t place_ = 0;  // in the owner's list
  Arena arena_;
  http::RequestHead head_;
  std::string body_;
  filter::CallAnswer answer_;
  std::size_t most_ = 0;
  std::uint64_t begin_ns_ = 0;
  bool waiting_ = false;
  bool starting_ = true;
  bool observed_ = false;
  bool answered_ = false;
  bool again_ = false;  // the second time, as the first met a connection that was closing
};

/// The calls of one worker. Owner: the worker. Thread: its own.
class Calls {
 public:
  static constexpr std::size_t kMost = 8192;  ///< at a time; more are refused

  explicit Calls(event::Reactor& reactor) : reactor_(reactor) {}

  /// Null: it could not begin (no such cluster, no backend, a limit).
  std::unique_ptr<filter::Call> begin(upstream::Cluster* cluster, const filter::CallSpec& spec,
                                      filter::CallHandler& handler);
  /// Gives all up.
  void close();

 private:
  friend class OpenCall;
  void forget(OpenCall& call);

  event::Reactor& reactor_;
  std::vector<std::unique_ptr<OpenCall>> standing_;
};

}  // namespace fairlead::proxy
