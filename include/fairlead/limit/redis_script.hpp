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
  Level level{};  ///< the answer
};

[[nodiscard]] std::string_view redis_script();
[[nodiscard]] const std::string& redis_script_sha();  ///< SHA-1, hexadecimal

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
