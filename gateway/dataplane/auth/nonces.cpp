// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/nonces.hpp"

#include <cstring>
#include <string>
#include <utility>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {

Nonces::Outcome Nonces::add(std::string_view space, std::string_view nonce, std::int64_t now_s, std::int64_t lasts_s) {
  // The length parts the two.
  const auto digest = sha256({std::to_string(space.size()), ":", space, nonce});
  Mark mark;
  std::memcpy(mark.data(), digest.data(), sizeof mark);
  Marks old;  // freed behind the lock
  const std::scoped_lock lock(lock_);
  if (now_s - since_s_ >= lasts_s) {
    old = std::exchange(before_, std::exchange(now_, {}));
    if (now_s - since_s_ >= 2 * lasts_s) before_.clear();
    since_s_ = now_s;
  }
  if (now_.contains(mark) || before_.contains(mark)) return Outcome::kSeen;
  if (now_.size() >= kMost) return Outcome::kFull;
  now_.insert(mark);
  return Outcome::kNew;
}

}  // namespace fairlead::auth
