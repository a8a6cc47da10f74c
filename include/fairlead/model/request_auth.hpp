// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/model/gateway_route_parts.hpp"
#include "fairlead/model/request_policy.hpp"
#include "fairlead/model/secret_source.hpp"

namespace fairlead::model {

// ---- Consumer -----------------------------------------------------------------------------------------------------

/// What most credentials do not have, apart from the rest: a million API keys cost no more than their digests.
struct CredentialText {
  std::string name{};       ///< what logs and backends may see; empty: by default
  std::string id{};         ///< Basic: user name; JWT: the value of iss; HMAC, signature: keyId
  std::string algorithm{};  ///< JWT: "RS256"; signature: "ed25519", or empty: by the key
  /// Basic: a hash (auth/password.hpp); JWT, signature: a secret or a public key as PEM; HMAC: a secret. Never printed.
  std::string material{};
  bool is_public_key = false;  ///< of the material of a JWT or a signature
  std::optional<SecretKey> secret{};  ///< where the key or material is instead
};

struct ConsumerCredential {
  enum class Kind : std::uint8_t { kApiKey, kBasic, kJwt, kHmac, kSignature };
  Kind kind = Kind::kApiKey;
  std::array<std::uint8_t, 32> sha256{};  ///< of an API key that is not in a Secret
  std::shared_ptr<const CredentialText> text{};  ///< null: an API key without a name
};

/// Secrets and all; no dump shows credentials.
struct ConsumerSettings {
  std::string custom_id;
  std::vector<std::string> groups;  ///< sorted, each once
  std::vector<ConsumerCredential> credentials;
  std::string id;  ///< for backends
  std::string username;  ///< what backends, logs and templates are told; empty: metadata.name
};

// ---- authentication -----------------------------------------------------------------------------------------------

/// Where a credential may stand; the first that is there counts.
struct CredentialPlaces {
  std::vector<std::string> headers;  ///< in lower case
  std::vector<std::string> query;  ///< parameters
  std::vector<std::string> cookies;
};

struct ApiKeyMethod {
  static constexpr std::size_t kMostBody = 1024 * 1024;
  CredentialPlaces from{.headers = {"apikey"}, .query = {"apikey"}, .cookies = {}};
  std::vector<std::string> body;  ///< members of a JSON body, parameters of a form
  std::string realm;  ///< empty: the section's; and so below
  bool hide_credentials = false;
};

struct BasicMethod {
  std::string realm;
  bool hide_credentials = false;
};

struct RemoteJwks {
  BackendTarget backend;
  std::string host;  ///< of the request; empty: the Service's name
  std::string path;
  std::chrono::milliseconds cache_duration{300'000};
  std::chrono::milliseconds timeout{5000};
};

struct ClaimHeader {
  std::string claim;  ///< "realm_access.roles": a path
  std::string header;  ///< in lower case
};

struct RequiredClaim {
  std::string claim;
  std::vector<std::string> values;  ///< one of; empty: that it is there is enough
};

/// What is asked of claims, and what they say of who calls.
struct ClaimUse {
  std::vector<ClaimHeader> claims_to_headers;
  std::vector<RequiredClaim> required_claims;
  std::string consumer_claim;  ///< its value is a consumer's name; empty: none is looked for
};

struct JwtIssuer : ClaimUse {
  std::string issuer;
  std::vector<std::string> audiences;  ///< one of; empty: not asked
  std::string jwks;  ///< JSON, inline or of a file
  std::optional<SecretKey> jwks_secret;
  std::optional<RemoteJwks> remote;
  std::vector<std::string> algorithms;  ///< empty: all that the key allows
  std::chrono::milliseconds clock_skew{30'000};
};

struct JwtMethod {
  std::vector<JwtIssuer> issuers;
  std::string realm;
  bool consumers = true;  ///< credentials of consumers count too
  CredentialPlaces from{.headers = {"authorization"}, .query = {}, .cookies = {}};
  bool hide_credentials = false;
  bool require_expiry = false;
  /// Claims that must be there and hold, and no other is looked at; nothing: those that are there.
  std::optional<std::vector<std::string>> verify;
  std::string key_claim = "iss";  ///< whose value finds a consumer's key: of the claims, else of the header
  std::chrono::milliseconds max_lifetime{0};  ///< from now until exp; 0: any
};

/// What the gateway is to an OAuth 2.0 server.
struct OauthClient {
  enum class Way : std::uint8_t { kBasic, kPost };  ///< RFC 6749 section 2.3.1
  std::string id;
  std::string secret;  ///< inline or of a file, never printed; empty with secret_ref, or for a public client
  std::optional<SecretKey> secret_ref;
  Way way = Way::kBasic;
  [[nodiscard]] bool is_public() const { return secret.empty() && !secret_ref; }
};

/// Tokens that another server is asked about (RFC 7662).
struct IntrospectionMethod : ClaimUse {
  BackendTarget backend;
  std::string host;  ///< of the request; empty: the Service's name
  std::string path;
  OauthClient client;
  CredentialPlaces from{.headers = {"authorization"}, .query = {}, .cookies = {}};
  std::string issuer;  ///< iss must be it; empty: not asked
  std::vector<std::string> audiences;  ///< one of; empty: not asked
  std::vector<std::string> scopes;  ///< all of them
  std::chrono::milliseconds active_for{60'000};  ///< the most for which "active" is remembered
  std::chrono::milliseconds inactive_for{10'000};
  std::chrono::milliseconds timeout{5000};
  bool hide_credentials = false;
};

/// Where a provider's parts are, where it is not asked. All are set, or none; end_session may be empty.
struct LoginEndpoints {
  std::string authorization;  ///< a URL
  std::string token;  ///< a path on the backend
  std::string jwks;  ///< the same
  std::string end_session;  ///< a URL
};

/// OpenID Connect for browsers: the authorization code flow with PKCE.
struct LoginMethod : ClaimUse {
  std::string issuer;  ///< a URL
  BackendTarget backend;
  std::string host;  ///< of requests to it; empty: the issuer's
  std::optional<LoginEndpoints> endpoints;  ///< none: by discovery
  OauthClient client;
  std::vector<std::string> scopes{"openid"};
  std::string base_url;  ///< "https://shop.example": what browsers know us by; empty: as they asked
  std::string callback_path = "/oauth2/callback";
  std::string login_path;  ///< begins a login; empty: none
  std::string logout_path = "/oauth2/logout";
  std::string after_logout = "/";  ///< a path
  std::string cookie_name = "fairlead";
  std::vector<SecretSource> cookie_keys;  ///< the first seals, all open
  bool secure_cookies = true;  ///< Secure, and names that begin with __Host-
  std::chrono::milliseconds session_lifetime{8 * 3'600'000};
  std::chrono::milliseconds clock_skew{30'000};
  std::chrono::milliseconds timeout{5000};
};

/// The older `Authorization: hmac` scheme, as Kong has it.
struct HmacMethod {
  std::string realm;
  std::chrono::milliseconds clock_skew{300'000};
  std::vector<std::string> enforce_headers;  ///< in lower case; must be signed
  std::vector<std::string> algorithms{"hmac-sha256", "hmac-sha384", "hmac-sha512"};
  bool validate_body = false;
  std::uint32_t max_body_bytes = 1024 * 1024;
  bool hide_credentials = false;
};

/// HTTP Message Signatures (RFC 9421).
struct SignatureMethod {
  std::vector<std::string> components{"@method", "@target-uri"};  ///< must be signed; as auth::is_component() has them
  std::vector<std::string> algorithms;  ///< empty: all that a key may be for
  std::string tag;  ///< only signatures with this one count; empty: any
  std::chrono::milliseconds max_age{300'000};  ///< since `created`, which must be there
  std::chrono::milliseconds clock_skew{30'000};
  bool refuse_replays = false;  ///< a nonce must be there, and be another one each time
  bool require_digest = true;  ///< of requests with a body: Content-Digest must be signed
  std::uint32_t max_body_bytes = 1024 * 1024;
  bool hide_credentials = false;
};

/// A verified client certificate's identity is the name of a consumer.
struct CertificateMethod {
  bool require_consumer = false;
};

/// Of one source: an IPv4 address, or a /64 of IPv6.
struct FailureLimit {
  std::uint32_t most = 0;  ///< wrong credentials in a window; 0: no limit
  std::chrono::milliseconds window{60'000};
};

struct Authentication {
  enum class Mode : std::uint8_t {
    kAny,
    kAll,
    kEach,  ///< all, of any consumers: the last of jwt, apiKey, basic, hmac says who it is
  };
  Mode mode = Mode::kAny;
  std::string realm = "fairlead";
  std::optional<ApiKeyMethod> api_key;
  std::optional<BasicMethod> basic;
  std::optional<JwtMethod> jwt;
  std::optional<HmacMethod> hmac;
  std::optional<SignatureMethod> signature;
  std::optional<CertificateMethod> certificate;
  std::optional<IntrospectionMethod> introspection;
  std::optional<LoginMethod> login;
  bool allow_anonymous = false;  ///< who shows no credential at all
  FailureLimit failures;
  std::string anonymous_consumer;  ///< who that is then; may be empty
  bool ignore_wrong = false;  ///< who shows wrong ones only is anonymous, too
  bool passes_options = false;  ///< OPTIONS requests are not asked who calls
  bool tells_id = false;  ///< backends: the credential's own id in place of its name
};

}  // namespace fairlead::model
