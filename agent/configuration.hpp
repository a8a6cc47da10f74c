// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "agent/datapath/services.hpp"
#include "agent/kernel/skeleton.hpp"
#include "agent/policy/policies.hpp"
#include "fairlead/base/result.hpp"
#include "fairlead/config/directory.hpp"
#include "fairlead/event/loop.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::agent {

/// What stands in the configuration at the start. Read before the kernel's tables are made, so that these are made
/// large enough at once.
struct FirstReading {
  std::unique_ptr<config::Directory> directory;
  config::Update update;
  std::chrono::steady_clock::duration took{};

  /// `kept`: where earlier runs kept what was in force, and this one will.
  static Result<FirstReading> of(const std::string& path, const std::string& kept);
};

/// The configuration in force: what the directory says, and the tables that hold it.
/// Owner: Agent. Thread: main.
class Configuration {
 public:
  /// Called after each update that reached the kernel.
  using Applied = std::function<void(const model::ChangeSet& changes, const datapath::Applied& services,
                                     const policy::Applied& policies)>;

  static Result<std::unique_ptr<Configuration>> open(FirstReading first, const std::string& node_name,
                                                     const std::string& pin_dir, const kernel::Datapath& datapath,
                                                     policy::PoliciesOptions policies);

  /// Writes the first reading to the kernel. Refused documents are logged, the others are in force.
  Result<> load();
  /// Follows the directory on the loop from now on.
  Result<> follow(event::Loop& loop);
  /// Reads everything again (SIGHUP).
  void reread();
  void on_applied(Applied callback) { applied_ = std::move(callback); }

  [[nodiscard]] const model::Cluster& cluster() const { return cluster_; }
  [[nodiscard]] const config::Diagnostics& diagnostics() const { return diagnostics_; }
  [[nodiscard]] datapath::Services& services() { return services_; }
  [[nodiscard]] policy::Policies& policies() { return *policies_; }

 private:
  Configuration(FirstReading first, std::unique_ptr<policy::Policies> policies, datapath::Services services);
  void use(Result<config::Update> update);
  Result<> take(config::Update update);
  Result<policy::Applied> authorize(const model::ChangeSet& changes);
  void retry_soon();
  void keep();

  FirstReading first_;  // its update is empty once it was taken
  model::Cluster cluster_;
  std::unique_ptr<policy::Policies> policies_;
  datapath::Services services_;  // asks policies_ for workloads
  config::Diagnostics diagnostics_;
  config::Diagnostics reading_;  // those of them that came with the last update
  event::Loop* loop_ = nullptr;  // once it follows
  bool retrying_ = false;
  bool keeping_ = false;
  Applied applied_;
};

}  // namespace fairlead::agent
