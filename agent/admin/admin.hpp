// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "agent/admin/views.hpp"
#include "fairlead/admin/server.hpp"
#include "fairlead/event/loop.hpp"

namespace fairlead::admin {

struct Options {
  std::string socket;   ///< path; empty: none
  std::string metrics;  ///< ADDRESS:PORT; empty: none
};

/// The agent's two doors: the unix socket for fairctl, and /metrics, /healthz, /readyz for everybody.
/// Owner: Agent. Thread: main.
class Admin {
 public:
  /// Listens; answers once start() was called.
  static Result<std::unique_ptr<Admin>> open(const Options& options, Sources sources, event::Loop& loop);
  void start();
  ~Admin();

 private:
  Admin(Sources sources, event::Loop& loop);
  void routes();
  void public_routes();
  void view(const std::string& path, std::function<Result<Json>(const Request&)> make);
  Server::Source follow_flows();
  Response metrics(const Request& request);

  Sources sources_;
  event::Loop& loop_;
  std::uint64_t started_ns_;
  std::unique_ptr<Server> socket_;
  std::unique_ptr<Server> public_;
};

}  // namespace fairlead::admin
