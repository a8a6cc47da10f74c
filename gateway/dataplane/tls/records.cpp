// SPDX-License-Identifier: Apache-2.0
#include "records.hpp"

#include <openssl/hmac.h>

#include <algorithm>
#include <cstring>

namespace fairlead::tls {
namespace {

struct Suite {
  const EVP_CIPHER* cipher;
  const EVP_MD* hash;
  std::size_t key_bytes;
};

// Fetched once: by name they would be looked up for every connection.
const Suite* find_suite(std::uint16_t suite) {
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static const EVP_MD* const sha384 = EVP_MD_fetch(nullptr, "SHA384", nullptr);
  static const std::array<Suite, 3> suites{Suite{EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr), sha256, 16},
                                           Suite{EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr), sha384, 32},
                                           Suite{EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr), sha256, 32}};
  const auto index = static_cast<std::size_t>(suite) - 0x1301;
  return suite >= 0x1301 && index < suites.size() && suites[index].cipher != nullptr ? &suites[index] : nullptr;
}

std::uint8_t* bytes(char* text) { return reinterpret_cast<std::uint8_t*>(text); }
const std::uint8_t* bytes(const char* text) { return reinterpret_cast<const std::uint8_t*>(text); }

constexpr std::uint8_t kKeyUpdate = 24;
constexpr std::uint8_t kCloseNotify = 0, kUserCanceled = 90;

}  // namespace

// ---- Secret, RecordKey ----------------------------------------------------------------------------------------------

Secret::Secret(std::span<const std::uint8_t> bytes) : size_(std::min(bytes.size(), kMost)) {
  std::memcpy(bytes_.data(), bytes.data(), size_);
}

bool Secret::expand(std::string_view label, std::span<std::uint8_t> out) const {
  constexpr std::string_view kPrefix = "tls13 ";
  std::array<std::uint8_t, 64> info{};  // HkdfLabel, then the block's number: one block is enough
  std::size_t size = 0;
  info[size++] = 0;
  info[size++] = static_cast<std::uint8_t>(out.size());
  info[size++] = static_cast<std::uint8_t>(kPrefix.size() + label.size());
  for (const auto part : {kPrefix, label})
    size = static_cast<std::size_t>(std::ranges::copy(part, &info[size]).out - info.data());
  info[size++] = 0;
  info[size++] = 1;
  const auto* hash = find_suite(size_ == kMost ? 0x1302 : 0x1301)->hash;
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> block;
  unsigned block_size = 0;
  if (HMAC(hash, bytes_.data(), static_cast<int>(size_), info.data(), size, block.data(), &block_size) == nullptr ||
      block_size < out.size())
    return false;
  std::memcpy(out.data(), block.data(), out.size());
  OPENSSL_cleanse(block.data(), block.size());
  return true;
}

std::optional<RecordKey> RecordKey::create(Use use, std::uint16_t suite, const Secret& secret, std::uint64_t sequence) {
  const auto* known = find_suite(suite);
  if (known == nullptr || secret.bytes().size() != static_cast<std::size_t>(EVP_MD_get_size(known->hash)))
    return std::nullopt;
  RecordKey key(use, suite);
  key.secret_ = secret;
  key.cipher_.reset(EVP_CIPHER_CTX_new());
  if (!key.expand()) return std::nullopt;
  key.sequence_ = sequence;
  return key;
}

bool RecordKey::expand() {
  const auto* suite = find_suite(suite_);
  std::array<std::uint8_t, 32> key;
  const bool good =
      cipher_ && secret_.expand("key", std::span(key).first(suite->key_bytes)) && secret_.expand("iv", iv_) &&
      EVP_CipherInit_ex2(cipher_.get(), suite->cipher, key.data(), nullptr, use_ == Use::kSeal ? 1 : 0, nullptr) == 1;
  OPENSSL_cleanse(key.data(), key.size());
  return good;
}

bool RecordKey::update() {
  std::array<std::uint8_t, Secret::kMost> next;
  const auto part = std::span(next).first(secret_.bytes().size());
  const bool made = secret_.expand("traffic upd", part);
  if (made) secret_ = Secret(part);
  OPENSSL_cleanse(next.data(), next.size());
  sequence_ = 0;
  return made && expand();
}

/// Section 5.3: the record's number, in network byte order, over the end of the IV.
void RecordKey::next_nonce(std::uint8_t* nonce) {
  std::memcpy(nonce, iv_.data(), iv_.size());
  const auto number = sequence_++;
  for (unsigned i = 0; i < 8; ++i) nonce[11 - i] ^= static_cast<std::uint8_t>(number >> (8 * i));
}

bool RecordKey::seal(std::uint8_t type, std::span<const char> data, char* out) {
  const auto length = data.size() + 1 + Records::kTag;
  std::uint8_t* const header = bytes(out);
  header[0] = 23;  // whatever is in it (section 5.2)
  header[1] = header[2] = 3;
  header[3] = static_cast<std::uint8_t>(length >> 8);
  header[4] = static_cast<std::uint8_t>(length);
  std::uint8_t* const body = header + Records::kHeader;
  std::array<std::uint8_t, 12> nonce;
  next_nonce(nonce.data());
  auto* const cipher = cipher_.get();
  int size = 0;
  return EVP_EncryptInit_ex2(cipher, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
         EVP_EncryptUpdate(cipher, nullptr, &size, header, Records::kHeader) == 1 &&
         EVP_EncryptUpdate(cipher, body, &size, bytes(data.data()), static_cast<int>(data.size())) == 1 &&
         EVP_EncryptUpdate(cipher, body + data.size(), &size, &type, 1) == 1 &&
         EVP_EncryptFinal_ex(cipher, body + data.size() + 1, &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, Records::kTag, body + data.size() + 1) == 1;
}

bool RecordKey::open(std::span<const char> header, std::span<const char> sealed, char* out) {
  const auto size = sealed.size() - Records::kTag;
  std::array<std::uint8_t, 12> nonce;
  std::array<std::uint8_t, Records::kTag> tag;
  std::memcpy(tag.data(), sealed.data() + size, tag.size());
  next_nonce(nonce.data());
  auto* const cipher = cipher_.get();
  int done = 0;
  return EVP_DecryptInit_ex2(cipher, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
         EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, Records::kTag, tag.data()) == 1 &&
         EVP_DecryptUpdate(cipher, nullptr, &done, bytes(header.data()), Records::kHeader) == 1 &&
         EVP_DecryptUpdate(cipher, bytes(out), &done, bytes(sealed.data()), static_cast<int>(size)) == 1 &&
         EVP_DecryptFinal_ex(cipher, bytes(out) + size, &done) == 1;
}

// ---- Records --------------------------------------------------------------------------------------------------------

std::unique_ptr<Records> Records::create(std::uint16_t suite, const Secret& client, const Secret& server,
                                         std::uint64_t written) {
  auto in = RecordKey::create(RecordKey::Use::kOpen, suite, client, 0);
  auto out = RecordKey::create(RecordKey::Use::kSeal, suite, server, written);
  if (!in || !out) return nullptr;
  return std::unique_ptr<Records>(new Records(std::move(*in), std::move(*out)));
}

Records::Opened Records::fail(std::uint8_t alert, std::string_view what) {
  alert_ = alert;
  what_ = what;
  return Opened::kFailed;
}

Records::Opened Records::open(std::span<char>& raw, std::span<char> into, std::span<const char>& data) {
  data = {};
  lacking_ = raw.size() < kHeader ? kHeader - raw.size() : 0;
  if (lacking_ != 0) return Opened::kMore;
  const auto* header = bytes(raw.data());
  const std::size_t length = static_cast<std::size_t>(header[3]) << 8 | header[4];
  // Section 5.1: the version is not looked at. Nothing but sealed records may follow the handshake.
  if (header[0] != 23) return fail(SSL_AD_UNEXPECTED_MESSAGE, "a record that is not sealed");
  if (length > kMostSealed) return fail(SSL_AD_RECORD_OVERFLOW, "a record longer than allowed");
  if (length < kTag + 1) return fail(SSL_AD_BAD_RECORD_MAC, "a record too short to be sealed");
  if (raw.size() < kHeader + length) {
    lacking_ = kHeader + length - raw.size();
    return Opened::kMore;
  }
  const auto sealed = raw.subspan(kHeader, length);
  char* const out = into.size() >= length - kTag ? into.data() : sealed.data();
  if (!in_.open(raw.first(kHeader), sealed, out)) {
    ERR_clear_error();
    return fail(SSL_AD_BAD_RECORD_MAC, "a record that was altered");
  }
  raw = raw.subspan(kHeader + length);
  std::size_t end = length - kTag;
  if (end > kMostData + 1) return fail(SSL_AD_RECORD_OVERFLOW, "more in a record than allowed");  // with its padding
  while (end > 0 && out[end - 1] == 0) --end;  // padding (section 5.4)
  if (end == 0) return fail(SSL_AD_UNEXPECTED_MESSAGE, "a record without a type");
  const auto type = static_cast<std::uint8_t>(out[--end]);
  const std::span<const char> content(out, end);
  if (type != kHandshake && message_size_ != 0)
    return fail(SSL_AD_UNEXPECTED_MESSAGE, "a handshake message with something in between");
  if (type != kData && content.empty()) return fail(SSL_AD_UNEXPECTED_MESSAGE, "an empty record of no data");  // 5.4
  const bool idles = type != kData || content.empty();
  if (!idles) idle_ = 0;
  else if (++idle_ > kMostIdle) return fail(SSL_AD_UNEXPECTED_MESSAGE, "too many records without data");
  switch (type) {
    case kData: data = content; return Opened::kData;
    case kAlert: return take_alert(content);
    case kHandshake: return take_handshake(content);
    default: return fail(SSL_AD_UNEXPECTED_MESSAGE, "a record of a type that may not come");
  }
}

Records::Opened Records::take_alert(std::span<const char> content) {
  if (content.size() != 2) return fail(SSL_AD_DECODE_ERROR, "an alert that is none");
  const auto description = static_cast<std::uint8_t>(content[1]);
  if (description == kCloseNotify) return Opened::kEnd;
  if (description == kUserCanceled) return Opened::kData;  // close_notify follows (section 6.1)
  alerted_ = true;
  return fail(description, SSL_alert_desc_string_long(description));
}

/// A client may send nothing but KeyUpdate (section 4.6.3): no certificate was asked for behind the handshake.
Records::Opened Records::take_handshake(std::span<const char> content) {
  const auto part = std::min(content.size(), message_.size() - message_size_);
  std::memcpy(message_.data() + message_size_, content.data(), part);
  message_size_ = static_cast<std::uint8_t>(message_size_ + part);
  if (message_[0] != kKeyUpdate) return fail(SSL_AD_UNEXPECTED_MESSAGE, "a handshake message that may not come");
  if (message_size_ >= 4 && (message_[1] != 0 || message_[2] != 0 || message_[3] != 1))
    return fail(SSL_AD_DECODE_ERROR, "a KeyUpdate that is none");
  if (message_size_ < message_.size()) return Opened::kData;
  if (message_[4] > 1) return fail(SSL_AD_ILLEGAL_PARAMETER, "a KeyUpdate that asks for neither");
  // Section 5.1: keys change at the end of a record.
  if (part != content.size()) return fail(SSL_AD_UNEXPECTED_MESSAGE, "something behind a KeyUpdate");
  message_size_ = 0;
  update_asked_ |= message_[4] == 1;
  return in_.update() ? Opened::kData : fail(SSL_AD_INTERNAL_ERROR, "keys could not be made");
}

std::string Records::seal_alert(std::uint8_t level, std::uint8_t description) {
  const std::array<char, 2> content{static_cast<char>(level), static_cast<char>(description)};
  std::string record(content.size() + kOverhead, '\0');
  return out_.seal(kAlert, content, record.data()) ? record : std::string();
}

std::string Records::seal_update() {
  constexpr std::array<char, 5> kContent{static_cast<char>(kKeyUpdate), 0, 0, 1, 0};  // it asks for none in return
  std::string record(kContent.size() + kOverhead, '\0');
  update_asked_ = false;
  return out_.seal(kHandshake, kContent, record.data()) && out_.update() ? record : std::string();
}

}  // namespace fairlead::tls
