// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/datapath/services.hpp"
#include "agent/kernel/skeleton.hpp"
#include "fairlead/base/result.hpp"
#include "fairlead/config/directory.hpp"
#include "fairlead/event/loop.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::agent {

/// The configuration in force: what the directory says, and the tables that hold it.
/// Owner: Agent. Thread: main.
class Configuration {
 public:
  /// Called after each update that reached the kernel.
  using Applied = std::function<void(const model::ChangeSet& changes, const datapath::Applied& applied)>;

  static Result<std::unique_ptr<Configuration>> open(const std::string& path, const std::string& node_name,
                                                     const std::string& pin_dir, const kernel::Datapath& datapath);

  /// Reads everything and writes it to the kernel. Refused documents are logged, the others are in force.
  Result<> load();
  /// Follows the directory on the loop from now on.
  Result<> follow(event::Loop& loop);
  /// Looks again by hand (SIGHUP).
  void reread();
  void on_applied(Applied callback) { applied_ = std::move(callback); }

  [[nodiscard]] const model::Cluster& cluster() const { return cluster_; }
  [[nodiscard]] const config::Diagnostics& diagnostics() const { return diagnostics_; }
  [[nodiscard]] datapath::Services& services() { return services_; }

 private:
  Configuration(std::unique_ptr<config::Directory> directory, datapath::Services services);
  Result<> take(config::Update update);

  std::unique_ptr<config::Directory> directory_;
  model::Cluster cluster_;
  datapath::Services services_;
  config::Diagnostics diagnostics_;
  Applied applied_;
};

/// `fairlead-agent check`: prints what is wrong with the directory; the number of refusals.
Result<std::size_t> check_configuration(const std::string& path);

}  // namespace fairlead::agent
