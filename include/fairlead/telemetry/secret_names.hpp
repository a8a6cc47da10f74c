// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the configuration has credentials stand, beside the names that are known for it: logs and traces show no values
// of these. Names are kept as long as the process: clients go on to send what a policy has asked for once.
// Thread: any.

#include <span>
#include <string>

namespace fairlead::telemetry {

void add_secret_fields(std::span<const std::string> lower_case_names);
/// Of queries, as they are when they are decoded.
void add_secret_parameters(std::span<const std::string> names);

}  // namespace fairlead::telemetry
