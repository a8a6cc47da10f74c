// SPDX-License-Identifier: Apache-2.0
// The kernel's verdict, by the tables that policies are written to, against the native one, by what they were compiled
// to: over random policies, which change under them.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <set>

#include "agent/kernel/map.hpp"
#include "agent/policy/policies.hpp"
#include "bpf/policy_world.hpp"
#include "judge.skel.h"

namespace fairlead::test {
namespace {

class Judge {
 public:
  Judge() : skeleton_(::judge::open_and_load()) {}
  ~Judge() { ::judge::destroy(skeleton_); }
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  [[nodiscard]] bool loaded() const { return skeleton_ != nullptr; }
  [[nodiscard]] Result<policy::PolicyTables> tables() const {
    return policy::PolicyTables::open(
        [this](const std::string& name) {
          return kernel::duplicate(bpf_object__find_map_fd_by_name(skeleton_->obj, name.c_str()));
        },
        {});
  }
  policy::Decision ask(const policy::Question& question, bool closed) const {
    fl_policy_query query{};
    query.source_addr = question.source.raw();
    query.destination_addr = question.destination.raw();
    query.default_deny = closed ? 1 : 0;
    query.port = question.port;
    query.proto = question.proto;
    query.server = question.server ? 1 : 0;
    LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &query, .ctx_size_in = sizeof query);
    EXPECT_EQ(bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.fl_judge), &options), 0);
    return {.allowed = options.retval != 0,
            .audit = (query.decision.flags & FL_DECISION_AUDIT) != 0,
            .by_egress = (query.decision.flags & FL_DECISION_BY_EGRESS) != 0,
            .reason = static_cast<fl_reason>(query.decision.reason),
            .policy_id = query.decision.policy_id};
  }

 private:
  ::judge* skeleton_;
};

std::string text_of(const policy::Decision& decision) {
  return std::string(decision.allowed ? "allow" : "deny") + (decision.audit ? " audited" : "") +
         (decision.by_egress ? " by egress" : "") + " reason " + std::to_string(decision.reason) + " policy " +
         std::to_string(decision.policy_id);
}

struct Outcomes {
  std::uint32_t allowed = 0, denied = 0, audited = 0, by_egress = 0;
  std::set<fl_reason> reasons;

  void note(const policy::Decision& decision) {
    ++(decision.allowed ? allowed : denied);
    audited += decision.audit ? 1 : 0;
    by_egress += decision.by_egress ? 1 : 0;
    reasons.insert(decision.reason);
  }
};

void compare(bool closed, Outcomes& outcomes) {
  constexpr std::uint32_t kPerChange = 1000;
  const Judge judge;
  ASSERT_TRUE(judge.loaded());
  auto tables = judge.tables();
  ASSERT_TRUE(tables) << tables.error().message;
  policy::PoliciesOptions options;
  options.compiler.node_name = "n1";
  options.compiler.default_closed = closed;
  options.rest = std::chrono::milliseconds(0);
  policy::Policies policies(std::move(*tables), std::move(options));
  PolicyWorld cluster(closed ? 2 : 1);
  ASSERT_TRUE(policies.set_host_addresses(PolicyWorld::host_addresses()));
  for (std::uint32_t asked = 0; asked < questions() / 2; asked += kPerChange) {
    const auto applied = policies.apply(cluster.change());
    ASSERT_TRUE(applied) << applied.error().message;
    for (std::uint32_t i = 0; i < kPerChange; ++i) {
      const auto question = cluster.question();
      const auto native = policy::decide(policies.compiler(), question);
      const auto kernel = text_of(judge.ask(question, closed));
      ASSERT_EQ(kernel, text_of(native)) << question.source.text() << " > " << question.destination.text() << ":"
                                         << question.port << "/" << int{question.proto}
                                         << (question.server ? " of the server" : "") << ", after " << asked
                                         << " questions";
      outcomes.note(native);
    }
  }
}

TEST(JudgeTest, KernelAndNativeAgree) {
  Outcomes outcomes;
  for (const bool closed : {false, true}) ASSERT_NO_FATAL_FAILURE(compare(closed, outcomes));
  // The worlds are worth their name: every outcome occurred, and often.
  EXPECT_GT(outcomes.allowed, questions() / 5);
  EXPECT_GT(outcomes.denied, questions() / 5);
  EXPECT_GT(outcomes.audited, questions() / 200);
  EXPECT_GT(outcomes.by_egress, questions() / 50);
  EXPECT_EQ(outcomes.reasons, (std::set{FL_R_NONE, FL_R_POLICY, FL_R_POLICY_MISSING}));
}

}  // namespace
}  // namespace fairlead::test
