// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace fairlead::agent {

/// Tells systemd a state ("READY=1") where it asked for it by NOTIFY_SOCKET; nothing happens elsewhere.
void notify_manager(std::string_view state);

}  // namespace fairlead::agent
