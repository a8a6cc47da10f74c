// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace fairlead::http {

/// Follows frames through the bytes that are read, for the rules that nghttp2 leaves to us: it skips PRIORITY where
/// RFC 7540's priorities are off, what comes for closed streams and unknown types, without a word.
/// Owner: an H2Connection. Thread: its worker's.
class H2FrameWatch {
 public:
  static constexpr std::size_t kFrameHead = 9;

  enum class Found : std::uint8_t {
    kNothing,
    kMessage,         ///< the head of a DATA or HEADERS frame; see type() and id()
    kUnknown,         ///< the head of a frame of a type that RFC 9113 does not have
    kSelfDependency,  ///< PRIORITY of a stream upon itself (RFC 7540 5.3.1)
  };

  /// `preface`: bytes before the first frame.
  explicit H2FrameWatch(std::size_t preface) : skip_(preface) {}

  /// Looks at `data`, which follows what was passed before, up to the next find. `passed`: how many bytes come before
  /// the one with which it is certain; the next call begins at that one.
  Found look(std::string_view data, std::size_t& passed) {
    std::size_t at = std::exchange(seen_, 0);
    while (at < data.size()) {
      if (skip_ != 0) {
        const std::size_t part = std::min(skip_, data.size() - at);
        skip_ -= part;
        at += part;
        continue;
      }
      held_[count_++] = static_cast<std::uint8_t>(data[at]);
      const Found found = judge();
      if (found != Found::kNothing) {
        seen_ = 1;
        passed = at;
        return found;
      }
      ++at;
    }
    passed = at;
    return Found::kNothing;
  }

  [[nodiscard]] std::uint8_t type() const { return held_[3]; }
  [[nodiscard]] std::int32_t id() const { return id_at(5); }

 private:
  Found judge() {
    if (count_ < kFrameHead) return Found::kNothing;
    if (type() == 2 && length() == 5) {
      if (count_ < kFrameHead + 4) return Found::kNothing;
      count_ = 0;
      skip_ = 1;  // the weight
      return id_at(5) == id_at(kFrameHead) ? Found::kSelfDependency : Found::kNothing;
    }
    count_ = 0;
    skip_ = length();
    if (type() > 9) return Found::kUnknown;
    return type() <= 1 ? Found::kMessage : Found::kNothing;
  }

  [[nodiscard]] std::size_t length() const {
    return static_cast<std::size_t>(held_[0]) << 16 | static_cast<std::size_t>(held_[1]) << 8 | held_[2];
  }
  [[nodiscard]] std::int32_t id_at(std::size_t at) const {
    return (held_[at] & 0x7f) << 24 | held_[at + 1] << 16 | held_[at + 2] << 8 | held_[at + 3];
  }

  std::size_t skip_;  // bytes until the next frame's head
  std::size_t count_ = 0;  // of held_
  std::size_t seen_ = 0;  // bytes of the next call's data that were looked at already
  std::uint8_t held_[kFrameHead + 4] = {};
};

}  // namespace fairlead::http
