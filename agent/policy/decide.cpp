// SPDX-License-Identifier: Apache-2.0
#include "agent/policy/decide.hpp"

#include <array>

#include "fairlead/abi/metric.h"
#include "fairlead/abi/policy.h"

namespace fairlead::policy {
namespace {

/// The tables as the decision finds them. A row found lives until the next look, as one decision needs no longer.
class Tables {
 public:
  explicit Tables(const Compiler& compiler) : compiler_(compiler), sets_(compiler.sets()) {}

  const fl_rule* rule(const fl_rule_key& key) {
    const auto set = sets_.find(key.policy_set);
    if (set == sets_.end()) return nullptr;
    const auto row = set->second->find({key.identity, key.direction, key.proto});
    if (row == set->second->end()) return nullptr;
    const auto& verdict = row->second;
    rule_ = {};
    rule_.count = static_cast<std::uint16_t>(verdict.ports.size());
    rule_.otherwise = verdict.otherwise;
    rule_.otherwise_policy_id = verdict.otherwise_policy_id;
    ports_ = &verdict.ports;
    for (std::size_t i = 0; i < verdict.ports.size() && i < FL_RULE_INLINE; ++i) rule_.ports[i] = verdict.ports[i];
    return &rule_;
  }
  [[nodiscard]] const fl_port_verdict* port(std::uint32_t index) const {
    return index < ports_->size() ? &(*ports_)[index] : nullptr;
  }
  [[nodiscard]] const std::uint32_t* identity(const Address& address) const {
    const std::pair<const Cidr, std::uint32_t>* narrowest = nullptr;
    for (const auto& each : compiler_.blocks())
      if (each.first.contains(address) && (narrowest == nullptr || each.first.prefix > narrowest->first.prefix))
        narrowest = &each;
    return narrowest == nullptr ? nullptr : &narrowest->second;
  }

 private:
  const Compiler& compiler_;
  std::map<std::uint32_t, const Rows*> sets_;
  fl_rule rule_{};
  const std::vector<fl_port_verdict>* ports_ = nullptr;
};

thread_local Tables* judged_tables = nullptr;

#define FL_INLINE inline
FL_INLINE const fl_rule* rule_find(const fl_rule_key* key) { return judged_tables->rule(*key); }
FL_INLINE const void* rule_ports() { return judged_tables; }
FL_INLINE const fl_port_verdict* rule_port(const void* table, std::uint32_t index) {
  return static_cast<const Tables*>(table)->port(index);
}
FL_INLINE int cidr_find(const fl_addr* addr, std::uint32_t* identity) {
  const auto* found = judged_tables->identity(Address(*addr));
  if (found != nullptr) *identity = *found;
  return found != nullptr ? 1 : 0;
}

// C's ways: fields left out of initializers, conversions that the kernel's compilers take as meant.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#include "bpf/lib/verdict.h"
#pragma GCC diagnostic pop

}  // namespace

Decision decide(const Compiler& compiler, const Question& question) {
  Tables of_compiler(compiler);
  judged_tables = &of_compiler;
  fl_policy_query query{};
  query.source_addr = question.source.raw();
  query.destination_addr = question.destination.raw();
  if (const auto* row = compiler.row(question.source)) query.source = *row;
  if (const auto* row = compiler.row(question.destination)) query.destination = *row;
  query.default_deny = compiler.default_closed() ? 1 : 0;
  query.port = question.port;
  query.proto = question.proto;
  query.server = question.server ? 1 : 0;
  Decision result;
  result.allowed = policy_decide(&query) != 0;
  judged_tables = nullptr;
  result.audit = (query.decision.flags & FL_DECISION_AUDIT) != 0;
  result.by_egress = (query.decision.flags & FL_DECISION_BY_EGRESS) != 0;
  result.reason = static_cast<fl_reason>(query.decision.reason);
  result.policy_id = query.decision.policy_id;
  return result;
}

}  // namespace fairlead::policy
