// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "fairlead/base/result.hpp"
#include "fairlead/proxy/datagram_session.hpp"

namespace fairlead::gateway {

/// A UDP session as text (JSON) for a successor; its descriptor goes beside it. Fields that a reader does not know are
/// passed over, so that another build can read it.
[[nodiscard]] std::string session_packet(const proxy::DatagramSession& session);
/// Without its descriptor.
[[nodiscard]] Result<proxy::DatagramSession> read_session_packet(std::string_view text);

}  // namespace fairlead::gateway
