// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/jwt.hpp"

#include <algorithm>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {
namespace {

struct ErrorInfo {
  std::string_view name;
  std::string_view sentence;
};
constexpr ErrorInfo kErrors[] = {
    {"none", ""},
    {"malformed", "the token is malformed"},
    {"algorithm", "the token's algorithm is not accepted"},
    {"critical", "the token has critical header parameters that are not understood"},
    {"unknown_key", "the token's key is not known"},
    {"signature", "the token's signature is wrong"},
    {"issuer", "the token's issuer is not accepted"},
    {"audience", "the token is for another audience"},
    {"expired", "the token has expired"},
    {"not_yet", "the token is not valid yet"},
    {"claims", "the token's claims are not accepted"},
    {"no_expiry", "the token does not expire"},
    {"nonce", "the token is of another login"},
    {"inactive", "the token is not active"},
    {"no_start", "the token does not say when it begins"},
    {"too_long", "the token lasts too long"},
};

constexpr std::size_t kMostClaimText = 4096;

bool is_header_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; }) && !text.starts_with(' ') &&
         !text.ends_with(' ');
}

bool is_word_of(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const auto end = std::min(words.find(' '), words.size());
    if (words.substr(0, end) == word) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

bool is_scalar(const Json::Node& node) {
  return node.type != Json::Type::kArray && node.type != Json::Type::kObject && node.type != Json::Type::kNull;
}

std::string_view scalar_text(const Json::Node& node) {
  if (node.type == Json::Type::kTrue) return "true";
  if (node.type == Json::Type::kFalse) return "false";
  return node.text;
}

/// A claim that may be missing but has a type.
bool read_date(const Json& json, std::string_view name, std::optional<std::int64_t>& out) {
  const auto* node = json.member(json.root(), name);
  if (node == nullptr) return true;
  out = numeric_date(*node);
  return out.has_value();
}
bool read_text(const Json& json, std::string_view name, std::string_view& out) {
  const auto* node = json.member(json.root(), name);
  if (node == nullptr) return true;
  out = node->text;
  return node->type == Json::Type::kString;
}

}  // namespace

std::string_view name_of(TokenError error) { return kErrors[static_cast<std::size_t>(error)].name; }
std::string_view sentence_of(TokenError error) { return kErrors[static_cast<std::size_t>(error)].sentence; }

std::shared_ptr<const Token> Token::parse(std::string_view compact, TokenError& error) {
  error = TokenError::kMalformed;
  if (compact.size() > kMostToken) return nullptr;
  const auto first = compact.find('.');
  const auto second = first == std::string_view::npos ? first : compact.find('.', first + 1);
  if (second == std::string_view::npos || compact.find('.', second + 1) != std::string_view::npos) return nullptr;
  auto header = decode_base64url(compact.substr(0, first));
  auto payload = decode_base64url(compact.substr(first + 1, second - first - 1));
  auto signature = decode_base64url(compact.substr(second + 1));
  if (!header || !payload || !signature) return nullptr;
  std::shared_ptr<Token> out(new Token);
  out->header_text_ = std::move(*header);
  error = out->read_header();
  if (error != TokenError::kNone) return nullptr;
  out->signed_ = compact.substr(0, second);
  out->signature_ = std::move(*signature);
  out->payload_ = std::move(*payload);
  error = out->read_claims();
  if (error != TokenError::kNone) return nullptr;
  return out;
}

TokenError Token::read_header() {
  header_ = Json::parse(header_text_);
  const auto& json = header_;
  if (!json || json->root().type != Json::Type::kObject) return TokenError::kMalformed;
  const auto& root = json->root();
  if (json->member(root, "crit") != nullptr) return TokenError::kCritical;
  const auto* typ = json->member(root, "typ");
  const auto* kid = json->member(root, "kid");
  if ((typ != nullptr && typ->type != Json::Type::kString) || (kid != nullptr && kid->type != Json::Type::kString))
    return TokenError::kMalformed;
  const auto name = json->string(root, "alg");
  const auto algorithm = name ? algorithm_of(*name) : std::nullopt;
  if (!algorithm) return TokenError::kAlgorithm;
  algorithm_ = *algorithm;
  if (kid != nullptr) key_id_ = kid->text;
  return TokenError::kNone;
}

TokenError Token::read_claims() {
  claims_ = Json::parse(payload_);
  if (!claims_ || claims_->root().type != Json::Type::kObject) return TokenError::kMalformed;
  const bool good = read_date(*claims_, "exp", expiry_) && read_date(*claims_, "nbf", not_before_) &&
                    read_text(*claims_, "iss", issuer_) && read_text(*claims_, "sub", subject_);
  return good ? TokenError::kNone : TokenError::kClaims;
}

TokenError Token::signed_by(const KeySet& keys) const {
  if (!keys.has(key_id_)) return TokenError::kUnknownKey;
  bool allowed = false;
  const bool good = keys.any(key_id_, [&](const VerifyKey& key) {
    allowed = allowed || key.allows(algorithm_);
    return signed_by(key);
  });
  if (good) return TokenError::kNone;
  return allowed ? TokenError::kSignature : TokenError::kAlgorithm;
}

bool is_for(const Json& claims, const std::vector<std::string>& audiences) {
  const auto* aud = claims.member(claims.root(), "aud");
  if (aud == nullptr) return false;
  const auto is_one = [&](const Json::Node& node) {
    return node.type == Json::Type::kString && std::ranges::find(audiences, node.text) != audiences.end();
  };
  if (aud->type != Json::Type::kArray) return is_one(*aud);
  for (const auto* one = claims.first(*aud); one != nullptr; one = claims.next(*one))
    if (is_one(*one)) return true;
  return false;
}

TokenError check_times(const Token& token, std::int64_t now, std::int64_t skew, const TimeRules& rules) {
  if (!token.expiry() && rules.needs_expiry) return TokenError::kNoExpiry;
  if (rules.expiry && token.expiry() && now >= *token.expiry() + skew) return TokenError::kExpired;
  if (!token.not_before() && rules.needs_start) return TokenError::kNoStart;
  if (rules.start && token.not_before() && now + skew < *token.not_before()) return TokenError::kNotYet;
  if (rules.most > 0 && token.expiry() && *token.expiry() - now > rules.most) return TokenError::kTooLong;
  return TokenError::kNone;
}

std::optional<std::string> claim_text(const Json& claims, const Json::Node& claim) {
  std::string out;
  if (is_scalar(claim)) {
    out = scalar_text(claim);
  } else if (claim.type == Json::Type::kArray) {
    for (const auto* one = claims.first(claim); one != nullptr; one = claims.next(*one)) {
      // A ',' within an item would make two of it.
      if (!is_scalar(*one) || scalar_text(*one).find(',') != std::string_view::npos) return std::nullopt;
      if (!out.empty()) out += ',';
      out += scalar_text(*one);
    }
  } else {
    return std::nullopt;
  }
  if (out.size() > kMostClaimText || !is_header_text(out)) return std::nullopt;
  return out;
}

bool claim_matches(const Json& claims, std::string_view path, const std::vector<std::string>& values) {
  const auto* claim = claims.find(path);
  if (claim == nullptr || claim->type == Json::Type::kNull) return false;
  if (values.empty()) return true;
  const auto is_one = [&](std::string_view text) { return std::ranges::find(values, text) != values.end(); };
  if (claim->type == Json::Type::kArray) {
    for (const auto* one = claims.first(*claim); one != nullptr; one = claims.next(*one))
      if (is_scalar(*one) && is_one(scalar_text(*one))) return true;
    return false;
  }
  if (!is_scalar(*claim)) return false;
  if (path == "scope" && claim->type == Json::Type::kString)
    return std::ranges::any_of(values, [&](const auto& value) { return is_word_of(claim->text, value); });
  return is_one(scalar_text(*claim));
}

bool has_scope(const Json& claims, std::string_view scope) {
  for (const std::string_view name : {"scope", "scp"}) {
    const auto* claim = claims.member(claims.root(), name);
    if (claim == nullptr) continue;
    if (claim->type == Json::Type::kString && is_word_of(claim->text, scope)) return true;
    if (claim->type != Json::Type::kArray) continue;
    for (const auto* one = claims.first(*claim); one != nullptr; one = claims.next(*one))
      if (one->type == Json::Type::kString && one->text == scope) return true;
  }
  return false;
}

}  // namespace fairlead::auth
