// SPDX-License-Identifier: Apache-2.0
#include "agent/serving.hpp"

#include <spdlog/spdlog.h>

#include "agent/features.hpp"

namespace fairlead::agent {
Result<std::unique_ptr<Serving>> Serving::open(const Settings& settings, kernel::Datapath& datapath,
                                               Configuration& configuration, std::string node, event::Loop& loop) {
  std::unique_ptr<Serving> self(new Serving);
  const telemetry::Options options{.pin_dir = settings.pin_dir,
                                   .flow_log = settings.flow_log,
                                   .cluster_domain = settings.mesh.cluster_domain,
                                   .keep_series = std::chrono::seconds(settings.keep_series)};
  FL_TRY(self->telemetry_, telemetry::Telemetry::open(options, datapath, configuration.services(),
                                                      configuration.policies(), configuration.cluster(), loop));
  admin::Sources sources{
      .datapath = datapath,
      .services = configuration.services(),
      .policies = configuration.policies(),
      .cluster = configuration.cluster(),
      .telemetry = *self->telemetry_,
      .diagnostics = [&configuration]() -> const config::Diagnostics& { return configuration.diagnostics(); },
      .features = [settings, &datapath,
                   raw = self.get()] { return feature_states(settings, datapath, raw->redirect_); },
      .lacks = [&datapath] { return lacks(datapath); },
      .node = std::move(node),
      .config = settings.config,
      .pin_dir = settings.pin_dir,
  };
  FL_TRY(self->admin_,
         admin::Admin::open({.socket = settings.socket, .metrics = settings.metrics}, std::move(sources), loop));
  return self;
}

void Serving::reopen() {
  if (const auto reopened = telemetry_->events().reopen_log(); !reopened) spdlog::error("{}", reopened.error().message);
}

}  // namespace fairlead::agent
