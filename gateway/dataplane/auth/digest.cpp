// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <memory>

#include "fairlead/base/ascii.hpp"

namespace fairlead::auth {
namespace {

/// Fetched once: a fetch for each digest costs more than the digest.
const EVP_MD* sha256_method() {
  static const EVP_MD* method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return method;
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
using Values = std::array<std::uint8_t, 256>;
constexpr std::uint8_t kNone = 0xff;

constexpr Values values_of(std::string_view alphabet) {
  Values values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  return values;
}
constexpr Values kUrlValues = values_of(kUrl);
constexpr Values kPlainValues = values_of(kPlain);

/// Four characters at a time; what is no digit shows in the bits above the sixth.
std::optional<std::string> decode(std::string_view text, const Values& values) {
  const auto rest = text.size() % 4;
  if (rest == 1) return std::nullopt;
  const auto value = [&](std::size_t at) { return std::uint32_t{values[static_cast<unsigned char>(text[at])]}; };
  std::string out(text.size() / 4 * 3 + (rest == 0 ? 0 : rest - 1), '\0');
  char* to = out.data();
  std::uint32_t seen = 0;
  std::size_t at = 0;
  for (; at + 4 <= text.size(); at += 4) {
    const auto a = value(at), b = value(at + 1), c = value(at + 2), d = value(at + 3);
    seen |= a | b | c | d;
    const auto bits = a << 18 | b << 12 | c << 6 | d;
    *to++ = static_cast<char>(bits >> 16 & 0xff);
    *to++ = static_cast<char>(bits >> 8 & 0xff);
    *to++ = static_cast<char>(bits & 0xff);
  }
  if (rest != 0) {
    const auto a = value(at), b = value(at + 1), c = rest == 3 ? value(at + 2) : 0;
    seen |= a | b | c;
    const auto bits = a << 18 | b << 12 | c << 6;
    *to++ = static_cast<char>(bits >> 16 & 0xff);
    if (rest == 3) *to++ = static_cast<char>(bits >> 8 & 0xff);
    // Bits that encode nothing are zero.
    if ((bits & (rest == 3 ? 0xffU : 0xffffU)) != 0) return std::nullopt;
  }
  if ((seen & ~std::uint32_t{63}) != 0) return std::nullopt;
  return out;
}

std::string encode(std::string_view bytes, std::string_view alphabet) {
  std::string out;
  out.reserve(bytes.size() * 4 / 3 + 3);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out += alphabet[bits >> count & 63];
    }
    bits &= (1U << count) - 1;
  }
  if (count > 0) out += alphabet[bits << (6 - count) & 63];
  return out;
}

}  // namespace

Digest sha256(std::initializer_list<std::string_view> parts) {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  Digest out{};
  bool good = EVP_DigestInit_ex2(context.get(), sha256_method(), nullptr) == 1;
  for (const auto part : parts) good = good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  good = good && EVP_DigestFinal_ex(context.get(), out.data(), nullptr) == 1;
  if (!good) std::abort();  // no memory, or an OpenSSL without SHA-256: whatever followed would compare zeros
  return out;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<std::string> decode_base64url(std::string_view text) { return decode(text, kUrlValues); }
std::string encode_base64url(std::string_view bytes) { return encode(bytes, kUrl); }

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return decode(text, kPlainValues);
}

std::string encode_base64(std::string_view bytes) {
  auto out = encode(bytes, kPlain);
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

std::optional<Digest> decode_digest(std::string_view hex) {
  Digest out{};
  if (hex.size() != out.size() * 2) return std::nullopt;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(hex[i * 2]);
    const int low = hex_value(hex[i * 2 + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return out;
}

}  // namespace fairlead::auth
