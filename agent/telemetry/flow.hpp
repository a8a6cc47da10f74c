// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "agent/telemetry/names.hpp"
#include "fairlead/abi/flow.h"

namespace fairlead::telemetry {

[[nodiscard]] const char* event_type_name(std::uint8_t type);

/// The event as one line of JSON, without a newline. `wall_offset_ns`: CLOCK_REALTIME minus CLOCK_MONOTONIC.
[[nodiscard]] std::string flow_json(const fl_event& event, Names& names, std::int64_t wall_offset_ns);

/// What flow_json() adds to the kernel's times.
[[nodiscard]] std::int64_t wall_offset();
/// CLOCK_MONOTONIC, as programs read it.
[[nodiscard]] std::uint64_t monotonic_ns();

}  // namespace fairlead::telemetry
