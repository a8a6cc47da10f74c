// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "gateway/arguments.hpp"

namespace fairlead::gateway {

/// What workers are to serve, from `--listen`, `--to` and `--cert` alone: every request of every listener goes to one
/// of the targets. Names of targets are left to DNS. `ports`: where port 0 was asked for, the port that was
/// found for the listener of that place; 0 before. `log`: of all listeners; null: none. `tls`: null: without.
Result<proxy::Update> plan_from_arguments(const Arguments& arguments, const std::vector<std::uint16_t>& ports,
                                          const std::shared_ptr<const telemetry::AccessLog>& log,
                                          const std::shared_ptr<const tls::ServerContext>& tls);

/// The same with other TLS, for connections from then on.
[[nodiscard]] proxy::Update with_tls(const proxy::Snapshot& before,
                                     const std::shared_ptr<const tls::ServerContext>& tls);

}  // namespace fairlead::gateway
