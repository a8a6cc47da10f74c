// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fairlead/event/reactor.hpp"
#include "fairlead/limit/leases.hpp"
#include "fairlead/limit/redis_client.hpp"

namespace fairlead::limit {

/// One limit of a request that Redis is asked for.
struct DeskItem {
  Rule rule{};
  std::string key{};
  std::uint64_t cost = 1;
  std::int64_t more = 0;             ///< as SharedItem's: of a lease, or kOwe
  std::shared_ptr<Leases> leases{};  ///< null: not leased
  std::uint64_t hash = 0;            ///< of the key, in `leases`
  std::int64_t time_us = 0;          ///< of a lease, at most
};

/// Who waits for the desk's answer. Thread: the worker's.
class DeskWaiter {
 public:
  enum class Outcome : std::uint8_t { kAllowed, kRefused, kNoAnswer };
  /// Once, never from within ask(); the items' levels, in order.
  virtual void on_desk(Outcome outcome, std::span<const SharedItem> items) = 0;

 protected:
  ~DeskWaiter() = default;
};

/// Asks Redis for leases and charges in nobody's name, so that a client that goes away takes no lease with it, and
/// gives back what is left of leases at their end, or its own. Owner: a worker, beside its client. Thread: the
/// worker's.
class LeaseDesk final : event::Timer {
 public:
  static constexpr std::size_t kMostUnderWay = 16'384;
  static constexpr std::size_t kMostWatched = 65'536;  ///< leases that may be given back; others are lost at their end

  /// patience_us: how long the client waits for an answer.
  LeaseDesk(event::Reactor& reactor, RedisClient& client, std::int64_t patience_us);
  ~LeaseDesk();
  LeaseDesk(const LeaseDesk&) = delete;
  LeaseDesk& operator=(const LeaseDesk&) = delete;

  class Ask;
  /// Null: Redis is not there now, and nothing follows. waiter: null where nobody waits.
  Ask* ask(std::vector<DeskItem> items, DeskWaiter* waiter);
  /// The waiter of an ask without an outcome yet does not wait any more.
  static void leave(Ask& ask);
  [[nodiscard]] std::int64_t patience_us() const { return patience_us_; }

 private:
  struct Held {
    DeskItem item;
    std::int64_t until_us = 0;
    std::int64_t window = 0;
  };
  void finish(Ask& ask, DeskWaiter::Outcome outcome);
  void keep(const DeskItem& item, const SharedItem& answer, std::int64_t sent_us);
  void give_back(const DeskItem& item, std::uint64_t count, std::int64_t window);
  void end(const Held& held);
  void arm();
  void on_timer() override;

  event::Reactor& reactor_;
  RedisClient& client_;
  std::int64_t patience_us_;
  std::vector<std::unique_ptr<Ask>> under_way_;
  std::deque<Held> held_;  // in the order in which they came
};

}  // namespace fairlead::limit
