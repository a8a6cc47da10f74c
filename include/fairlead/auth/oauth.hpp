// SPDX-License-Identifier: Apache-2.0
#pragma once

// Texts of OAuth 2.0 and OpenID Connect: what is sent to a provider, and what it says.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fairlead/auth/jwt.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::auth {

/// application/x-www-form-urlencoded, for bodies and queries.
[[nodiscard]] std::string encode_form(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs);
/// "Basic ...", id and secret form-encoded first (RFC 6749 section 2.3.1).
[[nodiscard]] std::string basic_authorization(std::string_view id, std::string_view secret);
/// S256 (RFC 7636 section 4.2).
[[nodiscard]] std::string code_challenge(std::string_view verifier);

/// Three parts of which the first is a JOSE header: what only a JWT looks like.
[[nodiscard]] bool looks_like_jwt(std::string_view token);
/// 1*( %x21-7E ): what a token may be made of (RFC 6749 appendix A.12, without blanks).
[[nodiscard]] bool is_token_text(std::string_view token);

/// An absolute http or https URL without user and fragment. Views into what was split.
struct Url {
  std::string_view origin;     ///< "https://a.example:8443"
  std::string_view authority;  ///< "a.example:8443"
  std::string_view path;       ///< with the query; empty where there is none
};
[[nodiscard]] std::optional<Url> split_url(std::string_view url);

/// Whether a browser takes it for a path of the same origin: "/a?b", not "//a", "/\a", nor what has blanks, control
/// characters, backslashes or no ASCII.
[[nodiscard]] bool is_local_target(std::string_view target);

/// What an OpenID provider says of itself (OpenID Connect Discovery section 3).
struct Provider {
  std::string authorization;  ///< a URL, for browsers
  std::string end_session;    ///< a URL, for browsers; may be empty
  std::string token_path;     ///< on the server that is asked
  std::string jwks_path;      ///< the same
};
/// An error where it is not this issuer's, or lacks what a login needs.
[[nodiscard]] Result<Provider> parse_provider(std::string_view text, std::string_view issuer);
/// The same document of an issuer whose tokens are only verified: the path of its jwks_uri, which has to be at the
/// issuer's own host and port, as no other server is known.
[[nodiscard]] Result<std::string> parse_keys_path(std::string_view text, std::string_view issuer);

/// A successful answer of a token endpoint (RFC 6749 section 5.1).
struct TokenAnswer {
  std::string id_token;       ///< may be empty after a refresh
  std::string refresh_token;  ///< may be empty
  std::optional<std::int64_t> expires_in;  ///< seconds
};
[[nodiscard]] std::optional<TokenAnswer> parse_token_answer(std::string_view text);
/// The code of an error answer (RFC 6749 section 5.2): "invalid_grant"; empty where it is none.
[[nodiscard]] std::string error_of(std::string_view text);

/// What an ID token must say (OpenID Connect Core section 3.1.3.7). Its signature is checked before.
struct IdTokenRules {
  std::string_view issuer;
  std::string_view client_id;
  std::string_view nonce;
  bool needs_nonce = true;  ///< false: of a refresh, which may leave it out (section 12.2)
  std::int64_t skew = 0;    ///< seconds
};
[[nodiscard]] TokenError check_id_token(const Token& token, const IdTokenRules& rules, std::int64_t now);

}  // namespace fairlead::auth
