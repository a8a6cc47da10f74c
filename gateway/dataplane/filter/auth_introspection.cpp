// SPDX-License-Identifier: Apache-2.0
// Bearer tokens that another server is asked about (RFC 7662).
#include <algorithm>
#include <ctime>

#include "fairlead/auth/jwt.hpp"
#include "fairlead/auth/oauth.hpp"
#include "gateway/dataplane/filter/auth_ask.hpp"
#include "gateway/dataplane/filter/auth_claims.hpp"
#include "gateway/dataplane/filter/auth_method.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"
#include "gateway/dataplane/filter/secrets.hpp"

namespace fairlead::filter {
namespace {

using auth::Json;
using auth::TokenError;

/// What an identity points into.
struct Judged {
  auth::ServerAnswerPtr answer;
  Json claims;
  auth::DirectoryPtr directory;
};

/// Of an answer; null: it is none.
const Json::Node* active_of(const Json& json) {
  const auto* active = json.member(json.root(), "active");
  const bool known = active != nullptr && (active->type == Json::Type::kTrue || active->type == Json::Type::kFalse);
  return json.root().type == Json::Type::kObject && known ? active : nullptr;
}

/// A member that may be missing but has a type: false where it has another.
bool read_date(const Json& json, std::string_view name, std::optional<std::int64_t>& out) {
  const auto* node = json.member(json.root(), name);
  if (node != nullptr) out = auth::numeric_date(*node);
  return node == nullptr || out.has_value();
}

/// For how long it is remembered, milliseconds.
std::uint64_t worth_of(const auth::ServerAnswer& answer, const model::IntrospectionMethod& settings) {
  const auto json = answer.status == 200 ? Json::parse(answer.body) : std::nullopt;
  const auto* active = json ? active_of(*json) : nullptr;
  if (active == nullptr) return 0;
  if (active->type == Json::Type::kFalse) return static_cast<std::uint64_t>(settings.inactive_for.count());
  return static_cast<std::uint64_t>(settings.active_for.count());  // exp is looked at each time
}

class Introspection final : public AuthMethod {
 public:
  Introspection(const model::IntrospectionMethod& settings, DirectoriesPtr directories, bool leaves_jwts,
                Question question, std::string secret, AskWork::Answers answers)
      : settings_(settings),
        directories_(std::move(directories)),
        places_(settings.from),
        leaves_jwts_(leaves_jwts),
        question_(std::move(question)),
        secret_(std::move(secret)),
        answers_(std::move(answers)) {}

  AuthOutcome check(Request& request, AuthAttempt& attempt) const override;
  std::string_view scheme() const override { return "Bearer"; }
  std::string_view name() const override { return "introspection"; }
  void hide(Request& request) const override {
    if (settings_.hide_credentials) places_.remove(request);
  }

 private:
  AuthOutcome refuse_token(AuthAttempt& attempt, TokenError error) const {
    attempt.failed_token = auth::sentence_of(error);
    return refuse(attempt, auth::sentence_of(error), failure_of(error));
  }
  Question question_of(std::string_view token) const;
  AuthOutcome judge(Request& request, AuthAttempt& attempt, auth::ServerAnswerPtr answer) const;
  TokenError error_of(const Json& claims) const;

  const model::IntrospectionMethod settings_;
  const DirectoriesPtr directories_;
  const BearerPlaces places_;
  const bool leaves_jwts_;  // another method has them
  const Question question_;  // without the token
  const std::string secret_;
  const AskWork::Answers answers_;
};

AuthOutcome Introspection::check(Request& request, AuthAttempt& attempt) const {
  if (attempt.work != nullptr) {
    auto answer = static_cast<const AskWork&>(*attempt.work).answer;
    attempt.work.reset();
    attempt.unavailable = "introspection_unavailable";
    return answer != nullptr ? judge(request, attempt, std::move(answer)) : AuthOutcome::kUnavailable;
  }
  const auto found = places_.find(request);
  if (!found.present || (leaves_jwts_ && auth::looks_like_jwt(found.text))) return AuthOutcome::kAbsent;
  if (found.twice) return refuse(attempt, "more than one token was sent", AuthFailure::kDuplicate);
  if (found.text.size() > auth::kMostToken || !auth::is_token_text(found.text))
    return refuse_token(attempt, TokenError::kMalformed);
  const auto digest = auth::sha256(found.text);
  if (auto known = answers_->find(digest, request.reactor().now_ms())) return judge(request, attempt, std::move(known));
  attempt.work = std::make_unique<AskWork>(
      answers_, digest, question_of(found.text),
      [settings = &settings_](const auth::ServerAnswer& answer) { return worth_of(answer, *settings); });
  return AuthOutcome::kWait;
}

Question Introspection::question_of(std::string_view token) const {
  auto out = question_;
  const auto& client = settings_.client;
  out.form = auth::encode_form({{"token", token}, {"token_type_hint", "access_token"}});
  if (client.way == model::OauthClient::Way::kPost)
    out.form += '&' + auth::encode_form({{"client_id", client.id}, {"client_secret", secret_}});
  else out.authorization = auth::basic_authorization(client.id, secret_);
  return out;
}

TokenError Introspection::error_of(const Json& claims) const {
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  std::optional<std::int64_t> expiry, not_before;
  if (!read_date(claims, "exp", expiry) || !read_date(claims, "nbf", not_before)) return TokenError::kClaims;
  if (expiry && now >= *expiry) return TokenError::kExpired;
  if (not_before && now < *not_before) return TokenError::kNotYet;
  if (!settings_.issuer.empty() && claims.string(claims.root(), "iss") != settings_.issuer) return TokenError::kIssuer;
  if (!settings_.audiences.empty() && !auth::is_for(claims, settings_.audiences)) return TokenError::kAudience;
  const bool scoped =
      std::ranges::all_of(settings_.scopes, [&](const auto& scope) { return auth::has_scope(claims, scope); });
  return scoped && has_required_claims(claims, settings_) ? TokenError::kNone : TokenError::kClaims;
}

AuthOutcome Introspection::judge(Request& request, AuthAttempt& attempt, auth::ServerAnswerPtr answer) const {
  auto json = Json::parse(answer->body);  // it was one before
  if (active_of(*json)->type == Json::Type::kFalse) return refuse_token(attempt, TokenError::kInactive);
  if (const auto error = error_of(*json); error != TokenError::kNone) return refuse_token(attempt, error);
  auto judged = std::make_shared<Judged>(std::move(answer), std::move(*json), directories_->current());
  const auto& claims = judged->claims;
  auto& arena = request.arena();
  for (const auto& [name, value] : claim_headers(claims, settings_))
    attempt.headers.push_back({name, arena.copy(value)});
  const auto& root = claims.root();
  const auto issuer = claims.string(root, "iss").value_or(question_.host);
  auto subject = claims.string(root, "sub");
  for (const auto* name : {"username", "client_id"})
    if (!subject) subject = claims.string(root, name);
  Identity identity{.consumer = claimed_consumer(claims, settings_, *judged->directory),
                    .credential = arena.copy(std::string(issuer) + '/' + std::string(subject.value_or(""))),
                    .subject = subject.value_or(""),
                    .claims = judged->answer->body,
                    .authenticated = true};
  if (identity.consumer == nullptr && !settings_.consumer_claim.empty()) attempt.names_nobody = true;
  identity.hold = std::move(judged);
  return accept(attempt, std::move(identity));
}

}  // namespace

AuthMethodPtr make_introspection_method(const model::IntrospectionMethod& settings, DirectoriesPtr directories,
                                        bool leaves_jwts, Context& context) {
  keep_secret(settings.from);
  const auto number = context.cluster(settings.backend);
  if (!number) context.faults.emplace_back("introspection: backendRef names no Service that may be used");
  auto secret = settings.client.secret_ref ? secret_line(*settings.client.secret_ref, context) : settings.client.secret;
  if (!secret) context.faults.push_back("introspection: client: " + secret.error().message);
  if (!number || !secret) return nullptr;
  Question question{.cluster = *number,
                    .host = settings.host.empty() ? settings.backend.ref.name.text() : settings.host,
                    .path = settings.path,
                    .timeout = settings.timeout};
  // The name says all that answers depend on, so that policies that ask the same share them.
  const auto name = "auth/introspection " + context.ns + '/' + settings.backend.ref.ns + '/' +
                    settings.backend.ref.name + ':' + std::to_string(settings.backend.port) + ' ' + question.host +
                    ' ' + settings.path + ' ' + settings.client.id + ' ' + std::to_string(settings.active_for.count()) +
                    ' ' + std::to_string(settings.inactive_for.count());
  auto answers = context.stores.get<auth::SharedAnswers>(name, [] { return std::make_shared<auth::SharedAnswers>(); });
  return std::make_unique<Introspection>(settings, std::move(directories), leaves_jwts, std::move(question),
                                         std::move(*secret), std::move(answers));
}

}  // namespace fairlead::filter
