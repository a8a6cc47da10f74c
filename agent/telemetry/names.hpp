// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "agent/datapath/services.hpp"
#include "agent/policy/policies.hpp"
#include "agent/telemetry/counters.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::telemetry {

/// How Istio's metrics name a workload.
struct WorkloadLabels {
  bool known = false;
  std::string kind;
  std::string ns = "unknown";
  std::string name = "unknown";
  std::string service_account;
  std::string canonical_service = "unknown";
  std::string canonical_revision = "latest";
  std::string app = "unknown";
  std::string version = "unknown";

  [[nodiscard]] std::string text() const { return known ? ns.empty() ? name : ns + "/" + name : "unknown"; }
};

/// Istio's rules for canonical names (istio.io, "Canonical Service"), and ztunnel's for app and version. pod: null
/// where the workload has none, as a Node.
[[nodiscard]] WorkloadLabels labels_of(const policy::WorkloadName& workload, const model::Pod* pod);

struct ServiceLabels {
  std::uint32_t id = 0;
  std::string ns;
  std::string name;
  std::string port_name;
  std::uint16_t port = 0;

  [[nodiscard]] std::string host(const std::string& domain) const { return name + "." + ns + ".svc." + domain; }
  [[nodiscard]] std::string text() const { return ns + "/" + name; }
};

/// What stands behind the numbers in the kernel's tables.
/// Owner: Telemetry. Thread: the agent's main thread.
class Names {
 public:
  Names(const policy::Policies& policies, const datapath::Services& services, const model::Cluster& cluster)
      : policies_(policies), services_(services), cluster_(cluster) {}

  /// The configuration changed. What is gone now is still called what it was, whether or not somebody asked while it
  /// was there, until forget().
  void invalidate(const model::ChangeSet& changes);
  /// Whether a series has an end or a service that the configuration does not have (any more).
  [[nodiscard]] bool is_gone(const fl_pair_key& key);
  /// Names of what is gone are kept only where one of these series needs them.
  void forget(std::span<const Pair> pairs);

  [[nodiscard]] const WorkloadLabels& workload(std::uint32_t id);
  /// Null: unknown.
  [[nodiscard]] const ServiceLabels* service(std::uint32_t id);
  /// The service that has the workload among its endpoints on that port; null: none. port in network order.
  [[nodiscard]] const ServiceLabels* service_at(std::uint32_t workload, std::uint16_t port, std::uint8_t proto);
  /// On this node.
  [[nodiscard]] bool is_local(const Address& address) const { return policies_.compiler().is_local(address); }
  [[nodiscard]] std::string rule(std::uint32_t policy_id) const { return policies_.rule_name(policy_id); }

 private:
  void refresh();
  [[nodiscard]] std::optional<WorkloadLabels> former_workload(std::uint32_t id) const;
  static std::uint64_t target(std::uint32_t workload, std::uint16_t port, std::uint8_t proto);

  const policy::Policies& policies_;
  const datapath::Services& services_;
  const model::Cluster& cluster_;
  std::unordered_map<std::uint32_t, WorkloadLabels> workloads_;
  std::unordered_map<std::uint32_t, ServiceLabels> services_by_id_;
  std::unordered_map<std::uint32_t, WorkloadLabels> former_workloads_;
  std::unordered_map<std::string, WorkloadLabels> gone_pods_;  // by workload
  std::unordered_map<std::uint32_t, ServiceLabels> former_services_;  // ids rest longer than series are kept
  std::unordered_map<std::uint64_t, std::uint32_t> targets_;  // workload, port, protocol -> service
  std::unordered_map<std::string, const model::Pod*> pods_;  // by workload; the cluster keeps them until invalidate()
  bool fresh_ = false;
};

}  // namespace fairlead::telemetry
