// SPDX-License-Identifier: Apache-2.0
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_access.hpp"
#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::filter {
namespace {

class RequestSize final : public Filter {
 public:
  explicit RequestSize(const model::RequestSize& settings) : settings_(settings) {}

  Verdict on_request(Request& request) const override {
    using enum model::RequestSize::Streamed;
    const auto& head = request.head();
    if (head.body == http::Body::kLength && head.content_length > settings_.max_bytes) {
      // Who asks first is told that it need not be sent (RFC 9110 section 15.5.18).
      return head.expects_continue ? refuse(request, 417, "Expectation Failed")
                                   : refuse(request, 413, "Content Too Large");
    }
    if (settings_.require_length && head.body == http::Body::kNone) return refuse_length(request);
    if (head.body != http::Body::kStream || settings_.streamed == kPass) return Verdict::kContinue;
    if (settings_.streamed == kBuffer) return Verdict::kNeedBody;
    return refuse_length(request);
  }
  // One byte more is enough to know that it is too large.
  std::size_t enough_body() const override { return settings_.max_bytes + 1; }
  std::size_t most_body() const override { return settings_.max_bytes + kMostPiece; }
  Verdict on_request_body(Request& request, std::string& body) const override {
    return body.size() > settings_.max_bytes ? refuse(request, 413, "Content Too Large") : Verdict::kContinue;
  }
  Preview preview(Probe& probe) const override { return probe.ask(*this); }

 private:
  static constexpr std::size_t kMostPiece = 1 << 20;  // bytes of a body that come at once

  static Verdict refuse(Request& request, std::uint16_t status, std::string_view title) {
    answer_problem(request, status, title, "the request's body is too large", telemetry::ResponseFlag::kTooLarge, {},
                   "request_too_large");
    return Verdict::kAnswered;
  }
  static Verdict refuse_length(Request& request) {
    answer_problem(request, 411, "Length Required", "a Content-Length is needed",
                   telemetry::ResponseFlag::kPolicyDenied, {}, "length_required");
    return Verdict::kAnswered;
  }

  const model::RequestSize settings_;
};

}  // namespace

FilterPtr make_request_size(const model::RequestSize& settings, Context&) {
  return std::make_shared<RequestSize>(settings);
}

}  // namespace fairlead::filter
