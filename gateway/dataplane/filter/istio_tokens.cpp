// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/istio_tokens.hpp"

#include <algorithm>
#include <ctime>

#include "fairlead/auth/token_cache.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"

namespace fairlead::filter {
namespace {

using auth::TokenError;

constexpr std::int64_t kSkew = 60;          // seconds; Envoy's
constexpr std::size_t kMostCached = 4096;   // bytes of a token that is kept
constexpr std::size_t kMostCandidates = 64;
constexpr std::string_view kOtherIssuer = "Jwt issuer is not configured";

struct Verified {
  auth::TokenPtr token;
  const IstioIssuer* issuer = nullptr;
  std::uint64_t key_version = 0;  ///< of remote keys
};
struct Tokens final : Local {
  auth::TokenCache<Verified> cache;
};

/// In Envoy's words, which clients may know.
std::string_view text_of(TokenError error) {
  switch (error) {
    case TokenError::kExpired:
    case TokenError::kNoExpiry: return "Jwt is expired";
    case TokenError::kNotYet: return "Jwt not yet valid";
    case TokenError::kUnknownKey: return "Jwks doesn't have key to match kid or alg from Jwt";
    case TokenError::kAlgorithm: return "Jwt header [alg] is not supported";
    case TokenError::kIssuer: return kOtherIssuer;
    case TokenError::kAudience: return "Audiences in Jwt are not allowed";
    case TokenError::kMalformed:
      return "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    case TokenError::kCritical:
    case TokenError::kClaims:
    case TokenError::kNonce:     // of logins and introspection only
    case TokenError::kInactive:
    case TokenError::kNoStart:  // not asked for here
    case TokenError::kTooLong:
    case TokenError::kSignature:
    case TokenError::kNone: break;
  }
  return "Jwt verification fails";
}

/// Where a rule looks: in Authorization and access_token where it does not say.
struct Places {
  std::vector<std::pair<std::string, std::string>> headers;  // with what stands before the token
  model::CredentialPlaces others;
};
Places places_of(const model::JwtRule& rule) {
  if (rule.from_headers.empty() && rule.from_params.empty() && rule.from_cookies.empty())
    return {.headers = {{"authorization", "Bearer "}},
            .others = {.headers = {}, .query = {"access_token"}, .cookies = {}}};
  return {.headers = rule.from_headers,
          .others = {.headers = {}, .query = rule.from_params, .cookies = rule.from_cookies}};
}

void find_tokens(Request& request, const IstioIssuer& issuer, IstioAttempt& attempt) {
  const auto places = places_of(*issuer.rule);
  const auto take = [&](std::string_view text) {
    if (attempt.candidates.size() < kMostCandidates) attempt.candidates.push_back({&issuer, text});
  };
  for (const auto& [name, prefix] : places.headers)
    for (const auto& field : request.head().fields)
      if (field.name == name && field.value.starts_with(prefix)) take(field.value.substr(prefix.size()));
  for (const auto& only : {model::CredentialPlaces{.headers = {}, .query = places.others.query, .cookies = {}},
                           model::CredentialPlaces{.headers = {}, .query = {}, .cookies = places.others.cookies}}) {
    const auto found = find_credential(request, only);
    // Of two that differ none is taken: a backend might take the other.
    if (found.present) take(found.twice ? std::string_view() : found.text);
  }
}

void remove_token(Request& request, const model::JwtRule& rule) {
  const auto places = places_of(rule);
  std::erase_if(request.head().fields, [&](const auto& field) {
    return std::ranges::any_of(places.headers, [&](const auto& one) {
      return field.name == one.first && field.value.starts_with(one.second);
    });
  });
  remove_credential(request, places.others);
}

bool is_output(const model::JwtRule& rule, std::string_view field) {
  return (!rule.payload_header.empty() && same_header(field, rule.payload_header)) ||
         std::ranges::any_of(rule.claim_headers, [&](const auto& one) { return same_header(field, one.header); });
}

void tell_backend(Request& request, const model::JwtRule& rule, const auth::Token& token) {
  auto& arena = request.arena();
  auto& fields = request.head().fields;
  if (!rule.payload_header.empty())
    fields.push_back({rule.payload_header, arena.copy(auth::encode_base64url(token.payload()))});
  for (const auto& [name, header] : rule.claim_headers) {
    const auto* claim = token.claims().find(name);
    if (claim == nullptr || claim->type == auth::Json::Type::kArray) continue;  // Istio has no lists here
    if (const auto text = auth::claim_text(token.claims(), *claim)) fields.push_back({header, arena.copy(*text)});
  }
}

/// A browser asks before it may send credentials (Fetch section 3.2.2).
bool is_preflight(Request& request) {
  const auto& head = request.head();
  return head.method == http::Method::kOptions && http::find(head.fields, "origin") != nullptr &&
         http::find(head.fields, "access-control-request-method") != nullptr;
}

}  // namespace

void IstioTokens::begin(Request& request, IstioAttempt& attempt) const {
  if (!is_preflight(request))
    for (const auto& issuer : issuers_) find_tokens(request, issuer, attempt);
  strip_outputs(request.head().fields);
}

void IstioTokens::strip_outputs(http::Fields& fields) const {
  std::erase_if(fields, [&](const auto& field) {
    return std::ranges::any_of(issuers_, [&](const auto& issuer) { return is_output(*issuer.rule, field.name); });
  });
}

IstioTokens::Outcome IstioTokens::go_on(Request& request, IstioAttempt& attempt) const {
  for (; attempt.next < attempt.candidates.size(); ++attempt.next) {
    const auto outcome = verify(request, attempt);
    if (outcome != Outcome::kBad) return outcome;
  }
  return attempt.candidates.empty() ? Outcome::kPass : Outcome::kBad;
}

IstioTokens::Outcome IstioTokens::verify(Request& request, IstioAttempt& attempt) const {
  const auto& [issuer, text] = attempt.candidates[attempt.next];
  const auto refuse = [&](std::string_view why, std::uint16_t status = 401) {
    // That a token is of another issuer says least: what another rule found wrong with it counts.
    if (attempt.why.empty() || attempt.why == kOtherIssuer) {
      attempt.why = why;
      attempt.status = status;
    }
    return Outcome::kBad;
  };
  const auto& remote = issuer->remote;
  const auto now = std::time(nullptr);
  auto& cache = request.local<Tokens>(key_, [] { return std::make_unique<Tokens>(); }).cache;
  const auto digest = auth::sha256(text);
  if (const auto known = cache.find(digest); attempt.work == nullptr && known != nullptr && known->issuer == issuer) {
    const bool current =
        remote.keys == nullptr || remote.keys->is_current(known->key_version, request.reactor().now_ms());
    if (current && auth::check_times(*known->token, now, kSkew, false) == TokenError::kNone)
      return accept(request, attempt, *issuer, known->token);
  }
  TokenError error{};
  auto token = auth::Token::parse(text, error);
  if (token == nullptr) return refuse(text_of(error));
  if (token->issuer() != issuer->rule->issuer) return refuse(kOtherIssuer);
  error = auth::check_times(*token, now, kSkew, false);
  if (error != TokenError::kNone) return refuse(text_of(error));
  auto set = issuer->keys;
  if (remote.keys != nullptr) {
    if (attempt.work == nullptr) {
      attempt.work = std::make_unique<KeyWork>(remote, token->key_id());
      return Outcome::kWait;
    }
    set = static_cast<const KeyWork&>(*attempt.work).keys;
    attempt.work.reset();
    if (set == nullptr) return refuse("Jwks remote fetch is failed");
  }
  error = token->signed_by(*set);
  if (error != TokenError::kNone) return refuse(text_of(error));
  if (!issuer->rule->audiences.empty() && !token->is_for(issuer->rule->audiences))
    return refuse(text_of(TokenError::kAudience), 403);
  if (text.size() <= kMostCached)
    cache.put(digest,
              std::make_shared<Verified>(Verified{.token = token, .issuer = issuer, .key_version = set->version}));
  return accept(request, attempt, *issuer, std::move(token));
}

IstioTokens::Outcome IstioTokens::accept(Request& request, IstioAttempt& attempt, const IstioIssuer& issuer,
                                         auth::TokenPtr token) const {
  if (!issuer.rule->forward) remove_token(request, *issuer.rule);
  tell_backend(request, *issuer.rule, *token);
  attempt.token = std::move(token);
  return Outcome::kPass;
}

}  // namespace fairlead::filter
