// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fairlead/config/gateway_state.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "gateway/backend_watch.hpp"
#include "gateway/workers.hpp"

namespace fairlead::gateway {

/// Opens the sockets that a snapshot needs and hands it to the workers; says on standard output which ports opened and
/// closed. An address that cannot be opened is left out, and tried again with the next snapshot.
/// Owner: Gateway. Thread: main.
class Publisher {
 public:
  Publisher(Workers& workers, BackendWatch& watch) : workers_(workers), watch_(watch) {}

  Result<> publish(const proxy::Update& update);
  /// Tries again what could not be opened.
  void retry();
  [[nodiscard]] bool serves_any() const { return !open_.empty(); }
  /// What could not be opened, and why.
  [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }
  /// The same, where.
  [[nodiscard]] const config::Endpoints& unusable() const { return unusable_; }

 private:
  struct Open {
    net::SocketAddress address;
    proxy::ListenerKind kind;
  };
  /// The snapshot without the addresses that cannot be opened.
  proxy::SnapshotPtr open_sockets(const proxy::SnapshotPtr& wanted);
  void tell(const proxy::Snapshot& now);

  Workers& workers_;
  BackendWatch& watch_;
  proxy::SnapshotPtr wanted_;
  std::vector<Open> open_;
  std::vector<std::string> failures_;
  config::Endpoints unusable_;
};

}  // namespace fairlead::gateway
