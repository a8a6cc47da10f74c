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

/// What a reply says to who has asked.
enum class ReplyStatus : std::uint8_t {
  kComplete,
  kOtherTime,  ///< Redis' clock is further from ours than was thought: to be asked again
  kBroken,     ///< no reply to this command
};

/// One command for Redis, by one of the scripts that its settings name. Destroying it gives it up.
/// Owner: whoever asks. Thread: the worker's.
class RedisQuestion : event::Timer {
 public:
  RedisQuestion() = default;
  virtual ~RedisQuestion();
  RedisQuestion(const RedisQuestion&) = delete;
  RedisQuestion& operator=(const RedisQuestion&) = delete;

  /// One that the command names: it chooses the node of a cluster.
  [[nodiscard]] virtual std::string_view key() const = 0;
  /// Appends EVALSHA, or with `whole` EVAL. It may be called several times.
  virtual void append(std::string& out, std::int64_t redis_us, bool whole) const = 0;
  /// Takes what it needs of the reply, which is good during the call. redis_us: Redis' clock, where the reply has it.
  [[nodiscard]] virtual ReplyStatus read(std::span<const RespValue> reply, std::optional<std::int64_t>& redis_us) = 0;
  /// One of the two, once; the question may be destroyed within.
  virtual void on_reply() = 0;
  virtual void on_no_answer(NoAnswer reason) = 0;

 private:
  friend class RedisNode;
  friend class RedisClient;
  void on_timer() override;

  RedisNode* node_ = nullptr;  // where it waits
  std::uint64_t sent_ns_ = 0;  // to the node, last
  std::uint64_t place_ = 0;  // among the node's commands, from 1; 0: not sent yet
  std::uint8_t tries_ = 0;  // that have ended in another one: MOVED, another time
};

/// One request's limits.
class RedisAsk : public RedisQuestion {
 public:
  explicit RedisAsk(std::span<SharedItem> items) : items_(items) {}

  /// In place of on_reply(). The items' levels are filled in.
  virtual void on_answer(bool allowed) = 0;
  [[nodiscard]] std::span<SharedItem> items() { return items_; }

 protected:
  /// For items that the ask holds itself; before it is asked.
  void set_items(std::span<SharedItem> items) { items_ = items; }

 private:
  [[nodiscard]] std::string_view key() const final { return items_[0].key; }
  void append(std::string& out, std::int64_t redis_us, bool whole) const final;
  [[nodiscard]] ReplyStatus read(std::span<const RespValue> reply, std::optional<std::int64_t>& redis_us) final;
  void on_reply() final { on_answer(allowed_); }

  std::span<SharedItem> items_;
  bool allowed_ = false;
};

/// Hears of a node.
class NodeOwner {
 public:
  /// An answer, of any kind, to an ask that is no longer the node's.
  virtual void on_node_reply(RedisNode& node, RedisQuestion& ask, std::span<const RespValue> reply) = 0;
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
  bool take(RedisQuestion& ask, bool whole = false, bool asking = false);
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
  friend class RedisQuestion;
  enum class State : std::uint8_t { kIdle, kResting, kLocating, kConnecting, kGreeting, kReady };

  void start();
  void look_up();
  void connect(const net::Endpoint& where);
  void greet();
  void send(RedisQuestion& ask, bool whole, bool asking);
  void forget(RedisQuestion& ask, bool late);
  void fail(std::string_view why);
  void count_answer(std::uint64_t sent_ns);
  /// Tells counters_ how it stands.
  void tell_state(bool ready, bool failing);
  void tell_state() { tell_state(state_ == State::kReady, failing()); }
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
  std::deque<RedisQuestion*> pending_;  // sent; null: nobody waits for the reply any more
  std::uint64_t first_ = 1;  // the place of pending_.front()
  std::vector<RedisQuestion*> waiting_;  // for the connection; null as above
  std::uint32_t greetings_ = 0;  // replies to come before asks may be sent
  std::uint32_t failures_ = 0;  // since it was last ready
  State state_ = State::kIdle;
  bool stalled_ = false;  // an ask has had no answer in time, and none has come since
  bool dropped_ = false;
  bool had_connection_ = false;  // at any time
  bool told_ready_ = false;  // as counters_ have it
  bool told_failing_ = false;
};

}  // namespace fairlead::limit
