// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fairlead/abi/service.h"
#include "fairlead/model/objects.hpp"

namespace fairlead::datapath {

// Limits that a DestinationRule has no field for, as annotations of it:
//   fairlead.io/max-connections-per-endpoint: "100"
//   fairlead.io/max-pending-connects: "16"       connects under way, for the whole service
//   fairlead.io/max-rtt: 50ms                    with outlierDetection: a connection slower than this is a bad one
//   fairlead.io/max-retransmissions: "5"         with outlierDetection: a connection with so many is a bad one
/// Fills those of the row's limits that are there; others are left alone, with a warning where a value is no number.
void read_limits(const model::Labels& annotations, fl_service& row, std::vector<std::string>& warnings);

}  // namespace fairlead::datapath
