// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/kong_answers.hpp"

#include <gtest/gtest.h>

namespace fairlead::proxy {
namespace {

using Flag = telemetry::ResponseFlag;

TEST(KongAnswers, HaveKongsWords) {
  const http::Fields key{{"www-authenticate", "Key realm=\"fairlead\""}}, basic{{"www-authenticate", "Basic"}};
  struct {
    std::uint16_t status;
    Flag flag;
    const char* details;
    const http::Fields* fields;
    std::uint16_t said;
    const char* message;
  } const rows[] = {
      {401, Flag::kPolicyDenied, "no_credential", &key, 401, "No API key found in request"},
      {401, Flag::kPolicyDenied, "no_credential", &basic, 401, "Unauthorized"},
      {401, Flag::kPolicyDenied, "credential_refused", &key, 401, "Unauthorized"},
      {403, Flag::kPolicyDenied, "access_denied", nullptr, 403, "You cannot consume this service"},
      {403, Flag::kPolicyDenied, "address_denied", nullptr, 403, "IP address not allowed: 192.0.2.7"},
      {403, Flag::kPolicyDenied, "user_agent_denied", nullptr, 403, "Forbidden"},
      {400, Flag::kPolicyDenied, "several_user_agents", nullptr, 400, "Only one User-Agent header allowed"},
      {429, Flag::kRateLimited, "response_limit:videos", nullptr, 429, "API rate limit exceeded for 'videos'"},
      {503, Flag::kRateLimitServiceError, "", nullptr, 500, "An unexpected error occurred"},
      {413, Flag::kTooLarge, "request_too_large", nullptr, 413, "Request size limit exceeded"},
      {411, Flag::kPolicyDenied, "length_required", nullptr, 411, "A valid Content-Length header is required"},
      {404, Flag::kNoRouteFound, "", nullptr, 404, "no Route matched with those values"},
      {503, Flag::kUpstreamConnectionFailure, "", nullptr, 502,
       "An invalid response was received from the upstream server"},
      {503, Flag::kNoHealthyUpstream, "", nullptr, 503, "failure to get a peer from the ring-balancer"},
      {504, Flag::kUpstreamRequestTimeout, "", nullptr, 504, "The upstream server is timing out"},
      {500, Flag::kNoClusterFound, "", nullptr, 500, "An unexpected error occurred"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.message);
    const OwnAnswer own{.status = row.status,
                        .flag = row.flag,
                        .details = row.details,
                        .fields = row.fields,
                        .client = *Address::parse("192.0.2.7"),
                        .request_id = "id-1"};
    EXPECT_EQ(kong_status(own), row.said);
    const auto text = kong_text(own);
    EXPECT_EQ(text.type, "application/json; charset=utf-8");
    EXPECT_EQ(text.body, "{\n  \"message\":\"" + std::string(row.message) + "\",\n  \"request_id\":\"id-1\"\n}");
  }
}

TEST(KongAnswers, HaveTheFormThatIsLikedBest) {
  struct {
    const char *accept, *sent, *type, *part;
    bool of_gateway;
  } const rows[] = {
      {"", "", "application/json; charset=utf-8", "\"message\"", false},
      {"", "", "text/plain; charset=utf-8", "upstream server\nrequest_id: id-1\n", true},
      {"", "text/html", "text/html; charset=utf-8", "<p>An invalid response", true},
      {"*/*", "", "application/json; charset=utf-8", "\"message\"", true},
      {"text/html", "", "text/html; charset=utf-8", "upstream server.</p>", false},
      {"application/xml", "", "application/xml; charset=utf-8", "<requestid>id-1</requestid>", false},
      {"text/*", "", "text/plain; charset=utf-8", "request_id: id-1", false},
      {"image/png", "", "application/json; charset=utf-8", "\"message\"", false},
      {"text/html;q=0.2, application/xml; q=0.5, text/plain;q=0.5", "", "application/xml; charset=utf-8", "<error>",
       false},
      {"text/html;q=0", "", "application/json; charset=utf-8", "\"message\"", false},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.accept);
    http::RequestHead head;
    if (*row.accept != 0) head.fields.push_back({"accept", row.accept});
    if (*row.sent != 0) head.fields.push_back({"content-type", row.sent});
    const auto text = kong_text({.status = 502, .of_gateway = row.of_gateway, .request = &head, .request_id = "id-1"});
    EXPECT_EQ(text.type, row.type);
    EXPECT_NE(text.body.find(row.part), std::string::npos) << text.body;
  }
}

TEST(KongAnswers, SayWhyACredentialIsRefused) {
  const auto body = [](std::string_view reason) {
    return kong_text({.status = 401, .details = "credential_refused", .reason = reason}).body;
  };
  EXPECT_NE(body("apiKey:duplicate").find("Duplicate API key found"), std::string::npos);
  EXPECT_NE(body("apiKey:unknown").find("Unauthorized"), std::string::npos);
  EXPECT_NE(body("hmac:malformed").find("HMAC signature cannot be verified\""), std::string::npos);
  EXPECT_NE(body("hmac:wrong").find("HMAC signature does not match"), std::string::npos);
  EXPECT_EQ(body("jwt:signature"), R"({"message":"Invalid signature"})");
  EXPECT_EQ(body("jwt:no_key:sub"), R"({"message":"No mandatory 'sub' in claims"})");
  EXPECT_EQ(body("jwt:issuer:iss"), R"({"message":"No credentials found for given 'iss'"})");
  EXPECT_EQ(body("jwt:expired"), R"({"exp":"token expired"})");
  EXPECT_EQ(kong_text({.status = 401, .details = "no_credential", .reason = "none:jwt"}).body,
            R"({"message":"Unauthorized"})");
  EXPECT_NE(
      kong_text({.status = 403, .details = "address_denied", .message = "go \"away\""}).body.find(R"(go \"away\")"),
      std::string::npos);
}

TEST(KongAnswers, ARequestsIdCannotEndItsText) {
  const OwnAnswer own{.status = 404, .fields = nullptr, .client = {}, .request_id = "a\"},\n{\"\\b"};
  EXPECT_NE(kong_text(own).body.find("\"request_id\":\"a},{b\"\n}"), std::string::npos);
}

TEST(KongAnswers, ChallengesHaveARealmOnlyWhereOneIsSet) {
  Arena arena;
  http::Fields fields{
      {"www-authenticate", "Key realm=\"fairlead\""},
      {"www-authenticate", "Basic realm=\"service\", charset=\"UTF-8\""},
      {"www-authenticate", "Bearer realm=\"fairlead\", error=\"invalid_token\", error_description=\"it has expired\""},
      {"x-other", "Key realm=\"fairlead\""}};
  change_challenges(fields, arena);
  EXPECT_EQ(fields[0].value, "Key");
  EXPECT_EQ(fields[1].value, "Basic realm=\"service\"");
  EXPECT_EQ(fields[2].value, "Bearer error=\"invalid_token\"");
  EXPECT_EQ(fields[3].value, "Key realm=\"fairlead\"");
}

TEST(KongAnswers, FieldsTellOfTimesAndOfWhoAnswered) {
  Arena arena;
  telemetry::RequestRecord record;
  record.request_id = "id-1";
  record.times = {
      .start = 1'000'000'000, .route = 1'001'000'000, .connected = 1'002'000'000, .first_byte = 1'009'000'000};
  http::ResponseHead head;
  head.fields = {{"via", "1.1 a"}, {"server", "b"}, {"cache-status", "fairlead; fwd=stale; fwd-status=304; ttl=5"}};
  auto of_backend = head, ours = head;
  add_kong_fields(of_backend, record, true, 1'010'000'000, arena);
  const auto value = [](const http::ResponseHead& of, std::string_view name) {
    const auto* found = http::find(of.fields, name);
    return found == nullptr ? std::string("-") : std::string(found->value);
  };
  EXPECT_EQ(value(of_backend, "via"), "1.1 a, 1.1 kong/3.9.0");
  EXPECT_EQ(value(of_backend, "x-kong-upstream-latency"), "7");
  EXPECT_EQ(value(of_backend, "x-kong-proxy-latency"), "3");
  EXPECT_EQ(value(of_backend, "x-kong-request-id"), "id-1");
  EXPECT_EQ(value(of_backend, "server"), "b");
  EXPECT_EQ(value(of_backend, "x-cache-status"), "Refresh");
  add_kong_fields(ours, record, false, 1'010'000'000, arena);
  EXPECT_EQ(value(ours, "server"), "kong/3.9.0");
  EXPECT_EQ(value(ours, "x-kong-response-latency"), "10");
  EXPECT_EQ(value(ours, "x-kong-upstream-latency"), "-");
}

TEST(KongAnswers, CacheStatusByItsFirstWord) {
  for (const auto& [told, said] : {std::pair("fairlead; hit; ttl=5", "Hit"),
                                   {"fairlead; fwd=uri-miss; collapsed", "Hit"},
                                   {"fairlead; fwd=uri-miss; stored", "Miss"},
                                   {"fairlead; fwd=vary-miss", "Miss"},
                                   {"fairlead; fwd=bypass", "Bypass"},
                                   {"fairlead; fwd=method", "Bypass"}}) {
    http::Fields fields{{"cache-status", told}};
    change_cache_status(fields);
    EXPECT_EQ(fields[0].name, "x-cache-status") << told;
    EXPECT_EQ(fields[0].value, said) << told;
  }
  http::Fields others{{"cache-status", "other; hit"}};
  change_cache_status(others);
  EXPECT_EQ(others[0].name, "cache-status");
}

}  // namespace
}  // namespace fairlead::proxy
