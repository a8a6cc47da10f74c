// SPDX-License-Identifier: Apache-2.0
// Hostile tokens: what no reader may take, whoever signed it.
#include "fairlead/auth/jwt.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {
namespace {

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

std::string sign(std::string_view input, std::string_view secret = kSecret) {
  unsigned char out[32];
  unsigned length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), unsigned_bytes(input), input.size(), out, &length);
  return encode_base64url({reinterpret_cast<const char*>(out), length});
}
std::string token(std::string_view header, std::string_view payload, std::string_view secret = kSecret) {
  const auto input = encode_base64url(header) + "." + encode_base64url(payload);
  return input + "." + sign(input, secret);
}
constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT","kid":"k"})";

KeySetPtr secret_keys(std::string_view kid = "k") {
  const auto text =
      R"({"keys":[{"kty":"oct","kid":")" + std::string(kid) + R"(","k":")" + encode_base64url(kSecret) + "\"}]}";
  return *parse_jwks(text);
}

TokenError judge(std::string_view text, const KeySet& keys) {
  TokenError error{};
  const auto parsed = Token::parse(text, error);
  return parsed ? parsed->signed_by(keys) : error;
}

TEST(Jwt, ReadsAGoodTokenWhole) {
  TokenError error{};
  const auto text =
      token(kHeader, R"({"iss":"i","sub":"s","aud":["a","b"],"exp":2000,"nbf":1000,"roles":["x","y"],"scope":"r w"})");
  const auto parsed = Token::parse(text, error);
  ASSERT_NE(parsed, nullptr);
  EXPECT_EQ(parsed->signed_by(*secret_keys()), TokenError::kNone);
  EXPECT_EQ(parsed->issuer(), "i");
  EXPECT_EQ(parsed->subject(), "s");
  EXPECT_TRUE(parsed->is_for({"b", "z"}));
  EXPECT_FALSE(parsed->is_for({"z"}));
  const auto& claims = parsed->claims();
  EXPECT_EQ(claim_text(claims, *claims.find("roles")), "x,y");
  EXPECT_EQ(claim_text(claims, *claims.find("exp")), "2000");
  EXPECT_TRUE(claim_matches(claims, "roles", {"y"}));
  EXPECT_TRUE(claim_matches(claims, "roles", {}));
  EXPECT_FALSE(claim_matches(claims, "roles", {"x,y"}));
  EXPECT_FALSE(claim_matches(claims, "none", {}));
  EXPECT_TRUE(has_scope(claims, "w"));
  EXPECT_FALSE(has_scope(claims, "r w"));
}

TEST(Jwt, TimesCountWithSkew) {
  TokenError error{};
  const auto parsed = Token::parse(token(kHeader, R"({"exp":2000,"nbf":1000})"), error);
  const auto unlimited = Token::parse(token(kHeader, "{}"), error);
  struct Row {
    std::int64_t now, skew;
    TokenError error;
  };
  for (const auto& row : {Row{1000, 0, TokenError::kNone},
                          {999, 0, TokenError::kNotYet},
                          {990, 10, TokenError::kNone},
                          {989, 10, TokenError::kNotYet},
                          {1999, 0, TokenError::kNone},
                          {2000, 0, TokenError::kExpired},
                          {2009, 10, TokenError::kNone},
                          {2010, 10, TokenError::kExpired}})
    EXPECT_EQ(check_times(*parsed, row.now, row.skew, true), row.error) << row.now;
  EXPECT_EQ(check_times(*unlimited, 5, 0, false), TokenError::kNone);
  EXPECT_EQ(check_times(*unlimited, 5, 0, true), TokenError::kNoExpiry);
}

TEST(Jwt, TimesThatDoNotCountAreNotLookedAt) {
  TokenError error{};
  const auto parsed = Token::parse(token(kHeader, R"({"exp":2000,"nbf":1000})"), error);
  const auto unlimited = Token::parse(token(kHeader, "{}"), error);
  EXPECT_EQ(check_times(*parsed, 3000, 0, TimeRules{.expiry = false}), TokenError::kNone);
  EXPECT_EQ(check_times(*parsed, 5, 0, TimeRules{.start = false}), TokenError::kNone);
  EXPECT_EQ(check_times(*unlimited, 5, 0, TimeRules{.needs_start = true}), TokenError::kNoStart);
  EXPECT_EQ(check_times(*parsed, 1500, 0, TimeRules{.most = 499}), TokenError::kTooLong);
  EXPECT_EQ(check_times(*parsed, 1500, 0, TimeRules{.most = 500}), TokenError::kNone);
}

TEST(Jwt, RefusesHostileTokens) {
  const auto good = token(kHeader, "{}");
  const auto dot = good.rfind('.');
  using enum TokenError;
  const std::pair<std::string, TokenError> rows[] = {
      {good, kNone},
      {"", kMalformed},
      {"..", kMalformed},
      {good + ".", kMalformed},
      {good + "=", kMalformed},
      {good + "A", kSignature},
      {" " + good, kMalformed},
      {good.substr(0, dot), kMalformed},
      {good.substr(0, dot + 1), kSignature},
      {good.substr(0, dot) + "." + sign("x"), kSignature},
      {token(kHeader, "{}", "another secret"), kSignature},
      {token(R"({"alg":"none"})", "{}"), kAlgorithm},
      {token(R"({"alg":"None"})", "{}"), kAlgorithm},
      {token(R"({"alg":"hs256"})", "{}"), kAlgorithm},
      {token(R"({"alg":""})", "{}"), kAlgorithm},
      {token(R"({"alg":null})", "{}"), kAlgorithm},
      {token(R"({"alg":["HS256"]})", "{}"), kAlgorithm},
      {token("{}", "{}"), kAlgorithm},
      {token(R"({"alg":"RS256"})", "{}"), kAlgorithm},
      {token(R"({"alg":"ES256","kid":"k"})", "{}"), kAlgorithm},
      {token(R"({"alg":"HS256","alg":"none"})", "{}"), kMalformed},
      {token(R"({"alg":"HS256","\u0061lg":"none"})", "{}"), kMalformed},
      {token(R"({"alg":"HS256","kid":"../../dev/null"})", "{}"), kUnknownKey},
      {token(R"({"alg":"HS256","kid":1})", "{}"), kMalformed},
      {token(R"({"alg":"HS256","crit":["exp"]})", "{}"), kCritical},
      {token(R"({"alg":"HS256","b64":false,"crit":["b64"]})", "{}"), kCritical},
      {token(R"(["HS256"])", "{}"), kMalformed},
      {token(kHeader, "[]"), kMalformed},
      {token(kHeader, "null"), kMalformed},
      {token(kHeader, ""), kMalformed},
      {token(kHeader, R"({"sub":"a","sub":"b"})"), kMalformed},
      {token(kHeader, R"({"a":{"b":1,"b":2}})"), kMalformed},
      {token(kHeader, R"({"exp":"9999999999"})"), kClaims},
      {token(kHeader, R"({"exp":null})"), kClaims},
      {token(kHeader, R"({"nbf":[1]})"), kClaims},
      {token(kHeader, R"({"iss":1})"), kClaims},
      {token(kHeader, R"({"sub":{"a":1}})"), kClaims},
      {token(kHeader, "{\"a\":\"" + std::string(kMostToken, 'x') + "\"}"), kMalformed},
      {token(kHeader, "{\"a\":" + std::string(40, '[') + std::string(40, ']') + "}"), kMalformed},
      {token(kHeader, "{\"a\":\"\xff\"}"), kMalformed},
  };
  const auto keys = secret_keys();
  for (const auto& [text, error] : rows) EXPECT_EQ(name_of(judge(text, *keys)), name_of(error)) << text.substr(0, 200);
}

/// The public key's text, which everybody has, is no secret of an HMAC.
TEST(Jwt, AnRsaKeyIsNoSecret) {
  EVP_PKEY* pair = EVP_RSA_gen(2048);
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(bio, pair);
  char* data = nullptr;
  const auto length = BIO_get_mem_data(bio, &data);
  const std::string pem(data, static_cast<std::size_t>(length));
  BIO_free(bio);
  EVP_PKEY_free(pair);
  KeySet keys;
  keys.keys.push_back(*VerifyKey::from_pem(pem));
  EXPECT_EQ(judge(token(R"({"alg":"HS256"})", "{}", pem), keys), TokenError::kAlgorithm);
  EXPECT_FALSE(keys.keys[0].allows(Algorithm::kHs256));
  EXPECT_TRUE(keys.keys[0].allows(Algorithm::kPs512));
  EXPECT_FALSE(VerifyKey::from_pem(pem, bit(Algorithm::kEs256)));
}

TEST(Jwt, KeysThatAreNoneAreRefused) {
  const auto small = [] {
    EVP_PKEY* pair = EVP_RSA_gen(1024);
    return VerifyKey::from_pkey(pair, kAllAlgorithms);
  }();
  EXPECT_FALSE(small);
  EXPECT_FALSE(VerifyKey::from_secret(""));
  EXPECT_FALSE(VerifyKey::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"));
  EXPECT_FALSE(VerifyKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
  for (
      const auto* bad :
      {"", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[1]}", R"({"kty":"oct"})",
       R"({"kty":"oct","k":""})", R"({"kty":"oct","k":"c2hvcnQ"})", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
       R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})", R"({"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"})",
       R"({"kty":"OKP","crv":"X25519","x":"AA"})", R"({"kty":"OKP","crv":"Ed25519","x":"AA"})",
       R"({"kty":"oct","use":"enc","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"})",
       R"({"kty":"oct","alg":"RS256","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"})",
       R"({"kty":"oct","alg":"A128KW","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"})",
       R"({"kty":"oct","key_ops":["sign"],"k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"})",
           // a point that is not on the curve
       R"({"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"})"})
    EXPECT_FALSE(parse_jwks(bad)) << bad;
  const auto mixed =
      parse_jwks(R"({"keys":[{"kty":"x"},{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]})");
  ASSERT_TRUE(mixed);
  EXPECT_EQ((*mixed)->keys.size(), 1U);
  EXPECT_EQ((*mixed)->remarks.size(), 1U);
}

TEST(Jwt, ClaimsAreNoWayToForgeHeaders) {
  TokenError error{};
  const auto parsed = Token::parse(
      token(
          kHeader,
          R"({"a":"x\r\nset-cookie: y","b":["p","q,r"],"c":{"d":1},"e":"é","f":null,"g":true,"h":" x","i":["p",["q"]]})"),
      error);
  ASSERT_NE(parsed, nullptr);
  const auto& claims = parsed->claims();
  for (const auto* name : {"a", "b", "c", "e", "f", "h", "i"})
    EXPECT_FALSE(claim_text(claims, *claims.find(name))) << name;
  EXPECT_EQ(claim_text(claims, *claims.find("g")), "true");
}

}  // namespace
}  // namespace fairlead::auth
