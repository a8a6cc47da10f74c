// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/oauth.hpp"

#include <algorithm>

#include "fairlead/auth/digest.hpp"
#include "fairlead/auth/json.hpp"

namespace fairlead::auth {
namespace {

void append_encoded(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

/// An endpoint's URL: what a Location and a request line may hold.
bool is_endpoint(std::string_view url) { return url.size() <= 2048 && split_url(url).has_value(); }

std::optional<Json> parse_object(std::string_view text) {
  auto json = Json::parse(text);
  if (json && json->root().type != Json::Type::kObject) return std::nullopt;
  return json;
}

}  // namespace

std::string encode_form(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) {
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    append_encoded(out, name);
    out += '=';
    append_encoded(out, value);
  }
  return out;
}

std::string basic_authorization(std::string_view id, std::string_view secret) {
  std::string pair;
  append_encoded(pair, id);
  pair += ':';
  append_encoded(pair, secret);
  return "Basic " + encode_base64(pair);
}

std::string code_challenge(std::string_view verifier) { return encode_base64url(bytes_of(sha256(verifier))); }

bool looks_like_jwt(std::string_view token) {
  if (std::ranges::count(token, '.') != 2) return false;
  const auto header = decode_base64url(token.substr(0, token.find('.')));
  const auto json = header ? parse_object(*header) : std::nullopt;
  return json && json->member(json->root(), "alg") != nullptr;
}

bool is_token_text(std::string_view token) { return !token.empty() && is_visible(token); }

std::optional<Url> split_url(std::string_view url) {
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0 || !is_visible(url) || url.find_first_of("#\\\"<>^`{|}") != std::string_view::npos)
    return std::nullopt;
  const auto end = std::min(url.find_first_of("/?", scheme), url.size());
  const auto authority = url.substr(scheme, end - scheme);
  if (authority.empty() || authority.find('@') != std::string_view::npos) return std::nullopt;
  return Url{.origin = url.substr(0, end), .authority = authority, .path = url.substr(end)};
}

bool is_local_target(std::string_view target) {
  return target.starts_with('/') && !target.starts_with("//") && is_visible(target) &&
         target.find('\\') == std::string_view::npos;
}

Result<Provider> parse_provider(std::string_view text, std::string_view issuer) {
  const auto json = parse_object(text);
  if (!json) return fail("it is no JSON object");
  const auto& root = json->root();
  if (json->string(root, "issuer") != issuer) return fail("it is another issuer's");
  const auto url = [&](std::string_view name) {
    const auto value = json->string(root, name).value_or(std::string_view());
    return is_endpoint(value) ? value : std::string_view();
  };
  const auto path = [&](std::string_view name) {
    const auto value = url(name);
    return value.empty() ? std::string() : std::string(split_url(value)->path);
  };
  Provider out{.authorization = std::string(url("authorization_endpoint")),
               .end_session = std::string(url("end_session_endpoint")),
               .token_path = path("token_endpoint"),
               .jwks_path = path("jwks_uri")};
  if (out.authorization.empty() || !out.token_path.starts_with('/') || !out.jwks_path.starts_with('/'))
    return fail("it lacks a good authorization_endpoint, token_endpoint or jwks_uri");
  return out;
}

Result<std::string> parse_keys_path(std::string_view text, std::string_view issuer) {
  const auto json = parse_object(text);
  if (!json) return fail("it is no JSON object");
  const auto& root = json->root();
  if (json->string(root, "issuer") != issuer) return fail("it is another issuer's");
  const auto value = json->string(root, "jwks_uri").value_or(std::string_view());
  const auto keys = value.size() <= 2048 ? split_url(value) : std::nullopt, own = split_url(issuer);
  if (!keys || !keys->path.starts_with('/')) return fail("it lacks a good jwks_uri");
  if (!own || keys->origin != own->origin) return fail("its jwks_uri is not at the issuer's host: name it by jwksUri");
  return std::string(keys->path);
}

std::optional<TokenAnswer> parse_token_answer(std::string_view text) {
  const auto json = parse_object(text);
  if (!json) return std::nullopt;
  const auto& root = json->root();
  TokenAnswer out{.id_token = std::string(json->string(root, "id_token").value_or("")),
                  .refresh_token = std::string(json->string(root, "refresh_token").value_or("")),
                  .expires_in = std::nullopt};
  const auto* life = json->member(root, "expires_in");
  if (life != nullptr) out.expires_in = numeric_date(*life);
  const bool has_access = json->string(root, "access_token").has_value();
  if (!has_access || (life != nullptr && (!out.expires_in || *out.expires_in < 0))) return std::nullopt;
  return out;
}

std::string error_of(std::string_view text) {
  const auto json = parse_object(text);
  return std::string(json ? json->string(json->root(), "error").value_or("") : "");
}

TokenError check_id_token(const Token& token, const IdTokenRules& rules, std::int64_t now) {
  if (token.issuer() != rules.issuer) return TokenError::kIssuer;
  if (token.subject().empty()) return TokenError::kClaims;
  const auto& claims = token.claims();
  if (!token.is_for({std::string(rules.client_id)})) return TokenError::kAudience;
  // Who asked for it, where it is for others too.
  const auto* party = claims.member(claims.root(), "azp");
  const auto* audience = claims.member(claims.root(), "aud");
  const bool several = audience->type == Json::Type::kArray && claims.next(*claims.first(*audience)) != nullptr;
  if (party == nullptr ? several : party->type != Json::Type::kString || party->text != rules.client_id)
    return TokenError::kAudience;
  const auto* nonce = claims.member(claims.root(), "nonce");
  if (nonce == nullptr ? rules.needs_nonce
                       : nonce->type != Json::Type::kString || !equal_constant_time(nonce->text, rules.nonce))
    return TokenError::kNonce;
  return check_times(token, now, rules.skew, true);
}

}  // namespace fairlead::auth
