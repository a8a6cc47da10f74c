// SPDX-License-Identifier: Apache-2.0
#include "fairlead/tls/ticket_keys.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace fairlead::tls {

TicketKey::~TicketKey() {
  OPENSSL_cleanse(hmac.data(), hmac.size());
  OPENSSL_cleanse(aes.data(), aes.size());
}

Result<TicketKey> TicketKey::random() {
  TicketKey key;
  const bool filled = RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) == 1 &&
                      RAND_priv_bytes(key.hmac.data(), static_cast<int>(key.hmac.size())) == 1 &&
                      RAND_priv_bytes(key.aes.data(), static_cast<int>(key.aes.size())) == 1;
  if (!filled) return fail("making a session ticket key: no random bytes");
  return key;
}

Result<TicketKey> TicketKey::from_bytes(std::string_view bytes) {
  if (bytes.size() != kBytes) {
    return fail("session ticket key: found " + std::to_string(bytes.size()) + " bytes, expected " +
                std::to_string(kBytes) + " (name 16, HMAC key 32, AES key 32)");
  }
  TicketKey key;
  std::memcpy(key.name.data(), bytes.data(), 16);
  std::memcpy(key.hmac.data(), bytes.data() + 16, 32);
  std::memcpy(key.aes.data(), bytes.data() + 48, 32);
  return key;
}

void TicketKey::append_to(std::string& bytes) const {
  bytes.append(name.begin(), name.end()).append(hmac.begin(), hmac.end()).append(aes.begin(), aes.end());
}

Result<std::shared_ptr<TicketKeys>> TicketKeys::create(Options options, std::chrono::steady_clock::time_point now) {
  std::shared_ptr<TicketKeys> keys(new TicketKeys(options));
  FL_CHECK(keys->rotate(now));
  return keys;
}

Result<> TicketKeys::set(std::vector<TicketKey> keys) {
  if (keys.empty()) return fail("session ticket keys: found none, expected at least one");
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
  from_outside_ = true;
  return {};
}

Result<> TicketKeys::inherit(std::vector<TicketKey> keys, std::chrono::steady_clock::time_point now) {
  if (keys.empty()) return fail("session ticket keys of a predecessor: found none, expected at least one");
  const std::lock_guard lock(mutex_);
  keys.insert(keys.end(), keys_.begin(), keys_.end());
  keys_ = std::move(keys);
  rotated_ = now;
  return {};
}

std::vector<TicketKey> TicketKeys::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

Result<> TicketKeys::rotate(std::chrono::steady_clock::time_point now) {
  FL_TRY(auto key, TicketKey::random());
  const std::lock_guard lock(mutex_);
  keys_.insert(keys_.begin(), key);
  if (keys_.size() > options_.previous + 1) keys_.resize(options_.previous + 1);
  rotated_ = now;
  return {};
}

Result<bool> TicketKeys::rotate_if_due(std::chrono::steady_clock::time_point now) {
  {
    const std::lock_guard lock(mutex_);
    if (from_outside_ || now - rotated_ < options_.interval) return false;
  }
  FL_CHECK(rotate(now));
  return true;
}

TicketKey TicketKeys::current() const {
  const std::lock_guard lock(mutex_);
  return keys_.front();
}

std::optional<TicketKeys::Opened> TicketKeys::find(std::span<const std::uint8_t, 16> name) const {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (std::ranges::equal(keys_[i].name, name)) return Opened{keys_[i], i == 0};
  }
  return std::nullopt;
}

std::chrono::seconds TicketKeys::lifetime() const {
  return std::max<std::chrono::seconds>(options_.interval * options_.previous, std::chrono::hours(1));
}

}  // namespace fairlead::tls
