// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/http/h1_websocket.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <array>

namespace fairlead::http::h1 {

namespace {

template <std::size_t Size>
std::string base64(const std::array<unsigned char, Size>& bytes) {
  std::array<unsigned char, 4 * ((Size + 2) / 3) + 1> text{};
  const int size = EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(Size));
  return {text.begin(), text.begin() + size};
}

}  // namespace

std::string websocket_accept(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return base64(digest);
}

std::string websocket_key() {
  std::array<unsigned char, 16> nonce{};
  // A failure leaves a key that can be guessed: it keeps caches apart from WebSocket servers and is no secret.
  [[maybe_unused]] const int random = RAND_bytes(nonce.data(), static_cast<int>(nonce.size()));
  return base64(nonce);
}

}  // namespace fairlead::http::h1
