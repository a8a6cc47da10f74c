// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/event/reactor.hpp"
#include "fairlead/limit/redis_config.hpp"
#include "fairlead/limit/resp.hpp"
#include "fairlead/net/stream.hpp"

namespace fairlead::limit {

/// Hears what becomes of a link. Called within on_io or a timer, never within the link's own calls.
class LinkOwner {
 public:
  virtual void on_link_open() = 0;
  /// The next reply in order. Views are good during the call.
  virtual void on_link_reply(std::span<const RespValue> reply) = 0;
  /// The connection is gone, or could not be made; no other call follows. The link may be destroyed within.
  virtual void on_link_lost(std::string_view why) = 0;

 protected:
  ~LinkOwner() = default;
};

/// One connection to a Redis: TCP or TLS. What is sent during a turn leaves by one write at its end, and replies come
/// in order: pipelining. Time-outs are the owner's. Owner: a node. Thread: its reactor's.
class RedisLink final : net::StreamHandler, event::Deferred, public event::Retired {
 public:
  static constexpr std::size_t kMostUnsent = 4 << 20;  ///< bytes

  RedisLink(event::Reactor& reactor, LinkOwner& owner) : reactor_(reactor), owner_(&owner) {}
  ~RedisLink() override;

  /// False: no use, and the owner is not called.
  bool connect(const net::Endpoint& to, const RedisConfig& config);
  /// To be filled with commands, then sent().
  [[nodiscard]] std::string& out() { return out_; }
  void sent();
  void flush();
  [[nodiscard]] bool full() const { return out_.size() - out_at_ > kMostUnsent; }
  /// The owner is not called any more.
  void close();

 private:
  void on_readable() override;
  void on_writable() override;
  void on_failed(int error, std::string_view what) override;
  void on_turn_end() override;
  void read_replies();
  void lose(std::string_view why);

  event::Reactor& reactor_;
  LinkOwner* owner_;  // null: closed
  std::unique_ptr<net::Stream> stream_;
  std::string out_;
  std::size_t out_at_ = 0;
  std::string in_;
  std::vector<RespValue> values_;
  bool open_ = false;
};

}  // namespace fairlead::limit
