// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/seal.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <memory>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {
namespace {

constexpr std::size_t kNonce = 12;
constexpr std::size_t kTag = 16;
constexpr std::string_view kPurpose = "fairlead cookies 1";

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherPtr = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

/// Fetched once, as digests are.
const EVP_CIPHER* aes() {
  static const EVP_CIPHER* const kMethod = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return kMethod;
}

unsigned char* bytes(std::string& text, std::size_t at = 0) {
  return reinterpret_cast<unsigned char*>(text.data()) + at;
}

bool derive(std::string_view secret, std::array<std::uint8_t, 32>& out) {
  const std::unique_ptr<EVP_KDF, void (*)(EVP_KDF*)> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr), EVP_KDF_free);
  const std::unique_ptr<EVP_KDF_CTX, void (*)(EVP_KDF_CTX*)> context(EVP_KDF_CTX_new(kdf.get()), EVP_KDF_CTX_free);
  if (context == nullptr) return false;
  std::string digest = "SHA256", key(secret), info(kPurpose);
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
                                   OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.data(), key.size()),
                                   OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
                                   OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), out.data(), out.size(), parameters) == 1;
}

/// A context of that key and nonce, with the context's text taken in.
CipherPtr begin(const std::uint8_t* key, const unsigned char* nonce, std::string_view context, bool encrypts) {
  CipherPtr out(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool good =
      out != nullptr && EVP_CipherInit_ex2(out.get(), aes(), key, nonce, encrypts ? 1 : 0, nullptr) == 1 &&
      EVP_CipherUpdate(out.get(), nullptr, &length, unsigned_bytes(context), static_cast<int>(context.size())) == 1;
  return good ? std::move(out) : nullptr;
}

void fill_random(std::string& out, std::size_t count) {
  // Without randomness every login could be guessed.
  if (RAND_bytes(bytes(out), static_cast<int>(count)) != 1) std::abort();
}

}  // namespace

Result<SealKeys> SealKeys::make(const std::vector<std::string>& secrets) {
  SealKeys out;
  for (const auto& secret : secrets) {
    if (secret.size() < kLeastSecret) return fail("a key of less than 32 bytes");
    if (!derive(secret, out.keys_.emplace_back())) return fail("OpenSSL has no HKDF");
  }
  if (out.keys_.empty()) return fail("no key");
  return out;
}

std::string SealKeys::seal(std::string_view plain, std::string_view context) const {
  std::string out(kNonce + plain.size() + kTag, '\0');
  fill_random(out, kNonce);
  const auto cipher = begin(keys_.front().data(), bytes(out), context, true);
  int length = 0;
  const bool good =
      cipher != nullptr &&
      EVP_CipherUpdate(cipher.get(), bytes(out, kNonce), &length, unsigned_bytes(plain),
                       static_cast<int>(plain.size())) == 1 &&
      EVP_CipherFinal_ex(cipher.get(), bytes(out, kNonce + plain.size()), &length) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTag, bytes(out, kNonce + plain.size())) == 1;
  if (!good) std::abort();  // no memory, or an OpenSSL without AES-GCM
  return encode_base64url(out);
}

std::optional<std::string> SealKeys::open(std::string_view sealed, std::string_view context) const {
  auto text = decode_base64url(sealed);
  if (!text || text->size() < kNonce + kTag) return std::nullopt;
  const auto size = text->size() - kNonce - kTag;
  std::string out(size, '\0');
  for (const auto& key : keys_) {
    const auto cipher = begin(key.data(), bytes(*text), context, false);
    int length = 0;
    if (cipher != nullptr &&
        EVP_CipherUpdate(cipher.get(), bytes(out), &length, bytes(*text, kNonce), static_cast<int>(size)) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTag, bytes(*text, kNonce + size)) == 1 &&
        EVP_CipherFinal_ex(cipher.get(), bytes(out, size), &length) == 1)
      return out;
  }
  return std::nullopt;
}

std::string pack(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const auto part : parts) {
    const auto size = static_cast<std::uint32_t>(part.size());
    for (unsigned shift = 0; shift < 32; shift += 8) out += static_cast<char>(size >> shift & 0xff);
    out += part;
  }
  return out;
}

std::optional<std::vector<std::string_view>> unpack(std::string_view packed, std::size_t count) {
  std::vector<std::string_view> out;
  while (!packed.empty()) {
    if (packed.size() < 4 || out.size() == count) return std::nullopt;
    std::uint32_t size = 0;
    for (unsigned i = 0; i < 4; ++i) size |= std::uint32_t{static_cast<unsigned char>(packed[i])} << (8 * i);
    packed.remove_prefix(4);
    if (size > packed.size()) return std::nullopt;
    out.push_back(packed.substr(0, size));
    packed.remove_prefix(size);
  }
  if (out.size() != count) return std::nullopt;
  return out;
}

std::string random_text(std::size_t count) {
  std::string out(count, '\0');
  fill_random(out, count);
  return encode_base64url(out);
}

}  // namespace fairlead::auth
