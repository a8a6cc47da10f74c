// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

namespace fairlead::telemetry {

/// "NotFound" for 5, as Envoy's log has it; empty for numbers without a name (gRPC's statuscodes.md).
[[nodiscard]] constexpr std::string_view grpc_status_name(int status) {
  constexpr std::array<std::string_view, 17> kNames{
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  return status >= 0 && status < static_cast<int>(kNames.size()) ? kNames[static_cast<std::size_t>(status)]
                                                                 : std::string_view{};
}

}  // namespace fairlead::telemetry
