// SPDX-License-Identifier: Apache-2.0
#pragma once

// Argon2 (RFC 9106) in the form of PHC strings: "$argon2id$v=19$m=65536,t=3,p=4$SALT$HASH". Thread: any.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fairlead::auth {

/// What a configuration may ask of the thread that checks: one hash is computed at a time.
inline constexpr std::uint32_t kMostArgon2Memory = 256 * 1024;  ///< KiB
inline constexpr std::uint64_t kMostArgon2Work = 1024 * 1024;   ///< KiB, of all passes together: about a second
inline constexpr std::uint32_t kMostArgon2Lanes = 16;

struct Argon2Hash {
  enum class Type : std::uint8_t { kD, kI, kId };
  Type type = Type::kId;
  std::uint32_t version = 19;
  std::uint32_t memory = 0;  ///< KiB
  std::uint32_t passes = 0;
  std::uint32_t lanes = 0;
  std::string salt;
  std::string hash;
};

/// Nothing where it is malformed, has a key or data, or asks for more than the bounds; salts of 8 to 64 bytes, hashes
/// of 16 to 64.
[[nodiscard]] std::optional<Argon2Hash> parse_argon2(std::string_view text);

/// False, too, where there is no memory for it. Uses the calling thread alone, whatever the lanes.
[[nodiscard]] bool check_argon2(std::string_view password, const Argon2Hash& hash);

}  // namespace fairlead::auth
