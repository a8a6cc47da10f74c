// SPDX-License-Identifier: Apache-2.0
// Section answer: fixed answers, mocks, maintenance.
#include <algorithm>

#include "fairlead/base/ascii.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_change.hpp"
#include "fairlead/route/query.hpp"
#include "gateway/dataplane/filter/pause.hpp"
#include "gateway/dataplane/filter/problem.hpp"
#include "gateway/dataplane/filter/request_scope.hpp"

namespace fairlead::filter {
namespace {

using change::Place;
using telemetry::ResponseFlag;

constexpr std::size_t kMostHeader = 8192, kMostBody = 1024 * 1024;

/// In a time that says nothing of where they differ.
bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  return difference == 0;
}

bool same_letters(std::string_view lower_case, std::string_view name) {
  return std::ranges::equal(lower_case, name, {}, {}, [](char c) { return lower_ascii(c); });
}

class AnswerFilter final : public Filter {
 public:
  explicit AnswerFilter(const model::FixedAnswer& settings)
      : settings_(settings),
        body_(compiled(settings.body,
                       settings.maintenance ? Place::kText : change::place_of_type(settings.content_type))) {
    for (const auto& [name, value] : settings.headers) headers_.emplace_back(name, compiled(value, Place::kHeader));
    if (settings.retry_after.count() > 0) retry_after_ = std::to_string((settings.retry_after.count() + 999) / 1000);
  }

  Verdict on_request(Request& request) const override {
    if (settings_.maintenance && is_allowed(request)) return Verdict::kContinue;
    if (!settings_.trigger.empty() && !is_triggered(request)) return Verdict::kContinue;
    const auto& head = request.head();
    const bool body = head.body == http::Body::kStream || (head.body == http::Body::kLength && head.content_length > 0);
    if (body && body_.uses(change::Source::kBody) && is_json_type(head.fields)) return Verdict::kNeedBody;
    if (settings_.delay.count() == 0) {
      answer(request, nullptr);
      return Verdict::kAnswered;
    }
    request.set_state(
        std::make_unique<Pause>(request, settings_.delay, [this, &request] { answer(request, nullptr); }));
    return Verdict::kWait;
  }

  [[nodiscard]] std::size_t most_body() const override { return kMostBody; }
  Preview preview(Probe& probe) const override { return probe.ask(*this); }

  Verdict on_request_body(Request& request, std::string& body) const override {
    auto text = std::make_shared<const std::string>(std::move(body));
    auto document = std::make_shared<change::Json>();
    const bool good = document->parse(*text);
    if (settings_.delay.count() == 0) {
      answer(request, good ? document.get() : nullptr);
      return Verdict::kAnswered;
    }
    request.set_state(std::make_unique<Pause>(request, settings_.delay, [this, &request, text, document, good] {
      answer(request, good ? document.get() : nullptr);
    }));
    return Verdict::kWait;
  }

 private:
  [[nodiscard]] bool is_allowed(Request& request) const {
    const auto& allow = settings_.allow;
    const auto& client = request.client();
    if (std::ranges::any_of(allow.addresses, [&](const Cidr& block) { return block.contains(client); })) return true;
    if (allow.header.empty()) return false;
    const auto* field = http::find(request.head().fields, allow.header);
    return field != nullptr && same_secret(field->value, allow.value);
  }

  [[nodiscard]] bool is_triggered(Request& request) const {
    const auto& fields = request.head().fields;
    return std::ranges::any_of(fields, [&](const auto& one) { return same_letters(one.name, settings_.trigger); }) ||
           route::find_query(request.target().query, settings_.trigger).has_value();
  }

  void answer(Request& request, const change::Json* request_body) const {
    PlainScope scope(request);
    scope.set_body(request_body);
    http::Fields fields;
    std::vector<std::string> texts;
    texts.reserve(headers_.size());  // fields are views of them
    for (const auto& [name, value] : headers_) {
      auto& text = texts.emplace_back();
      if (value.lacks_value(scope) || value.render(scope, kMostHeader, text) != change::RenderError::kNone) continue;
      if (!text.empty()) fields.push_back({name, text});
    }
    if (!retry_after_.empty()) fields.push_back({"retry-after", retry_after_});
    std::string body;
    if (body_.render(scope, kMostBody, body) != change::RenderError::kNone)
      return answer_problem(request, 500, "Internal Server Error", "the answer is too large", ResponseFlag::kTooLarge);
    if (settings_.maintenance) {
      if (body.empty()) body = "down for maintenance";
      return answer_problem(request, 503, "Service Unavailable", body, ResponseFlag::kPolicyDenied, std::move(fields));
    }
    if (!settings_.has_body && settings_.status >= 400) {
      const auto title = http::reason_of(settings_.status);
      return answer_problem(request, settings_.status, title.empty() ? "Error" : title,
                            settings_.detail.empty() ? "answered by a policy" : std::string_view(settings_.detail),
                            ResponseFlag::kPolicyDenied, std::move(fields), {}, {.message = settings_.detail});
    }
    if (!body.empty() && http::find(fields, "content-type") == nullptr)
      fields.push_back({"content-type", settings_.content_type});
    request.answer({.status = settings_.status,
                    .fields = std::move(fields),
                    .body = body,
                    .flag = ResponseFlag::kPolicyDenied,
                    .flagged = false,
                    .details = "fixed_answer"});
  }

  model::FixedAnswer settings_;
  change::Template body_;
  std::vector<std::pair<std::string, change::Template>> headers_;
  std::string retry_after_;  // seconds
};

}  // namespace

FilterPtr make_answer(const model::FixedAnswer& settings, Context&) {
  return std::make_shared<const AnswerFilter>(settings);
}

}  // namespace fairlead::filter
