// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fairlead/http/h1_refusal.hpp"
#include "fairlead/http/limits.hpp"

namespace fairlead::http {

/// Takes the chunks off a body (RFC 9112 7.1), however its bytes are cut.
/// Owner: a session. Thread: its worker's.
class H1Chunked {
 public:
  enum class Step : std::uint8_t {
    kMore,      ///< all was used
    kData,      ///< `data` is part of the body; call again with what is behind `used`
    kTrailers,  ///< the last chunk's line was used; the trailer section follows
    kRefused,
  };
  struct Next {
    Step step = Step::kMore;
    H1Refusal refusal = H1Refusal::kNone;
    std::size_t used = 0;  ///< bytes
    std::string_view data;
  };

  [[nodiscard]] Next next(std::string_view bytes, const H1Limits& limits);
  /// Bytes of the present chunk that are still to come.
  [[nodiscard]] std::uint64_t remaining() const { return state_ == State::kData ? remaining_ : 0; }

 private:
  enum class State : std::uint8_t {
    kSizeStart,
    kSize,
    kBeforeExtension,  // white space behind the size or a value: only ";" may follow
    kNameStart,
    kName,
    kAfterName,
    kValueStart,
    kValue,
    kQuoted,
    kEscaped,
    kQuotedEnd,
    kLineEnd,  // CR was there
    kData,
    kDataCr,
    kDataLf,
  };
  H1Refusal line_byte(char c);
  H1Refusal size_byte(char c);
  H1Refusal extension_byte(char c);
  H1Refusal go(State state) {
    state_ = state;
    return H1Refusal::kNone;
  }

  std::uint64_t remaining_ = 0;
  std::uint32_t line_ = 0;        // bytes of the present line
  std::uint32_t extensions_ = 0;  // bytes in all of the body
  std::uint8_t digits_ = 0;
  State state_ = State::kSizeStart;
};

}  // namespace fairlead::http
