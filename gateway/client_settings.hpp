// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "fairlead/config/gateway_state.hpp"
#include "fairlead/proxy/snapshot.hpp"
#include "gateway/remarks.hpp"

namespace fairlead::gateway {

/// The ClientPolicy's settings of a port; of its listeners the first that has some decides, as a port's limits hold
/// before a host name is known. Thread: any.
[[nodiscard]] std::shared_ptr<const model::ClientSettings> settings_of(
    const std::vector<const config::CompiledListener*>& listeners, Remarks::Texts& texts);

/// What clients are held to; `settings` null: the defaults. `open_connections`: the port's count, which stays from
/// change to change; null: one of its own. Thread: any.
[[nodiscard]] std::shared_ptr<proxy::ClientLimits> make_limits(
    const model::ClientSettings* settings, const std::shared_ptr<std::atomic<std::uint32_t>>& open_connections);

}  // namespace fairlead::gateway
