// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/oauth.hpp"

#include <gtest/gtest.h>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {
namespace {

TEST(Oauth, WritesForms) {
  EXPECT_EQ(encode_form({}), "");
  EXPECT_EQ(encode_form({{"a", "b c"}, {"d&", "=+%\xc3\xa4~"}}), "a=b%20c&d%26=%3D%2B%25%C3%A4~");
}

TEST(Oauth, EncodesClientsBeforeBasic) {
  EXPECT_EQ(basic_authorization("a:b", "c d"), "Basic " + encode_base64("a%3Ab:c%20d"));
}

TEST(Oauth, ChallengesAsRfc7636AppendixB) {
  EXPECT_EQ(code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

TEST(Oauth, KnowsJwtsByTheirForm) {
  const auto head = encode_base64url(R"({"alg":"RS256"})");
  EXPECT_TRUE(looks_like_jwt(head + ".e30.x"));
  EXPECT_TRUE(looks_like_jwt(head + ".."));
  const auto none = encode_base64url(R"({"alg":"none"})");
  EXPECT_TRUE(looks_like_jwt(none + ".e30."));  // nobody's way around the other method
  for (const auto& text : {std::string(), std::string("opaque"), std::string("a.b.c"), head, head + ".e30",
                           head + ".e30.x.y", encode_base64url("{}") + ".e30.x", encode_base64url("[]") + ".e30.x"})
    EXPECT_FALSE(looks_like_jwt(text)) << text;
}

TEST(Oauth, SplitsUrls) {
  const auto url = split_url("https://a.example:8443/b?c=d");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->origin, "https://a.example:8443");
  EXPECT_EQ(url->authority, "a.example:8443");
  EXPECT_EQ(url->path, "/b?c=d");
  EXPECT_EQ(split_url("http://a")->path, "");
  for (const auto* text :
       {"", "a.example", "//a.example", "ftp://a", "https://", "https:///b", "https://u@a/", "https://a/#b",
        "https://a/ b", "https://a/\r\nb", "https://a\\b", "javascript:x", "https://a/\"b"})
    EXPECT_FALSE(split_url(text)) << text;
}

TEST(Oauth, KnowsWhatStaysHere) {
  for (const auto* text : {"/", "/a", "/a?b=//c", "/a//b", "/?https://b"}) EXPECT_TRUE(is_local_target(text)) << text;
  for (const auto* text : {"", "a", "//b", "///b", "/\\b", "\\/b", "\\\\b", "https://b", "/a\r\nb: c", "/\tb", "/ b",
                           "?a", "/\xc3\xa4", "/\x7f"})
    EXPECT_FALSE(is_local_target(text)) << text;
}

constexpr std::string_view kDocument =
    R"({"issuer":"https://i","authorization_endpoint":"https://i/a?x=1","token_endpoint":"https://i:1/t?y",)"
    R"("jwks_uri":"https://i/k","end_session_endpoint":"https://i/e"})";

std::string with(std::string_view from, std::string_view to) {
  std::string out(kDocument);
  out.replace(out.find(from), from.size(), to);
  return out;
}

TEST(Oauth, ReadsProviders) {
  const auto provider = parse_provider(kDocument, "https://i");
  ASSERT_TRUE(provider);
  EXPECT_EQ(provider->authorization, "https://i/a?x=1");
  EXPECT_EQ(provider->token_path, "/t?y");
  EXPECT_EQ(provider->jwks_path, "/k");
  EXPECT_EQ(provider->end_session, "https://i/e");
  EXPECT_EQ(parse_provider(with("https://i/e", "javascript:x"), "https://i")->end_session, "");
  for (const auto& text :
       {std::string("[]"), std::string("<html>"), with("\"issuer\"", "\"Issuer\""),
        with("https://i/a?x=1", "javascript:x"), with("https://i/a?x=1", "https://i/a\\r\\nb"),
        with("\"https://i:1/t?y\"", "5"), with("https://i:1/t?y", "https://i"), with("jwks_uri", "jwks")})
    EXPECT_FALSE(parse_provider(text, "https://i")) << text;
  EXPECT_FALSE(parse_provider(kDocument, "https://i/"));
}

TEST(Oauth, FindsKeysAtTheIssuerAlone) {
  const auto path = [](std::string_view keys, std::string_view of = "https://i/t") {
    const auto found = parse_keys_path(R"({"issuer":"https://i/t","jwks_uri":")" + std::string(keys) + "\"}", of);
    return found ? *found : "-";
  };
  EXPECT_EQ(path("https://i/k?a"), "/k?a");
  EXPECT_EQ(path("https://i/k", "https://i/t/"), "-");
  for (const auto* keys :
       {"http://i/k", "https://i:1/k", "https://j/k", "https://i", "https://u@i/k", "/k", "https://i/a b", ""})
    EXPECT_EQ(path(keys), "-") << keys;
  EXPECT_FALSE(parse_keys_path("[]", "https://i/t"));
  EXPECT_FALSE(parse_keys_path(R"({"issuer":"https://i/t"})", "https://i/t"));
}

TEST(Oauth, ReadsAnswersOfTokenEndpoints) {
  const auto answer = parse_token_answer(R"({"access_token":"a","id_token":"b","refresh_token":"c","expires_in":60})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->id_token, "b");
  EXPECT_EQ(answer->refresh_token, "c");
  EXPECT_EQ(answer->expires_in, 60);
  EXPECT_TRUE(parse_token_answer(R"({"access_token":"a"})"));
  for (const auto* text : {"", "[]", "{}", R"({"access_token":5})", R"({"access_token":"a","expires_in":"60"})",
                           R"({"access_token":"a","expires_in":-1})"})
    EXPECT_FALSE(parse_token_answer(text)) << text;
  EXPECT_EQ(error_of(R"({"error":"invalid_grant"})"), "invalid_grant");
  EXPECT_EQ(error_of("<html>"), "");
  EXPECT_EQ(error_of(R"({"error":5})"), "");
}

TEST(Oauth, ChecksIdTokens) {
  const auto check = [](std::string_view claims, bool needs_nonce = true) {
    TokenError error{};
    const auto head = encode_base64url(R"({"alg":"RS256"})");
    const auto token = Token::parse(head + "." + encode_base64url(claims) + ".", error);
    if (token == nullptr) return error;
    return check_id_token(*token, {.issuer = "i", .client_id = "c", .nonce = "n", .needs_nonce = needs_nonce}, 100);
  };
  EXPECT_EQ(check(R"({"iss":"i","sub":"s","aud":"c","nonce":"n","exp":101})"), TokenError::kNone);
  EXPECT_EQ(check(R"({"iss":"i","sub":"s","aud":["c"],"nonce":"n","exp":101})"), TokenError::kNone);
  EXPECT_EQ(check(R"({"iss":"i","sub":"s","aud":["d","c"],"azp":"c","nonce":"n","exp":101})"), TokenError::kNone);
  EXPECT_EQ(check(R"({"iss":"i","sub":"s","aud":"c","exp":101})", false), TokenError::kNone);
  struct Row {
    const char* claims;
    TokenError error;
  };
  for (const auto& [claims, error] :
       {Row{R"({"iss":"j","sub":"s","aud":"c","nonce":"n","exp":101})", TokenError::kIssuer},
        {R"({"sub":"s","aud":"c","nonce":"n","exp":101})", TokenError::kIssuer},
        {R"({"iss":"i","aud":"c","nonce":"n","exp":101})", TokenError::kClaims},
        {R"({"iss":"i","sub":"s","aud":"d","nonce":"n","exp":101})", TokenError::kAudience},
        {R"({"iss":"i","sub":"s","nonce":"n","exp":101})", TokenError::kAudience},
        {R"({"iss":"i","sub":"s","aud":[],"nonce":"n","exp":101})", TokenError::kAudience},
        {R"({"iss":"i","sub":"s","aud":["c","d"],"nonce":"n","exp":101})", TokenError::kAudience},
        {R"({"iss":"i","sub":"s","aud":"c","azp":"d","nonce":"n","exp":101})", TokenError::kAudience},
        {R"({"iss":"i","sub":"s","aud":"c","azp":5,"nonce":"n","exp":101})", TokenError::kAudience},
        {R"({"iss":"i","sub":"s","aud":"c","nonce":"m","exp":101})", TokenError::kNonce},
        {R"({"iss":"i","sub":"s","aud":"c","nonce":5,"exp":101})", TokenError::kNonce},
        {R"({"iss":"i","sub":"s","aud":"c","exp":101})", TokenError::kNonce},
        {R"({"iss":"i","sub":"s","aud":"c","nonce":"n"})", TokenError::kNoExpiry},
        {R"({"iss":"i","sub":"s","aud":"c","nonce":"n","exp":100})", TokenError::kExpired},
        {R"({"iss":"i","sub":"s","aud":"c","nonce":"n","exp":101,"nbf":101})", TokenError::kNotYet}})
    EXPECT_EQ(check(claims), error) << claims;
  EXPECT_EQ(check(R"({"iss":"i","sub":"s","aud":"c","nonce":"m","exp":101})", false), TokenError::kNonce);
}

}  // namespace
}  // namespace fairlead::auth
