// SPDX-License-Identifier: Apache-2.0
// Section fault: delays and errors on purpose.
#include <algorithm>
#include <string>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_change.hpp"
#include "gateway/dataplane/filter/pause.hpp"
#include "gateway/dataplane/filter/problem.hpp"
#include "gateway/dataplane/filter/share.hpp"

namespace fairlead::filter {
namespace {

constexpr std::string_view kKinds[] = {"delay", "abort"};
constexpr telemetry::CounterFamily kFaultsFamily{"fairlead_gateway_faults", "faults on purpose", "kind", kKinds};

class FaultFilter final : public Filter {
 public:
  FaultFilter(const model::Fault& settings, const Context& context)
      : settings_(settings), counters_(context.counters(kFaultsFamily)) {}

  Verdict on_request(Request& request) const override {
    if (!concerns(request.head().fields)) return Verdict::kContinue;
    auto& random = request.random();
    const bool delays = settings_.delay.count() > 0 && random.below(kWholeShare) < settings_.delay_share;
    const bool aborts = random.below(kWholeShare) < settings_.abort_share;
    if (delays) {
      request.count(counters_);
      request.set_state(std::make_unique<Pause>(request, settings_.delay, [this, &request, aborts] {
        if (aborts) abort(request);
        else request.resume();
      }));
      return Verdict::kWait;
    }
    if (!aborts) return Verdict::kContinue;
    abort(request);
    return Verdict::kAnswered;
  }

  Preview preview(Probe& probe) const override {
    if (!concerns(probe.head().fields))
      return {.kind = Preview::Kind::kPasses, .why = "it does not concern this request"};
    Preview out;
    if (settings_.delay.count() > 0 && settings_.delay_share > 0)
      out.why = share_text(settings_.delay_share) + " wait " + std::to_string(settings_.delay.count()) + " ms";
    if (settings_.abort_share > 0)
      out.why += (out.why.empty() ? "" : ", ") + share_text(settings_.abort_share) + " get " +
                 (settings_.abort_status != 0 ? std::to_string(settings_.abort_status)
                                              : "gRPC status " + std::to_string(settings_.grpc_status));
    return out;
  }

 private:
  [[nodiscard]] bool concerns(const http::Fields& fields) const {
    return std::ranges::all_of(settings_.when, [&](const auto& wanted) {
      return std::ranges::any_of(fields, [&](const http::Field& field) {
        return field.name == wanted.first && (wanted.second.empty() || field.value == wanted.second);
      });
    });
  }

  void abort(Request& request) const {
    request.count(counters_ + 1);
    if (settings_.abort_status != 0) {
      auto title = http::reason_of(settings_.abort_status);
      if (title.empty()) title = "Fault";
      answer_problem(request, settings_.abort_status, title, "a fault on purpose",
                     telemetry::ResponseFlag::kFaultInjected);
      return;
    }
    const auto status = std::to_string(settings_.grpc_status);
    request.answer({.status = 200,
                    .fields = {{"content-type", "application/grpc"},
                               {"grpc-status", status},
                               {"grpc-message", "fault on purpose"}},
                    .body = {},
                    .flag = telemetry::ResponseFlag::kFaultInjected,
                    .flagged = true,
                    .details = "fault_injected"});
  }

  model::Fault settings_;
  telemetry::CounterId counters_;
};

}  // namespace

FilterPtr make_fault(const model::Fault& settings, Context& context) {
  return std::make_shared<const FaultFilter>(settings, context);
}

}  // namespace fairlead::filter
