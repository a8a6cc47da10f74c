// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fairlead/base/address.hpp"

namespace fairlead::limit {

/// SipHash-2-4 under a secret of this process (Aumasson and Bernstein): who does not know it cannot choose keys that
/// meet. Never 0. Thread: any.
[[nodiscard]] std::uint64_t keyed_hash(std::string_view key);
/// That secret, for a successor that is to know the same keys.
using HashSecret = std::array<std::uint64_t, 2>;
[[nodiscard]] const HashSecret& hash_secret();
/// Of a predecessor. Before the first key is hashed.
void set_hash_secret(const HashSecret& secret);
/// The function itself, for its published vectors.
[[nodiscard]] std::uint64_t siphash24(const std::array<std::uint64_t, 2>& secret, std::string_view data);

/// Puts the parts of a key together so that no two lists of parts give the same text: each with its length before it.
/// Nothing is allocated for keys that fit into its room. Owner: a call. Thread: one.
class KeyText {
 public:
  static constexpr std::size_t kRoom = 512;  ///< bytes

  void add(char kind, std::string_view value) {
    const auto length = static_cast<std::uint32_t>(value.size());
    append({&kind, 1});
    append({reinterpret_cast<const char*>(&length), sizeof length});
    append(value);
  }
  /// A view of this object.
  [[nodiscard]] std::string_view text();

 private:
  void append(std::string_view data) {
    if (long_.empty() && size_ + data.size() <= kRoom) {
      size_ += data.copy(short_ + size_, data.size());  // of nothing, too, which memcpy may not be given
      return;
    }
    if (long_.empty()) long_.assign(short_, size_);
    long_ += data;
  }

  std::size_t size_ = 0;
  char short_[kRoom];
  std::string long_;
};

/// The address with all bits behind the prefix cleared. Prefixes: 0 to 32, 0 to 128.
[[nodiscard]] Address masked(const Address& address, unsigned v4_prefix, unsigned v6_prefix);

/// A key as Redis is to know it: the first half of its SHA-256 in hexadecimal, on which all gateways agree, which no
/// client can make collide, and which shows no client's name to who may read Redis. `out` is replaced.
void shared_key(std::string_view text, std::string& out);

}  // namespace fairlead::limit
