// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "fairlead/event/reactor.hpp"

namespace fairlead::cache {

/// How a fetch ended that others waited for.
enum class Landing : std::uint8_t {
  kStored,     ///< look again
  kNotStored,  ///< each has to ask for itself
  kGone,       ///< whoever asked has left: somebody else has to begin anew
};

/// Who waits. Its own thread makes it, is told, and sets `owner` to nullptr when it does not wait any more.
class WaitOwner {
 public:
  virtual void on_landing(Landing how) = 0;

 protected:
  ~WaitOwner() = default;
};
struct Waiter {
  event::Reactor* reactor = nullptr;
  WaitOwner* owner = nullptr;  ///< reactor's thread only
};

/// Fetches under way, one for each number (a hash of what is fetched): others wait for it instead of fetching the same,
/// on whatever worker. A number that two things share costs a wait, nothing else.
/// Owner: filters, by shared_ptr. Thread: any.
class Flights {
 public:
  /// True: nobody fetches it, and the caller does now: land() has to follow. Else `waiter`, where there is one, is told
  /// when it has landed, unless it leaves before.
  bool join(std::uint64_t number, const std::shared_ptr<Waiter>& waiter);
  /// Before the waiter's reactor goes; no on_landing() is posted from here on.
  void leave(std::uint64_t number, const std::shared_ptr<Waiter>& waiter);
  void land(std::uint64_t number, Landing how);

 private:
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::uint64_t, std::vector<std::shared_ptr<Waiter>>> flights;
  };
  [[nodiscard]] Shard& shard_of(std::uint64_t number) { return shards_[number % shards_.size()]; }
  std::array<Shard, 16> shards_;
};

/// The duty to land. Owner: whoever fetches. Thread: any, one at a time.
class Lead {
 public:
  Lead(std::shared_ptr<Flights> flights, std::uint64_t number) : flights_(std::move(flights)), number_(number) {}
  ~Lead() { land(Landing::kGone); }
  Lead(const Lead&) = delete;
  Lead& operator=(const Lead&) = delete;
  void land(Landing how) {
    if (const auto flights = std::move(flights_)) flights->land(number_, how);
  }

 private:
  std::shared_ptr<Flights> flights_;
  std::uint64_t number_;
};

}  // namespace fairlead::cache
