// SPDX-License-Identifier: Apache-2.0
// Istio's RequestAuthentication and AuthorizationPolicy, as they mean at a gateway.
#include <algorithm>
#include <string>

#include "fairlead/filter/identity_stripper.hpp"
#include "fairlead/filter/make.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"
#include "gateway/dataplane/filter/istio_match.hpp"
#include "gateway/dataplane/filter/istio_tokens.hpp"

namespace fairlead::filter {
namespace {

using Policies = std::vector<const model::AuthorizationPolicy*>;

constexpr std::string_view kAudited[] = {"matched"};
constexpr telemetry::CounterFamily kAuditFamily{"fairlead_gateway_istio_audits",
                                                "requests that an AuthorizationPolicy of action AUDIT matches",
                                                "result", kAudited};

struct Audit {
  const model::AuthorizationPolicy* policy = nullptr;
  telemetry::CounterId counter = 0;
};

struct Rules {
  Policies deny, allow;
  std::vector<Audit> audit;
  bool closed = false;  ///< some policy could not be taken as it was written
  [[nodiscard]] bool empty() const { return deny.empty() && allow.empty() && audit.empty(); }
};

class Istio final : public Filter, public IdentityStripper {
 public:
  Istio(std::vector<model::ObjectPtr> objects, std::vector<IstioIssuer> issuers, Rules rules)
      : objects_(std::move(objects)), tokens_(std::move(issuers)), rules_(std::move(rules)) {}

  Verdict on_request(Request& request) const override {
    if (rules_.closed) return deny(request);
    if (tokens_.empty()) return authorize(request, nullptr, nullptr);
    auto made = std::make_unique<Waiting>();
    auto& attempt = made->attempt;
    tokens_.begin(request, attempt);
    request.set_state(std::move(made));
    return run(request, attempt);
  }
  void strip_identity(http::Fields& fields) const override { tokens_.strip_outputs(fields); }

 private:
  struct Waiting final : State {
    IstioAttempt attempt;
  };

  Verdict run(Request& request, IstioAttempt& attempt) const {
    switch (tokens_.go_on(request, attempt)) {
      case IstioTokens::Outcome::kPass: break;
      case IstioTokens::Outcome::kBad: return refuse_token(request, attempt);
      case IstioTokens::Outcome::kWait: return wait(request, attempt);
    }
    if (const auto& token = attempt.token; token != nullptr)
      request.identity() = {.consumer = nullptr,
                            .credential = token->issuer(),
                            .subject = token->subject(),
                            .claims = token->payload(),
                            .authenticated = true,
                            .hold = token};
    const auto* by = attempt.token == nullptr ? nullptr : attempt.candidates[attempt.next].issuer->rule;
    return authorize(request, attempt.token.get(), by);
  }

  Verdict wait(Request& request, IstioAttempt& attempt) const {
    const bool under_way = attempt.work->start(request, [this, &request, &attempt] {
      if (run(request, attempt) == Verdict::kContinue) request.resume();
    });
    return under_way ? Verdict::kWait : run(request, attempt);
  }

  /// What is denied is denied; where something is allowed, nothing else is. `by`: whose token it is.
  Verdict authorize(Request& request, const auth::Token* token, const model::JwtRule* by) const {
    if (rules_.empty()) return Verdict::kContinue;
    auto facts = istio_facts(request, token);
    if (by != nullptr) facts.word_claims = &by->word_claims;
    const auto matches = [&](const model::AuthorizationPolicy* policy) {
      return std::ranges::any_of(policy->rules,
                                 [&](const auto& rule) { return matches_rule(rule, policy->metadata.ns, facts); });
    };
    for (const auto& [policy, counter] : rules_.audit)
      if (matches(policy)) request.count(counter);
    if (std::ranges::any_of(rules_.deny, matches)) return deny(request);
    if (rules_.allow.empty() || std::ranges::any_of(rules_.allow, matches)) return Verdict::kContinue;
    return deny(request);
  }

  static Verdict deny(Request& request) {
    request.answer({.status = 403,
                    .fields = {{"content-type", "text/plain"}},
                    .body = "RBAC: access denied",
                    .details = "rbac_access_denied"});
    return Verdict::kAnswered;
  }

  static Verdict refuse_token(Request& request, const IstioAttempt& attempt) {
    const auto& head = request.head();
    std::string challenge = "Bearer realm=\"";
    challenge.append(head.scheme).append("://").append(request.host()).append(request.target().path);
    challenge += "\", error=\"invalid_token\"";
    Answer answer{.status = attempt.status,
                  .fields = {{"content-type", "text/plain"}},
                  .body = attempt.why,
                  .details = "jwt_refused"};
    if (attempt.status == 401) answer.fields.push_back({"www-authenticate", challenge});
    request.answer(answer);
    return Verdict::kAnswered;
  }

  const std::vector<model::ObjectPtr> objects_;  // what the rest points into
  const IstioTokens tokens_;
  const Rules rules_;
};

std::string subject_of(const model::Metadata& metadata, std::string_view kind) {
  return std::string(kind) + " " + metadata.ns + "/" + metadata.name;
}

/// Issuers of a RequestAuthentication; a fault where keys cannot be had.
void add_issuers(const model::RequestAuthentication& from, const IstioObjects& settings, Context& context,
                 std::vector<IstioIssuer>& out) {
  for (const auto& rule : *from.rules) {
    auto& made = out.emplace_back();
    made.rule = &rule;
    model::CredentialPlaces places{.headers = {}, .query = rule.from_params, .cookies = {}};
    for (const auto& header : rule.from_headers) places.headers.push_back(header.first);
    keep_secret(places);
    const auto fault = [&](const std::string& why) {
      context.faults.push_back(subject_of(from.metadata, "RequestAuthentication") + ": issuer " + rule.issuer + ": " +
                               why);
    };
    if (!rule.jwks.empty()) {
      auto keys = auth::parse_jwks(rule.jwks);
      if (!keys) fault(keys.error().message);
      else made.keys = std::move(*keys);
      continue;
    }
    // OpenID Connect Discovery section 4.
    const bool discovers = rule.jwks_uri.empty();
    std::string_view base = rule.issuer;
    if (base.ends_with('/')) base.remove_suffix(1);
    const auto uri = discovers ? std::string(base) + "/.well-known/openid-configuration" : rule.jwks_uri;
    auto server = settings.jwks_server(from.metadata.ns, uri);
    if (!server) {
      fault(server.error().message);
      continue;
    }
    const auto fresh = model::RemoteJwks{}.cache_duration;
    auto keys = context.stores.get<auth::RemoteKeys>("auth/jwks istio " + from.metadata.ns + ' ' + uri, [&] {
      return std::make_shared<auth::RemoteKeys>(static_cast<std::uint64_t>(fresh.count()), auth::kAllAlgorithms);
    });
    made.remote = {.keys = std::move(keys),
                   .cluster = server->cluster,
                   .host = server->host,
                   .path = server->path,
                   .issuer = discovers ? rule.issuer : std::string(),
                   .timeout = rule.timeout};
  }
}

void add_policy(const model::AuthorizationPolicy& policy, Context& context, Rules& out) {
  using enum model::AuthorizationPolicy::Action;
  if (policy.action == kCustom) return;  // istio_custom.cpp
  if (policy.action == kAudit)
    out.audit.push_back(
        {&policy, context.counters(kAuditFamily, {"audit", policy.metadata.ns + "/" + policy.metadata.name})});
  else (policy.action == kDeny ? out.deny : out.allow).push_back(&policy);
}

}  // namespace

FilterPtr make_istio(const IstioObjects& settings, Context& context) {
  std::vector<IstioIssuer> issuers;
  Rules rules;
  for (const auto& object : settings.objects) {
    if (const auto* tokens = std::get_if<model::RequestAuthentication>(object.get())) {
      add_issuers(*tokens, settings, context, issuers);
    } else if (const auto* policy = std::get_if<model::AuthorizationPolicy>(object.get())) {
      add_policy(*policy, context, rules);
    } else if (const auto* refused = std::get_if<model::RefusedPolicy>(object.get())) {
      rules.closed = true;
      context.remarks.push_back(subject_of(refused->metadata, model::kind_name(refused->kind)) +
                                " was refused, and closes what it selects: " + refused->reason);
    }
  }
  if (!context.faults.empty()) return nullptr;
  return std::make_shared<Istio>(settings.objects, std::move(issuers), std::move(rules));
}

}  // namespace fairlead::filter
