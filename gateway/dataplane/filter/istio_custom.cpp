// SPDX-License-Identifier: Apache-2.0
// Istio's AuthorizationPolicies of action CUSTOM: what they match, another server must allow, before tokens and the
// other policies are looked at.
#include <algorithm>
#include <utility>

#include "fairlead/filter/probe.hpp"
#include "gateway/dataplane/filter/external_auth.hpp"
#include "gateway/dataplane/filter/istio_match.hpp"

namespace fairlead::filter {
namespace {

class IstioCustom final : public Filter {
 public:
  IstioCustom(std::vector<model::ObjectPtr> policies, FilterPtr server)
      : policies_(std::move(policies)), server_(std::move(server)) {}

  Verdict on_request(Request& request) const override {
    return matches(request) ? server_->on_request(request) : Verdict::kContinue;
  }
  [[nodiscard]] std::size_t most_body() const override { return server_->most_body(); }
  [[nodiscard]] std::size_t enough_body() const override { return server_->enough_body(); }
  Verdict on_request_body(Request& request, std::string& body) const override {
    return server_->on_request_body(request, body);
  }
  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    return server_->on_response(request, head);
  }
  Preview preview(Probe& probe) const override {
    if (!matches(probe)) return {.kind = Preview::Kind::kPasses, .why = "no rule matches"};
    return server_->preview(probe);
  }

 private:
  [[nodiscard]] bool matches(Request& request) const {
    const auto facts = istio_facts(request, nullptr);
    return std::ranges::any_of(policies_, [&](const auto& object) {
      const auto& policy = std::get<model::AuthorizationPolicy>(*object);
      return std::ranges::any_of(policy.rules,
                                 [&](const auto& rule) { return matches_rule(rule, policy.metadata.ns, facts); });
    });
  }

  const std::vector<model::ObjectPtr> policies_;
  const FilterPtr server_;
};

}  // namespace

FilterPtr make_istio_custom(const std::vector<model::ObjectPtr>& policies, const model::ExternalAuth& provider,
                            Context& context) {
  auto server = make_external_auth(provider, HeaderNames::kPatterns, context);
  return server == nullptr ? nullptr : std::make_shared<IstioCustom>(policies, std::move(server));
}

}  // namespace fairlead::filter
