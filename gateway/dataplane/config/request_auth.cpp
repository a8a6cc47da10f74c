// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/request_auth.hpp"

#include <algorithm>

#include "fairlead/auth/hmac_signature.hpp"
#include "fairlead/auth/http_signature.hpp"
#include "fairlead/auth/verify_key.hpp"
#include "gateway/dataplane/config/gateway_references.hpp"
#include "gateway/dataplane/config/request_auth_parts.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

constexpr std::size_t kMostJwks = 262144;
constexpr std::string_view kMethods =
    "at least one of apiKey, basic, jwt, hmac, signature, clientCertificate, introspection, login";

auto realm_field(Reader& reader, std::string& out) {
  return field("realm", [&reader, &out](View v) {
    const auto is_realm = [](std::string_view text) {
      return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
    };
    read_text(reader, v, out, 1, 256, is_realm, "visible ASCII and blanks without '\"' and '\\'");
  });
}

void read_api_key_method(Reader& reader, View at, model::ApiKeyMethod& out) {
  // Where a place is named, the others are not looked at.
  if (at.is_mapping() && (at.find("headers") || at.find("query") || at.find("cookies") || at.find("body")))
    out.from = {};
  places_fields(reader, out.from)(at, texts_field(reader, "body", out.body, 16), realm_field(reader, out.realm),
                                  bool_field(reader, "hideCredentials", out.hide_credentials));
}

void read_algorithms(Reader& reader, View at, std::vector<std::string>& out) {
  const auto known = [](std::string_view name) { return auth::algorithm_of(name).has_value(); };
  read_list(reader, at, 1, 13, out, [&](View item, std::string& one) {
    read_text(reader, item, one, 1, 16, known, "HS, RS, PS or ES with 256, 384 or 512, or EdDSA");
  });
}

void read_remote(Reader& reader, View at, model::RemoteJwks& out) {
  read_mapping(
      reader, at,
      required("backendRef", "a Service and its port", [&](View v) { read_backend_target(reader, v, out.backend); }),
      required("path", "a path", [&](View v) { read_server_path(reader, v, out.path); }),
      field("host", [&](View v) { read_hostname(reader, v, out.host, false); }),
      time_field(reader, "cacheDuration", out.cache_duration), time_field(reader, "timeout", out.timeout));
  if (out.cache_duration.count() < 1000) reader.error(at.find("cacheDuration"), "a duration of at least 1s");
  if (out.timeout.count() < 1) reader.error(at.find("timeout"), "a duration of at least 1ms");
}

void check_jwks(Reader& reader, View at, const std::string& text, const char* where = "") {
  if (const auto keys = auth::parse_jwks(text); !keys)
    reader.error(at, std::string(where) + "a JWK Set (RFC 7517): " + keys.error().message);
}

void read_issuer(Reader& reader, View at, model::JwtIssuer& out) {
  read_mapping(reader, at,
               required("issuer", "the value of iss", [&](View v) { read_text(reader, v, out.issuer, 1, 1024); }),
               texts_field(reader, "audiences", out.audiences, 64),
               field("jwks",
                     [&](View v) {
                       reader.hide_values(true);  // it may have secrets: "kty": "oct"
                       read_text(reader, v, out.jwks, 2, kMostJwks);
                       check_jwks(reader, v, out.jwks);
                       reader.hide_values(false);
                     }),
               field("jwksFile",
                     [&](View v) {
                       auto text = reader.file(v, kMostJwks);
                       if (!text) return;
                       out.jwks = std::move(*text);
                       check_jwks(reader, v, out.jwks, "a file with ");
                     }),
               field("jwksSecretRef", [&](View v) { read_secret_key(reader, v, out.jwks_secret.emplace()); }),
               field("remoteJwks", [&](View v) { read_remote(reader, v, out.remote.emplace()); }),
               field("algorithms", [&](View v) { read_algorithms(reader, v, out.algorithms); }),
               field("claimsToHeaders", [&](View v) { read_claim_headers(reader, v, out.claims_to_headers); }),
               field("requiredClaims", [&](View v) { read_required_claims(reader, v, out.required_claims); }),
               field("consumerClaim", [&](View v) { read_text(reader, v, out.consumer_claim, 1, 256); }),
               time_field(reader, "clockSkew", out.clock_skew));
  if (at.is_mapping()) check_one(reader, at, {"jwks", "jwksSecretRef", "jwksFile", "remoteJwks"});
  if (out.clock_skew.count() > 3'600'000) reader.error(at.find("clockSkew"), "a duration of at most 1h");
}

void read_jwt_method(Reader& reader, View at, model::JwtMethod& out) {
  read_mapping(reader, at,
               field("issuers",
                     [&](View v) {
                       read_list(reader, v, 1, 32, out.issuers,
                                 [&](View item, model::JwtIssuer& one) { read_issuer(reader, item, one); });
                     }),
               bool_field(reader, "consumers", out.consumers), realm_field(reader, out.realm),
               field("from",
                     [&](View v) {
                       out.from = {};
                       places_fields(reader, out.from)(v);
                     }),
               bool_field(reader, "hideCredentials", out.hide_credentials),
               bool_field(reader, "requireExpiry", out.require_expiry),
               field("verify",
                     [&](View v) {
                       read_list(reader, v, 0, 2, out.verify.emplace(), [&](View item, std::string& one) {
                         if (reader.one_of(item, {"exp", "nbf"})) one = item.text();
                       });
                     }),
               field("keyClaim", [&](View v) { read_text(reader, v, out.key_claim, 1, 256); }),
               time_field(reader, "maxLifetime", out.max_lifetime));
  if (out.max_lifetime.count() % 1000 != 0 || out.max_lifetime > std::chrono::hours(24 * 366))
    reader.error(at.find("maxLifetime"), "whole seconds, 8784h at most");
  if (out.issuers.empty() && !out.consumers) reader.error(at, "issuers, or consumers: true");
  auto item = at.is_mapping() && at.find("issuers") ? at.find("issuers").first() : View{};
  for (std::size_t i = 0; item && i < out.issuers.size(); item = item.next(), ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (out.issuers[k].issuer == out.issuers[i].issuer) reader.error(item.find("issuer"), "each issuer once");
}

void read_hmac_method(Reader& reader, View at, model::HmacMethod& out) {
  read_mapping(
      reader, at, time_field(reader, "clockSkew", out.clock_skew), realm_field(reader, out.realm),
      field("enforceHeaders",
            [&](View v) {
              const auto good = [](std::string_view name) { return name == "@request-target" || is_token(name); };
              read_list(reader, v, 0, 32, out.enforce_headers, [&](View item, std::string& one) {
                if (read_text(reader, item, one, 1, 256, good, "a header's name, request-line or @request-target"))
                  one = lower(one);
              });
            }),
      field("algorithms",
            [&](View v) {
              out.algorithms.clear();
              read_list(reader, v, 1, 4, out.algorithms, [&](View i, std::string& one) {
                read_text(reader, i, one, 1, 16, auth::is_hmac_algorithm,
                          "hmac-sha1, hmac-sha256, hmac-sha384 or hmac-sha512");
              });
            }),
      bool_field(reader, "validateBody", out.validate_body),
      field("maxBodyBytes", [&](View v) { read_number(reader, v, 1, 67108864, out.max_body_bytes); }),
      bool_field(reader, "hideCredentials", out.hide_credentials));
  if (out.clock_skew.count() < 1000) reader.error(at.find("clockSkew"), "a duration of at least 1s");
}

void read_signature_method(Reader& reader, View at, model::SignatureMethod& out) {
  const auto is_algorithm = [](std::string_view name) { return auth::signature_algorithm(name).has_value(); };
  const auto is_printable = [](std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  };
  read_mapping(reader, at,
               field("components",
                     [&](View v) {
                       out.components.clear();
                       read_list(reader, v, 1, 32, out.components, [&](View item, std::string& one) {
                         read_text(reader, item, one, 1, 256, auth::is_component,
                                   "a field's name in lower case, or @method, @target-uri, @authority, @scheme, "
                                   "@request-target, @path, @query or @query-param;name=\"...\"");
                       });
                     }),
               field("algorithms",
                     [&](View v) {
                       read_list(reader, v, 1, 6, out.algorithms, [&](View item, std::string& one) {
                         read_text(
                             reader, item, one, 1, 32, is_algorithm,
                             "hmac-sha256, rsa-pss-sha512, rsa-v1_5-sha256, ecdsa-p256-sha256, ecdsa-p384-sha384 or "
                             "ed25519");
                       });
                     }),
               field("tag", [&](View v) { read_text(reader, v, out.tag, 1, 256, is_printable, "printable ASCII"); }),
               time_field(reader, "maxAge", out.max_age), time_field(reader, "clockSkew", out.clock_skew),
               field("replays",
                     [&](View v) {
                       if (const auto which = reader.one_of(v, {"Pass", "Refuse"})) out.refuse_replays = *which == 1;
                     }),
               bool_field(reader, "requireContentDigest", out.require_digest),
               field("maxBodyBytes", [&](View v) { read_number(reader, v, 1, 67108864, out.max_body_bytes); }),
               bool_field(reader, "hideCredentials", out.hide_credentials));
  if (out.max_age.count() < 1000 || out.max_age.count() > 86'400'000)
    reader.error(at.find("maxAge"), "a duration from 1s to 24h");
  if (out.clock_skew.count() > 3'600'000) reader.error(at.find("clockSkew"), "a duration of at most 1h");
}

void read_methods(Reader& reader, View at, model::Authentication& out) {
  read_mapping(reader, at, field("apiKey", [&](View v) { read_api_key_method(reader, v, out.api_key.emplace()); }),
               field("basic",
                     [&](View v) {
                       auto& basic = out.basic.emplace();
                       read_mapping(reader, v, realm_field(reader, basic.realm),
                                    bool_field(reader, "hideCredentials", basic.hide_credentials));
                     }),
               field("jwt", [&](View v) { read_jwt_method(reader, v, out.jwt.emplace()); }),
               field("hmac", [&](View v) { read_hmac_method(reader, v, out.hmac.emplace()); }),
               field("signature", [&](View v) { read_signature_method(reader, v, out.signature.emplace()); }),
               field("clientCertificate",
                     [&](View v) {
                       read_mapping(reader, v,
                                    bool_field(reader, "requireConsumer", out.certificate.emplace().require_consumer));
                     }),
               field("introspection", [&](View v) { read_introspection(reader, v, out.introspection.emplace()); }),
               field("login", [&](View v) { read_login(reader, v, out.login.emplace()); }));
  if (at.is_mapping() && !at.first()) reader.error(at, std::string(kMethods));
}

void read_failures(Reader& reader, View at, model::FailureLimit& out) {
  read_mapping(reader, at, required("max", "a number", [&](View v) { read_number(reader, v, 1, 1'000'000, out.most); }),
               time_field(reader, "window", out.window));
  if (out.window.count() < 1000 || out.window.count() > 86'400'000)
    reader.error(at.find("window"), "a duration from 1s to 24h");
}

}  // namespace

void read_server_path(Reader& reader, View at, std::string& out) {
  const auto is_path = [](std::string_view text) {
    return text.starts_with('/') && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != '#'; });
  };
  read_text(reader, at, out, 1, 1024, is_path, "a path that begins with /");
}

void read_claim_headers(Reader& reader, View at, std::vector<model::ClaimHeader>& out) {
  read_list(reader, at, 0, 64, out, [&](View item, model::ClaimHeader& one) {
    read_mapping(reader, item, required("claim", "a claim", [&](View v) { read_text(reader, v, one.claim, 1, 256); }),
                 required("header", "a header's name", [&](View v) { read_header_name(reader, v, one.header); }));
  });
}

void read_required_claims(Reader& reader, View at, std::vector<model::RequiredClaim>& out) {
  read_list(reader, at, 0, 64, out, [&](View item, model::RequiredClaim& one) {
    read_mapping(reader, item, required("claim", "a claim", [&](View v) { read_text(reader, v, one.claim, 1, 256); }),
                 texts_field(reader, "values", one.values, 256));
  });
}

void read_authentication(Reader& reader, View at, model::Authentication& out) {
  read_mapping(reader, at, required("methods", kMethods, [&](View v) { read_methods(reader, v, out); }),
               field("mode",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Any", "All", "Each"}))
                         out.mode = static_cast<model::Authentication::Mode>(*found);
                     }),
               realm_field(reader, out.realm),
               field("preflights",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Ask", "Pass"})) out.passes_options = *found == 1;
                     }),
               field("credentialIdentifier",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Name", "Id"})) out.tells_id = *found == 1;
                     }),
               field("failures", [&](View v) { read_failures(reader, v, out.failures); }),
               field("anonymous", [&](View v) {
                 read_mapping(reader, v, bool_field(reader, "allow", out.allow_anonymous),
                              field("consumer", [&](View c) { read_object_name(reader, c, out.anonymous_consumer); }),
                              field("wrongCredentials", [&](View w) {
                                if (const auto found = reader.one_of(w, {"Refuse", "Ignore"}))
                                  out.ignore_wrong = *found == 1;
                              }));
                 if (out.ignore_wrong && !out.allow_anonymous)
                   reader.error(v.find("wrongCredentials"), "Refuse, or Ignore with allow: true");
                 if (!out.anonymous_consumer.empty() && !out.allow_anonymous)
                   reader.error(v.find("consumer"), "a consumer only with allow: true");
               }));
}

}  // namespace fairlead::config
