// SPDX-License-Identifier: Apache-2.0
#pragma once

// The limits of rule.hpp, counted in Redis by one script: all of a request's limits in one round trip, by Redis' own
// clock, all or nothing. Redis 5 or later, and what is compatible to it.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fairlead/limit/resp.hpp"
#include "fairlead/limit/rule.hpp"

namespace fairlead::limit {

/// One limit that a request has to pass, counted in Redis.
struct SharedItem {
  const Rule* rule = nullptr;
  std::string_view key{};  ///< in Redis; with Cluster, all of a request's are of one hash slot
  std::uint64_t cost = 1;
  std::int64_t more = 0;  ///< at most that is leased beyond the cost; kOwe: the cost is taken whatever is left
  Level level{};  ///< the answer
  std::uint64_t leased = 0;  ///< the same: beyond the cost
};
inline constexpr std::int64_t kOwe = -1;  ///< until a whole limit is owed

/// What is left of a lease, to be free again for all.
struct GiveBack {
  const Rule* rule = nullptr;
  std::string_view key{};
  std::uint64_t count = 0;
  std::int64_t window = 0;  ///< window_number() when it was leased: another one has nothing of it
};

[[nodiscard]] std::string_view redis_script();
[[nodiscard]] const std::string& redis_script_sha();  ///< SHA-1, hexadecimal

/// SHA-1 of a script as Redis names it, hexadecimal.
[[nodiscard]] std::string script_sha(std::string_view script);

/// Appends EVALSHA; the answer is of no interest.
void append_give_back(std::string& out, const GiveBack& what);
/// Of a fixed window, that of Redis' time; 0 for other rules.
[[nodiscard]] std::int64_t window_number(const Rule& rule, std::int64_t redis_us);

/// Appends EVALSHA, or with `whole` EVAL, for these items. now_us: Redis' time as far as it is known, for calendars.
void append_take(std::string& out, std::span<const SharedItem> items, std::int64_t now_us, bool whole);

enum class TakeStatus : std::uint8_t {
  kAllowed,
  kRefused,
  kOtherTime,  ///< Redis' clock is further from `now_us` than the next window: to be asked again with its time
  kBroken,     ///< no answer of the script
};
/// Reads the script's reply into the levels. redis_us: Redis' clock.
[[nodiscard]] TakeStatus read_take(std::span<const RespValue> reply, std::span<SharedItem> items,
                                   std::int64_t& redis_us);

/// CRC16 of the key's {tag}, or of the key, modulo 16384 (Redis Cluster specification).
[[nodiscard]] std::uint16_t hash_slot(std::string_view key);

}  // namespace fairlead::limit
