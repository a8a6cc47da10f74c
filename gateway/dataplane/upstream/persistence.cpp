// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/persistence.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

#include "fairlead/http/cookies.hpp"

namespace fairlead::upstream {

namespace {

using Bytes = std::span<unsigned char>;

constexpr std::size_t kNonce = 12;
constexpr std::size_t kPlain = 27;  // version 1, start 8, address 16, port 2
constexpr std::size_t kTag = 16;
constexpr std::size_t kSealed = kNonce + kPlain + kTag;
constexpr unsigned char kVersion = 1;
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

std::string encode(std::span<const unsigned char> bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (const auto byte : bytes) {
    held = held << 8 | byte;
    for (bits += 8; bits >= 6;) text += kDigits[held >> (bits -= 6) & 63];
  }
  if (bits > 0) text += kDigits[held << (6 - bits) & 63];
  return text;
}

int digit_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  return c == '_' ? 63 : -1;
}

bool decode(std::string_view text, Bytes into) {
  std::uint32_t held = 0;
  unsigned bits = 0;
  std::size_t at = 0;
  for (const char c : text) {
    const int digit = digit_of(c);
    if (digit < 0) return false;
    held = held << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    if (at == into.size()) return false;
    into[at++] = static_cast<unsigned char>(held >> (bits -= 8));
  }
  return at == into.size() && (held & ((1u << bits) - 1)) == 0;
}

void put_number(unsigned char* to, std::uint64_t number, int bytes) {
  for (int i = bytes; i-- > 0; number >>= 8) to[i] = static_cast<unsigned char>(number);
}

std::uint64_t get_number(const unsigned char* from, int bytes) {
  std::uint64_t number = 0;
  for (int i = 0; i < bytes; ++i) number = number << 8 | from[i];
  return number;
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

bool seal(const PersistenceKey& key, std::string_view scope, const unsigned char* plain, unsigned char* sealed) {
  const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  return context && RAND_bytes(sealed, kNonce) == 1 &&
         EVP_EncryptInit_ex(context.get(), EVP_aes_128_gcm(), nullptr, key.data(), sealed) == 1 &&
         EVP_EncryptUpdate(context.get(), nullptr, &length, bytes_of(scope), static_cast<int>(scope.size())) == 1 &&
         EVP_EncryptUpdate(context.get(), sealed + kNonce, &length, plain, kPlain) == 1 &&
         EVP_EncryptFinal_ex(context.get(), sealed + kNonce + kPlain, &length) == 1 &&
         EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTag, sealed + kNonce + kPlain) == 1;
}

bool open(const PersistenceKey& key, std::string_view scope, unsigned char* sealed, unsigned char* plain) {
  const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  return context && EVP_DecryptInit_ex(context.get(), EVP_aes_128_gcm(), nullptr, key.data(), sealed) == 1 &&
         EVP_DecryptUpdate(context.get(), nullptr, &length, bytes_of(scope), static_cast<int>(scope.size())) == 1 &&
         EVP_DecryptUpdate(context.get(), plain, &length, sealed + kNonce, kPlain) == 1 &&
         EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTag, sealed + kNonce + kPlain) == 1 &&
         EVP_DecryptFinal_ex(context.get(), plain + kPlain, &length) == 1;
}

}  // namespace

Result<std::string> SessionReferences::make(const SessionReference& reference, std::string_view scope) const {
  unsigned char plain[kPlain];
  plain[0] = kVersion;
  put_number(plain + 1, reference.started_s, 8);
  std::memcpy(plain + 9, &reference.endpoint.address.raw(), 16);
  put_number(plain + 25, reference.endpoint.port, 2);
  unsigned char sealed[kSealed];
  if (keys_.empty() || !seal(keys_.front(), scope, plain, sealed)) return fail("session reference: sealing failed");
  return encode(sealed);
}

std::optional<SessionReference> SessionReferences::read(std::string_view text, std::string_view scope) const {
  unsigned char sealed[kSealed];
  if (text.size() != kTextLength || !decode(text, sealed)) return std::nullopt;
  unsigned char plain[kPlain];
  if (std::ranges::none_of(keys_, [&](const auto& key) { return open(key, scope, sealed, plain); }))
    return std::nullopt;
  if (plain[0] != kVersion) return std::nullopt;
  fl_addr raw;
  static_assert(sizeof raw == 16);
  std::memcpy(&raw, plain + 9, sizeof raw);
  return SessionReference{.endpoint = {Address(raw), static_cast<std::uint16_t>(get_number(plain + 25, 2))},
                          .started_s = get_number(plain + 1, 8)};
}

Session read_session(const SessionReferences& references, const PersistenceSpec& spec, std::string_view text,
                     std::string_view scope, std::uint64_t now_s) {
  if (text.empty()) return {};
  const auto reference = references.read(text, scope);
  if (!reference) return {.state = SessionState::kInvalid, .reference = {}};
  const auto limit = static_cast<std::uint64_t>(spec.absolute_timeout.count()) / 1000;
  // A start in the future: another instance's clock; it counts as now.
  if (limit > 0 && now_s > reference->started_s && now_s - reference->started_s >= limit)
    return {.state = SessionState::kExpired, .reference = {}};
  return {.state = SessionState::kValid, .reference = *reference};
}

std::string_view unquoted(std::string_view value) {
  const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
  return quoted ? value.substr(1, value.size() - 2) : value;
}

std::string_view find_cookie(const http::Fields& fields, std::string_view name) {
  return unquoted(http::find_cookie(fields, name).value_or(std::string_view()));
}

std::string session_cookie(const PersistenceSpec& spec, std::string_view text, std::uint64_t started_s,
                           std::uint64_t now_s, bool secure) {
  std::string cookie = spec.name;
  cookie.append("=").append(text).append("; Path=").append(spec.path.empty() ? "/" : spec.path);
  const auto limit = static_cast<std::uint64_t>(spec.absolute_timeout.count()) / 1000;
  if (spec.permanent && limit > 0) {
    const auto age = now_s > started_s ? now_s - started_s : 0;
    cookie.append("; Max-Age=").append(std::to_string(limit > age ? limit - age : 0));
  }
  cookie.append("; HttpOnly; SameSite=Lax");
  if (secure) cookie.append("; Secure");
  return cookie;
}

}  // namespace fairlead::upstream
