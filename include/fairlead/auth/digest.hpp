// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fairlead::auth {

using Digest = std::array<std::uint8_t, 32>;

/// SHA-256 of the parts behind each other. Thread: any.
[[nodiscard]] Digest sha256(std::initializer_list<std::string_view> parts);
[[nodiscard]] inline Digest sha256(std::string_view text) { return sha256({text}); }

/// Takes the same time wherever the two differ; lengths are no secret.
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b);

/// RFC 4648 section 5, as JOSE has it (RFC 7515 section 2): no padding, no other characters, and the bits that encode
/// nothing are zero, so that one text alone means these bytes.
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);
[[nodiscard]] std::string encode_base64url(std::string_view bytes);
/// RFC 4648 section 4 with padding, in the same strictness.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);
[[nodiscard]] std::string encode_base64(std::string_view bytes);
/// 64 hexadecimal digits.
[[nodiscard]] std::optional<Digest> decode_digest(std::string_view hex);

[[nodiscard]] inline std::string_view bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}
[[nodiscard]] inline const unsigned char* unsigned_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace fairlead::auth
