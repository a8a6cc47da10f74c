// SPDX-License-Identifier: Apache-2.0
// Bearer tokens (RFC 6750, RFC 7519), by issuers and by consumers' own keys.
#include <algorithm>
#include <ctime>
#include <limits>

#include "fairlead/auth/jwt.hpp"
#include "fairlead/auth/oauth.hpp"
#include "fairlead/auth/remote_keys.hpp"
#include "fairlead/auth/token_cache.hpp"
#include "gateway/dataplane/filter/auth_claims.hpp"
#include "gateway/dataplane/filter/auth_keys.hpp"
#include "gateway/dataplane/filter/auth_method.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"
#include "gateway/dataplane/filter/secrets.hpp"

namespace fairlead::filter {
namespace {

using auth::TokenError;

constexpr std::size_t kMostCached = 4096;  // bytes of a token that is kept

/// Where an issuer's keys come from: one of the two.
struct Issuer {
  model::JwtIssuer settings;
  auth::KeySetPtr keys;
  KeySource remote;  ///< keys null: not remote
};

/// What a token proves, for as long as the keys stand.
struct Verified {
  auth::TokenPtr token;
  auth::DirectoryPtr directory;
  const auth::Consumer* consumer = nullptr;
  std::string credential;
  std::string_view credential_id{};
  const Issuer* issuer = nullptr;  ///< null: the key of a consumer
  std::uint64_t key_version = 0;   ///< of remote keys
  std::int64_t until = 0;          ///< seconds since 1970: exp with the skew
  std::vector<std::pair<std::string_view, std::string>> headers;
};
using VerifiedPtr = std::shared_ptr<const Verified>;

struct Tokens final : Local {
  auth::TokenCache<Verified> cache;
};

class Jwt final : public AuthMethod {
 public:
  Jwt(const model::JwtMethod& settings, DirectoriesPtr directories, std::vector<Issuer> issuers, bool only_jwts)
      : settings_(settings),
        directories_(std::move(directories)),
        issuers_(std::move(issuers)),
        places_(settings.from),
        only_jwts_(only_jwts) {}

  AuthOutcome check(Request& request, AuthAttempt& attempt) const override;
  std::string_view scheme() const override { return "Bearer"; }
  std::string_view realm() const override { return settings_.realm; }
  std::string_view name() const override { return "jwt"; }
  void hide(Request& request) const override {
    if (settings_.hide_credentials) places_.remove(request);
  }

 private:
  bool stands(const Verified& known, const auth::DirectoryPtr& directory, Request& request) const;
  AuthOutcome take(VerifiedPtr verified, Request& request, AuthAttempt& attempt) const;
  AuthOutcome refuse_token(AuthAttempt& attempt, TokenError error, std::string_view reason = {}) const;
  [[nodiscard]] auth::TimeRules time_rules() const;
  AuthOutcome verify(Request& request, AuthAttempt& attempt, std::string_view text, Verified& out) const;
  AuthOutcome verify_by_issuer(Request& request, AuthAttempt& attempt, const Issuer& issuer, Verified& out) const;
  AuthOutcome verify_by_consumer(Request& request, AuthAttempt& attempt, Verified& out) const;
  AuthOutcome check_claims(AuthAttempt& attempt, const Issuer& issuer, Verified& out) const;
  [[nodiscard]] std::optional<std::string_view> key_of(const auth::Token& token) const;

  const model::JwtMethod settings_;
  const DirectoriesPtr directories_;
  const std::vector<Issuer> issuers_;
  const BearerPlaces places_;
  const bool only_jwts_;  // what looks otherwise is another method's
  const std::shared_ptr<const int> key_ = std::make_shared<const int>(0);  // of the workers' caches
};

AuthOutcome Jwt::refuse_token(AuthAttempt& attempt, TokenError error, std::string_view reason) const {
  attempt.failed_token = auth::sentence_of(error);
  const auto outcome = refuse(attempt, auth::sentence_of(error), failure_of(error));
  attempt.reason = reason.empty() ? auth::name_of(error) : reason;
  return outcome;
}

auth::TimeRules Jwt::time_rules() const {
  auth::TimeRules out{.needs_expiry = settings_.require_expiry, .most = settings_.max_lifetime.count() / 1000};
  if (!settings_.verify) return out;
  const auto verifies = [&](const char* claim) {
    return std::ranges::find(*settings_.verify, claim) != settings_.verify->end();
  };
  out.expiry = verifies("exp");
  out.start = out.needs_start = verifies("nbf");
  out.needs_expiry = out.needs_expiry || out.expiry;
  return out;
}

bool Jwt::stands(const Verified& known, const auth::DirectoryPtr& directory, Request& request) const {
  if (std::time(nullptr) >= known.until) return false;
  const auto* issuer = known.issuer;
  if (issuer != nullptr && issuer->remote.keys != nullptr &&
      !issuer->remote.keys->is_current(known.key_version, request.reactor().now_ms()))
    return false;
  const bool by_directory = issuer == nullptr || !issuer->settings.consumer_claim.empty();
  return !by_directory || known.directory->version() == directory->version();
}

AuthOutcome Jwt::check(Request& request, AuthAttempt& attempt) const {
  const auto found = places_.find(request);
  if (!found.present || (only_jwts_ && !auth::looks_like_jwt(found.text))) return AuthOutcome::kAbsent;
  if (found.twice) {
    attempt.failed_token = "more than one token was sent";
    return refuse(attempt, attempt.failed_token, AuthFailure::kDuplicate);
  }
  if (found.text.size() > auth::kMostToken) return refuse_token(attempt, TokenError::kMalformed);
  auto directory = directories_->current();
  auto& cache = request.local<Tokens>(key_, [] { return std::make_unique<Tokens>(); }).cache;
  const auto digest = auth::sha256(found.text);
  if (auto known = cache.find(digest); known != nullptr && stands(*known, directory, request))
    return take(std::move(known), request, attempt);
  auto verified = std::make_shared<Verified>();
  verified->directory = std::move(directory);
  const auto outcome = verify(request, attempt, found.text, *verified);
  if (outcome != AuthOutcome::kGood) return outcome;
  if (found.text.size() <= kMostCached) cache.put(digest, verified);
  return take(std::move(verified), request, attempt);
}

AuthOutcome Jwt::take(VerifiedPtr verified, Request&, AuthAttempt& attempt) const {
  for (const auto& [name, value] : verified->headers) attempt.headers.push_back({name, value});
  Identity identity{.consumer = verified->consumer,
                    .credential = verified->credential,
                    .credential_id = verified->credential_id,
                    .subject = verified->token->subject(),
                    .claims = verified->token->payload(),
                    .authenticated = true};
  const auto* issuer = verified->issuer;
  if (identity.consumer == nullptr && issuer != nullptr && !issuer->settings.consumer_claim.empty())
    attempt.names_nobody = true;
  identity.hold = std::move(verified);
  return accept(attempt, std::move(identity));
}

AuthOutcome Jwt::verify(Request& request, AuthAttempt& attempt, std::string_view text, Verified& out) const {
  TokenError error{};
  out.token = auth::Token::parse(text, error);
  if (out.token == nullptr)
    return refuse_token(attempt, error, error == TokenError::kAlgorithm ? "unknown_algorithm" : "");
  const auto issuer = std::ranges::find(issuers_, out.token->issuer(),
                                        [](const Issuer& one) { return std::string_view(one.settings.issuer); });
  out.until = std::numeric_limits<std::int64_t>::max();
  if (issuer != issuers_.end()) return verify_by_issuer(request, attempt, *issuer, out);
  return verify_by_consumer(request, attempt, out);
}

AuthOutcome Jwt::verify_by_issuer(Request&, AuthAttempt& attempt, const Issuer& issuer, Verified& out) const {
  auto keys = issuer.keys;
  if (issuer.remote.keys != nullptr) {
    if (attempt.work == nullptr) {
      // Also where keys stand already: asking for them is what tells whether they do.
      attempt.work = std::make_unique<KeyWork>(issuer.remote, out.token->key_id());
      return AuthOutcome::kWait;
    }
    keys = static_cast<const KeyWork&>(*attempt.work).keys;
    attempt.work.reset();
    if (keys == nullptr) return AuthOutcome::kUnavailable;
    out.key_version = keys->version;
  }
  out.issuer = &issuer;
  if (const auto error = out.token->signed_by(*keys); error != TokenError::kNone) return refuse_token(attempt, error);
  return check_claims(attempt, issuer, out);
}

AuthOutcome Jwt::check_claims(AuthAttempt& attempt, const Issuer& issuer, Verified& out) const {
  const auto& settings = issuer.settings;
  const auto& token = *out.token;
  const std::int64_t skew = settings.clock_skew.count() / 1000;
  const auto rules = time_rules();
  const auto times = auth::check_times(token, std::time(nullptr), skew, rules);
  if (times != TokenError::kNone) return refuse_token(attempt, times);
  if (!settings.audiences.empty() && !token.is_for(settings.audiences))
    return refuse_token(attempt, TokenError::kAudience);
  if (!has_required_claims(token.claims(), settings)) return refuse_token(attempt, TokenError::kClaims);
  if (token.expiry() && rules.expiry) out.until = *token.expiry() + skew;
  out.headers = claim_headers(token.claims(), settings);
  out.credential = settings.issuer + '/' + std::string(token.subject());
  out.consumer = claimed_consumer(token.claims(), settings, *out.directory);
  return AuthOutcome::kGood;
}

/// Whose key it is signed with: a text of the claims, else of the header.
std::optional<std::string_view> Jwt::key_of(const auth::Token& token) const {
  for (const auto* part : {&token.claims(), &token.header()})
    if (const auto* found = part->member(part->root(), settings_.key_claim);
        found != nullptr && found->type == auth::Json::Type::kString)
      return found->text;
  return std::nullopt;
}

AuthOutcome Jwt::verify_by_consumer(Request& request, AuthAttempt& attempt, Verified& out) const {
  const auto& token = *out.token;
  const auto refuse_key = [&](std::string_view how) {
    return refuse_token(attempt, TokenError::kIssuer, request.arena().copy(std::string(how) + settings_.key_claim));
  };
  const auto key_id = key_of(token);
  if (!key_id) return refuse_key("no_key:");
  if (key_id->empty()) return refuse_key("empty_key:");
  const auto* credential =
      settings_.consumers ? out.directory->find(auth::CredentialKind::kJwt, auth::lookup_of(*key_id)) : nullptr;
  if (credential == nullptr) return refuse_key("issuer:");
  const auto& key = *auth::details_of(*credential)->key;
  if (!key.allows(token.algorithm())) return refuse_token(attempt, TokenError::kAlgorithm);
  if (!token.signed_by(key)) return refuse_token(attempt, TokenError::kSignature);
  const auto rules = time_rules();
  const auto times = auth::check_times(token, std::time(nullptr), 0, rules);
  const bool neither = times == TokenError::kNoExpiry && rules.needs_start && !token.not_before();
  if (times != TokenError::kNone) return refuse_token(attempt, times, neither ? "no_times" : "");
  if (token.expiry() && rules.expiry) out.until = *token.expiry();
  out.consumer = &credential->consumer();
  out.credential_id = auth::credential_id(*credential);
  out.credential = auth::credential_name(*credential);
  return AuthOutcome::kGood;
}

auth::Algorithms algorithms_of(const std::vector<std::string>& names) {
  auth::Algorithms out = names.empty() ? auth::kAllAlgorithms : 0;
  for (const auto& name : names)
    if (const auto known = auth::algorithm_of(name)) out |= auth::bit(*known);
  return out;
}

/// The store's name says all that the keys depend on, so that policies that ask the same server share them.
void find_remote(Issuer& issuer, Context& context) {
  const auto& remote = *issuer.settings.remote;
  const auto number = context.cluster(remote.backend);
  if (!number) {
    context.faults.push_back("issuer " + issuer.settings.issuer +
                             ": remoteJwks.backendRef names no Service that may be used");
    return;
  }
  auto& source = issuer.remote;
  source = {.keys = nullptr,
            .cluster = *number,
            .host = remote.host.empty() ? remote.backend.ref.name.text() : remote.host,
            .path = remote.path,
            .timeout = remote.timeout};
  const auto only = algorithms_of(issuer.settings.algorithms);
  const auto name = "auth/jwks " + context.ns + '/' + remote.backend.ref.ns + '/' + remote.backend.ref.name + ':' +
                    std::to_string(remote.backend.port) + ' ' + source.host + ' ' + remote.path + ' ' +
                    std::to_string(remote.cache_duration.count()) + ' ' + std::to_string(only);
  source.keys = context.stores.get<auth::RemoteKeys>(name, [&] {
    return std::make_shared<auth::RemoteKeys>(static_cast<std::uint64_t>(remote.cache_duration.count()), only);
  });
}

void find_keys(Issuer& issuer, Context& context) {
  if (issuer.settings.remote) return find_remote(issuer, context);
  const auto fault = [&](std::string text) {
    context.faults.push_back("issuer " + issuer.settings.issuer + ": " + text);
  };
  auto text = issuer.settings.jwks_secret ? secret_value(*issuer.settings.jwks_secret, context) : issuer.settings.jwks;
  if (!text) return fault(text.error().message);
  auto keys = auth::parse_jwks(*text, algorithms_of(issuer.settings.algorithms));
  if (!keys) return fault("its JWK Set: " + keys.error().message);
  issuer.keys = std::move(*keys);
  for (const auto& remark : issuer.keys->remarks)
    context.remarks.push_back("issuer " + issuer.settings.issuer + ": passed over: " + remark);
}

}  // namespace

AuthMethodPtr make_jwt_method(const model::JwtMethod& settings, DirectoriesPtr directories, bool only_jwts,
                              Context& context) {
  keep_secret(settings.from);
  std::vector<Issuer> issuers;
  for (const auto& one : settings.issuers) {
    auto& issuer = issuers.emplace_back();
    issuer.settings = one;
    find_keys(issuer, context);
  }
  if (!context.faults.empty()) return nullptr;
  return std::make_unique<Jwt>(settings, std::move(directories), std::move(issuers), only_jwts);
}

}  // namespace fairlead::filter
