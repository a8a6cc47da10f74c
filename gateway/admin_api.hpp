// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/admin/server.hpp"
#include "fairlead/event/loop.hpp"
#include "gateway/config_plan.hpp"
#include "gateway/workers.hpp"

namespace fairlead::gateway {

/// The questions under /v1/gateway/, for fairctl and the page. docs/reference/gateway-admin.md lists them.
/// Owner: Serving. Thread: main; handlers run on the servers' threads and ask the main loop.
class AdminApi {
 public:
  /// `plan`: null without a configuration.
  AdminApi(Workers& workers, event::Loop& loop, const TelemetryParts& telemetry, const ConfigPlan* plan)
      : workers_(workers), loop_(loop), telemetry_(telemetry), plan_(plan) {}

  /// What anybody who reaches the server may ask.
  void add_questions(admin::Server& server);
  /// What only who may open the unix socket may ask: the whole configuration, another one's differences, and what
  /// changes something.
  void add_owner_questions(admin::Server& server);

 private:
  [[nodiscard]] admin::Response status(const admin::Request& request) const;
  [[nodiscard]] admin::Response diff(const std::string& path) const;

  Workers& workers_;
  event::Loop& loop_;
  const TelemetryParts& telemetry_;
  const ConfigPlan* plan_;
};

}  // namespace fairlead::gateway
