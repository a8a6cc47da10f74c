// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/datapath/desired.hpp"
#include "agent/datapath/rules.hpp"
#include "agent/kernel/allocator.hpp"
#include "agent/kernel/table.hpp"
#include "fairlead/model/cluster.hpp"
#include "fairlead/model/mesh.hpp"

namespace fairlead::datapath {

using kernel::Clock;
using kernel::RunAllocator;

/// The kernel's tables that services stand in.
struct ServiceTables {
  kernel::HashTable<fl_frontend_key, fl_frontend> frontends;
  kernel::HashTable<std::uint32_t, fl_service> services;
  kernel::HashTable<std::uint32_t, fl_maglev> maglevs;
  kernel::HashTable<fl_addr, std::uint32_t> node_addrs;
  kernel::ArrayTable<fl_slot> slots;
  kernel::ArrayTable<fl_backend> backends;
  kernel::ArrayTable<fl_backend_state> backend_states;
  kernel::ArrayTable<fl_service_state> service_states;

  /// fd_of: a descriptor of the map of a name, which becomes ours. pin_dir empty: nothing is pinned.
  static Result<ServiceTables> open(const std::function<Result<Fd>(const std::string& name)>& fd_of,
                                    const std::string& pin_dir);
  /// Without a kernel: what is written is in force for nobody.
  static ServiceTables dry();
};

struct ServicesOptions {
  std::string node_name;
  std::vector<Address> node_addresses;  ///< beside those of Node objects, e.g. 127.0.0.1
  std::uint16_t node_port_low = 1, node_port_high = 65535;  ///< the kernel looks for NodePorts in this range only
  model::Mesh mesh;
  std::chrono::milliseconds rest{10'000};  ///< how long freed rows rest at least
  std::chrono::minutes service_rest{11};   ///< the same for services' numbers: series may be kept for 10 minutes
  std::function<std::uint32_t(const Address&)> workload_of = [](const Address&) { return 0U; };
  std::function<Clock::time_point()> now = [] { return Clock::now(); };
};

/// What one apply did.
struct Applied {
  std::size_t services_changed = 0;
  std::size_t rows_written = 0;
  std::size_t rows_deleted = 0;
  std::size_t backends_removed = 0;  ///< sockets to them are to be ended
};

struct ServiceInfo {
  std::uint32_t id = 0;
  std::string ns;
  std::string name;
  std::string port_name;
  std::uint16_t port = 0;  ///< host order
  std::uint8_t proto = 0;
  std::vector<Frontend> frontends;
  std::vector<std::uint32_t> backends;  ///< rows of fl_backends
  fl_service row{};
};

struct BackendInfo {
  std::uint32_t id = 0;
  fl_backend row{};
  fl_backend_state state{};  ///< of this generation, else zero
};

/// Compiles services and keeps the kernel's tables as they should be, touching only what changes concern.
/// Owner: the agent. Thread: its main thread.
class Services {
 public:
  Services(ServiceTables tables, ServicesOptions options);

  /// Finds the rows of an earlier agent again; the next apply keeps the ids of what is still wanted and removes the
  /// rest. Call before the first apply, with a cluster that is whole by then.
  [[nodiscard]] Result<> adopt();
  /// cluster already has the changes.
  [[nodiscard]] Result<Applied> apply(const model::Cluster& cluster, const model::ChangeSet& changes);
  /// Writes the workload ids anew, after workloads changed; gives the number of rows that differed.
  std::size_t refresh_workloads();

  [[nodiscard]] std::optional<ServiceInfo> service(std::uint32_t id) const;
  /// What had the number last, where nothing has it: names and port only.
  [[nodiscard]] std::optional<ServiceInfo> former_service(std::uint32_t id) const;
  [[nodiscard]] std::optional<BackendInfo> backend(std::uint32_t id) const;
  [[nodiscard]] std::vector<ServiceInfo> services() const;  ///< sorted by id
  [[nodiscard]] bool any_of_protocol(std::uint8_t proto) const;
  /// "Service ns/name" or "DestinationRule ns/name" -> what of it is not in force as written, until it changes.
  [[nodiscard]] const std::map<std::string, std::vector<std::string>>& warnings() const { return warnings_; }
  [[nodiscard]] const ServiceTables& tables() const { return tables_; }
  [[nodiscard]] const Topology& topology() const { return topology_; }

 private:
  /// One row of fl_services; compact, as there may be 60 000.
  struct Row {
    const std::string* owner = nullptr;  // "ns/name", key of owners_; null: free
    std::string port_name;
    std::uint16_t port = 0;
    std::uint8_t proto = 0;
    bool v4 = true;
    bool outside = false;  // as PortSpec's
    std::uint32_t first_slot = 0;
    std::uint32_t slot_count = 0;
    std::vector<Frontend> frontends;
    std::vector<std::uint32_t> backends;
    fl_service value{};
  };
  struct KeyHash {
    std::size_t operator()(const fl_frontend_key& key) const noexcept;
  };
  struct KeyEqual {
    bool operator()(const fl_frontend_key& a, const fl_frontend_key& b) const noexcept;
  };
  using FrontendOwners = std::unordered_map<fl_frontend_key, std::uint32_t, KeyHash, KeyEqual>;
  /// What is to be written once all rows of arrays stand.
  struct Batch {
    std::vector<std::uint32_t> service_ids, maglev_ids, removed_services, removed_maglevs, gone_backends;
    std::vector<fl_service> services;
    std::vector<fl_maglev> maglevs;
    std::vector<fl_frontend_key> frontend_keys, removed_frontends;
    std::vector<fl_frontend> frontends;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> free_slots;
    Applied applied;
  };
  using Names = std::vector<std::string>;  // "ns/name"
  /// A service that a change concerns, and what there is of it.
  struct Concerned {
    std::string name;          // "ns/name"
    model::ObjectPtr service;  // null: it is gone
    const model::Cluster::Slices* slices = nullptr;
  };

  Result<> adopt_frontends();

  // services_changes.cpp: what a change concerns
  /// Sorted: of two services that want one frontend it decides which has it.
  [[nodiscard]] Names affected(const model::Cluster& cluster, const model::ChangeSet& changes);
  static void change_slice(const model::Change& change, Names& names);
  void warn_of_rules(const model::Cluster& cluster, const std::string& ns, const std::string& host);
  void change_service(const model::Cluster& cluster, const model::ObjectKey& key, Names& names);
  void change_rule(const model::Cluster& cluster, const model::Change& change, Names& names);
  bool change_node(const model::Cluster& cluster);
  Result<> write_node_addresses(const model::Cluster& cluster, const model::ChangeSet& changes, Applied& applied);

  // services.cpp: rows
  static Concerned look_up(const model::Cluster& cluster, std::string name);
  Result<> reserve(const std::vector<Concerned>& all);
  void name_unreached(Desired& desired) const;
  Result<> compile(const Concerned& concerned, Batch& batch);
  Result<> write_port(const std::string* owner, std::uint32_t id, PortSpec& spec, Batch& batch);
  Result<std::vector<std::uint32_t>> write_backends(std::uint32_t id, Row& row, const PortSpec& spec, Batch& batch);
  Result<bool> write_slots(Row& row, std::span<fl_slot> slots, std::span<const std::uint32_t> backends, Batch& batch);
  void claim_frontends(std::uint32_t id, Row& row, const std::vector<Frontend>& wanted, bool changed, Batch& batch);
  Result<std::uint32_t> new_service(const PortSpec& spec);
  Result<std::uint32_t> new_backend(std::uint32_t id, const PortSpec& spec, const BackendSpec& backend);
  void release_frontend(const fl_frontend_key& key, std::uint32_t id, Batch& batch);
  Row& row_at(std::uint32_t id);
  void drop(std::uint32_t id, Batch& batch);
  Result<> write_maglevs(Batch& batch);
  Result<> publish(Batch& batch);

  ServiceTables tables_;
  ServicesOptions options_;
  Topology topology_;
  RuleIndex rules_;
  RunAllocator service_ids_, backend_rows_, slot_rows_;
  std::deque<Row> rows_;  // by service id
  std::unordered_map<std::uint32_t, ServiceInfo> former_;  // of free rows
  std::unordered_map<std::string, std::vector<std::uint32_t>> owners_;  // "ns/name" -> ids
  FrontendOwners frontends_;
  std::map<std::string, std::vector<std::string>> warnings_;
  std::set<std::string> contested_;  // services that want a frontend of another
  std::set<Address> node_addrs_;
  std::unordered_set<std::uint32_t> adopted_ids_;  // rows of an earlier agent that nobody claimed yet
  bool first_apply_ = true;
};

}  // namespace fairlead::datapath
