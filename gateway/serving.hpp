// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "fairlead/admin/server.hpp"
#include "fairlead/event/loop.hpp"
#include "gateway/admin_api.hpp"
#include "gateway/arguments.hpp"
#include "gateway/backend_watch.hpp"
#include "gateway/config_plan.hpp"
#include "gateway/machine_limits.hpp"
#include "gateway/quota_keeper.hpp"
#include "gateway/telemetry_parts.hpp"
#include "gateway/workers.hpp"

namespace fairlead::gateway {

/// The gateway's answers to others: metrics and health by TCP, status by the unix socket.
/// Owner: Gateway. Thread: main; handlers run on the servers' threads and ask the main loop.
class Serving {
 public:
  /// `plan`: null without a configuration. `quotas`: null where none are kept; used until stop().
  static Result<std::unique_ptr<Serving>> open(const Arguments& arguments, Workers& workers, BackendWatch& watch,
                                               event::Loop& loop, const TelemetryParts& telemetry,
                                               const ConfigPlan* plan, const QuotaKeeper* quotas,
                                               const MachineLimits& limits);
  void start();
  void stop();
  /// /readyz answers 503 from now on.
  void not_ready() { ready_ = false; }

  [[nodiscard]] std::uint16_t metrics_port() const { return tcp_ != nullptr ? tcp_->port() : 0; }
  [[nodiscard]] const std::string& metrics_address() const { return address_; }

 private:
  Serving(Workers& workers, BackendWatch& watch, event::Loop& loop, const TelemetryParts& telemetry,
          const ConfigPlan* plan, const QuotaKeeper* quotas, const MachineLimits& limits)
      : workers_(workers),
        watch_(watch),
        loop_(loop),
        telemetry_(telemetry),
        plan_(plan),
        quotas_(quotas),
        limits_(limits),
        api_(workers, loop, telemetry, plan) {}
  void add_handlers(admin::Server& server);

  Workers& workers_;
  BackendWatch& watch_;
  event::Loop& loop_;
  const TelemetryParts& telemetry_;
  const ConfigPlan* plan_;
  const QuotaKeeper* quotas_;
  MachineLimits limits_;
  AdminApi api_;
  std::string address_;
  std::unique_ptr<admin::Server> tcp_;
  std::unique_ptr<admin::Server> socket_;
  std::atomic<bool> ready_ = true;
};

}  // namespace fairlead::gateway
