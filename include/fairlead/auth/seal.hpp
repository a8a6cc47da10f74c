// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"

namespace fairlead::auth {

/// Seals what browsers keep for us, so that they can neither read nor change it: AES-256-GCM (NIST SP 800-38D) with a
/// random nonce for each text, which is safe for 2^32 texts of a key. Immutable. Thread: any, several at a time.
class SealKeys {
 public:
  static constexpr std::size_t kLeastSecret = 32;  ///< bytes

  /// The first seals, all of them open: a new one goes in front, and the old one goes once nothing of it is around. AES
  /// keys are made of the secrets by HKDF-SHA256 (RFC 5869), so that their form does not matter.
  static Result<SealKeys> make(const std::vector<std::string>& secrets);

  /// base64url of nonce, ciphertext and tag. What was sealed in one `context` opens in no other.
  [[nodiscard]] std::string seal(std::string_view plain, std::string_view context) const;
  /// Nothing where it is not what seal() made with one of the keys in this context.
  [[nodiscard]] std::optional<std::string> open(std::string_view sealed, std::string_view context) const;

 private:
  using Key = std::array<std::uint8_t, 32>;
  std::vector<Key> keys_;
};

/// Texts behind each other, each with its length.
[[nodiscard]] std::string pack(std::initializer_list<std::string_view> parts);
/// The same texts, as views into `packed`; nothing where it does not hold exactly `count`.
[[nodiscard]] std::optional<std::vector<std::string_view>> unpack(std::string_view packed, std::size_t count);

/// So many random bytes as base64url: states, nonces, verifiers.
[[nodiscard]] std::string random_text(std::size_t bytes);

}  // namespace fairlead::auth
