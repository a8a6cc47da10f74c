// SPDX-License-Identifier: Apache-2.0
// Section validation: requests against JSON Schema and OpenAPI.
#include <algorithm>

#include "fairlead/change/openapi.hpp"
#include "fairlead/change/schema.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_change.hpp"
#include "gateway/dataplane/filter/coding.hpp"
#include "gateway/dataplane/filter/problem.hpp"
#include "gateway/dataplane/filter/request_scope.hpp"
#include "gateway/dataplane/filter/response_check.hpp"

namespace fairlead::filter {
namespace {

using change::ApiMatch;
using change::OpenApi;
using telemetry::ResponseFlag;

std::string content_type_of(const http::Fields& fields) {
  const auto* field = http::find(fields, "content-type");
  return field == nullptr ? std::string{} : std::string(field->value);
}

/// Problem details with what is wrong, and where. `place`: "pointer" or "parameter".
void answer_invalid(Request& request, std::string_view detail, std::string_view place,
                    const change::SchemaReport& report) {
  std::string body = R"({"type":"about:blank","title":"Bad Request","status":400,"detail":")";
  change::append_json_escaped(detail, body);
  body += R"(","request_id":")";
  change::append_json_escaped(request.record().request_id, body);
  body += R"(","errors":[)";
  for (const auto& problem : report.problems) {
    if (&problem != report.problems.data()) body += ',';
    body.append("{\"").append(place).append("\":\"");
    change::append_json_escaped(problem.where, body);
    body += R"(","detail":")";
    change::append_json_escaped(problem.what, body);
    body += "\"}";
  }
  body += report.more ? "],\"more_errors\":true}\n" : "]}\n";
  request.answer({.status = 400,
                  .fields = {{"content-type", "application/problem+json"}},
                  .body = body,
                  .flag = ResponseFlag::kPolicyDenied,
                  .flagged = true,
                  .details = "invalid_request"});
}

/// What was not as it has to be; each is a counter.
enum class Wrong : std::uint8_t { kPath, kMethod, kParameters, kContentType, kBodyMissing, kNotJson, kBody, kResponse };
constexpr std::string_view kWrong[] = {"path",         "method",   "parameters", "content_type",
                                       "body_missing", "not_json", "body",       "response"};
constexpr telemetry::CounterFamily kValidationsFamily{
    "fairlead_gateway_validation_failures", "messages that are not what is expected, by what of them", "part", kWrong};

/// The operation of a request whose body is still to come.
struct Pending final : State {
  const OpenApi::Operation* operation = nullptr;  // null: none
  bool api_body = false;  // its body is held to the operation's schema
  bool api_form = false;  // and is a form
  bool schema = false;    // to the section's own
};

class ValidationFilter final : public Filter {
 public:
  ValidationFilter(const model::Validation& settings, Context& context)
      : settings_(settings),
        counters_(context.counters(kValidationsFamily)),
        warnings_(context.policy, counters_ + static_cast<telemetry::CounterId>(Wrong::kResponse)) {
    if (!settings.schema.empty()) compile_schema(context);
    if (settings.openapi.empty() && settings.openapi_config_map.empty()) return;
    const auto text = settings.openapi.empty() ? from_config_map(context) : settings.openapi;
    if (!context.faults.empty()) return;
    auto made = OpenApi::compile(text, context.remarks, settings.warn_of_responses);
    if (made) api_ = std::move(*made);
    else context.faults.push_back("the OpenAPI document: " + made.error().message);
  }

  [[nodiscard]] bool serves() const {
    return (settings_.schema.empty() || schemas_) &&
           ((settings_.openapi.empty() && settings_.openapi_config_map.empty()) || api_ != nullptr);
  }

  Verdict on_request(Request& request) const override {
    Pending pending;
    if (api_ != nullptr && !check_api(request, pending)) return Verdict::kAnswered;
    if (schemas_ && !check_type(request, pending)) return Verdict::kAnswered;
    const bool reads = pending.api_body || pending.schema;
    if (reads || (settings_.warn_of_responses && pending.operation != nullptr))
      request.set_state(std::make_unique<Pending>(pending));
    return reads ? Verdict::kNeedBody : Verdict::kContinue;
  }

  [[nodiscard]] std::size_t most_body() const override { return settings_.max_body_bytes; }
  Preview preview(Probe& probe) const override { return probe.ask(*this); }

  Verdict on_request_body(Request& request, std::string& body) const override {
    const auto* pending = static_cast<const Pending*>(request.state());
    if (pending == nullptr) return Verdict::kContinue;
    const bool needed = (pending->schema && settings_.body_required) ||
                        (pending->api_body && OpenApi::requires_body(*pending->operation));
    if (body.empty() && !needed) return Verdict::kContinue;
    std::string plain;
    if (!decode_request_body(request, body, {.bytes = settings_.max_body_bytes}, plain)) return Verdict::kAnswered;
    const std::string_view text = plain.empty() ? std::string_view(body) : std::string_view(plain);
    change::Json document;
    change::SchemaReport report{.most = settings_.max_problems};
    if (pending->api_form && !pending->schema) return check_form(request, *pending, text, report);
    if (!document.parse(text, {.depth = settings_.max_depth})) {
      report.problems.push_back(
          {{}, std::string(document.error().what) + " at byte " + std::to_string(document.error().offset)});
      note(request, Wrong::kNotJson);
      answer_invalid(request, "the body is no JSON", "pointer", report);
      return Verdict::kAnswered;
    }
    bool good = true;
    if (pending->schema) good = schemas_->validate(schema_, document, document.root(), &report);
    if (pending->api_body)
      good = api_->check_body(*pending->operation, content_type_of(request.head().fields), document, report) && good;
    if (good) return Verdict::kContinue;
    note(request, Wrong::kBody);
    answer_invalid(request, "the body is not what is expected", "pointer", report);
    return Verdict::kAnswered;
  }

  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    const auto* pending = static_cast<const Pending*>(request.state());
    if (!settings_.warn_of_responses || pending == nullptr || pending->operation == nullptr) return Verdict::kContinue;
    if (!check_headers(request, *pending->operation, head)) return Verdict::kContinue;
    auto type = content_type_of(head.fields);
    const bool empty = head.body == http::Body::kNone;
    switch (empty ? OpenApi::BodyKind::kAny : OpenApi::response_kind(*pending->operation, head.status, type)) {
      case OpenApi::BodyKind::kAny:
      case OpenApi::BodyKind::kForm: break;
      case OpenApi::BodyKind::kUnknown:
        warnings_.warn(request, head.status, "its status or its content type is not described");
        break;
      case OpenApi::BodyKind::kJson:
        request.pass_body(
            std::make_unique<ResponseCheck>(request, warnings_, settings_,
                                            ResponseCheck::Wanted{api_.get(), pending->operation, head.status,
                                                                  std::move(type), coding_of(head.fields)}));
        break;
    }
    return Verdict::kContinue;
  }

 private:
  void note(Request& request, Wrong what) const { request.count(counters_ + static_cast<telemetry::CounterId>(what)); }
  void refuse_no_body(Request& request) const {
    note(request, Wrong::kBodyMissing);
    answer_problem(request, 400, "Bad Request", "a body is missing", ResponseFlag::kPolicyDenied);
  }
  void refuse_type(Request& request) const {
    note(request, Wrong::kContentType);
    answer_problem(request, 415, "Unsupported Media Type", "the content type is none of those that are taken",
                   ResponseFlag::kPolicyDenied);
  }

  /// False: it has warned.
  bool check_headers(Request& request, const OpenApi::Operation& operation, const http::ResponseHead& head) const {
    change::ApiHeaders headers;
    for (const auto& field : head.fields) headers.emplace_back(field.name, field.value);
    change::SchemaReport report{.most = 1};
    if (api_->check_headers(operation, head.status, headers, report)) return true;
    const auto& problem = report.problems.front();
    warnings_.warn(request, head.status, problem.where + " " + problem.what);
    return false;
  }

  void compile_schema(Context& context) {
    if (!document_.parse(settings_.schema, {.depth = 128, .nodes = 1'000'000})) {
      context.faults.emplace_back("the JSON Schema is no JSON");
      return;
    }
    change::SchemaSet made(document_, change::SchemaDialect::kBySchema);
    const auto index = made.add(document_.root());
    if (!index) {
      context.faults.push_back("the JSON Schema: " + index.error().message);
      return;
    }
    schema_ = *index;
    schemas_.emplace(std::move(made));
  }

  [[nodiscard]] std::string from_config_map(Context& context) const {
    const auto* map = context.config_map(settings_.openapi_config_map);
    if (map != nullptr) {
      const auto found =
          std::ranges::find(map->data, settings_.openapi_key, [](const auto& entry) { return entry.first; });
      if (found != map->data.end()) return found->second;
    }
    context.faults.push_back("there is no ConfigMap " + settings_.openapi_config_map + " with a key " +
                             settings_.openapi_key);
    return {};
  }

  Verdict check_form(Request& request, const Pending& pending, std::string_view text,
                     change::SchemaReport& report) const {
    change::Json document;
    const auto type = content_type_of(request.head().fields);
    if (!api_->read_form(*pending.operation, type, text, document))
      report.problems.push_back({{}, "expected a form in UTF-8 of at most 1000 fields"});
    else if (api_->check_body(*pending.operation, type, document, report)) return Verdict::kContinue;
    note(request, Wrong::kBody);
    answer_invalid(request, "the body is not what is expected", "pointer", report);
    return Verdict::kAnswered;
  }

  static bool has_body(const http::RequestHead& head) {
    return head.body == http::Body::kStream || (head.body == http::Body::kLength && head.content_length > 0);
  }

  /// The body's own schema, by the head. False: it was answered.
  bool check_type(Request& request, Pending& pending) const {
    const auto& head = request.head();
    if (!has_body(head)) {
      const bool may_lack =
          !settings_.body_required || (head.method != http::Method::kPost && head.method != http::Method::kPut &&
                                       head.method != http::Method::kPatch);
      if (!may_lack) refuse_no_body(request);
      return may_lack;
    }
    auto type = content_type_of(head.fields);
    type.resize(std::min(type.find(';'), type.size()));
    while (type.ends_with(' ')) type.pop_back();
    for (auto& c : type)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    if (std::ranges::find(settings_.content_types, type) == settings_.content_types.end()) {
      refuse_type(request);
      return false;
    }
    pending.schema = true;
    return true;
  }

  /// False: it was answered.
  bool check_api(Request& request, Pending& pending) const {
    const auto& head = request.head();
    change::ApiRequest seen{.method = head.method_text, .path = {}, .query = request.target().query, .headers = {}};
    for (const auto& field : head.fields) seen.headers.emplace_back(field.name, field.value);
    const OpenApi::Operation* operation = nullptr;
    std::vector<std::string> values;
    std::string allowed;
    auto match = ApiMatch::kNoPath;
    if (below_base(request.target().path, seen.path)) match = api_->match(seen, operation, values, allowed);
    if (match == ApiMatch::kNoMethod &&
        head.method == http::Method::kHead) {  // as a GET without its body (RFC 9110, 9.3.2)
      seen.method = "GET";
      allowed.clear();
      match = api_->match(seen, operation, values, allowed);
    }
    if (match != ApiMatch::kFound) return settings_.pass_unknown || !refuse_unknown(request, match, allowed);
    change::SchemaReport report{.most = settings_.max_problems};
    if (!api_->check_parameters(*operation, seen, values, report)) {
      note(request, Wrong::kParameters);
      answer_invalid(request, "the parameters are not what is expected", "parameter", report);
      return false;
    }
    pending.operation = operation;
    return check_api_body(request, *operation, pending);
  }

  bool below_base(std::string_view path, std::string_view& out) const {
    if (!path.starts_with(settings_.base_path)) return false;
    out = path.substr(settings_.base_path.size());
    if (out.empty()) out = "/";
    return out.starts_with('/');
  }

  /// True, once it has answered.
  bool refuse_unknown(Request& request, ApiMatch match, std::string_view allowed) const {
    note(request, match == ApiMatch::kNoPath ? Wrong::kPath : Wrong::kMethod);
    if (match == ApiMatch::kNoPath)
      answer_problem(request, 404, "Not Found", "there is no such path", ResponseFlag::kPolicyDenied);
    else
      answer_problem(request, 405, "Method Not Allowed", "the path does not have this method",
                     ResponseFlag::kPolicyDenied, {{"allow", allowed}});
    return true;
  }

  bool check_api_body(Request& request, const OpenApi::Operation& operation, Pending& pending) const {
    const auto& head = request.head();
    if (!has_body(head)) {
      if (!OpenApi::requires_body(operation)) return true;
      refuse_no_body(request);
      return false;
    }
    if (!OpenApi::takes_body(operation)) return true;  // OpenAPI 3.1, 4.8.10: what is not described is not spoken of
    switch (OpenApi::body_kind(operation, content_type_of(head.fields))) {
      case OpenApi::BodyKind::kAny: return true;
      case OpenApi::BodyKind::kForm: pending.api_form = true; [[fallthrough]];
      case OpenApi::BodyKind::kJson: pending.api_body = true; return true;
      case OpenApi::BodyKind::kUnknown: break;
    }
    refuse_type(request);
    return false;
  }

  model::Validation settings_;
  telemetry::CounterId counters_;
  change::Json document_;  // of settings_.schema
  std::optional<change::SchemaSet> schemas_;
  change::SchemaSet::Index schema_ = 0;
  std::shared_ptr<const OpenApi> api_;
  ResponseWarnings warnings_;
};

}  // namespace

FilterPtr make_validation(const model::Validation& settings, Context& context) {
  auto made = std::make_shared<const ValidationFilter>(settings, context);
  return made->serves() ? FilterPtr(made) : nullptr;
}

}  // namespace fairlead::filter
