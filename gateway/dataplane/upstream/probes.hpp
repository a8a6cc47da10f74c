// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "fairlead/event/reactor.hpp"
#include "fairlead/upstream/health_checker.hpp"
#include "fairlead/upstream/pool.hpp"

namespace fairlead::upstream {

/// The endpoint with the port that is to be probed.
[[nodiscard]] inline EndpointSpec probed_endpoint(const EndpointSpec& endpoint, const HealthCheckSpec& check) {
  auto probed = endpoint;
  if (check.port != 0) probed.address.port = check.port;
  return probed;
}

Result<std::unique_ptr<Probe>> start_http_probe(SessionFactory& factory, const EndpointSpec& endpoint,
                                                const HealthCheckSpec& check, const std::shared_ptr<const void>& tls,
                                                ProbeListener& listener);
Result<std::unique_ptr<Probe>> start_grpc_probe(SessionFactory& factory, const EndpointSpec& endpoint,
                                                const HealthCheckSpec& check, const std::shared_ptr<const void>& tls,
                                                ProbeListener& listener);
Result<std::unique_ptr<Probe>> start_tcp_probe(event::Reactor& reactor, const EndpointSpec& endpoint,
                                               const HealthCheckSpec& check, ProbeListener& listener);

}  // namespace fairlead::upstream
