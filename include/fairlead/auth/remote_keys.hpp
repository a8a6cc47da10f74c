// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/auth/verify_key.hpp"
#include "fairlead/auth/waiter.hpp"

namespace fairlead::auth {

/// The keys of an issuer that are fetched from a server, shared by all workers: who fetches and who waits. It fetches
/// nothing itself: the request that is told kFetch does, and says how it went. Times are CLOCK_MONOTONIC in
/// milliseconds. Owner: filters, by name. Thread: any.
class RemoteKeys {
 public:
  static constexpr std::uint64_t kKeyIdInterval = 10'000;  ///< of fetches for a kid that is not known
  static constexpr std::uint64_t kRetryInterval = 5'000;   ///< behind a fetch that failed
  static constexpr std::size_t kMostWaiting = 10'000;

  explicit RemoteKeys(std::uint64_t cache_ms, Algorithms only) : cache_ms_(cache_ms), only_(only) {}

  enum class Need : std::uint8_t {
    kReady,   ///< `keys` are to be used: the newest that may be had now
    kFetch,   ///< the caller fetches, then says fetched(), failed() or given_up(), in any case
    kWait,    ///< somebody else does: the waiter is answered, then ask again
    kFailed,  ///< there are no keys and it is too early to try again
  };
  struct Decision {
    Need need = Need::kFailed;
    KeySetPtr keys;
  };
  /// For a token with that kid. `waiter` is kept where the answer is kWait.
  [[nodiscard]] Decision want(std::string_view kid, std::uint64_t now, const std::shared_ptr<Waiter>& waiter);

  /// The body of an answer of status 200. Old keys stay where it is no key set.
  void fetched(std::string_view body, std::uint64_t now);
  void failed(std::string why, std::uint64_t now);
  void given_up();  ///< the request has gone: one of those that wait goes on

  /// True where keys of this version are the newest and not old: what was verified with them still holds.
  [[nodiscard]] bool is_current(std::uint64_t version, std::uint64_t now) const {
    return version_.load(std::memory_order_acquire) == version && now < fresh_until_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::string failure() const;  ///< of the last fetch; empty: it went well

 private:
  void wake(const std::vector<std::shared_ptr<Waiter>>& waiting);
  std::vector<std::shared_ptr<Waiter>> end_fetch();

  const std::uint64_t cache_ms_;
  const Algorithms only_;
  std::atomic<std::uint64_t> version_{0};
  std::atomic<std::uint64_t> fresh_until_{0};
  mutable std::mutex mutex_;
  KeySetPtr keys_;
  std::uint64_t next_attempt_ = 0;
  std::uint64_t next_for_key_id_ = 0;
  bool fetching_ = false;
  std::string failure_;
  std::vector<std::shared_ptr<Waiter>> waiting_;
};

}  // namespace fairlead::auth
