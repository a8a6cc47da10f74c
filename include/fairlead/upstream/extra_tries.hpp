// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "fairlead/http/message.hpp"
#include "fairlead/upstream/cluster_spec.hpp"
#include "fairlead/upstream/retry.hpp"

namespace fairlead::upstream {

/// When a hedge may start: after how long without a response's head, or never. Only what may be repeated is hedged, and
/// only where the request is held whole (Dean and Barroso, The Tail at Scale). It then needs the retry budget too.
[[nodiscard]] inline std::optional<std::chrono::milliseconds> hedge_after(const HedgeSpec& spec, http::Method method,
                                                                          bool replayable, std::uint32_t extra) {
  if (spec.delay.count() <= 0 || extra >= spec.max_extra || !replayable || !is_idempotent(method)) return std::nullopt;
  return spec.delay * (extra + 1);
}

}  // namespace fairlead::upstream
