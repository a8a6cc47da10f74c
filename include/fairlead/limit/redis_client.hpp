// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/event/reactor.hpp"
#include "fairlead/limit/redis_config.hpp"
#include "fairlead/limit/redis_node.hpp"
#include "fairlead/limit/sentinel.hpp"

namespace fairlead::limit {

/// A worker's way to one Redis: a single server, the master that sentinels name, or the nodes of a cluster. Where its
/// place changes the next ask has it connect anew, and those before it wait for their answers at the old one.
/// Owner: a worker, by filter::Request::local(). Thread: the worker's.
class RedisClient final : NodeOwner, event::Deferred, event::Timer {
 public:
  static constexpr std::size_t kMostNodes = 1024;

  /// names: for addresses that are none; may be null.
  RedisClient(event::Reactor& reactor, std::shared_ptr<const RedisConfig> config, std::unique_ptr<Names> names);
  ~RedisClient();

  /// True: the ask is called later, within the configured time-out. False: Redis is not there now; nothing follows.
  [[nodiscard]] bool ask(RedisQuestion& ask);
  /// As well as it can be done now; what cannot counts as used.
  void give_back(const GiveBack& what);
  /// A lease has come, for so many requests.
  void note_lease(std::uint64_t requests);
  /// Writes at once what waits for the turn's end.
  void flush();
  /// Redis' clock, as far as it is known.
  [[nodiscard]] std::int64_t redis_us() const override;
  [[nodiscard]] const RedisCounters& counters() const { return counters_; }
  /// Why the last connection, or try of one, has failed; empty where it is well.
  [[nodiscard]] std::string failure() const;

 private:
  static constexpr std::size_t kSlots = 16'384;
  static constexpr std::uint8_t kMostTries = 4;

  void follow();
  void make_nodes();
  void on_turn_end() override;
  void on_timer() override;
  void on_node_reply(RedisNode& node, RedisQuestion& ask, std::span<const RespValue> reply) override;
  void on_node_failed(RedisNode& node) override;
  bool locate(RedisNode& node) override;

  void on_error(RedisNode& node, RedisQuestion& ask, std::string_view text);
  bool redirect(RedisNode& from, RedisQuestion& ask, std::string_view text);
  void note_refusal(const RedisNode& node, std::string_view text);
  void give_up(RedisQuestion& ask, NoAnswer reason);
  /// Null: nobody says where one is.
  RedisNode* node_of(std::string_view key);
  RedisNode* find_node(std::string_view address);

  event::Reactor& reactor_;
  std::shared_ptr<const RedisConfig> config_;
  std::unique_ptr<Names> names_;
  RedisCounters counters_;
  std::vector<std::unique_ptr<RedisNode>> nodes_;
  std::vector<std::unique_ptr<RedisNode>> leaving_;  // no place of Redis any more, but for what they were asked
  std::vector<std::string> made_of_;                 // addresses, of nodes_
  std::uint64_t version_ = 0;                        // of config_->places, that nodes_ follow
  std::vector<std::uint16_t> slots_;  // of a cluster: which node; kUnknown
  std::unique_ptr<Sentinel> sentinel_;
  std::int64_t ahead_us_ = 0;  // Redis' clock, of ours
  std::string refusal_;        // that was noted last
};

}  // namespace fairlead::limit
