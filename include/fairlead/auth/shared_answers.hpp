// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "fairlead/auth/digest.hpp"
#include "fairlead/auth/token_cache.hpp"
#include "fairlead/auth/waiter.hpp"

namespace fairlead::auth {

/// What a server said to a question. Immutable.
struct ServerAnswer {
  std::uint16_t status = 0;
  std::string body;
};
using ServerAnswerPtr = std::shared_ptr<const ServerAnswer>;

/// Answers of a server to questions that many requests may have at once, by the questions' SHA-256 and shared by all
/// workers: who asks, who waits for him, and what is known already. It asks nothing itself: the request that is told
/// kAsk does, and says how it went. Bounded: beyond 512 answers of a shard a newcomer takes the place of one of
/// two. Times are CLOCK_MONOTONIC in milliseconds. Owner: filters, by name. Thread: any.
class SharedAnswers {
 public:
  static constexpr std::uint64_t kRetryInterval = 2000;  ///< behind a failure, until the same is asked again
  static constexpr std::size_t kMostWaiting = 10'000;    ///< and so many questions under way
  static constexpr std::uint64_t kMoment = 1000;

  /// `most_kept`: bytes of a body; a longer one is kept for a moment only.
  explicit SharedAnswers(std::size_t most_kept = 4096) : most_kept_(most_kept) {}

  enum class Need : std::uint8_t {
    kReady,   ///< `answer` is good
    kAsk,     ///< the caller asks, then says answered(), failed() or given_up(), in any case
    kWait,    ///< somebody else does: the waiter is answered (false: it failed), then ask again
    kFailed,  ///< too many wait, or it has just failed
  };
  struct Decision {
    Need need = Need::kFailed;
    ServerAnswerPtr answer;
  };
  [[nodiscard]] Decision want(const Digest& question, std::uint64_t now, const std::shared_ptr<Waiter>& waiter);
  /// What is known already; null: nothing that is still good.
  [[nodiscard]] ServerAnswerPtr find(const Digest& question, std::uint64_t now);

  void answered(const Digest& question, ServerAnswerPtr answer, std::uint64_t now, std::uint64_t good_for);
  void failed(const Digest& question, std::uint64_t now);
  void given_up(const Digest& question);  ///< the request has gone: one of those that wait asks

 private:
  using Waiting = std::vector<std::shared_ptr<Waiter>>;
  struct Known {
    ServerAnswerPtr answer;  ///< null: it failed
    std::uint64_t until = 0;
  };
  struct Hash {
    std::size_t operator()(const Digest& digest) const noexcept;
  };
  struct Shard {
    std::mutex mutex;
    TokenCache<Known> known{256};
    std::unordered_map<Digest, Waiting, Hash> under_way;
  };

  Shard& shard_of(const Digest& digest) { return shards_[digest[31] % shards_.size()]; }
  void end(const Digest& question, std::shared_ptr<const Known> known, bool good);

  const std::size_t most_kept_;
  std::array<Shard, 16> shards_;
  std::atomic<std::size_t> waiting_{0};  // requests that ask or wait, of all shards
};

}  // namespace fairlead::auth
