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
};

// ---- authentication -----------------------------------------------------------------------------------------------

/// Where a credential may stand; the first that is there counts.
struct CredentialPlaces {
  std::vector<std::string> headers;  ///< in lower case
  std::vector<std::string> query;  ///< parameters
  std::vector<std::string> cookies;
};

struct ApiKeyMethod {
  CredentialPlaces from{.headers = {"apikey"}, .query = {"apikey"}, .cookies = {}};
  bool hide_credentials = false;
};

struct BasicMethod {
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

struct JwtIssuer {
  std::string issuer;
  std::vector<std::string> audiences;  ///< one of; empty: not asked
  std::string jwks;  ///< inline, JSON
  std::optional<SecretKey> jwks_secret;
  std::optional<RemoteJwks> remote;
  std::vector<std::string> algorithms;  ///< empty: all that the key allows
  std::vector<ClaimHeader> claims_to_headers;
  std::vector<RequiredClaim> required_claims;
  std::string consumer_claim;  ///< its value is a consumer's name; empty: none is looked for
  std::chrono::milliseconds clock_skew{30'000};
};

struct JwtMethod {
  std::vector<JwtIssuer> issuers;
  bool consumers = true;  ///< credentials of consumers count too
  CredentialPlaces from{.headers = {"authorization"}, .query = {}, .cookies = {}};
  bool hide_credentials = false;
  bool require_expiry = false;
};

/// The older `Authorization: hmac` scheme, as Kong has it.
struct HmacMethod {
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
  enum class Mode : std::uint8_t { kAny, kAll };
  Mode mode = Mode::kAny;
  std::string realm = "fairlead";
  std::optional<ApiKeyMethod> api_key;
  std::optional<BasicMethod> basic;
  std::optional<JwtMethod> jwt;
  std::optional<HmacMethod> hmac;
  std::optional<SignatureMethod> signature;
  std::optional<CertificateMethod> certificate;
  bool allow_anonymous = false;  ///< who shows no credential at all
  FailureLimit failures;
  std::string anonymous_consumer;  ///< who that is then; may be empty
};

}  // namespace fairlead::model
