// SPDX-License-Identifier: Apache-2.0
// The order in which a change reaches the kernel. A peer's verdict is its own row, or the row for strangers (ANY):
//   1. rows of single peers, and rows for strangers where there was none: nobody's verdict changes to anything but
//      its new one. Peers with a number that is new get rows of their own even where they equal the new ANY.
//   2. workloads and blocks take their new numbers
//   3. rows for strangers that change
//   4. what is not wanted any more goes
#include "agent/policy/policies.hpp"

#include <algorithm>

namespace fairlead::policy {
namespace {

fl_rule_key key_of(std::uint32_t set, const RowKey& key) {
  return {.policy_set = set, .identity = key.identity, .direction = key.direction, .proto = key.proto, .pad = 0};
}

fl_cidr_key key_of(const Cidr& block) { return {.prefix_length = block.prefix, .addr = block.address.raw()}; }

/// Flags that no verdict depends on.
constexpr std::uint32_t kNoVerdict = FL_WORKLOAD_GUARDED | FL_WORKLOAD_REDIRECT | FL_WORKLOAD_LOCAL;

bool same(const fl_workload& a, const fl_workload& b) {
  return a.workload_id == b.workload_id && a.identity == b.identity && a.policy_set == b.policy_set &&
         a.flags == b.flags;
}

}  // namespace

Result<PolicyTables> PolicyTables::open(const std::function<Result<Fd>(const std::string& name)>& fd_of,
                                        const std::string& pin_dir) {
  PolicyTables tables;
  const auto one = [&]<class Table>(Table& table, const std::string& name) -> Result<> {
    FL_TRY(Fd inner, fd_of(name));
    FL_TRY(Fd outer, fd_of(name + "_of"));
    FL_TRY(table, Table::open(std::move(inner), std::move(outer), pin_dir.empty() ? "" : pin_dir + "/" + name));
    return {};
  };
  FL_CHECK(one(tables.workloads, "fl_workloads"));
  FL_CHECK(one(tables.rules, "fl_rules"));
  FL_CHECK(one(tables.cidrs, "fl_cidrs"));
  FL_CHECK(one(tables.ports, "fl_rule_ports"));
  return tables;
}

Result<> Policies::adopt() {
  FL_TRY(const auto workloads, tables_.workloads.dump());
  for (const auto& [address, row] : workloads) kernel_workloads_[Address(address)] = row;
  FL_TRY(const auto cidrs, tables_.cidrs.dump());
  for (const auto& [key, identity] : cidrs) kernel_cidrs_[Cidr{Address(key.addr), key.prefix_length}] = identity;
  FL_TRY(const auto rules, tables_.rules.dump());
  std::vector<std::pair<std::uint32_t, std::uint32_t>> runs;
  for (const auto& [key, rule] : rules) {
    auto& row = kernel_rows_[key.policy_set][{key.identity, key.direction, key.proto}];
    row.verdict = {.otherwise = rule.otherwise, .otherwise_policy_id = rule.otherwise_policy_id, .ports = {}};
    row.first = rule.first;
    const bool far = rule.count > FL_RULE_INLINE;
    if (far && rule.first + rule.count > tables_.ports.size())
      continue;  // torn: differs from what is wanted, and is written anew
    if (far) runs.emplace_back(rule.first, rule.count);
    for (std::uint32_t i = 0; i < rule.count; ++i)
      row.verdict.ports.push_back(far ? tables_.ports[rule.first + i] : rule.ports[i]);
  }
  std::ranges::sort(runs);
  for (const auto& [first, count] : runs) port_rows_.adopt(first, count);
  return {};
}

Policies::Policies(PolicyTables tables, PoliciesOptions options)
    : tables_(std::move(tables)),
      options_(std::move(options)),
      compiler_(std::make_unique<Compiler>(options_.compiler)),
      port_rows_(options_.rest) {}

std::uint32_t Policies::workload_id(const Address& address) const {
  const auto* row = compiler_->row(address);
  return row == nullptr ? 0 : row->workload_id;
}

Result<Applied> Policies::apply(const model::ChangeSet& changes) {
  compiler_->change(changes);
  loaded_ = true;
  return finish();
}

Result<Applied> Policies::set_host_addresses(std::set<Address> addresses) {
  compiler_->set_host_addresses(std::move(addresses));
  return loaded_ ? finish() : Result<Applied>{};
}

Result<Applied> Policies::set_guarded(std::set<Address> addresses) {
  compiler_->set_guarded(std::move(addresses));
  return loaded_ ? finish() : Result<Applied>{};
}

Result<Applied> Policies::finish() {
  if (std::exchange(distrusted_, false)) FL_CHECK(adopt());
  delta_ = &compiler_->compile();
  Batch batch;
  if (const auto published = publish(batch); !published) {
    distrust();
    return fail(published.error());
  }
  compiler_->done();
  first_apply_ = false;
  return std::move(batch.applied);
}

/// The row as it stands in fl_rules; more ranges than it holds go to rows of fl_rule_ports that nobody reads yet.
Result<fl_rule> Policies::place(KernelRow& row) {
  const auto& ports = row.verdict.ports;
  fl_rule rule{};
  rule.count = static_cast<std::uint16_t>(ports.size());
  rule.otherwise = row.verdict.otherwise;
  rule.otherwise_policy_id = row.verdict.otherwise_policy_id;
  if (ports.size() <= FL_RULE_INLINE) {
    std::ranges::copy(ports, rule.ports);
    return rule;
  }
  rule.first = row.first = port_rows_.allocate(rule.count);
  FL_CHECK(tables_.ports.reserve(rule.first + rule.count));
  for (std::uint32_t i = 0; i < rule.count; ++i) tables_.ports[rule.first + i] = ports[i];
  return rule;
}

Result<> Policies::diff_set(std::uint32_t id, const Rows& wanted, Batch& batch) {
  auto& held = kernel_rows_[id];
  const auto release = [&](const KernelRow& row) {
    if (row.verdict.ports.size() > FL_RULE_INLINE)
      batch.free_ports.emplace_back(row.first, static_cast<std::uint32_t>(row.verdict.ports.size()));
  };
  for (const auto& [key, verdict] : wanted) {
    const auto old = held.find(key);
    if (old != held.end() && old->second.verdict == verdict) continue;
    const bool late = key.identity == FL_IDENTITY_ANY && old != held.end();
    if (old != held.end()) release(old->second);
    KernelRow row{.verdict = verdict, .first = 0};
    FL_TRY(const fl_rule rule, place(row));
    (late ? batch.late_keys : batch.early_keys).push_back(key_of(id, key));
    (late ? batch.late : batch.early).push_back(rule);
    if (late) batch.wanted[id] = &wanted;
    held[key] = std::move(row);
  }
  std::erase_if(held, [&](const auto& entry) {
    if (wanted.contains(entry.first)) return false;
    batch.removed_keys.push_back(key_of(id, entry.first));
    release(entry.second);
    return true;
  });
  if (held.empty()) kernel_rows_.erase(id);
  return {};
}

Result<> Policies::diff_sets(Batch& batch) {
  static const Rows kNone;
  const auto wanted = compiler_->sets();
  Result<> result;
  std::set<std::uint32_t> changed = delta_->sets;
  if (first_apply_) {
    for (const auto& [id, unused] : wanted) changed.insert(id);
    for (const auto& [id, unused] : kernel_rows_) changed.insert(id);
  }
  for (const auto id : changed) {
    const auto rows = wanted.find(id);
    if (auto done = diff_set(id, rows == wanted.end() ? kNone : *rows->second, batch); !done) {
      batch.failed_sets.insert(id);
      result = std::move(done);
    }
  }
  return result;
}

/// Between steps 2 and 3 a peer whose number is new must not meet the old row for strangers.
void Policies::bridge_fresh(Batch& batch) {
  const std::size_t changed = batch.late.size();
  for (std::size_t i = 0; i < changed; ++i) {
    const auto& any = batch.late_keys[i];
    const auto& rows = *batch.wanted.at(any.policy_set);
    for (const auto identity : delta_->fresh) {
      if (rows.contains({identity, any.direction, any.proto})) continue;
      fl_rule_key key = any;
      key.identity = identity;
      batch.early_keys.push_back(key);
      batch.early.push_back(batch.late[i]);
      batch.removed_keys.push_back(key);
    }
  }
}

void Policies::diff_workload(const Address& address, Batch& batch) {
  const auto* wanted = compiler_->row(address);
  const auto held = kernel_workloads_.find(address);
  if (wanted == nullptr) {
    if (held == kernel_workloads_.end()) return;
    batch.removed_workloads.push_back(address.raw());
    batch.addresses_changed = batch.applied.workloads_changed = true;
    batch.applied.redirect_changed |= (held->second.flags & FL_WORKLOAD_REDIRECT) != 0;
    kernel_workloads_.erase(held);
    return;
  }
  const bool fresh = held == kernel_workloads_.end();
  const auto before = fresh ? fl_workload{} : held->second;
  if (!fresh && same(before, *wanted)) return;
  batch.addresses_changed |= fresh || ((before.flags ^ wanted->flags) & FL_WORKLOAD_HOST) != 0;
  batch.applied.redirect_changed |= ((before.flags ^ wanted->flags) & FL_WORKLOAD_REDIRECT) != 0;
  batch.applied.workloads_changed |= before.workload_id != wanted->workload_id;
  batch.applied.verdicts_changed |= before.identity != wanted->identity || before.policy_set != wanted->policy_set ||
                                    ((before.flags ^ wanted->flags) & ~kNoVerdict) != 0;
  batch.workload_keys.push_back(address.raw());
  batch.workloads.push_back(*wanted);
  kernel_workloads_[address] = *wanted;
}

void Policies::diff_workloads(Batch& batch) {
  std::set<Address> addresses = delta_->addresses;
  if (first_apply_)
    for (const auto& [address, unused] : kernel_workloads_) addresses.insert(address);
  for (const auto& address : addresses) diff_workload(address, batch);
}

Result<> Policies::write_cidrs(Batch& batch) {
  for (const auto& [block, identity] : compiler_->blocks()) {
    const auto held = kernel_cidrs_.find(block);
    if (held != kernel_cidrs_.end() && held->second == identity) continue;
    FL_CHECK(tables_.cidrs.update(key_of(block), identity));
    kernel_cidrs_[block] = identity;
    ++batch.applied.rows_written;
  }
  return {};
}

Result<> Policies::remove_cidrs(Batch& batch) {
  for (auto each = kernel_cidrs_.begin(); each != kernel_cidrs_.end();) {
    if (compiler_->blocks().contains(each->first)) {
      ++each;
      continue;
    }
    FL_CHECK(tables_.cidrs.remove(key_of(each->first)));
    ++batch.applied.rows_deleted;
    each = kernel_cidrs_.erase(each);
  }
  return {};
}

/// Something could not be written: workloads whose rules or whose rows are not what they have to be receive and call
/// nothing until they are. Whom no policy selects goes on.
Error Policies::close(const Batch& batch, Error error) {
  std::set<std::uint32_t> sets = batch.failed_sets;
  for (const auto* keys : {&batch.early_keys, &batch.late_keys, &batch.removed_keys})
    for (const auto& key : *keys) sets.insert(key.policy_set);
  std::set<Address> changed;
  for (const auto& key : batch.workload_keys) changed.insert(Address(key));
  unwritten_ = Unwritten{.closed = 0, .open = 0, .reason = {}};
  for (const auto& [address, wanted] : kernel_workloads_) {
    if (wanted.policy_set == 0 || (!sets.contains(wanted.policy_set) && !changed.contains(address))) continue;
    fl_workload row = wanted;
    row.flags |= FL_WORKLOAD_CLOSED | FL_WORKLOAD_CLOSED_EGRESS;
    // One by one: each that can be closed has to be.
    if (tables_.workloads.update(address.raw(), row)) ++unwritten_->closed;
    else ++unwritten_->open;
  }
  raise_generations(true, true);
  auto told = std::move(error).in("policies that could not be written: " + std::to_string(unwritten_->closed) +
                                  " workloads are closed until they are, " + std::to_string(unwritten_->open) +
                                  " could not be closed");
  unwritten_->reason = told.message;
  ++failures_;
  return told;
}

void Policies::raise_generations(bool addresses, bool verdicts) const {
  if (options_.settings == nullptr) return;
  if (addresses) __atomic_fetch_add(&options_.settings->workload_generation, 1U, __ATOMIC_RELEASE);
  if (verdicts) __atomic_fetch_add(&options_.settings->policy_generation, 1U, __ATOMIC_RELEASE);
}

void Policies::distrust() {
  kernel_workloads_.clear();
  kernel_cidrs_.clear();
  kernel_rows_.clear();
  port_rows_ = kernel::RunAllocator(options_.rest);
  distrusted_ = first_apply_ = true;
  compiler_->touch_everything();
}

Result<> Policies::publish(Batch& batch) {
  const auto now = kernel::Clock::now();
  port_rows_.wake(now);
  const auto diffed = diff_sets(batch);
  bridge_fresh(batch);
  diff_workloads(batch);
  auto written = diffed ? write(batch) : fail(diffed.error());
  if (!written) return fail(close(batch, std::move(written.error())));
  for (const auto& [first, count] : batch.free_ports) port_rows_.release(first, count, now);
  auto& applied = batch.applied;
  applied.rows_written += batch.early.size() + batch.late.size() + batch.workloads.size();
  applied.rows_deleted += batch.removed_keys.size() + batch.removed_workloads.size();
  applied.verdicts_changed |=
      batch.early.size() + batch.late.size() + batch.removed_keys.size() + batch.removed_workloads.size() != 0;
  raise_generations(batch.addresses_changed, applied.verdicts_changed);
  unwritten_.reset();
  return {};
}

Result<> Policies::write(Batch& batch) {
  FL_CHECK(tables_.rules.update(batch.early_keys, batch.early));
  FL_CHECK(tables_.workloads.update(batch.workload_keys, batch.workloads));
  if (delta_->blocks || first_apply_) FL_CHECK(write_cidrs(batch));
  FL_CHECK(tables_.rules.update(batch.late_keys, batch.late));
  if (delta_->blocks || first_apply_) FL_CHECK(remove_cidrs(batch));
  FL_CHECK(tables_.workloads.remove(batch.removed_workloads));
  return tables_.rules.remove(batch.removed_keys);
}

}  // namespace fairlead::policy
