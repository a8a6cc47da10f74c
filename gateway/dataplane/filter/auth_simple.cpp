// SPDX-License-Identifier: Apache-2.0
// Ways to authenticate that know the answer at once: API keys, the hmac scheme, client certificates.
#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "fairlead/auth/hmac_signature.hpp"
#include "gateway/dataplane/filter/auth_method.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"
#include "gateway/dataplane/filter/body_fields.hpp"

namespace fairlead::filter {
namespace {

constexpr std::size_t kMostKey = 1024;

class ApiKey final : public AuthMethod {
 public:
  ApiKey(const model::ApiKeyMethod& settings, DirectoriesPtr directories)
      : settings_(settings), directories_(std::move(directories)) {}

  AuthOutcome check(Request& request, AuthAttempt& attempt) const override {
    auto found = find_credential(request, settings_.from);
    std::string of_body;
    if (!found.present && attempt.body != nullptr && wants_body(request)) {
      const BodyFields fields(request.head().fields, *attempt.body);
      for (const auto& name : settings_.body) {
        if (fields.several(name)) {
          found = {.text = {}, .present = true, .again = true};
          break;
        }
        auto value = fields.value(name);
        if (!value) continue;
        of_body = std::move(*value);
        found = {.text = of_body, .present = true};
        break;
      }
    }
    if (!found.present || (found.text.empty() && !found.again)) return AuthOutcome::kAbsent;
    if (found.twice || found.again) return refuse(attempt, "more than one API key was sent", AuthFailure::kDuplicate);
    if (found.text.size() > kMostKey) return refuse_unknown(attempt);
    auto directory = directories_->current();
    const auto* credential = directory->find(auth::CredentialKind::kApiKey, auth::sha256(found.text));
    if (credential == nullptr) return refuse_unknown(attempt);
    return accept(attempt, identity_of(*credential, std::move(directory), request.arena()));
  }
  std::string_view scheme() const override { return "Key"; }
  std::string_view realm() const override { return settings_.realm; }
  std::string_view name() const override { return "apiKey"; }
  void hide(Request& request) const override {
    if (settings_.hide_credentials) remove_credential(request, settings_.from);
  }
  std::size_t most_body() const override { return settings_.body.empty() ? 0 : model::ApiKeyMethod::kMostBody; }
  bool wants_body(Request& request) const override {
    const auto& head = request.head();
    if (settings_.body.empty() || head.body == http::Body::kNone || head.body == http::Body::kTunnel) return false;
    return BodyFields::reads(head.fields) && !find_credential(request, settings_.from).present;
  }
  void hide_in(Request& request, std::string& body) const override {
    if (!settings_.hide_credentials || settings_.body.empty()) return;
    BodyFields fields(request.head().fields, body);
    bool changed = false;
    for (const auto& name : settings_.body) changed = fields.remove(name) || changed;
    if (changed) body = fields.text();
  }

 private:
  static AuthOutcome refuse_unknown(AuthAttempt& attempt) {
    return refuse(attempt, "the API key is not known", AuthFailure::kUnknown);
  }

  const model::ApiKeyMethod settings_;
  const DirectoriesPtr directories_;
};

class Hmac final : public AuthMethod {
 public:
  Hmac(const model::HmacMethod& settings, DirectoriesPtr directories)
      : settings_(settings), directories_(std::move(directories)) {}

  AuthOutcome check(Request& request, AuthAttempt& attempt) const override {
    const auto value = find(request);
    if (!value.present) return AuthOutcome::kAbsent;
    if (value.twice) return refuse(attempt, "more than one Authorization header was sent", AuthFailure::kDuplicate);
    const auto header = auth::parse_hmac(value.text);
    if (!header) return refuse(attempt, "the signature's header is malformed", AuthFailure::kMalformed);
    if (std::ranges::find(settings_.algorithms, header->algorithm) == settings_.algorithms.end())
      return refuse(attempt, "the signature's algorithm is not accepted", AuthFailure::kAlgorithm);
    for (const auto& needed : settings_.enforce_headers)
      if (!header->covers(needed))
        return refuse(attempt, "the signature does not cover all headers that it must", AuthFailure::kNotCovered);
    if (!is_recent(request, *header))
      return refuse(attempt, "a signed date or x-date of this time is needed", AuthFailure::kNotRecent);
    if (settings_.validate_body && has_body(request) && !header->covers("digest"))
      return refuse(attempt, "a signed digest of the body is needed");
    auto directory = directories_->current();
    const auto* credential = directory->find(auth::CredentialKind::kHmac, auth::lookup_of(header->username));
    const auto text = auth::signing_string(*header, request.head());
    if (credential == nullptr) return refuse(attempt, "the signature is wrong", AuthFailure::kUnknown);
    if (!text ||
        !auth::check_hmac(header->algorithm, auth::details_of(*credential)->material, *text, header->signature))
      return refuse(attempt, "the signature is wrong");
    return accept(attempt, identity_of(*credential, std::move(directory), request.arena()));
  }
  std::string_view scheme() const override { return "hmac"; }
  std::string_view realm() const override { return settings_.realm; }
  void hide(Request& request) const override {
    if (settings_.hide_credentials) remove_authorizations(request, "hmac");
  }
  std::size_t most_body() const override { return settings_.validate_body ? settings_.max_body_bytes : 0; }
  bool needs_body(Request& request) const override {
    return settings_.validate_body && has_body(request) && find(request).present;
  }
  bool check_body(Request& request, const std::string& body) const override {
    const auto* digest = http::find(request.head().fields, "digest");
    return digest != nullptr && auth::check_body_digest(digest->value, body);
  }

 private:
  /// The first of that scheme that is well-formed, else the first.
  static PlaceValue find(Request& request) {
    PlaceValue first;
    for (const auto name : kAuthorizationFields) {
      auto value = authorization(request, name);
      if (!value.present || !behind_scheme(value.text, "hmac")) continue;
      if (value.twice || auth::parse_hmac(value.text)) return value;
      if (!first.present) first = value;
    }
    return first;
  }

  static bool has_body(Request& request) {
    const auto& head = request.head();
    return head.body != http::Body::kNone && !(head.body == http::Body::kLength && head.content_length == 0);
  }

  /// An unsigned date would make a signature good for ever.
  bool is_recent(Request& request, const auth::HmacHeader& header) const {
    for (const std::string_view name : {"x-date", "date"}) {
      const auto* field = http::find(request.head().fields, name);
      if (field == nullptr || !header.covers(name)) continue;
      const auto date = auth::parse_date(field->value);
      if (date &&
          std::llabs(*date - static_cast<std::int64_t>(std::time(nullptr))) <= settings_.clock_skew.count() / 1000)
        return true;
    }
    return false;
  }

  const model::HmacMethod settings_;
  const DirectoriesPtr directories_;
};

class Certificate final : public AuthMethod {
 public:
  Certificate(const model::CertificateMethod& settings, DirectoriesPtr directories)
      : settings_(settings), directories_(std::move(directories)) {}

  AuthOutcome check(Request& request, AuthAttempt& attempt) const override {
    const auto* tls = request.record().tls;
    if (tls == nullptr || !tls->peer_verified || tls->peer_identity.empty()) return AuthOutcome::kAbsent;
    auto directory = directories_->current();
    const auth::Consumer* consumer = nullptr;
    for (const auto& name : tls->peer_names)
      if ((consumer = directory->called(name)) != nullptr) break;
    if (consumer == nullptr && settings_.require_consumer)
      return refuse(attempt, "the certificate is not a consumer's", AuthFailure::kUnknown);
    const auto subject = request.arena().copy(tls->peer_identity);
    return accept(attempt, {.consumer = consumer,
                            .credential = subject,
                            .subject = subject,
                            .claims = {},
                            .authenticated = true,
                            .hold = std::move(directory)});
  }
  std::string_view scheme() const override { return ""; }
  std::string_view name() const override { return "certificate"; }
  void hide(Request&) const override {}

 private:
  const model::CertificateMethod settings_;
  const DirectoriesPtr directories_;
};

}  // namespace

AuthMethodPtr make_api_key_method(const model::ApiKeyMethod& settings, DirectoriesPtr directories) {
  keep_secret(settings.from);
  return std::make_unique<ApiKey>(settings, std::move(directories));
}
AuthMethodPtr make_hmac_method(const model::HmacMethod& settings, DirectoriesPtr directories) {
  return std::make_unique<Hmac>(settings, std::move(directories));
}
AuthMethodPtr make_certificate_method(const model::CertificateMethod& settings, DirectoriesPtr directories) {
  return std::make_unique<Certificate>(settings, std::move(directories));
}

Identity identity_of(const auth::Credential& credential, auth::DirectoryPtr directory, Arena& arena) {
  return {.consumer = &credential.consumer(),
          .credential = arena.copy(auth::credential_name(credential)),
          .credential_id = auth::credential_id(credential),
          .subject = credential.consumer().name(),
          .claims = {},
          .authenticated = true,
          .hold = std::move(directory)};
}

AuthOutcome accept(AuthAttempt& attempt, Identity identity) {
  if (!attempt.good) {
    attempt.identity = std::move(identity);
  } else if (attempt.last_counts) {
    if (!attempt.identity.claims.empty() && identity.claims.empty()) {
      identity.claims = attempt.identity.claims;
      identity.hold = std::make_shared<std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>>(
          std::move(attempt.identity.hold), std::move(identity.hold));
    }
    attempt.identity = std::move(identity);
  } else if (attempt.identity.consumer == nullptr) {
    // What a token says stays; who that is, the later method adds.
    attempt.identity.consumer = identity.consumer;
    attempt.identity.credential = identity.credential;
    auto both = std::make_shared<std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>>(
        std::move(attempt.identity.hold), std::move(identity.hold));
    attempt.identity.hold = std::move(both);
  } else if (identity.consumer != nullptr && identity.consumer->name() != attempt.identity.consumer->name()) {
    return refuse(attempt, "the credentials are of different consumers", AuthFailure::kOtherConsumer);
  } else if (attempt.identity.claims.empty() && !identity.claims.empty()) {
    attempt.identity.claims = identity.claims;
    attempt.identity.subject = identity.subject;
    auto both = std::make_shared<std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>>(
        std::move(attempt.identity.hold), std::move(identity.hold));
    attempt.identity.hold = std::move(both);
  }
  if (attempt.names_nobody && !attempt.last_counts && attempt.identity.consumer != nullptr)
    return refuse(attempt, "the credentials are of different consumers", AuthFailure::kOtherConsumer);
  attempt.good = true;
  attempt.accepted |= std::uint32_t{1} << attempt.next;
  return AuthOutcome::kGood;
}

}  // namespace fairlead::filter
