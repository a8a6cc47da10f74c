// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/kernel/allocator.hpp"
#include "agent/kernel/table.hpp"
#include "agent/policy/compiler.hpp"
#include "fairlead/abi/settings.h"

namespace fairlead::policy {

/// The kernel's tables that identities and policies stand in.
struct PolicyTables {
  kernel::HashTable<fl_addr, fl_workload> workloads;
  kernel::HashTable<fl_rule_key, fl_rule> rules;
  kernel::HashTable<fl_cidr_key, std::uint32_t> cidrs;
  kernel::ArrayTable<fl_port_verdict> ports;

  /// fd_of: a descriptor of the map of a name, which becomes ours. pin_dir empty: nothing is pinned.
  static Result<PolicyTables> open(const std::function<Result<Fd>(const std::string& name)>& fd_of,
                                   const std::string& pin_dir);
};

struct PoliciesOptions {
  CompilerOptions compiler;
  std::chrono::milliseconds rest{10'000};  ///< how long freed rows rest at least
  fl_settings* settings = nullptr;         ///< whose generations are raised; null: nobody reads them
};

/// What one change did.
struct Applied {
  std::size_t rows_written = 0;
  std::size_t rows_deleted = 0;
  bool workloads_changed = false;  ///< some address has another workload number
  bool redirect_changed = false;   ///< some address opted in to redirection, or out
  bool verdicts_changed = false;   ///< connections may stand that are forbidden now
};

/// What a change that could not be written came to.
struct Unwritten {
  std::size_t closed = 0;  ///< addresses that receive and call nothing until it can be
  std::size_t open = 0;    ///< such that could not be closed: what the kernel held for them before is in force
  std::string reason;
};

/// Compiles policies and keeps the kernel's tables as they should be, touching only what a change concerns. At every
/// moment of a change each connection meets either the old or the new verdict.
/// Owner: the agent. Thread: its main thread.
class Policies {
 public:
  Policies(PolicyTables tables, PoliciesOptions options);

  /// Takes over what an earlier agent left in the tables; before the first apply().
  Result<> adopt();
  /// The first call makes the tables hold this and nothing else.
  Result<Applied> apply(const model::ChangeSet& changes);
  /// See Compiler. Before the first apply() they are only remembered.
  Result<Applied> set_host_addresses(std::set<Address> addresses);
  Result<Applied> set_guarded(std::set<Address> addresses);

  /// Addresses of local workloads that something restricts and that are not guarded.
  [[nodiscard]] std::vector<Address> unguarded() const { return compiler_->unguarded(); }
  /// Whether a pod has the address for its own.
  [[nodiscard]] bool is_pod(const Address& address) const { return compiler_->is_pod(address); }
  /// 0: nobody's.
  [[nodiscard]] std::uint32_t workload_id(const Address& address) const;
  [[nodiscard]] std::optional<WorkloadName> workload(std::uint32_t id) const { return compiler_->workload(id); }
  [[nodiscard]] std::optional<WorkloadName> former_workload(std::uint32_t id) const {
    return compiler_->former_workload(id);
  }
  [[nodiscard]] std::optional<AddressInfo> find(const Address& address) const { return compiler_->find(address); }
  [[nodiscard]] std::vector<AddressInfo> all() const { return compiler_->all(); }
  /// Nothing: the kernel holds what is wanted. Else the last change failed, and apply() tries all of it again.
  [[nodiscard]] const std::optional<Unwritten>& unwritten() const { return unwritten_; }
  /// How often a change could not be written.
  [[nodiscard]] std::uint64_t failures() const { return failures_; }
  /// "NetworkPolicy default/web, ingress rule 1"; empty: unknown.
  [[nodiscard]] std::string rule_name(std::uint32_t policy_id) const { return compiler_->rule_name(policy_id); }
  [[nodiscard]] const Compiler& compiler() const { return *compiler_; }
  [[nodiscard]] PolicyTables& tables() { return tables_; }

 private:
  struct KernelRow {
    Verdict verdict;
    std::uint32_t first = 0;
  };
  struct Batch {
    std::vector<fl_rule_key> early_keys, late_keys, removed_keys;
    std::vector<fl_rule> early, late;
    std::map<std::uint32_t, const Rows*> wanted;  // of sets in which the row for strangers changes
    std::vector<std::pair<std::uint32_t, std::uint32_t>> free_ports;
    std::vector<fl_addr> workload_keys, removed_workloads;
    std::vector<fl_workload> workloads;
    std::set<std::uint32_t> failed_sets;  // whose rules are not all in here
    bool addresses_changed = false;
    Applied applied;
  };
  Result<Applied> finish();
  Result<> diff_sets(Batch& batch);
  Result<> diff_set(std::uint32_t id, const Rows& wanted, Batch& batch);
  Result<fl_rule> place(KernelRow& row);
  void bridge_fresh(Batch& batch);
  void diff_workloads(Batch& batch);
  void diff_workload(const Address& address, Batch& batch);
  Result<> write_cidrs(Batch& batch);
  Result<> remove_cidrs(Batch& batch);
  Result<> publish(Batch& batch);
  Result<> write(Batch& batch);
  Error close(const Batch& batch, Error error);
  void raise_generations(bool addresses, bool verdicts) const;
  void distrust();

  PolicyTables tables_;
  PoliciesOptions options_;
  std::unique_ptr<Compiler> compiler_;
  kernel::RunAllocator port_rows_;
  const Delta* delta_ = nullptr;

  // what the kernel holds
  std::unordered_map<Address, fl_workload> kernel_workloads_;
  std::map<Cidr, std::uint32_t> kernel_cidrs_;
  std::map<std::uint32_t, std::map<RowKey, KernelRow>> kernel_rows_;  // by set
  bool first_apply_ = true;  ///< all that the kernel holds is compared, not only what a change concerns
  bool loaded_ = false;      ///< the first apply() was
  std::optional<Unwritten> unwritten_;
  std::uint64_t failures_ = 0;
  bool distrusted_ = false;  ///< a write failed: what the kernel holds is to be read again
};

}  // namespace fairlead::policy
