// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the files of FilterPlan share.

#include <string>
#include <vector>

#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/cluster.hpp"
#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::gateway {

/// In place of a section that cannot serve as it is written: nobody passes.
class Broken final : public filter::Filter {
 public:
  filter::Verdict on_request(filter::Request& request) const override {
    filter::answer_problem(request, 500, "Internal Server Error", "a policy of this route cannot be served",
                           telemetry::ResponseFlag::kPolicyDenied, {}, "broken_policy");
    return filter::Verdict::kAnswered;
  }
  filter::Preview preview(filter::Probe& probe) const override { return probe.ask(*this); }
};

/// Of a RequestPolicy, or one of Istio's policies.
[[nodiscard]] model::ObjectKey key_of(const model::Object& object);
/// "RequestAuthentication default/a, AuthorizationPolicy default/b": for people.
[[nodiscard]] std::string text_of(const std::vector<model::ObjectPtr>& set);

}  // namespace fairlead::gateway
