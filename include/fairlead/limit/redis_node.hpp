// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/event/reactor.hpp"
#include "fairlead/limit/redis_config.hpp"
#include "fairlead/limit/redis_link.hpp"
#include "fairlead/limit/redis_script.hpp"

namespace fairlead::limit {

class RedisNode;

/// One request's limits, asked of Redis. Destroying it gives it up.
/// Owner: the request. Thread: the worker's.
class RedisAsk : event::Timer {
 public:
  explicit RedisAsk(std::span<SharedItem> items) : items_(items) {}
  virtual ~RedisAsk();
  RedisAsk(const RedisAsk&) = delete;
  RedisAsk& operator=(const RedisAsk&) = delete;

  /// One of the two, once; the ask may be destroyed within. The items' levels are filled in.
  virtual void on_answer(bool allowed) = 0;
  virtual void on_no_answer(NoAnswer reason) = 0;
  [[nodiscard]] std::span<SharedItem> items() { return items_; }

 protected:
  /// For items that the ask holds itself; before it is asked.
  void set_items(std::span<SharedItem> items) { items_ = items; }

 private:
  friend class RedisNode;
  friend class RedisClient;
  void on_timer() override;

  std::span<SharedItem> items_;
  RedisNode* node_ = nullptr;   // where it waits
  std::uint64_t place_ = 0;     // among the node's commands, from 1; 0: not sent yet
  std::uint8_t tries_ = 0;      // that have ended in another one: MOVED, another time
};

/// Hears of a node.
class NodeOwner {
 public:
  /// An answer, of any kind, to an ask that is no longer the node's.
  virtual void on_node_reply(RedisNode& node, RedisAsk& ask, std::span<const RespValue> reply) = 0;
  virtual void on_node_failed(RedisNode& node) = 0;
  /// Where to connect to, for a node without an address of its own: the answer is located(). False: it has one.
  virtual bool locate(RedisNode& node) = 0;
  [[nodiscard]] virtual std::int64_t redis_us() const = 0;

 protected:
  ~NodeOwner() = default;
};

/// One Redis server, for one worker: connects when it is first needed, and again by itself, at growing distances, when
/// it has lost its connection. While it is away, or has left an ask without an answer in time, asks are turned down at
/// once, so that a Redis that is dead, or silent, costs no more than one time-out; what is outstanding shows when it is
/// back. Owner: a client. Thread: its reactor's.
class RedisNode final : LinkOwner, event::Timer {
 public:
  static constexpr std::size_t kMostPending = 16'384;

  RedisNode(event::Reactor& reactor, std::shared_ptr<const RedisConfig> config, Names* names, NodeOwner& owner,
            RedisCounters& counters, std::string address);
  ~RedisNode();
  RedisNode(const RedisNode&) = delete;
  RedisNode& operator=(const RedisNode&) = delete;

  /// False: not now. `asking`: a slot that moves is here for this one ask (Redis Cluster). Keeps the ask's deadline
  /// where it has one.
  bool take(RedisAsk& ask, bool whole = false, bool asking = false);
  /// Without an answer; false: not now, and it is not sent later.
  bool tell(const GiveBack& what);
  /// Writes at once what waits for the turn's end.
  void flush();
  void located(std::optional<net::Endpoint> where);
  /// After the reply that is handled now: the server is the wrong one.
  void drop() { dropped_ = true; }

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] bool ready() const { return state_ == State::kReady && !stalled_; }
  [[nodiscard]] bool failing() const { return failures_ > 0 || stalled_; }

 private:
  friend class RedisAsk;
  enum class State : std::uint8_t { kIdle, kResting, kLocating, kConnecting, kGreeting, kReady };

  void start();
  void look_up();
  void connect(const net::Endpoint& where);
  void greet();
  void send(RedisAsk& ask, bool whole, bool asking);
  void forget(RedisAsk& ask, bool late);
  void fail(std::string_view why);
  void check_greeting(std::span<const RespValue> reply);
  void become_ready();
  void on_link_open() override;
  void on_link_reply(std::span<const RespValue> reply) override;
  void on_link_lost(std::string_view why) override;
  void on_timer() override;

  event::Reactor& reactor_;
  std::shared_ptr<const RedisConfig> config_;
  Names* names_;
  NodeOwner& owner_;
  RedisCounters& counters_;
  std::string address_;
  std::string failure_;
  std::unique_ptr<NameQuery> query_;
  std::unique_ptr<RedisLink> link_;
  std::deque<RedisAsk*> pending_;  // sent; null: nobody waits for the reply any more
  std::uint64_t first_ = 1;  // the place of pending_.front()
  std::vector<RedisAsk*> waiting_;  // for the connection; null as above
  std::uint32_t greetings_ = 0;  // replies to come before asks may be sent
  std::uint32_t failures_ = 0;  // since it was last ready
  State state_ = State::kIdle;
  bool stalled_ = false;  // an ask has had no answer in time, and none has come since
  bool dropped_ = false;
};

}  // namespace fairlead::limit
