// SPDX-License-Identifier: Apache-2.0
#include "gateway/session_keys.hpp"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <vector>

namespace fairlead::gateway {
namespace {

constexpr std::size_t kLeastLength = 16;  // characters

upstream::PersistenceKey key_of(const std::string& secret) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), digest.data());
  upstream::PersistenceKey key{};
  std::copy_n(digest.begin(), key.size(), key.begin());
  return key;
}

Result<std::vector<upstream::PersistenceKey>> read_keys(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(system_error("--session-key " + path, errno));
  std::vector<upstream::PersistenceKey> keys;
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty()) continue;
    if (line.size() < kLeastLength)
      return fail("--session-key " + path + ": line " + std::to_string(number) + " has " + std::to_string(line.size()) +
                  " characters, expected at least " + std::to_string(kLeastLength));
    keys.push_back(key_of(line));
  }
  if (keys.empty()) return fail("--session-key " + path + ": found no secret, expected one a line");
  return keys;
}

}  // namespace

Result<std::shared_ptr<const upstream::SessionReferences>> make_session_references(const std::string& path) {
  std::vector<upstream::PersistenceKey> keys(1);
  if (!path.empty()) {
    FL_TRY(keys, read_keys(path));
  } else if (RAND_bytes(keys[0].data(), static_cast<int>(keys[0].size())) != 1) {
    return fail("making a secret for session persistence: no random bytes");
  }
  return std::make_shared<const upstream::SessionReferences>(std::move(keys));
}

}  // namespace fairlead::gateway
