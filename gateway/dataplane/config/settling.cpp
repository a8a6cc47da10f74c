// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/settling.hpp"

#include <algorithm>
#include <utility>

namespace fairlead::config {

void Settling::note(Urgency urgency, Clock::time_point now) {
  const bool follows = due_.has_value() || (last_ && now - *last_ < kNear);
  if (!due_) first_ = now;
  last_ = now;
  auto wait = kQuiet;
  if (!follows && urgency == Urgency::kMoved) wait = pace_.moved;
  if (!follows && urgency == Urgency::kClosed) wait = pace_.closed;
  due_ = std::min(now + wait, first_ + kBound);
}

void Settling::done(Clock::time_point now) {
  // What came while it was read is found only now.
  if (std::exchange(due_, std::nullopt)) last_ = now;
}

}  // namespace fairlead::config
