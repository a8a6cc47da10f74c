// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/password.hpp"

#include <crypt.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "fairlead/auth/digest.hpp"
#include "gateway/dataplane/auth/argon2_hash.hpp"

namespace fairlead::auth {
namespace {

constexpr std::string_view kFast = "$fl$";
constexpr std::size_t kSalt = 16;

std::string fast_hash(std::string_view salt, std::string_view password) {
  const auto digest = sha256({salt, password});
  return std::string(kFast) + encode_base64url(salt) + '$' + encode_base64url(bytes_of(digest));
}

}  // namespace

std::string hash_password(std::string_view password) {
  std::array<char, kSalt> salt{};
  if (RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), kSalt) != 1) std::abort();
  return fast_hash({salt.data(), salt.size()}, password);
}

bool is_password_hash(std::string_view hash) {
  if (hash.starts_with("$argon2")) return parse_argon2(hash).has_value();
  static constexpr std::string_view kKinds[] = {"$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$"};
  if (hash.size() > 255 || std::ranges::none_of(kKinds, [&](auto kind) { return hash.starts_with(kind); }))
    return false;
  if (!std::ranges::all_of(hash, [](char c) { return c > ' ' && c <= '~' && c != ':' && c != '*' && c != '!'; }))
    return false;
  // The setting alone is no hash; bcrypt's digest follows its salt without a '$'.
  return hash.starts_with("$2") ? hash.size() == 60 : hash.size() - hash.rfind('$') > 40;
}

bool is_slow(std::string_view hash) { return !hash.starts_with(kFast); }

bool check_password(std::string_view password, const std::string& hash) {
  // crypt(3) would stop at a NUL, and so take "secret\0other" for "secret".
  if (password.size() > kMostPassword || password.find('\0') != std::string_view::npos) return false;
  if (!is_slow(hash)) {
    const auto end = hash.find('$', kFast.size());
    if (end == std::string::npos) return false;
    const auto salt = decode_base64url(std::string_view(hash).substr(kFast.size(), end - kFast.size()));
    return salt && equal_constant_time(fast_hash(*salt, password), hash);
  }
  if (const auto argon2 = parse_argon2(hash)) return check_argon2(password, *argon2);
  const auto data = std::make_unique<crypt_data>();  // 32 KiB: too much for a stack
  const std::string text(password);
  const char* made = crypt_r(text.c_str(), hash.c_str(), data.get());
  return made != nullptr && made[0] != '*' && equal_constant_time(made, hash);
}

}  // namespace fairlead::auth
