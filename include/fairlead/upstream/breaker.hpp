// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "fairlead/upstream/cluster_spec.hpp"

namespace fairlead::upstream {

enum class Breaker : std::uint8_t { kConnections, kPending, kRequests, kRetries };
inline constexpr std::size_t kBreakers = 4;

/// A token for each that a limit allows: with who is in, in the slot of the worker that gave it back, or in the common
/// pool. A token moves by one atomic operation, so none is ever on its way where nobody would see it. While the pool
/// has enough a worker touches its own cache line and reads the pool's. Owner: SharedBreakers. Thread: any, `worker`
/// its own number.
class Tokens {
 public:
  explicit Tokens(std::uint32_t workers) : slots_(workers) {}

  /// 0: no limit. Lowered below what is in, nobody comes in until enough have left.
  void set_limit(Breaker breaker, std::uint32_t limit);
  /// False: there was a moment, during the call, at which none was free.
  [[nodiscard]] bool take(Breaker breaker, std::uint32_t worker);
  void give(Breaker breaker, std::uint32_t worker);
  [[nodiscard]] bool any(Breaker breaker) const;  ///< by the moment after, another may have it
  /// For those who were in while nobody counted; also beyond the limit.
  void charge(Breaker breaker, std::uint32_t count);
  void refund(Breaker breaker, std::uint32_t count);

 private:
  // Tokens, and above them how often one was put in, so that two looks at all slots know whether they missed a move.
  using Slot = std::atomic<std::uint64_t>;
  struct alignas(64) Slots {
    std::array<Slot, kBreakers> of{};
  };
  struct alignas(64) Pool {
    std::atomic<std::int64_t> tokens{kUnlimited};  // below 0: as many more are in, or in slots, than the limit allows
    std::atomic<std::uint32_t> limit{0};
  };
  static constexpr std::int64_t kUnlimited = std::int64_t{1} << 40;
  static constexpr std::int64_t kKept = 16;  // of a slot at most; with fewer in the pool, it gets what is given back

  static bool take_of(Slot& slot);
  static bool take_of(Pool& pool);
  [[nodiscard]] bool take_of_others(std::size_t breaker);
  [[nodiscard]] bool none(std::size_t breaker) const;

  std::array<Pool, kBreakers> pools_{};
  std::vector<Slots> slots_;  // by worker
};

/// The breakers of one cluster or one backend, over all workers. Without a limit it holds nothing.
/// Owner: who shares it. Thread: any.
class SharedBreakers {
 public:
  explicit SharedBreakers(std::uint32_t workers) : workers_(workers) {}
  /// Made when first asked for.
  [[nodiscard]] Tokens& tokens() {
    std::call_once(once_, [this] { tokens_ = std::make_unique<Tokens>(workers_); });
    return *tokens_;
  }

 private:
  std::uint32_t workers_;
  std::once_flag once_;
  std::unique_ptr<Tokens> tokens_;
};

/// Circuit breakers of one cluster or one backend as one worker uses them: what it has let in, against limits of all
/// workers together.
/// Owner: a cluster or a backend. Thread: its worker's.
class Breakers {
 public:
  Breakers() = default;
  Breakers(std::shared_ptr<SharedBreakers> shared, std::uint32_t worker)
      : shared_(std::move(shared)), worker_(worker) {}
  Breakers(const Breakers&) = delete;
  Breakers& operator=(const Breakers&) = delete;
  ~Breakers();  ///< who is in is out

  /// The same on every worker, one after the other; who is in stays in and counts.
  void set_limits(const BreakerSpec& spec);

  [[nodiscard]] bool try_enter(Breaker breaker) {
    if (limits_[at(breaker)] != 0 && !tokens_->take(breaker, worker_)) return false;
    ++counts_[at(breaker)];
    return true;
  }
  void leave(Breaker breaker) {
    if (counts_[at(breaker)] == 0) return;
    --counts_[at(breaker)];
    if (limits_[at(breaker)] != 0) tokens_->give(breaker, worker_);
  }
  /// Whether try_enter() is worth a try.
  [[nodiscard]] bool allows(Breaker breaker) const { return limits_[at(breaker)] == 0 || tokens_->any(breaker); }
  [[nodiscard]] std::uint32_t count(Breaker breaker) const { return counts_[at(breaker)]; }  ///< of this worker
  [[nodiscard]] std::uint32_t limit(Breaker breaker) const { return limits_[at(breaker)]; }

 private:
  static constexpr std::size_t at(Breaker breaker) { return static_cast<std::size_t>(breaker); }
  std::array<std::uint32_t, kBreakers> limits_{};  // 0: what comes in takes no token
  std::array<std::uint32_t, kBreakers> counts_{};
  Tokens* tokens_ = nullptr;  // of shared_, where there is a limit
  std::shared_ptr<SharedBreakers> shared_;
  std::uint32_t worker_ = 0;
};

/// Into both or into neither. Who is refused by the second holds a token of the first for a moment.
[[nodiscard]] inline bool try_enter(Breakers& first, Breakers& second, Breaker breaker) {
  if (!second.allows(breaker) || !first.try_enter(breaker)) return false;
  if (second.try_enter(breaker)) return true;
  first.leave(breaker);
  return false;
}

inline void leave(Breakers& first, Breakers& second, Breaker breaker) {
  first.leave(breaker);
  second.leave(breaker);
}

}  // namespace fairlead::upstream
