// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/cache/control.hpp"
#include "fairlead/change/gzip.hpp"
#include "gateway/dataplane/filter/aggregate.hpp"
#include "gateway/dataplane/filter/coding.hpp"
#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::filter {
namespace {

using change::Json;
using change::JsonKind;
using change::RenderError;
using telemetry::ResponseFlag;

constexpr std::size_t kMostPath = 8192, kMostField = 8192;

/// One value, or one item of a list: which members it keeps, and how they are called.
Json::Id shape_one(const CallPlan& plan, Json& document, Json::Id value) {
  if (document.kind(value) != JsonKind::kObject) return value;
  auto out = value;
  if (!plan.fields.empty()) {
    out = document.make(JsonKind::kObject);
    for (const auto& path : plan.fields) {
      const auto found = change::find(document, value, path);
      if (found == Json::kNone) continue;
      document.set_root(out);
      static_cast<void>(change::edit(document, path, change::JsonEdit::kSet, document.copy(document, found)));
    }
  }
  document.set_root(out);
  for (const auto& path : plan.remove) static_cast<void>(change::remove(document, path));
  for (const auto& [from, to] : plan.rename) static_cast<void>(change::rename(document, from, to));
  return document.root();
}

}  // namespace

Json::Id shape(const CallPlan& plan, Json& document) {
  const auto value = change::find(document, document.root(), plan.select);
  if (value == Json::kNone) return value;
  if (plan.fields.empty() && plan.remove.empty() && plan.rename.empty()) return value;
  if (document.kind(value) != JsonKind::kArray) return shape_one(plan, document, value);
  const auto out = document.make(JsonKind::kArray);
  for (auto id = document.node(value).first; id != Json::kNone;) {
    const auto next = document.node(id).next;
    document.push(out, shape_one(plan, document, id));
    id = next;
  }
  return out;
}

/// Values of the request, and of the calls that have answered.
class AggregateRun::Scope final : public RequestScope {
 public:
  Scope(Request& request, const AggregateRun& run) : RequestScope(request), run_(run) {
    set_body(run.request_document_.empty() ? nullptr : &run.request_document_);
  }

 protected:
  change::Value call_value(const change::Reference& reference, std::string& scratch) override {
    for (const auto& part : run_.parts_) {
      if (part->plan.name != reference.name || part->stage != Stage::kGood) continue;
      if (reference.source == change::Source::kCallStatus) {
        scratch = std::to_string(part->status);
        return {.found = true, .text = scratch};
      }
      const auto at = change::find(part->document, part->value, reference.path);
      if (at == Json::kNone) return {};
      return {.found = true, .text = {}, .document = &part->document, .node = at};
    }
    return {};
  }

 private:
  const AggregateRun& run_;
};

AggregateRun::AggregateRun(Request& request, const AggregatePlan& plan, std::string body)
    : request_(request), plan_(plan), request_body_(std::move(body)) {
  static_cast<void>(request_document_.parse(request_body_));  // what is no JSON has no values
  parts_.reserve(plan.calls.size());
  for (const auto& call : plan.calls) parts_.push_back(std::make_unique<Part>(*this, call));
}

AggregateRun::~AggregateRun() = default;

bool AggregateRun::start() {
  begin_ready();
  return !finish_if_done();
}

void AggregateRun::on_answer(Part& part, CallAnswer& answer) {
  part.stage = take(part, answer) ? Stage::kGood : Stage::kFailed;
  note(part, part.stage == Stage::kGood ? CallResult::kGood : CallResult::kFailed);
  begin_ready();
  finish_if_done();
}

void AggregateRun::on_failure(Part& part, std::string_view why) {
  part.stage = Stage::kFailed;
  part.timed_out = why.find("time") != std::string_view::npos;
  note(part, part.timed_out ? CallResult::kTimedOut : CallResult::kFailed);
  begin_ready();
  finish_if_done();
}

/// Those whose predecessors have answered; without one of them there is nothing to ask for.
void AggregateRun::begin_ready() {
  for (auto& part : parts_) {  // predecessors stand in front, so that one walk is enough
    if (part->stage != Stage::kWaiting) continue;
    const auto& after = part->plan.after;
    const auto any = [&](Stage stage) {
      return std::ranges::any_of(after, [&](std::size_t at) { return parts_[at]->stage == stage; });
    };
    if (any(Stage::kFailed)) part->stage = Stage::kFailed;
    else if (!any(Stage::kWaiting) && !any(Stage::kRunning)) {
      part->stage = begin(*part) ? Stage::kRunning : Stage::kFailed;
      if (part->stage == Stage::kFailed) note(*part, CallResult::kFailed);
    }
  }
}

bool AggregateRun::begin(Part& part) {
  const auto& plan = part.plan;
  Scope scope(request_, *this);
  std::string target, body;
  if (const auto error = plan.path.render(scope, kMostPath, target); error != RenderError::kNone) {
    part.no_path = error == RenderError::kUnsafe && !plan.path.uses(change::Source::kCallBody) &&
                   !plan.path.uses(change::Source::kCallStatus);
    return false;
  }
  char mark = '?';
  for (const auto& [name, value] : plan.query) {
    if (value.lacks_value(scope)) continue;
    target.push_back(std::exchange(mark, '&'));
    change::append_percent_encoded(name, target);
    target.push_back('=');
    if (value.render(scope, kMostPath, target) != RenderError::kNone) return false;
  }
  if (plan.has_body && plan.body.render(scope, plan_.most_answer, body) != RenderError::kNone) return false;
  const auto& seen = request_.head();
  http::RequestHead head;
  head.method_text = plan.method;
  head.method = http::method_of(plan.method);
  head.scheme = seen.scheme;
  head.authority = plan.host.empty() ? seen.authority : std::string_view(plan.host);
  head.target = target;
  head.fields.push_back({"accept", "application/json"});
  if (plan.has_body) head.fields.push_back({"content-type", "application/json"});
  if (!request_.record().request_id.empty()) head.fields.push_back({"x-request-id", request_.record().request_id});
  for (const auto& name : plan.forward)
    for (const auto& field : seen.fields)
      if (field.name == name) head.fields.push_back(field);
  std::vector<std::string> texts;
  texts.reserve(plan.headers.size());  // fields are views of them
  for (const auto& [name, value] : plan.headers) {
    auto& text = texts.emplace_back();
    if (value.lacks_value(scope) || value.render(scope, kMostField, text) != RenderError::kNone || text.empty())
      continue;
    std::erase_if(head.fields, [&](const http::Field& field) { return field.name == name; });
    head.fields.push_back({name, text});
  }
  part.call = request_.call(
      {.cluster = plan.cluster, .head = &head, .body = body, .timeout = plan.timeout, .most_answer = plan_.most_answer},
      part);
  return part.call != nullptr;
}

/// Whether an answer is a good one: its status, its JSON, and what is selected of it.
bool AggregateRun::take(Part& part, CallAnswer& answer) {
  part.status = answer.head.status;
  if (part.status < 200 || part.status > 299) return false;
  const auto control = cache::control_of(answer.head.fields, false);
  part.not_stored = control.no_store || control.no_cache;
  part.for_one = control.is_private;
  part.body = std::move(answer.body);
  if (const auto coding = coding_of(answer.head.fields); coding != Coding::kIdentity) {
    std::string plain;
    if (coding == Coding::kOther ||
        expand(coding, part.body, {.bytes = plan_.most_answer}, plain) != change::Expanded::kWhole)
      return false;
    part.body = std::move(plain);
  }
  if (part.body.empty()) part.body = "null";  // 204, and the like
  if (!part.document.parse(part.body)) return false;
  part.value = shape(part.plan, part.document);
  return part.value != Json::kNone;
}

bool AggregateRun::finish_if_done() {
  if (answered_) return true;
  const auto in = [this](Stage stage) {
    return std::ranges::any_of(parts_, [stage](const auto& part) { return part->stage == stage; });
  };
  const bool pending = in(Stage::kWaiting) || in(Stage::kRunning);
  const bool good = in(Stage::kGood);
  const auto needed = std::ranges::find_if(
      parts_, [](const auto& part) { return part->stage == Stage::kFailed && part->plan.required; });
  const bool lacks = needed != parts_.end() && !plan_.partial && !plan_.first_of;
  const bool streams = plan_.stream && good && !lacks && request_.head().method != http::Method::kHead;
  if (pending && streams) {
    if (may_begin()) send_in_order(false);
    return false;
  }
  if (pending && !lacks && !(plan_.first_of && good)) return false;
  answered_ = true;
  if (streams) send_in_order(true);
  else if (good && !lacks) answer_good();
  else answer_failure(needed != parts_.end() ? needed->get() : parts_.empty() ? nullptr : parts_.front().get());
  return true;
}

/// No call can make a failure of it any more.
bool AggregateRun::may_begin() const {
  return plan_.partial || std::ranges::all_of(parts_, [](const auto& part) {
           return part->stage == Stage::kGood || part->stage == Stage::kFailed || !part->plan.required;
         });
}

/// Streamed: what has come goes out, up to the first call that is under way. Nothing may be touched afterwards.
void AggregateRun::send_in_order(bool end) {
  std::string body;
  for (; passed_ < parts_.size(); ++passed_) {
    const auto& part = *parts_[passed_];
    if (part.stage == Stage::kWaiting || part.stage == Stage::kRunning) break;
    if (part.stage != Stage::kGood) continue;
    Json member;
    std::string text;
    const auto root = member.make(JsonKind::kObject);
    member.put(root, part.plan.group, member.copy(part.document, part.value));
    member.write(root, text);
    text.pop_back();  // "{...}" as the next of the members before it
    if (begun_ || !body.empty()) text.front() = ',';
    body += text;
  }
  if (body.empty() && !end) return;
  AnswerPart part{.head = nullptr, .body = {}, .end = end, .trailers = {}, .kept = true};
  if (end) {
    const bool complete = std::ranges::all_of(parts_, [](const auto& one) { return one->stage == Stage::kGood; });
    note(complete ? AggregateResult::kComplete : AggregateResult::kPartial);
    body += '}';
    // What the head could not know yet.
    part.kept = complete && !says(&Part::not_stored) && !says(&Part::for_one);
    if (!plan_.complete_header.empty()) part.trailers.push_back({plan_.complete_header, complete ? "true" : "false"});
  }
  part.body = body;
  Answer head{.status = 200, .fields = answer_fields(true), .flagged = false, .details = "aggregate"};
  if (!plan_.complete_header.empty()) head.fields.push_back({"trailer", plan_.complete_header});
  if (!std::exchange(begun_, true)) part.head = &head;
  request_.answer_part(part);
}

bool AggregateRun::says(bool Part::* what) const {
  return std::ranges::any_of(parts_, [&](const auto& part) { return part->stage == Stage::kGood && (*part).*what; });
}

/// Caches may go no further than the calls' own answers let them, and not serve those whose calls would be others. What
/// lacks a part is not stored, as the next may be whole.
http::Fields AggregateRun::answer_fields(bool complete) const {
  http::Fields out{{"content-type", "application/json"}};
  if (!complete || says(&Part::not_stored)) out.push_back({"cache-control", "no-store"});
  else if (plan_.one_client || says(&Part::for_one)) out.push_back({"cache-control", "private"});
  if (!plan_.varies.empty()) out.push_back({"vary", plan_.varies});
  return out;
}

void AggregateRun::answer_good() {
  for (auto& part : parts_)
    if (part->stage == Stage::kRunning) part->call.reset();
  std::string body;
  bool complete = true;
  if (plan_.first_of) {
    const auto first = std::ranges::find(parts_, Stage::kGood, &Part::stage);
    (*first)->document.write((*first)->value, body);
  } else {
    Json out;
    const auto root = out.make(JsonKind::kObject);
    for (const auto& part : parts_) {
      complete = complete && part->stage == Stage::kGood;
      if (part->stage != Stage::kGood) continue;
      const auto& from = part->document;
      const bool members = plan_.flat && from.kind(part->value) == JsonKind::kObject;
      if (!members) out.put(root, part->plan.group, out.copy(from, part->value));
      for (auto id = members ? from.node(part->value).first : Json::kNone; id != Json::kNone; id = from.node(id).next)
        out.put(root, from.node(id).key, out.copy(from, id));
    }
    out.write(root, body);
  }
  note(complete ? AggregateResult::kComplete : AggregateResult::kPartial);
  auto fields = answer_fields(complete);
  if (!plan_.complete_header.empty() && !plan_.first_of)
    fields.push_back({plan_.complete_header, complete ? "true" : "false"});
  request_.answer({.status = 200, .fields = std::move(fields), .body = body, .flagged = false, .details = "aggregate"});
}

void AggregateRun::answer_failure(const Part* part) {
  note(AggregateResult::kFailed);
  for (auto& one : parts_) one->call.reset();
  if (part != nullptr && part->no_path && !plan_.first_of)
    return answer_problem(
        request_, 400, "Bad Request",
        "call " + part->plan.name + ": a value that its path is made of is missing, or no part of one",
        ResponseFlag::kDownstreamProtocolError);
  const bool late = part != nullptr && part->timed_out;
  const std::string detail = plan_.first_of ? "no call has a good answer"
                                            : "call " + (part == nullptr ? std::string("?") : part->plan.name) +
                                                  (late ? " took too long" : " has no good answer");
  answer_problem(request_, late ? 504 : 502, late ? "Gateway Timeout" : "Bad Gateway", detail,
                 late ? ResponseFlag::kUpstreamRequestTimeout : ResponseFlag::kUpstreamConnectionFailure);
}

}  // namespace fairlead::filter
