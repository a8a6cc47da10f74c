// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace fairlead::auth {

/// What a password is held as: "$fl$" salt and digest, for one that was configured in the clear (a fast hash, as
/// whoever reads our memory could have read the configuration), or a slow hash as it was configured.
[[nodiscard]] std::string hash_password(std::string_view password);

/// $2a$, $2b$, $2y$ (bcrypt), $5$, $6$ (SHA-crypt), $y$ (yescrypt), whole, as crypt(3) of this system takes it; or
/// $argon2id$, $argon2i$, $argon2d$ as a PHC string, of at most 256 MiB, 1 GiB of all passes, and 16 lanes.
[[nodiscard]] bool is_password_hash(std::string_view hash);

/// True where check_password() takes milliseconds, as crypt(3) and Argon2 are made to: never on a worker's thread.
[[nodiscard]] bool is_slow(std::string_view hash);

/// Constant in time with respect to the hash. Thread: any.
[[nodiscard]] bool check_password(std::string_view password, const std::string& hash);

inline constexpr std::size_t kMostPassword = 512;  ///< bytes; longer ones are wrong by definition

}  // namespace fairlead::auth
