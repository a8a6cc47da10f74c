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
      answer_problem(request, 413, "Content Too Large", "the request's body is too large",
                     telemetry::ResponseFlag::kTooLarge, {}, "request_too_large");
      return Verdict::kAnswered;
    }
    if (head.body != http::Body::kStream || settings_.streamed == kPass) return Verdict::kContinue;
    if (settings_.streamed == kBuffer) return Verdict::kNeedBody;
    answer_problem(request, 411, "Length Required", "a Content-Length is needed",
                   telemetry::ResponseFlag::kPolicyDenied, {}, "length_required");
    return Verdict::kAnswered;
  }
  std::size_t most_body() const override { return settings_.max_bytes; }
  Preview preview(Probe& probe) const override { return probe.ask(*this); }

 private:
  const model::RequestSize settings_;
};

}  // namespace

FilterPtr make_request_size(const model::RequestSize& settings, Context&) {
  return std::make_shared<RequestSize>(settings);
}

}  // namespace fairlead::filter
