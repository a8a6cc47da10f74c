// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/auth/json.hpp"
#include "fairlead/auth/verify_key.hpp"

namespace fairlead::auth {

inline constexpr std::size_t kMostToken = 16384;  ///< bytes, of the compact form

/// Why a token was refused: a label for logs and counters, and a sentence for error_description (RFC 6750).
enum class TokenError : std::uint8_t {
  kNone,
  kMalformed,    ///< no compact JWS, or JSON that is not strict
  kAlgorithm,    ///< "none", not known, or not that of the key
  kCritical,     ///< crit: what we would have to understand
  kUnknownKey,   ///< no key of that kid
  kSignature,
  kIssuer,       ///< none that is configured
  kAudience,
  kExpired,
  kNotYet,       ///< nbf
  kClaims,       ///< a required claim, or one of a wrong type
  kNoExpiry,
  kNonce,        ///< of an ID token: of another login
  kInactive,     ///< its server says so (RFC 7662)
  kNoStart,      ///< no nbf where one is needed
  kTooLong,      ///< exp is too far away
};
[[nodiscard]] std::string_view name_of(TokenError error);      ///< "expired"
[[nodiscard]] std::string_view sentence_of(TokenError error);  ///< "the token has expired"

/// Whether aud, a text or a list, has one of them.
[[nodiscard]] bool is_for(const Json& claims, const std::vector<std::string>& audiences);

/// A compact JWS (RFC 7515 section 7.1) taken apart, nothing of it believed yet. Immutable; views are into the text it
/// keeps.
class Token {
 public:
  /// Nothing and why in `error`.
  [[nodiscard]] static std::shared_ptr<const Token> parse(std::string_view compact, TokenError& error);

  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

  [[nodiscard]] Algorithm algorithm() const { return algorithm_; }
  [[nodiscard]] std::string_view key_id() const { return key_id_; }
  [[nodiscard]] std::string_view issuer() const { return issuer_; }    ///< iss, or empty
  [[nodiscard]] std::string_view subject() const { return subject_; }  ///< sub, or empty
  [[nodiscard]] std::string_view payload() const { return payload_; }  ///< JSON
  [[nodiscard]] const Json& claims() const { return *claims_; }
  [[nodiscard]] const Json& header() const { return *header_; }
  [[nodiscard]] std::optional<std::int64_t> expiry() const { return expiry_; }
  [[nodiscard]] std::optional<std::int64_t> not_before() const { return not_before_; }

  [[nodiscard]] bool signed_by(const VerifyKey& key) const { return key.verify(algorithm_, signed_, signature_); }
  /// Signed by one of those that its kid names, or by any where it names none.
  [[nodiscard]] TokenError signed_by(const KeySet& keys) const;
  /// aud has one of them.
  [[nodiscard]] bool is_for(const std::vector<std::string>& audiences) const {
    return auth::is_for(*claims_, audiences);
  }

 private:
  Token() = default;
  TokenError read_header();
  TokenError read_claims();

  Algorithm algorithm_ = Algorithm::kHs256;
  std::string signed_;
  std::string key_id_;
  std::string signature_;
  std::string payload_, header_text_;
  std::optional<Json> claims_, header_;
  std::string_view issuer_;
  std::string_view subject_;
  std::optional<std::int64_t> expiry_;
  std::optional<std::int64_t> not_before_;
};
using TokenPtr = std::shared_ptr<const Token>;

/// Which times of a token count.
struct TimeRules {
  bool expiry = true;  ///< where it is there, or needed
  bool start = true;   ///< nbf, the same
  bool needs_expiry = false;
  bool needs_start = false;
  std::int64_t most = 0;  ///< seconds from now until exp; 0: any
};
/// kNone where `now` (seconds since 1970) is within exp and nbf, give or take `skew` seconds.
[[nodiscard]] TokenError check_times(const Token& token, std::int64_t now, std::int64_t skew, const TimeRules& rules);
[[nodiscard]] inline TokenError check_times(const Token& token, std::int64_t now, std::int64_t skew,
                                            bool needs_expiry) {
  return check_times(token, now, skew, TimeRules{.needs_expiry = needs_expiry});
}

/// A claim as a header has it: texts as they are, numbers and booleans as written, lists joined by ','. Nothing for
/// objects, null and what no header may hold.
[[nodiscard]] std::optional<std::string> claim_text(const Json& claims, const Json::Node& claim);

/// True where the claim at `path` is there and, unless `values` is empty, is one of them or (a list, or scope's words)
/// has one of them.
[[nodiscard]] bool claim_matches(const Json& claims, std::string_view path, const std::vector<std::string>& values);
/// True where scope (words, RFC 8693 section 4.2) or scp has it.
[[nodiscard]] bool has_scope(const Json& claims, std::string_view scope);

}  // namespace fairlead::auth
