// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "agent/admin/admin.hpp"
#include "agent/configuration.hpp"
#include "agent/kernel/skeleton.hpp"
#include "agent/redirect.hpp"
#include "agent/settings.hpp"
#include "agent/telemetry/telemetry.hpp"
#include "fairlead/event/loop.hpp"

namespace fairlead::agent {

/// The agent's answers to others: metrics, flows, the admin socket.
/// Owner: Agent. Thread: main.
class Serving {
 public:
  /// Opens sockets and files, for which capabilities may be needed; nothing is answered before start().
  static Result<std::unique_ptr<Serving>> open(const Settings& settings, kernel::Datapath& datapath,
                                               Configuration& configuration, std::string node, event::Loop& loop);
  /// redirect: what status says of redirection; outlives this.
  void start(const Redirect* redirect) {
    redirect_ = redirect;
    admin_->start();
  }
  /// The configuration changed.
  void refresh(const model::ChangeSet& changes) { telemetry_->invalidate(changes); }
  /// SIGHUP: the flow log may have been moved away.
  void reopen();
  [[nodiscard]] telemetry::Telemetry& telemetry() { return *telemetry_; }

 private:
  Serving() = default;
  std::unique_ptr<telemetry::Telemetry> telemetry_;
  const Redirect* redirect_ = nullptr;
  std::unique_ptr<admin::Admin> admin_;  // asks telemetry_
};

}  // namespace fairlead::agent
