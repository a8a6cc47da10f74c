// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/event/reactor.hpp"
#include "fairlead/upstream/health_checker.hpp"
#include "fairlead/upstream/pool.hpp"

namespace fairlead::upstream {

/// Probes over the network, each on a connection of its own. HTTP: one request, judged by its status. gRPC:
/// grpc.health.v1.Health/Check by HTTP/2, healthy where the answer is SERVING. TCP: connect, then `send` and `expect`.
/// HTTP and gRPC connect as the factory does, TLS included where it has it; TCP checks are plain, and with TLS fail.
/// Owner: who owns the checker. Thread: the reactor's.
class NetworkProber final : public Prober {
 public:
  NetworkProber(event::Reactor& reactor, SessionFactory& factory) : reactor_(reactor), factory_(factory) {}

  Result<std::unique_ptr<Probe>> start(const EndpointSpec& endpoint, const HealthCheckSpec& check,
                                       const std::shared_ptr<const void>& tls, ProbeListener& listener) override;

 private:
  event::Reactor& reactor_;
  SessionFactory& factory_;
};

/// A message of the gRPC health protocol with its frame of 5 bytes.
[[nodiscard]] std::string grpc_health_request(std::string_view service);
/// Whether a framed HealthCheckResponse says SERVING; anything else, and what is no such message, is not.
[[nodiscard]] bool grpc_is_serving(std::string_view framed);

}  // namespace fairlead::upstream
