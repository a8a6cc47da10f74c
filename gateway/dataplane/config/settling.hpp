// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "fairlead/config/pace.hpp"

namespace fairlead::config {

/// What was done to files, by how likely more of the same change is to follow; the last one counts most.
enum class Urgency : std::uint8_t {
  kNone,
  kMoved,     ///< one file or link was moved into place: writers do that with what is whole
  kClosed,    ///< one file was written where it stands: the first, perhaps, that a copy of many gives
  kUnderWay,  ///< several files, or a name went or came that another follows
};

/// When a change of files is over: many of them, one written after the other, are to be one.
/// Owner: Directory. Thread: its.
class Settling {
 public:
  using Clock = std::chrono::steady_clock;
  /// Without anything new, a change of several files is over.
  static constexpr std::chrono::milliseconds kQuiet{100};
  /// What comes so soon after something belongs to it.
  static constexpr std::chrono::milliseconds kNear{20};
  /// Who never stops writing is read so often.
  static constexpr std::chrono::milliseconds kBound{2000};

  explicit Settling(Pace pace) : pace_(pace) {}

  /// Something was done; `urgency` is not kNone.
  void note(Urgency urgency, Clock::time_point now);
  /// When what was noted is to be read; nothing: nothing is.
  [[nodiscard]] std::optional<Clock::time_point> due() const { return due_; }
  /// What was noted has been read; `now`: after that.
  void done(Clock::time_point now);

 private:
  Pace pace_;
  std::optional<Clock::time_point> due_;
  std::optional<Clock::time_point> last_;  // when something was noted or read
  Clock::time_point first_;                // of what waits; where due_ is
};

}  // namespace fairlead::config
