// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/policy/ids.hpp"
#include "agent/policy/rows.hpp"
#include "agent/policy/subjects.hpp"
#include "fairlead/model/mesh.hpp"

namespace fairlead::policy {

struct CompilerOptions {
  std::string node_name;
  model::Mesh mesh;
  bool default_closed = false;  ///< for workloads that no policy selects
};

/// What is known of an address.
struct AddressInfo {
  Address address;
  model::ObjectKey object;  ///< Pod or Node
  WorkloadName workload;
  fl_workload row{};
  std::vector<model::ObjectKey> policies;  ///< that select it
};

/// What changed since the last done().
struct Delta {
  std::set<Address> addresses;
  std::set<std::uint32_t> fresh, gone;  ///< identities
  std::set<std::uint32_t> sets;         ///< whose rows may be others; those without users have none
  bool blocks = false;
};

/// From the cluster to what the kernel's tables are to hold; touches no kernel. Gives every address its workload,
/// identity and set of policies, and every set its verdicts.
/// Owner: Policies. Thread: its.
class Compiler {
 public:
  explicit Compiler(CompilerOptions options);
  Compiler(const Compiler&) = delete;  // the matching context refers to it
  Compiler& operator=(const Compiler&) = delete;

  void change(const model::ChangeSet& changes);
  /// The addresses of this node's own network namespace.
  void set_host_addresses(std::set<Address> addresses);
  /// The addresses whose namespaces fl_sk_lookup stands in.
  void set_guarded(std::set<Address> addresses);
  /// Everything is to be looked at again.
  void touch_everything();

  /// Does what the changes ask for. The delta grows until done().
  const Delta& compile();
  void done();

  [[nodiscard]] const fl_workload* row(const Address& address) const;
  [[nodiscard]] const std::map<Cidr, std::uint32_t>& blocks() const { return cidrs_; }
  [[nodiscard]] std::map<std::uint32_t, const Rows*> sets() const;

  [[nodiscard]] std::vector<Address> unguarded() const;
  [[nodiscard]] bool is_pod(const Address& address) const;
  /// Whether a pod of this node, or the node, has the address.
  [[nodiscard]] bool is_local(const Address& address) const;
  [[nodiscard]] std::optional<WorkloadName> workload(std::uint32_t id) const;
  /// Who had the number before, where nobody has it now.
  [[nodiscard]] std::optional<WorkloadName> former_workload(std::uint32_t id) const;
  [[nodiscard]] std::optional<AddressInfo> find(const Address& address) const;
  [[nodiscard]] std::vector<AddressInfo> all() const;
  /// Of a rule that is gone too, for a while.
  [[nodiscard]] std::string rule_name(std::uint32_t policy_id) const;
  /// Addresses that opted in to same-node redirection.
  [[nodiscard]] std::size_t redirected() const { return redirected_; }
  [[nodiscard]] bool default_closed() const { return options_.default_closed; }
  [[nodiscard]] const model::Mesh& mesh() const { return options_.mesh; }
  /// "AuthorizationPolicy ns/name" -> what of it can hold for nobody in this mesh.
  [[nodiscard]] const std::map<std::string, std::vector<std::string>>& warnings() const { return warnings_; }

 private:
  struct Set {
    std::uint32_t id = 0;
    std::vector<model::ObjectPtr> objects;  // statements refer to them
    std::vector<model::ObjectKey> keys;
    std::vector<std::uint32_t> policy_ids;
    Subject subject;
    Side sides[2];
    Rows rows;
    std::set<Address> users;
  };
  struct Entry {
    fl_workload row{};
    std::string identity_text;  // empty: a reserved identity
    std::string set_name;       // empty: none
  };
  struct Selection {
    std::string name;
    std::vector<model::ObjectKey> keys;
    std::uint32_t flags = 0;
  };
  using Addresses = std::set<Address>;

  void change_pod(const model::Change& change);
  void change_node(const model::Change& change);
  void change_namespace(const model::Change& change);
  void change_policy(const model::Change& change);
  void claim(const model::ObjectKey& key, std::vector<Address> addresses, const Resident* resident);
  void touch_all();
  void touch_namespace(const std::string& ns);
  void resolve(const Address& address);
  void fill_pod(const Address& address, const Resident& resident, Entry& entry);
  [[nodiscard]] Selection select(const Resident& resident, const Address& address) const;
  std::uint32_t join_set(const Selection& selection, const Resident& resident, const Address& address);
  void leave(const Address& address, const Entry& entry);
  std::uint32_t take_identity(const Traits& traits, std::string& text);
  void give_identity(const std::string& text);
  void rebuild(Set& set);
  bool drop_unused(Set& set, const std::string& name);
  void change_blocks();
  void compile_sets();
  void set_flags();

  CompilerOptions options_;
  MatchContext context_;
  static constexpr std::size_t kRemembered = 16384;  // names that series and flows may still need
  HashedIds workload_ids_{1, kRemembered}, identity_ids_{FL_IDENTITY_FIRST}, set_ids_{1}, policy_ids_{1, kRemembered};

  // the cluster, as far as it matters here
  std::map<std::string, model::Labels> namespace_labels_;
  std::set<std::string> redirected_namespaces_;
  std::map<model::ObjectKey, std::shared_ptr<const Resident>> residents_;
  std::map<model::ObjectKey, std::vector<Address>> claims_;
  std::unordered_map<Address, std::set<model::ObjectKey>> claimants_;
  std::map<std::string, std::map<model::ObjectKey, model::ObjectPtr>> policies_;  // by namespace
  std::map<std::string, std::vector<std::string>> warnings_;
  Blocks blocks_;
  Addresses host_addresses_, guarded_;

  // what follows from it
  std::unordered_map<Address, Entry> entries_;
  std::size_t redirected_ = 0;
  Peers peers_;
  std::unordered_map<std::string, std::pair<std::uint32_t, std::size_t>> identities_;  // text -> number, users
  std::map<Cidr, std::uint32_t> cidrs_;
  std::unordered_map<std::string, Set> sets_;

  // what is to be done
  Delta delta_;
  std::set<Address> touched_;                   // rows to be made anew
  std::set<std::string> stale_sets_, new_sets_; // to be compiled as a whole
  bool blocks_changed_ = false;
};

}  // namespace fairlead::policy
