// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/meeting.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/datapath/services.hpp"
#include "agent/policy/compiler.hpp"

namespace fairlead::admin {

config::Diagnostics remarks_of(const std::map<std::string, std::vector<std::string>>& warnings) {
  config::Diagnostics diagnostics;
  for (const auto& [object, remarks] : warnings)
    for (const auto& remark : remarks)
      diagnostics.push_back({.severity = config::Severity::kWarning,
                             .file = {},
                             .line = 0,
                             .column = 0,
                             .object = object,
                             .field = {},
                             .found = {},
                             .expected = remark});
  return diagnostics;
}

Result<config::Checked> check(const std::string& path, CheckOptions options) {
  FL_TRY(auto checked, config::Checked::of(path));
  auto& changes = checked.update.changes;
  model::Cluster cluster;
  cluster.apply(changes);
  policy::CompilerOptions of_policies;
  of_policies.node_name = options.node_name;
  of_policies.mesh = options.mesh;
  policy::Compiler policies(std::move(of_policies));
  policies.change(changes);
  datapath::ServicesOptions of_services;
  of_services.node_name = std::move(options.node_name);
  of_services.node_port_low = options.node_port_low;
  of_services.node_port_high = options.node_port_high;
  of_services.mesh = std::move(options.mesh);
  datapath::Services services(datapath::ServiceTables::dry(), std::move(of_services));
  FL_CHECK(services.apply(cluster, changes));
  for (const auto* warnings : {&policies.warnings(), &services.warnings()})
    std::ranges::move(remarks_of(*warnings), std::back_inserter(checked.update.diagnostics));
  return checked;
}

}  // namespace fairlead::admin
