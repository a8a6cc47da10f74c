// SPDX-License-Identifier: Apache-2.0
// Another server says whether a request may pass: Envoy's ext_authz by gRPC, or plain HTTP (Gateway API's ExternalAuth,
// GEP-1494).
#include "gateway/dataplane/filter/external_auth.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "fairlead/base/ascii.hpp"
#include "fairlead/filter/identity_stripper.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/route/rewrite.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"
#include "gateway/dataplane/filter/ext_authz.hpp"
#include "gateway/dataplane/filter/istio_match.hpp"

namespace fairlead::filter {
namespace {

/// Told to the server whatever is allowed, as the API has it.
constexpr std::string_view kAlwaysTold[] = {"authorization", "content-length"};

/// What the server has said; each is a counter.
enum class Said : std::uint8_t { kAllowed, kDenied, kUnreachable, kFailed, kMalformed };
constexpr std::string_view kSaid[] = {"allowed", "denied", "unreachable", "failed", "malformed"};
constexpr telemetry::CounterFamily kAuthorizationsFamily{"fairlead_gateway_external_authorizations",
                                                         "questions to an authorization server, by what it has said",
                                                         "result", kSaid};

class ExternalAuthFilter;

/// One question under way.
class Question final : public State, public CallHandler {
 public:
  Question(const ExternalAuthFilter& filter, Request& request) : filter_(filter), request_(request) {}
  void on_call_answer(CallAnswer& answer) override;
  void on_call_failure(std::string_view why) override;

  std::unique_ptr<Call> call;
  std::vector<std::pair<std::string_view, std::string_view>> response_headers;  // for the client, where it passes

 private:
  const ExternalAuthFilter& filter_;
  Request& request_;
};

class ExternalAuthFilter final : public Filter, public IdentityStripper {
 public:
  ExternalAuthFilter(const model::ExternalAuth& settings, HeaderNames header_names, std::uint32_t cluster,
                     telemetry::CounterId counters)
      : settings_(settings), header_names_(header_names), cluster_(cluster), counters_(counters) {
    for (const auto name : kAlwaysTold) settings_.allowed_headers.emplace_back(name);
  }

  Verdict on_request(Request& request) const override {
    const auto body = request.head().body;
    const bool has_body = body == http::Body::kLength || body == http::Body::kStream;
    if (settings_.forward_body_max > 0 && has_body) return Verdict::kNeedBody;
    return ask(request, {});
  }
  [[nodiscard]] std::size_t most_body() const override {
    return settings_.whole_body ? settings_.forward_body_max : std::numeric_limits<std::size_t>::max();
  }
  /// One more than is shown tells whether there is more.
  [[nodiscard]] std::size_t enough_body() const override {
    return settings_.whole_body ? std::numeric_limits<std::size_t>::max() : std::size_t{settings_.forward_body_max} + 1;
  }
  Verdict on_request_body(Request& request, std::string& body) const override {
    return ask(request, std::string_view(body).substr(0, settings_.forward_body_max),
               body.size() > settings_.forward_body_max);
  }
  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    if (const auto* question = static_cast<const Question*>(request.state()))
      for (const auto& [name, value] : question->response_headers) head.fields.push_back({name, value});
    return Verdict::kContinue;
  }

  Preview preview(Probe&) const override {
    return {.why = settings_.backend.ref.name + " is asked by " + (grpc() ? "gRPC" : "HTTP") +
                   "; where it cannot be asked the request " +
                   (settings_.fail_open ? "passes" : "gets " + std::to_string(settings_.status_on_error))};
  }

  void strip_identity(http::Fields& fields) const override;
  [[nodiscard]] bool grpc() const { return settings_.protocol == model::ExternalAuth::Protocol::kGrpc; }
  void decide(Request& request, Question& question, CallAnswer& answer) const;
  void decide_http(Request& request, Question& question, CallAnswer& answer) const;
  /// It could not be asked: nobody passes, or all.
  Verdict settle(Request& request, Said why) const;
  /// The same, for an answer that came late.
  void give_up(Request& request, Said why) const {
    if (settle(request, why) == Verdict::kContinue) request.resume();
  }

 private:
  /// partial: whether the body is cut off; nothing where none is shown.
  Verdict ask(Request& request, std::string_view body, std::optional<bool> partial = std::nullopt) const;
  void note(Request& request, Said what) const { request.count(counters_ + static_cast<telemetry::CounterId>(what)); }
  [[nodiscard]] bool names(const std::vector<std::string>& list, std::string_view name) const {
    return std::ranges::any_of(list, [&](const auto& one) {
      return header_names_ == HeaderNames::kExact ? one == name : matches_pattern(one, name);
    });
  }
  [[nodiscard]] bool told(std::string_view name) const { return names(settings_.allowed_headers, name); }
  /// What a client needs to understand a denial always goes.
  [[nodiscard]] bool goes_with_denial(std::string_view name) const {
    return settings_.denied_headers.empty() || name == "content-type" || name == "www-authenticate" ||
           name == "location" || names(settings_.denied_headers, name);
  }
  void copy_told(const http::Fields& from, http::Fields& to) const;

  model::ExternalAuth settings_;
  HeaderNames header_names_;
  std::uint32_t cluster_;
  telemetry::CounterId counters_;  // by Said
};

/// What another server names must not break messages.
bool is_good(const CheckHeader& header) {
  const auto bad = [](char c) { return c == '\0' || c == '\r' || c == '\n'; };
  return !header.name.starts_with(':') &&
         std::ranges::none_of(header.name, [&](char c) { return bad(c) || c == ' '; }) &&
         std::ranges::none_of(header.value, bad);
}

void change(http::Fields& fields, const CheckHeader& header, Arena& arena) {
  const auto name = arena.copy(lower_ascii(header.name));
  if (!is_good(header) || route::is_protected_field(name)) return;
  if (!header.append) std::erase_if(fields, [&](const http::Field& field) { return field.name == name; });
  fields.push_back({name, arena.copy(header.value)});
}

/// What only the server says of who calls is not the client's to say, whether the server says it or not; what it is
/// shown, it may let pass.
void ExternalAuthFilter::strip_identity(http::Fields& fields) const {
  std::erase_if(fields, [&](const http::Field& field) {
    return !told(field.name) && std::ranges::any_of(settings_.allowed_response_headers, [&](const auto& one) {
      return header_names_ == HeaderNames::kExact || !one.contains('*') ? same_header(field.name, one)
                                                                        : matches_pattern(one, field.name);
    });
  });
}

Verdict ExternalAuthFilter::ask(Request& request, std::string_view body, std::optional<bool> partial) const {
  strip_identity(request.head().fields);
  auto owned = std::make_unique<Question>(*this, request);
  auto& question = *owned;
  request.set_state(std::move(owned));
  http::RequestHead head;
  CallSpec spec{.cluster = cluster_, .head = &head, .timeout = settings_.timeout};
  std::string check;
  head.authority = request.head().authority;
  head.scheme = "http";
  if (grpc()) {
    check = encode_check(
        request,
        {.headers = settings_.allowed_headers.size() > std::size(kAlwaysTold) ? &settings_.allowed_headers : nullptr,
         .body = body,
         .partial = partial});
    head.method = http::Method::kPost;
    head.method_text = "POST";
    head.target = kCheckPath;
    head.accepts_trailers = true;
    head.fields = {{"content-type", "application/grpc"}};
    spec.body = check;
  } else {
    const auto& from = request.head();
    head.method = from.method;
    head.method_text = from.method_text;
    const auto target = settings_.path + checked_target(request);
    head.target = request.arena().copy(target);
    copy_told(from.fields, head.fields);
    std::erase_if(head.fields, [](const http::Field& field) { return field.name == kPartialBody; });
    if (partial) head.fields.push_back({kPartialBody, *partial ? "true" : "false"});
    spec.body = body;
  }
  question.call = request.call(spec, question);
  if (question.call != nullptr) return Verdict::kWait;
  return settle(request, Said::kUnreachable);
}

/// What is told in their place goes before the client's.
void ExternalAuthFilter::copy_told(const http::Fields& from, http::Fields& to) const {
  for (const auto& field : from)
    if (told(field.name) && std::ranges::find(settings_.extra_headers, field.name, [](const auto& one) {
                              return std::string_view(one.first);
                            }) == settings_.extra_headers.end())
      to.push_back(field);
  for (const auto& [name, value] : settings_.extra_headers) to.push_back({name, value});
}

Verdict ExternalAuthFilter::settle(Request& request, Said why) const {
  note(request, why);
  if (settings_.fail_open) {
    request.set_authorized_elsewhere(true);  // what it shows counts with the backend as ever
    return Verdict::kContinue;
  }
  request.answer({.status = settings_.status_on_error,
                  .fields = {{"content-type", "text/plain; charset=utf-8"}},
                  .body = "the request could not be authorized\n",
                  .flag = telemetry::ResponseFlag::kUnauthorizedExternal,
                  .details = "ext_authz_error"});
  return Verdict::kAnswered;
}

void ExternalAuthFilter::decide_http(Request& request, Question& question, CallAnswer& answer) const {
  const auto& said = answer.head.fields;
  if (settings_.errors_fail && answer.head.status >= 500) return give_up(request, Said::kFailed);
  note(request, answer.head.status == 200 ? Said::kAllowed : Said::kDenied);
  if (answer.head.status == 200) {
    request.set_authorized_elsewhere(true);
    for (auto field = said.begin(); field != said.end(); ++field) {
      const bool again = std::ranges::find(said.begin(), field, field->name, &http::Field::name) != field;
      if (names(settings_.allowed_response_headers, field->name))
        change(request.head().fields, {field->name, field->value, again}, request.arena());
      if (names(settings_.passed_headers, field->name) && !route::is_protected_field(field->name))
        question.response_headers.emplace_back(request.arena().copy(field->name), request.arena().copy(field->value));
    }
    return request.resume();
  }
  http::Fields fields;
  for (const auto& field : said)
    if (!route::is_protected_field(field.name) && goes_with_denial(field.name)) fields.push_back(field);
  request.answer({.status = answer.head.status,
                  .fields = std::move(fields),
                  .body = answer.body,
                  .flag = telemetry::ResponseFlag::kUnauthorizedExternal,
                  .details = "ext_authz_denied"});
}

void ExternalAuthFilter::decide(Request& request, Question& question, CallAnswer& answer) const {
  if (!grpc()) return decide_http(request, question, answer);
  const auto* status = http::find(answer.trailers, "grpc-status");
  if (status == nullptr) status = http::find(answer.head.fields, "grpc-status");
  if (answer.head.status != 200 || status == nullptr || status->value != "0") return give_up(request, Said::kFailed);
  const auto result = decode_check(answer.body);
  if (!result) return give_up(request, Said::kMalformed);
  note(request, result->code == 0 ? Said::kAllowed : Said::kDenied);
  if (result->code == 0) {
    request.set_authorized_elsewhere(true);
    auto& fields = request.head().fields;
    for (const auto& name : result->remove) {
      const auto lower = lower_ascii(name);
      if (!route::is_protected_field(lower))
        std::erase_if(fields, [&](const http::Field& field) { return field.name == lower; });
    }
    for (const auto& header : result->headers) change(fields, header, request.arena());
    for (const auto& header : result->response_headers)
      if (is_good(header) && !route::is_protected_field(lower_ascii(header.name)))
        question.response_headers.emplace_back(request.arena().copy(lower_ascii(header.name)),
                                               request.arena().copy(header.value));
    return request.resume();
  }
  http::Fields fields;
  for (const auto& header : result->headers) change(fields, header, request.arena());
  const auto code = result->status >= 200 && result->status < 600 ? static_cast<std::uint16_t>(result->status) : 403;
  request.answer({.status = static_cast<std::uint16_t>(code),
                  .fields = std::move(fields),
                  .body = result->body,
                  .flag = telemetry::ResponseFlag::kUnauthorizedExternal,
                  .details = "ext_authz_denied"});
}

void Question::on_call_answer(CallAnswer& answer) { filter_.decide(request_, *this, answer); }
void Question::on_call_failure(std::string_view) { filter_.give_up(request_, Said::kFailed); }

}  // namespace

FilterPtr make_external_auth(const model::ExternalAuth& settings, HeaderNames names, Context& context) {
  const bool grpc = settings.protocol == model::ExternalAuth::Protocol::kGrpc;
  const auto cluster = grpc ? context.grpc_cluster(settings.backend) : context.cluster(settings.backend);
  if (!cluster) {
    context.faults.push_back("backendRef " + settings.backend.ref.name + ": there is no such backend");
    return nullptr;
  }
  return std::make_shared<ExternalAuthFilter>(settings, names, *cluster, context.counters(kAuthorizationsFamily));
}

FilterPtr make_external_auth(const model::ExternalAuth& settings, Context& context) {
  return make_external_auth(settings, HeaderNames::kExact, context);
}

}  // namespace fairlead::filter
