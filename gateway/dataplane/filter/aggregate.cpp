// SPDX-License-Identifier: Apache-2.0
// Section aggregate: one answer from several backends.
#include "gateway/dataplane/filter/aggregate.hpp"

#include <algorithm>
#include <set>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"

namespace fairlead::filter {
namespace {

using change::Place;

constexpr std::string_view kResults[] = {"complete", "partial", "failed"};
constexpr telemetry::CounterFamily kAggregatesFamily{"fairlead_gateway_aggregates",
                                                     "answers that were put together of several", "result", kResults};
constexpr std::string_view kCallResults[] = {"good", "failed", "timeout"};
constexpr telemetry::CounterFamily kCallFamily{"fairlead_gateway_aggregate_calls",
                                               "calls that answers are put together of", "result", kCallResults};

change::JsonPath path_of(const std::string& text) { return change::parse_json_path(text).value_or(change::JsonPath{}); }

CallPlan::Pairs pairs_of(const std::vector<std::pair<std::string, std::string>>& all, Place place) {
  CallPlan::Pairs out;
  for (const auto& [name, value] : all) out.emplace_back(name, compiled(value, place));
  return out;
}

bool reads_body(const CallPlan& plan) {
  const auto uses = [](const auto& pair) { return pair.second.uses(change::Source::kBody); };
  return plan.path.uses(change::Source::kBody) || plan.body.uses(change::Source::kBody) ||
         std::ranges::any_of(plan.query, uses) || std::ranges::any_of(plan.headers, uses);
}

CallPlan plan_of(const model::AggregateCall& call, const std::vector<model::AggregateCall>& all) {
  CallPlan out;
  out.name = call.name;
  out.method = call.method;
  out.host = call.host;
  out.group = call.group;
  out.path = compiled(call.path, Place::kPath);
  out.has_body = !call.body.empty();
  if (out.has_body) out.body = compiled(call.body, Place::kJson);
  out.query = pairs_of(call.query, Place::kQuery);
  out.headers = pairs_of(call.headers, Place::kHeader);
  out.forward = call.forward_headers;
  out.timeout = call.timeout;
  out.required = call.required;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (std::ranges::find(call.depends_on, all[i].name) != call.depends_on.end()) out.after.push_back(i);
  out.select = path_of(call.select);
  for (const auto& path : call.fields) out.fields.push_back(path_of(path));
  for (const auto& path : call.remove) out.remove.push_back(path_of(path));
  for (const auto& [from, to] : call.rename) out.rename.emplace_back(path_of(from), path_of(to));
  return out;
}

/// What templates ask for.
class Recorder final : public change::Scope {
 public:
  change::Value value(const change::Reference& reference, std::string&) override {
    using enum change::Source;
    if (reference.source == kHeader) headers.insert(reference.name);
    one_client = one_client || reference.source == kClientIp || reference.source == kClaims;
    return {.found = true, .text = "1"};  // a number, a segment of a path: all of the template is seen
  }
  void see(const change::Template& value) {
    std::string out;
    static_cast<void>(value.render(*this, change::Template::kMostText * 2, out));
  }
  void see(const CallPlan& plan) {
    see(plan.path);
    if (plan.has_body) see(plan.body);
    for (const auto* pairs : {&plan.query, &plan.headers})
      for (const auto& [name, value] : *pairs) see(value);
    headers.insert(plan.forward.begin(), plan.forward.end());
  }

  std::set<std::string> headers;
  bool one_client = false;
};

class AggregateFilter final : public Filter {
 public:
  explicit AggregateFilter(AggregatePlan plan) : plan_(std::move(plan)) {}

  Verdict on_request(Request& request) const override {
    const auto& head = request.head();
    const bool body = head.body == http::Body::kStream || (head.body == http::Body::kLength && head.content_length > 0);
    if (plan_.reads_body && body && is_json_type(head.fields)) return Verdict::kNeedBody;
    return begin(request, {});
  }

  [[nodiscard]] std::size_t most_body() const override { return plan_.most_answer; }

  Preview preview(Probe&) const override {
    Preview out{.kind = Preview::Kind::kAnswers, .status = 200, .why = "by the answers to"};
    for (const auto& call : plan_.calls) out.why += (&call == plan_.calls.data() ? " " : ", ") + call.name;
    return out;
  }

  Verdict on_request_body(Request& request, std::string& body) const override {
    return begin(request, std::move(body));
  }

 private:
  Verdict begin(Request& request, std::string body) const {
    auto made = std::make_unique<AggregateRun>(request, plan_, std::move(body));
    auto& run = *made;
    request.set_state(std::move(made));
    return run.start() ? Verdict::kWait : Verdict::kAnswered;
  }

  AggregatePlan plan_;
};

}  // namespace

FilterPtr make_aggregate(const model::Aggregate& settings, Context& context) {
  AggregatePlan plan;
  plan.counters = context.counters(kAggregatesFamily);
  plan.first_of = settings.mode == model::Aggregate::Mode::kFirstOf;
  plan.flat = settings.merge == model::Aggregate::Merge::kFlat;
  plan.partial = settings.partial;
  plan.stream = settings.stream;
  plan.complete_header = settings.complete_header;
  plan.most_answer = settings.max_answer_bytes;
  Recorder seen;
  for (const auto& call : settings.calls) {
    auto made = plan_of(call, settings.calls);
    const auto cluster = context.cluster(call.backend);
    if (!cluster) {
      context.faults.push_back("call " + call.name + ": there is no Service " + call.backend.ref.name +
                               " that may be named from here");
      return nullptr;
    }
    made.cluster = *cluster;
    made.counters = context.counters(kCallFamily, {"call", call.name});
    plan.reads_body = plan.reads_body || reads_body(made);
    seen.see(made);
    plan.calls.push_back(std::move(made));
  }
  for (const auto* kept : {"authorization", "cookie"}) seen.headers.erase(kept);  // caches go by these in any case
  for (const auto& name : seen.headers) plan.varies.append(plan.varies.empty() ? "" : ", ").append(name);
  plan.one_client = seen.one_client;
  return std::make_shared<const AggregateFilter>(std::move(plan));
}

}  // namespace fairlead::filter
