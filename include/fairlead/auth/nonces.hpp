// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <unordered_set>

namespace fairlead::auth {

/// What must not come twice within a time, as digests of it: 40 bytes or so each.
/// Owner: filters of a policy. Thread: any.
class Nonces {
 public:
  static constexpr std::size_t kMost = 1'000'000;  ///< in that time

  enum class Outcome : std::uint8_t {
    kNew,   ///< remembered from now on
    kSeen,
    kFull,  ///< no room: what has been seen is not forgotten before its time
  };
  /// What is added at `now_s` is remembered for `lasts_s` at least, and twice that at most. Seconds of a clock that
  /// only goes on. `space`: whose nonce it is.
  [[nodiscard]] Outcome add(std::string_view space, std::string_view nonce, std::int64_t now_s, std::int64_t lasts_s);

 private:
  using Mark = std::array<std::uint64_t, 2>;
  struct Hash {
    std::size_t operator()(const Mark& mark) const { return mark[0]; }
  };
  using Marks = std::unordered_set<Mark, Hash>;

  std::mutex lock_;
  Marks now_, before_;  // of this time, and of the one before
  std::int64_t since_s_ = 0;
};

}  // namespace fairlead::auth
