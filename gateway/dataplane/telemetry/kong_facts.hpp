// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "fairlead/telemetry/record.hpp"

namespace fairlead::telemetry {

/// Milliseconds, as Kong's plugins tell them.
struct KongLatencies {
  std::int64_t request = 0;  ///< whole
  std::int64_t kong = 0;     ///< until the backend was asked; of what no backend answered, the whole
  std::int64_t proxy = -1;   ///< from there to the head of its response; -1: none came
  std::int64_t receive = 0;  ///< from there to the end
};

[[nodiscard]] inline KongLatencies kong_latencies(const RequestRecord& record) {
  constexpr std::uint64_t kMillisecond = 1'000'000;
  const auto ms = [](std::uint64_t from, std::uint64_t to) {
    return static_cast<std::int64_t>(between(from, to).ns / kMillisecond);
  };
  const auto& times = record.times;
  KongLatencies out;
  out.request = ms(times.start, times.end);
  out.kong = out.request;
  if (record.backend_status == 0) return out;
  const auto asked = times.connected != 0 ? times.connected : times.route;
  out.kong = ms(times.start, asked);
  out.proxy = ms(asked, times.first_byte);
  out.receive = ms(times.first_byte, times.end);
  return out;
}

}  // namespace fairlead::telemetry
