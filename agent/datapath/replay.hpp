// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/abi/choice.h"
#include "fairlead/base/address.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::datapath {

/// What a client in the network namespace `client` (its cookie) would be answered if it connected to address and port
/// (host order) now. proto: FL_TCP or FL_UDP. The kernel decides by the code and the tables of connect itself; nothing
/// is changed: neither round robin nor affinity nor counters. why_program: Datapath::program("fl_why").
///
/// service_id is 0 where the address is no service's. Else backend_id, backend_addr, backend_port, level, flags
/// (FL_CHOSE_*) say what was chosen, or reason why nothing was. Choices by chance differ from call to call.
/// Policy is not asked.
[[nodiscard]] Result<fl_choice> replay(int why_program, const Address& address, std::uint16_t port, std::uint8_t proto,
                                       std::uint64_t client);

/// The same with everything given, chance, time and flags too.
[[nodiscard]] Result<fl_choice> replay(int why_program, fl_choice asked);

}  // namespace fairlead::datapath
