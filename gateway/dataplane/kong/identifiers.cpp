// SPDX-License-Identifier: Apache-2.0
// Ids of entities that a file does not give: those that Kong makes of it, the same each time.
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "gateway/dataplane/kong/parts.hpp"

namespace fairlead::kong {
namespace {

using Uuid = std::array<std::uint8_t, 16>;

/// RFC 9562, version 5.
Uuid uuid_v5(const Uuid& space, std::string_view name) {
  std::string text(space.begin(), space.end());
  text += name;
  std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  Uuid out{};
  std::copy_n(digest.begin(), out.size(), out.begin());
  out[6] = static_cast<std::uint8_t>((out[6] & 0x0fU) | 0x50U);
  out[8] = static_cast<std::uint8_t>((out[8] & 0x3fU) | 0x80U);
  return out;
}

std::string text_of(const Uuid& uuid) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += kDigits[uuid[i] >> 4];
    out += kDigits[uuid[i] & 0xf];
  }
  return out;
}

/// kong/db/schema/others/declarative_config.lua: of a namespace of its own for each kind of entity.
std::string made_id(View at, const char* kind, const std::string& name) {
  if (const auto id = at.find("id"); id && !id.is_null()) return std::string(id.text());
  constexpr Uuid kEntities = {0xfd, 0x02, 0x80, 0x1f, 0x09, 0x57, 0x4a, 0x15,
                              0xa5, 0x5a, 0xc8, 0xd9, 0x60, 0x6f, 0x30, 0xb5};
  return text_of(uuid_v5(uuid_v5(kEntities, kind), name));
}

}  // namespace

std::string id_of(const Consumer& consumer) { return made_id(consumer.at, "consumers", consumer.called()); }
std::string id_of(const Credential& key) { return made_id(key.at, "keyauth_credentials", key.secret); }

}  // namespace fairlead::kong
