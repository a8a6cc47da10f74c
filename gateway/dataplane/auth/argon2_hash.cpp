// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/auth/argon2_hash.hpp"

#include <argon2.h>

#include <charconv>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {
namespace {

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool take_number(std::string_view& text, std::string_view prefix, std::uint32_t& out) {
  if (!take(text, prefix) || text.starts_with('0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_type(std::string_view& text, Argon2Hash::Type& out) {
  using enum Argon2Hash::Type;
  if (take(text, "$argon2id$")) out = kId;
  else if (take(text, "$argon2i$")) out = kI;
  else if (take(text, "$argon2d$")) out = kD;
  else return false;
  return true;
}

/// PHC strings have no padding.
bool decode_bytes(std::string_view text, std::size_t least, std::string& out) {
  auto decoded = decode_base64(std::string(text).append((4 - text.size() % 4) % 4, '='));
  if (text.find('=') != std::string_view::npos || !decoded || decoded->size() < least || decoded->size() > 64)
    return false;
  out = std::move(*decoded);
  return true;
}

bool is_within_bounds(const Argon2Hash& hash) {
  return hash.lanes <= kMostArgon2Lanes && hash.memory >= 8 * hash.lanes && hash.memory <= kMostArgon2Memory &&
         std::uint64_t{hash.memory} * hash.passes <= kMostArgon2Work;
}

argon2_type type_of(Argon2Hash::Type type) {
  switch (type) {
    case Argon2Hash::Type::kD: return Argon2_d;
    case Argon2Hash::Type::kI: return Argon2_i;
    case Argon2Hash::Type::kId: break;
  }
  return Argon2_id;
}

}  // namespace

std::optional<Argon2Hash> parse_argon2(std::string_view text) {
  Argon2Hash out;
  const bool head = take_type(text, out.type) && take_number(text, "v=", out.version) &&
                    take_number(text, "$m=", out.memory) && take_number(text, ",t=", out.passes) &&
                    take_number(text, ",p=", out.lanes) && take(text, "$");
  if (!head || (out.version != ARGON2_VERSION_10 && out.version != ARGON2_VERSION_13)) return std::nullopt;
  const auto end = text.find('$');
  if (end == std::string_view::npos || !is_within_bounds(out)) return std::nullopt;
  if (!decode_bytes(text.substr(0, end), 8, out.salt) || !decode_bytes(text.substr(end + 1), 16, out.hash))
    return std::nullopt;
  return out;
}

bool check_argon2(std::string_view password, const Argon2Hash& hash) {
  // The library takes what it only reads as pointers that it might write to.
  std::string made(hash.hash.size(), '\0'), text(password), salt(hash.salt);
  const auto bytes = [](std::string& of) { return reinterpret_cast<std::uint8_t*>(of.data()); };
  argon2_context context{};
  context.out = bytes(made);
  context.outlen = static_cast<std::uint32_t>(made.size());
  context.pwd = bytes(text);
  context.pwdlen = static_cast<std::uint32_t>(text.size());
  context.salt = bytes(salt);
  context.saltlen = static_cast<std::uint32_t>(salt.size());
  context.t_cost = hash.passes;
  context.m_cost = hash.memory;
  context.lanes = hash.lanes;
  context.threads = 1;
  context.version = hash.version;
  return argon2_ctx(&context, type_of(hash.type)) == ARGON2_OK && equal_constant_time(made, hash.hash);
}

}  // namespace fairlead::auth
