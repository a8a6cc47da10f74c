// SPDX-License-Identifier: Apache-2.0
// What Istio's policies match, and what becomes of a request.
#include "fairlead/model/istio.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <ctime>

#include "fairlead/auth/digest.hpp"
#include "gateway/dataplane/filter/istio_match.hpp"
#include "unit/filter/fake_request.hpp"

namespace fairlead::filter {
namespace {

using Action = model::AuthorizationPolicy::Action;
using Condition = model::RequestCondition;

TEST(IstioMatch, Patterns) {
  for (const auto& [pattern, text, wanted] : {std::tuple("a", "a", true),
                                              {"a", "ab", false},
                                              {"a*", "ab", true},
                                              {"a*", "a", true},
                                              {"a*", "b", false},
                                              {"*b", "ab", true},
                                              {"*b", "ba", false},
                                              {"*", "x", true},
                                              {"*", "", false},
                                              {"a", "", false},
                                              {"A", "a", false}})
    EXPECT_EQ(matches_pattern(pattern, text), wanted) << pattern << " " << text;
}

TEST(IstioMatch, PathsAndTheirTemplates) {
  for (const auto& [pattern, path, wanted] : {std::tuple("/a", "/a", true),
                                              {"/a", "/a/", false},
                                              {"/a*", "/ab/c", true},
                                              {"*/c", "/ab/c", true},
                                              {"/foo/{*}", "/foo/bar", true},
                                              {"/foo/{*}", "/foo/bar/baz", false},
                                              {"/foo/{*}", "/foo/", false},
                                              {"/foo/{*}", "/foo", false},
                                              {"/foo/{**}/", "/foo/bar/", true},
                                              {"/foo/{**}/", "/foo/bar/baz.txt/", true},
                                              {"/foo/{**}/", "/foo/bar", false},
                                              {"/foo/{**}", "/foo/", true},
                                              {"/foo/{**}", "/foo", false},
                                              {"/foo/{**}", "/foobar", false},
                                              {"/foo/{*}/bar/{**}", "/foo/buzz/bar/", true},
                                              {"/foo/{*}/bar/{**}", "/foo/buzz/bar/baz/x", true},
                                              {"/foo/{*}/bar/{**}", "/foo/buzz/bar", false},
                                              {"/{*}/{*}", "/a/b", true},
                                              {"/{*}/{*}", "/a/b/c", false}})
    EXPECT_EQ(matches_path(pattern, path), wanted) << pattern << " " << path;
}

/// A rule that the request of this test matches, or not.
struct Row {
  const char* name;
  model::AuthorizationRule rule;
  bool wanted;
};

template <class Fill>
model::AuthorizationRule from(Fill fill) {
  model::AuthorizationRule out;
  fill(out.from.emplace_back());
  return out;
}
template <class Fill>
model::AuthorizationRule to(Fill fill) {
  model::AuthorizationRule out;
  fill(out.to.emplace_back());
  return out;
}
model::AuthorizationRule when(Condition condition) {
  model::AuthorizationRule out;
  out.when_request.push_back(std::move(condition));
  return out;
}
std::vector<Cidr> blocks(const char* text) { return {*Cidr::parse(text)}; }

constexpr const char* kKeys = R"({"keys": [{"kty": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]})";

template <class Fill>
model::JwtRule jwt(const char* issuer, Fill fill) {
  model::JwtRule out;
  out.issuer = issuer;
  out.jwks = kKeys;
  fill(out);
  return out;
}

/// A token by hand; `signature`: in place of a good one.
std::string token(const std::string& claims, std::string signature = {}) {
  const auto head = auth::encode_base64url(R"({"alg":"HS256"})");
  const auto text = head + "." + auth::encode_base64url(claims);
  if (signature.empty()) {
    unsigned char made[32];
    unsigned length = 0;
    HMAC(EVP_sha256(), "0123456789abcdef0123456789abcdef", 32, auth::unsigned_bytes(text), text.size(), made, &length);
    signature = auth::encode_base64url({reinterpret_cast<const char*>(made), length});
  }
  return text + "." + signature;
}

TEST(IstioMatch, RulesAskAllOfARequest) {
  auth::TokenError error{};
  const auto claims = auth::Token::parse(
      token(R"({"iss":"i","sub":"s","aud":["x","y"],"azp":"p","scope":"read write","a":{"b":["c","d"]},"n":5})"),
      error);
  ASSERT_TRUE(claims);
  const http::Fields fields{{"x-a", "1"}, {"x-a", "2"}};
  IstioFacts facts;
  facts.source_ip = *Address::parse("10.0.0.1");
  facts.remote_ip = *Address::parse("192.0.2.7");
  facts.destination_ip = *Address::parse("127.0.0.1");
  facts.destination_port = 8443;
  facts.principal = "cluster.local/ns/web/sa/shop";
  facts.ns = "web";
  facts.service_account = "shop";
  facts.host = "a.example";
  facts.authority = "A.example:8443";
  facts.method = "GET";
  facts.path = "/p/q";
  facts.sni = "a.example";
  facts.request_principal = "i/s";
  facts.token = claims.get();
  facts.fields = &fields;
  using enum Condition::Attribute;
  const auto claim = [](std::vector<std::string> names, std::vector<std::string> values,
                        std::vector<std::string> not_values = {}) {
    return when({.attribute = kClaim,
                 .names = std::move(names),
                 .values = std::move(values),
                 .not_values = std::move(not_values)});
  };
  const Row rows[] = {
      {"everything", {}, true},
      {"principal", from([](auto& one) { one.principals = {"cluster.local/ns/web/*"}; }), true},
      {"not principal", from([](auto& one) { one.not_principals = {"*/sa/shop"}; }), false},
      {"namespace", from([](auto& one) { one.namespaces = {"w*"}; }), true},
      {"namespace, two wildcards", from([](auto& one) { one.namespaces = {"*e*"}; }), true},
      {"namespace, within", from([](auto& one) { one.namespaces = {"w*b"}; }), true},
      {"not namespace", from([](auto& one) { one.not_namespaces = {"*e*"}; }), false},
      {"other namespace", from([](auto& one) { one.namespaces = {"other"}; }), false},
      {"account", from([](auto& one) { one.service_accounts = {"web/shop"}; }), true},
      {"account of the policy's namespace", from([](auto& one) { one.service_accounts = {"shop"}; }), false},
      {"source", from([](auto& one) { one.ip_blocks = blocks("10.0.0.0/8"); }), true},
      {"remote is not source", from([](auto& one) { one.remote_ip_blocks = blocks("10.0.0.0/8"); }), false},
      {"remote", from([](auto& one) { one.remote_ip_blocks = blocks("192.0.2.0/24"); }), true},
      {"not remote", from([](auto& one) { one.not_remote_ip_blocks = blocks("192.0.2.0/24"); }), false},
      {"request principal", from([](auto& one) { one.request_principals = {"i/*"}; }), true},
      {"not request principal", from([](auto& one) { one.not_request_principals = {"*"}; }), false},
      {"two that must hold", from([](auto& one) {
         one.namespaces = {"web"};
         one.request_principals = {"j/*"};
       }),
       false},
      {"host without port", to([](auto& one) { one.hosts = {"A.EXAMPLE"}; }), true},
      {"host with port", to([](auto& one) { one.hosts = {"a.example:8443"}; }), true},
      {"host's suffix", to([](auto& one) { one.hosts = {"*.example"}; }), true},
      {"not host", to([](auto& one) { one.not_hosts = {"a.example"}; }), false},
      {"port", to([](auto& one) { one.ports = {8443}; }), true},
      {"not port", to([](auto& one) { one.not_ports = {8443}; }), false},
      {"method", to([](auto& one) { one.methods = {"GET", "HEAD"}; }), true},
      {"not method", to([](auto& one) { one.not_methods = {"GET"}; }), false},
      {"path", to([](auto& one) { one.paths = {"/p/{*}"}; }), true},
      {"not path", to([](auto& one) { one.not_paths = {"/p/*"}; }), false},
      {"header", when({.attribute = kHeader, .names = {"x-a"}, .values = {"1,2"}}), true},
      {"missing header", when({.attribute = kHeader, .names = {"x-b"}, .values = {"*"}}), false},
      {"not missing header", when({.attribute = kHeader, .names = {"x-b"}, .not_values = {"1"}}), true},
      {"remote.ip", when({.attribute = kRemoteIp, .values = {"192.0.2.7"}}), true},
      {"sni", when({.attribute = kSni, .values = {"a.example"}}), true},
      {"principal", when({.attribute = kPrincipal, .values = {"i/s"}}), true},
      {"audience", when({.attribute = kAudiences, .values = {"y"}}), true},
      {"not audience", when({.attribute = kAudiences, .not_values = {"x"}}), false},
      {"presenter", when({.attribute = kPresenter, .values = {"p"}}), true},
      {"claim", claim({"sub"}, {"s"}), true},
      {"nested claim", claim({"a", "b"}, {"d"}), true},
      {"other nested claim", claim({"a", "b"}, {"e"}), false},
      {"missing claim", claim({"a", "z"}, {"*"}), false},
      {"not missing claim", claim({"a", "z"}, {}, {"x"}), true},
      {"word of scope", claim({"scope"}, {"write"}), true},
      {"part of a word", claim({"scope"}, {"writ"}), false},
      {"number", claim({"n"}, {"5"}), false},
  };
  for (const auto& row : rows) EXPECT_EQ(matches_rule(row.rule, "default", facts), row.wanted) << row.name;
  facts.token = nullptr;
  EXPECT_FALSE(matches_rule(claim({"sub"}, {"*"}), "default", facts));
  EXPECT_TRUE(matches_rule(claim({"sub"}, {}, {"s"}), "default", facts));
}

class Istio : public testing::Test {
 protected:
  void allow(model::AuthorizationRule rule, Action action = Action::kAllow) {
    model::AuthorizationPolicy policy;
    policy.metadata.ns = "default";
    policy.action = action;
    policy.rules.push_back(std::move(rule));
    add(std::move(policy));
  }
  void add(model::Object object) { objects_.push_back(std::make_shared<const model::Object>(std::move(object))); }
  void tokens(std::vector<model::JwtRule> rules) {
    model::RequestAuthentication made;
    made.metadata.ns = "default";
    made.rules = std::make_shared<const std::vector<model::JwtRule>>(std::move(rules));
    add(std::move(made));
  }
  /// What is answered to a request of `path`; 0: it passes.
  int ask(FakeRequest& request) {
    request.set_reactor(**reactor_);
    auto context = fake_.get();
    const auto filter = make_istio({.objects = objects_, .jwks_server = {}}, context);
    EXPECT_TRUE(filter) << fake_.faults.front();
    const auto verdict = filter->on_request(request);
    if (verdict == Verdict::kContinue) return 0;
    EXPECT_TRUE(request.said());
    return request.said()->status;
  }
  int ask(FakeRequest&& request) { return ask(request); }

  FakeContext fake_;
  std::vector<model::ObjectPtr> objects_;
  Result<std::unique_ptr<event::Reactor>> reactor_ = event::Reactor::create();
};

TEST_F(Istio, DeniesFirstAndThenAsksWhatIsAllowed) {
  allow(to([](auto& one) { one.paths = {"/admin*"}; }), Action::kDeny);
  allow(to([](auto& one) { one.paths = {"*"}; }), Action::kAudit);
  EXPECT_EQ(ask(FakeRequest("/x")), 0);
  FakeRequest denied("/admin/x");
  ASSERT_EQ(ask(denied), 403);
  EXPECT_EQ(denied.said()->body, "RBAC: access denied");
  allow(to([](auto& one) { one.paths = {"/a*"}; }));
  EXPECT_EQ(ask(FakeRequest("/a")), 0);
  EXPECT_EQ(ask(FakeRequest("/admin/x")), 403);
  EXPECT_EQ(ask(FakeRequest("/x")), 403);
  allow(to([](auto& one) { one.paths = {"/x"}; }));
  EXPECT_EQ(ask(FakeRequest("/x")), 0);
}

TEST_F(Istio, AnAllowPolicyWithoutRulesAllowsNothing) {
  add(model::AuthorizationPolicy{});
  EXPECT_EQ(ask(FakeRequest("/x")), 403);
}

TEST_F(Istio, ARefusedPolicyCloses) {
  add(model::RefusedPolicy{.metadata = {}, .pods = {}, .reason = "why"});
  EXPECT_EQ(ask(FakeRequest("/x")), 403);
  EXPECT_NE(fake_.remarks.front().find("why"), std::string::npos);
}

TEST_F(Istio, ATokenMustBeGoodWhereOneIsSent) {
  const auto later = std::to_string(std::time(nullptr) + 100);
  tokens({jwt("i", [](auto& one) {
    one.audiences = {"a"};
    one.payload_header = "x-payload";
    one.claim_headers = {{"n.m", "x-m"}, {"sub", "x-sub"}};
  })});
  EXPECT_EQ(ask(FakeRequest()), 0);
  const std::string claims = R"({"iss":"i","sub":"s","aud":"a","n":{"m":7},"exp":)" + later + "}";
  const auto good = "Bearer " + token(claims);
  FakeRequest request;
  request.with("x-sub", "root").with("x_payload", "root").with("authorization", good);
  EXPECT_EQ(ask(request), 0);
  const auto& fields = request.head().fields;
  EXPECT_EQ(http::find(fields, "authorization"), nullptr);
  EXPECT_EQ(http::find(fields, "x_payload"), nullptr);
  ASSERT_NE(http::find(fields, "x-payload"), nullptr);
  EXPECT_EQ(http::find(fields, "x-payload")->value, auth::encode_base64url(claims));
  EXPECT_EQ(http::find(fields, "x-sub")->value, "s");
  EXPECT_EQ(http::find(fields, "x-m")->value, "7");
  EXPECT_EQ(request.identity().subject, "s");
  for (const auto& [text, status, why] :
       {std::tuple(std::string("x"), 401,
                   "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"),
        {token(R"({"iss":"j","sub":"s"})"), 401, "Jwt issuer is not configured"},
        {token(R"({"iss":"i","exp":1})"), 401, "Jwt is expired"},
        {token(R"({"iss":"i","nbf":)" + later + "}"), 401, "Jwt not yet valid"},
        {token(R"({"iss":"i","aud":"b"})"), 403, "Audiences in Jwt are not allowed"},
        {token(claims, "AAAA"), 401, "Jwt verification fails"}}) {
    const auto value = "Bearer " + text;
    FakeRequest bad;
    bad.with("authorization", value).with("x-sub", "root");
    EXPECT_EQ(ask(bad), status) << why;
    EXPECT_EQ(bad.said()->body, why);
  }
  FakeRequest preflight;
  preflight.head().method = http::Method::kOptions;
  preflight.with("origin", "https://a").with("access-control-request-method", "PUT").with("authorization", "Bearer x");
  EXPECT_EQ(ask(preflight), 0);
}

TEST_F(Istio, OneGoodTokenIsEnough) {
  tokens({jwt("i", [](auto& one) { one.forward = true; }), jwt("j", [](auto& one) {
            one.from_headers = {{"x-token", "T "}};
            one.from_params = {"t"};
          })});
  const auto of_i = "Bearer " + token(R"({"iss":"i","sub":"1"})");
  const auto of_j = token(R"({"iss":"j","sub":"2"})");
  FakeRequest first;
  first.with("authorization", of_i).with("x-token", "T bad");
  EXPECT_EQ(ask(first), 0);
  EXPECT_NE(http::find(first.head().fields, "authorization"), nullptr);
  const auto value = "T " + of_j;
  FakeRequest second;
  second.with("x-token", value);
  EXPECT_EQ(ask(second), 0);
  EXPECT_EQ(second.identity().subject, "2");
  EXPECT_EQ(http::find(second.head().fields, "x-token"), nullptr);
  const auto query = "a=1&t=" + of_j;
  FakeRequest third;
  third.target().query = query;
  third.target().has_query = true;
  EXPECT_EQ(ask(third), 0);
  EXPECT_EQ(third.target().query, "a=1");
  const auto wrong = "Bearer " + of_j;  // not where j's tokens stand
  FakeRequest fourth;
  fourth.with("authorization", wrong);
  EXPECT_EQ(ask(fourth), 401);
  allow(from([](auto& one) { one.request_principals = {"j/2"}; }));
  FakeRequest fifth;
  fifth.with("x-token", value);
  EXPECT_EQ(ask(fifth), 0);
  EXPECT_EQ(ask(FakeRequest()), 403);
}

TEST_F(Istio, KeysThatCannotBeHadAreAFault) {
  tokens({jwt("i", [](auto& one) {
    one.jwks.clear();
    one.jwks_uri = "http://keys/";
  })});
  auto context = fake_.get();
  const auto none = [](const std::string&, const std::string&) -> Result<JwksServer> { return fail("none"); };
  EXPECT_FALSE(make_istio({.objects = objects_, .jwks_server = none}, context));
  EXPECT_NE(fake_.faults.front().find("issuer i: none"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::filter
