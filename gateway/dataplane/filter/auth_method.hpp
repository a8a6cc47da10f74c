// SPDX-License-Identifier: Apache-2.0
#pragma once

// The ways to say who one is; authentication.cpp combines them.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/auth/directory_store.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_auth.hpp"

namespace fairlead::filter {

/// Why a credential is refused, for counters.
enum class AuthFailure : std::uint8_t {
  kWrong,       ///< a signature, a password
  kUnknown,     ///< nobody has it: a key, a user, a key's id
  kMalformed,
  kDuplicate,   ///< several that differ
  kNotCovered,  ///< a signature without a header that it must cover
  kNotRecent,   ///< without a date of this time
  kAlgorithm,
  kIssuer,
  kAudience,
  kExpired,
  kNotYet,
  kClaims,
  kOtherConsumer,  ///< than another method has found
  kBody,           ///< that is not the signed one
};
inline constexpr std::size_t kAuthFailures = static_cast<std::size_t>(AuthFailure::kBody) + 1;

/// Work on another thread or by another server, that a method waits for. Destroying it gives it up.
class AuthWork {
 public:
  virtual ~AuthWork() = default;
  /// False: it is over at once. Else `done` is called, once, never from within.
  virtual bool start(Request& request, std::function<void()> done) = 0;
};

/// What is known of a request so far.
struct AuthAttempt {
  std::size_t next = 0;  ///< the method that is tried
  std::unique_ptr<AuthWork> work;  ///< of that method
  Identity identity{};  ///< of the first that was good
  http::Fields headers{};  ///< for the backend, from claims; texts live as long as the request
  http::Fields answer_fields{};  ///< for the client, where the request passes; the same
  bool good = false;
  std::uint32_t accepted = 0;  ///< bits of the methods that were good
  bool bad = false;  ///< a credential was shown and refused
  bool guessed = false;  ///< one of those was wrong or nobody's, not merely too old or malformed
  std::string_view why{};  ///< a sentence; a literal
  AuthFailure failure = AuthFailure::kWrong;  ///< the same, for counters
  std::string_view reason{};  ///< the same, more exactly than `failure`: "issuer:iss"; empty: by that
  const std::string* body = nullptr;  ///< the whole, where a method has asked for it
  bool last_counts = false;  ///< of several consumers; else all have to be of one
  bool names_nobody = false;  ///< a method that was good was to find a consumer by its claims, and has not
  std::size_t failed = 0;  ///< the method that `why` is of
  /// Of kUnavailable, for the log; a literal without white space.
  std::string_view unavailable = "authentication_unavailable";
  std::string_view failed_token{};  ///< a token's error, as RFC 6750 has it in error_description
};

enum class AuthOutcome : std::uint8_t {
  kAbsent,       ///< no credential of this kind
  kGood,         ///< attempt.identity and .headers are filled in by `accept`
  kBad,          ///< attempt.why
  kWait,         ///< attempt.work is to be started; then the method is tried again
  kUnavailable,  ///< it cannot be found out now: 503
  kAnswered,     ///< the method has answered itself: the attempt may be gone
};

/// Immutable. Thread: any worker's.
class AuthMethod {
 public:
  virtual ~AuthMethod() = default;
  [[nodiscard]] virtual AuthOutcome check(Request& request, AuthAttempt& attempt) const = 0;
  /// "Bearer": what WWW-Authenticate begins with; empty: nothing that a client could answer to.
  [[nodiscard]] virtual std::string_view scheme() const = 0;
  /// Empty: the section's.
  [[nodiscard]] virtual std::string_view realm() const { return {}; }
  /// As the section has it: "apiKey".
  [[nodiscard]] virtual std::string_view name() const { return scheme(); }
  /// Takes the credential off the request, where that is wanted.
  virtual void hide(Request& request) const = 0;
  [[nodiscard]] virtual std::size_t most_body() const { return 0; }  ///< beyond 0: check_body() is called
  /// Whether the credential may stand in this request's body, so that check() wants to see it.
  [[nodiscard]] virtual bool wants_body(Request&) const { return false; }
  /// Takes the credential off a body, where that is wanted.
  virtual void hide_in(Request&, std::string&) const {}
  /// Whether this request was accepted by this method and its body is to be looked at.
  [[nodiscard]] virtual bool needs_body(Request&) const { return false; }
  [[nodiscard]] virtual bool check_body(Request&, const std::string&) const { return true; }
};
using AuthMethodPtr = std::unique_ptr<const AuthMethod>;
using DirectoriesPtr = std::shared_ptr<const auth::Directories>;

AuthMethodPtr make_api_key_method(const model::ApiKeyMethod& settings, DirectoriesPtr directories);
AuthMethodPtr make_basic_method(const model::BasicMethod& settings, DirectoriesPtr directories, Context& context);
AuthMethodPtr make_hmac_method(const model::HmacMethod& settings, DirectoriesPtr directories);
AuthMethodPtr make_signature_method(const model::SignatureMethod& settings, DirectoriesPtr directories,
                                    Context& context);
AuthMethodPtr make_certificate_method(const model::CertificateMethod& settings, DirectoriesPtr directories);
/// Null and a fault where keys cannot be read. `only_jwts`: other tokens are another method's.
AuthMethodPtr make_jwt_method(const model::JwtMethod& settings, DirectoriesPtr directories, bool only_jwts,
                              Context& context);
/// The same; `leaves_jwts`: tokens that look like JWTs are another method's.
AuthMethodPtr make_introspection_method(const model::IntrospectionMethod& settings, DirectoriesPtr directories,
                                        bool leaves_jwts, Context& context);
/// `begins`: who has no session may be sent to the provider.
AuthMethodPtr make_login_method(const model::LoginMethod& settings, DirectoriesPtr directories, bool begins,
                                Context& context);

/// The identity that a credential of the directory proves.
[[nodiscard]] Identity identity_of(const auth::Credential& credential, auth::DirectoryPtr directory, Arena& arena);
/// Puts a consumer into the attempt: the first method that is good decides; a second one must agree on the consumer.
[[nodiscard]] AuthOutcome accept(AuthAttempt& attempt, Identity identity);
/// kBad with a sentence.
[[nodiscard]] inline AuthOutcome refuse(AuthAttempt& attempt, std::string_view why,
                                        AuthFailure failure = AuthFailure::kWrong) {
  attempt.why = why;
  attempt.failure = failure;
  attempt.reason = {};
  attempt.failed = attempt.next;
  return AuthOutcome::kBad;
}

}  // namespace fairlead::filter
