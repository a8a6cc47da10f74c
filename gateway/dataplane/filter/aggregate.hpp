// SPDX-License-Identifier: Apache-2.0
#pragma once

// Section aggregate, compiled, and one run of it.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fairlead/change/template.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_aggregate.hpp"
#include "gateway/dataplane/filter/request_scope.hpp"

namespace fairlead::filter {

/// One call, ready to be made. Immutable.
struct CallPlan {
  using Pairs = std::vector<std::pair<std::string, change::Template>>;
  using Renames = std::vector<std::pair<change::JsonPath, change::JsonPath>>;
  std::uint32_t cluster = 0;
  telemetry::CounterId counters = 0;  // by CallResult
  std::string name, method, host, group;
  change::Template path, body;
  bool has_body = false;
  Pairs query, headers;
  std::vector<std::string> forward;
  std::chrono::milliseconds timeout{0};
  bool required = true;
  std::vector<std::size_t> after;  // the positions of calls that it waits for
  change::JsonPath select;
  std::vector<change::JsonPath> fields, remove;
  Renames rename;
};

/// What has become of a call, and of all of them; each is a counter.
enum class CallResult : std::uint8_t { kGood, kFailed, kTimedOut };
enum class AggregateResult : std::uint8_t { kComplete, kPartial, kFailed };

struct AggregatePlan {
  telemetry::CounterId counters = 0;  // by AggregateResult
  std::vector<CallPlan> calls;
  bool first_of = false;
  bool flat = false;
  bool partial = false;
  bool stream = false;
  std::string complete_header;
  std::size_t most_answer = 0;
  bool reads_body = false;  // of the request
  std::string varies;       // names of the request's headers that calls are made of, as Vary has them
  bool one_client = false;  // calls are made of what no header says of the client: its address, a token
};

/// What is taken of an answer, by `plan`. kNone: what it selects is not there. Thread: any.
[[nodiscard]] change::Json::Id shape(const CallPlan& plan, change::Json& document);

/// The calls of one request. Gives up what is under way where it is destroyed.
/// Owner: the request. Thread: the worker's.
class AggregateRun final : public State {
 public:
  /// The plan must outlive it, as the request's chain sees to. `body`: of the request, or empty.
  AggregateRun(Request& request, const AggregatePlan& plan, std::string body);
  ~AggregateRun() override;
  AggregateRun(const AggregateRun&) = delete;
  AggregateRun& operator=(const AggregateRun&) = delete;

  /// Begins all calls that wait for none. True: calls are under way; false: it has answered.
  [[nodiscard]] bool start();

 private:
  class Scope;
  enum class Stage : std::uint8_t { kWaiting, kRunning, kGood, kFailed };
  struct Part final : CallHandler {
    Part(AggregateRun& owner, const CallPlan& of) : run(owner), plan(of) {}
    void on_call_answer(CallAnswer& answer) override { run.on_answer(*this, answer); }
    void on_call_failure(std::string_view why) override { run.on_failure(*this, why); }

    AggregateRun& run;
    const CallPlan& plan;
    Stage stage = Stage::kWaiting;
    bool timed_out = false;
    bool no_path = false;     // what the request says cannot be part of it
    bool not_stored = false;  // its answer says that no cache may keep it
    bool for_one = false;     // or none that is shared
    std::unique_ptr<Call> call;
    std::uint16_t status = 0;
    std::string body;  // what the document is a view of
    change::Json document;
    change::Json::Id value = change::Json::kNone;
  };

  void on_answer(Part& part, CallAnswer& answer);
  void on_failure(Part& part, std::string_view why);
  void note(const Part& part, CallResult result) {
    request_.count(part.plan.counters + static_cast<telemetry::CounterId>(result));
  }
  void note(AggregateResult result) { request_.count(plan_.counters + static_cast<telemetry::CounterId>(result)); }
  void begin_ready();
  [[nodiscard]] bool begin(Part& part);
  [[nodiscard]] bool take(Part& part, CallAnswer& answer);
  /// True: it has answered, and may be gone.
  bool finish_if_done();
  void answer_good();
  /// Of an answer that is in already.
  [[nodiscard]] bool says(bool Part::* what) const;
  /// Content-Type, and how far caches may go.
  [[nodiscard]] http::Fields answer_fields(bool complete) const;
  [[nodiscard]] bool may_begin() const;
  void send_in_order(bool end);
  void answer_failure(const Part* part);

  Request& request_;
  const AggregatePlan& plan_;
  std::string request_body_;
  change::Json request_document_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::size_t passed_ = 0;  // parts that are sent, or left out
  bool begun_ = false;      // the first part was sent
  bool answered_ = false;
};

}  // namespace fairlead::filter
