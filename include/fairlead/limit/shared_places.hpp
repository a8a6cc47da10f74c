// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/event/reactor.hpp"
#include "fairlead/limit/redis_client.hpp"

namespace fairlead::limit {

/// Who waits for a place. Thread: the worker's.
class PlaceWaiter {
 public:
  enum class Outcome : std::uint8_t { kGot, kNoneFree, kNoAnswer };
  /// Once, never from within enter(). reason: of kNoAnswer.
  virtual void on_place(Outcome outcome, NoAnswer reason) = 0;

 protected:
  ~PlaceWaiter() = default;
};

/// Places among those of a key, which gateways share through Redis: each is a lease there, made longer for as long as
/// its request is under way. So that of a gateway that dies comes back once its lease has ended, and that of one which
/// Redis has forgotten stands there again within a third of it.
/// Owner: a worker, beside its client. Thread: the worker's.
class SharedPlaces final : event::Timer {
 public:
  struct Place;
  struct Terms {
    std::string key{};  ///< in Redis
    std::uint64_t most = 0;
    std::int64_t lease_ms = 0;
  };

  SharedPlaces(event::Reactor& reactor, RedisClient& client);
  ~SharedPlaces();
  SharedPlaces(const SharedPlaces&) = delete;
  SharedPlaces& operator=(const SharedPlaces&) = delete;

  /// Null: Redis is not there now, and nothing follows.
  [[nodiscard]] std::shared_ptr<Place> enter(Terms terms, PlaceWaiter& waiter);
  /// Once for each enter() that gave one, whatever has become of it: nobody waits for it, or needs it, any more.
  void leave(const std::shared_ptr<Place>& place);

 private:
  class Question;
  enum class Wish : std::uint8_t { kEnter, kRenew, kLeave };
  [[nodiscard]] bool ask(Wish wish, const std::shared_ptr<Place>& place);
  void on_answer(Question& question, bool taken);
  void on_no_answer(Question& question, NoAnswer reason);
  void forget(Question& question);
  /// Off Redis, now or as soon as that is there, until the lease would have ended by itself.
  void give_back(const std::shared_ptr<Place>& place);
  void arm();
  void on_timer() override;

  event::Reactor& reactor_;
  RedisClient& client_;
  std::string name_;  // of this worker, among all that share
  std::uint64_t last_ = 0;
  std::vector<std::unique_ptr<Question>> under_way_;
  std::vector<std::shared_ptr<Place>> held_;
  std::deque<std::shared_ptr<Place>> leaving_;  // Redis was not told yet
};

/// The script: KEYS: one. ARGV: the wish, a place's name, the most there may be, its lease in milliseconds.
[[nodiscard]] std::string_view places_script();

}  // namespace fairlead::limit
