// SPDX-License-Identifier: Apache-2.0
// The examples of RFC 9421, appendix B, and what no signature may be about.
#include "fairlead/auth/http_signature.hpp"

#include <gtest/gtest.h>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {
namespace {

constexpr const char* kDigest =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
constexpr const char* kPss = R"(-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----
)";
constexpr const char* kCurve = R"(-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----
)";
constexpr const char* kEdwards = R"(-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----
)";
constexpr const char* kSharedSecret =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
constexpr const char* kCertificate =
    R"(:MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWV)"
    R"(kaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA)"
    R"(E8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADA)"
    R"(fBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBM)"
    R"(wEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmi)"
    R"(Z0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:)";

struct SignatureVector {
  const char* name;
  const char* key;
  const char* input;
  const char* signature;
};
constexpr SignatureVector kSignatureVectors[] = {
    {"B.2.1", kPss, R"(sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd")",
     R"(sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZs)"
     R"(ckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56)"
     R"(YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8)"
     R"(IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:)"},
    {"B.2.2", kPss,
     R"(sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss)"
     R"(";tag="header-example")",
     R"(sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMk)"
     R"(SowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFq)"
     R"(WFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh)"
     R"(0aaUEb0rQl3/XaVe4bXTugEjHSw==:)"},
    {"B.2.3", kPss,
     R"(sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");cr)"
     R"(eated=1618884473;keyid="test-key-rsa-pss")",
     R"(sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp7)"
     R"(68ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW9)"
     R"(1kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJy)"
     R"(oEZAFL2FUo5fTIztsDZKEgM4cUA==:)"},
    {"B.2.5", kSharedSecret,
     R"(sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret")",
     R"(sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:)"},
    {"B.2.6", kEdwards,
     R"(sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="te)"
     R"(st-key-ed25519")",
     R"(sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:)"},
};

/// Appendix B.2: test-request.
http::RequestHead test_request() {
  http::RequestHead head;
  head.method_text = "POST";
  head.scheme = "https";
  head.authority = "example.com";
  head.target = "/foo?param=Value&Pet=dog";
  head.body = http::Body::kLength;
  head.content_length = 18;
  head.fields = {
      {"date", "Tue, 20 Apr 2021 02:07:55 GMT"}, {"content-type", "application/json"}, {"content-digest", kDigest}};
  return head;
}

VerifyKey key_of(const std::string& text) {
  if (text == kSharedSecret) return *signature_key(*decode_base64(text), false, "");
  return *signature_key(text, true, "");
}

HttpSignature signature_of(const std::string& input, const std::string& signature = "s=:AAAA:") {
  const auto found = parse_signatures({{"signature-input", input}, {"signature", signature}});
  if (found && found->size() == 1) return found->front();
  ADD_FAILURE() << input;
  return {};
}

std::string value_of(const std::string& component, const http::RequestHead& head) {
  const auto base = signature_base(signature_of("s=(" + component + ")"), head);
  if (!base) return "none";
  return base->substr(component.size() + 2, base->find('\n') - component.size() - 2);
}

TEST(HttpSignature, VerifiesTheExamplesOfTheRfc) {
  for (const auto& vector : kSignatureVectors) {
    const auto signature = signature_of(vector.input, vector.signature);
    auto head = test_request();
    const auto base = signature_base(signature, head);
    ASSERT_TRUE(base) << vector.name;
    for (const auto* key : {kPss, kCurve, kEdwards, kSharedSecret})
      EXPECT_EQ(check_signature(signature, key_of(key), *base), std::string(key) == vector.key) << vector.name;
    EXPECT_FALSE(check_signature(signature, key_of(vector.key), *base + " ")) << vector.name;
    auto other = signature;
    other.signature.back() = static_cast<char>(other.signature.back() ^ 1);
    EXPECT_FALSE(check_signature(other, key_of(vector.key), *base)) << vector.name;
    other = signature;
    other.algorithm = "rsa-v1_5-sha256";
    EXPECT_FALSE(check_signature(other, key_of(vector.key), *base)) << vector.name;
  }
}

TEST(HttpSignature, HasTheBaseOfTheRfc) {
  // B.2.3, and of B.2.4, whose response is no message for us, the signature alone.
  const auto base =
      signature_base(signature_of(kSignatureVectors[2].input, kSignatureVectors[2].signature), test_request());
  EXPECT_EQ(base, std::string("\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n"
                              "\"@query\": ?param=Value&Pet=dog\n\"@authority\": example.com\n"
                              "\"content-type\": application/json\n\"content-digest\": ") +
                      kDigest +
                      "\n\"content-length\": 18\n\"@signature-params\": (\"date\" \"@method\" \"@path\" \"@query\" "
                      "\"@authority\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473;"
                      "keyid=\"test-key-rsa-pss\"");
  const auto response = signature_of(
      R"(sig-b24=("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256")",
      "sig-b24=:wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==:");
  EXPECT_FALSE(signature_base(response, test_request()));
  EXPECT_TRUE(check_signature(
      response, key_of(kCurve),
      "\"@status\": 200\n\"content-type\": application/json\n\"content-digest\": "
      "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:\n"
      "\"content-length\": 23\n\"@signature-params\": (\"@status\" \"content-type\" \"content-digest\" "
      "\"content-length\");created=1618884473;keyid=\"test-key-ecc-p256\""));
}

TEST(HttpSignature, VerifiesWhatAProxyAddedAndWhatMayChange) {
  // B.3
  auto head = test_request();
  head.authority = "service.internal.example";
  head.fields.push_back({"client-cert", kCertificate});
  const auto proxied = signature_of(
      R"(ttrp=("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256")",
      "ttrp=:xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==:");
  EXPECT_TRUE(check_signature(proxied, key_of(kCurve), *signature_base(proxied, head)));
  // B.4
  const auto transformed = signature_of(
      R"(transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519")",
      "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:");
  const auto verifies = [&](const http::RequestHead& of) {
    return check_signature(transformed, key_of(kEdwards), *signature_base(transformed, of));
  };
  http::RequestHead get;
  get.method_text = "GET";
  get.scheme = "https";
  get.authority = "example.org";
  get.target = "/demo?name1=Value1&Name2=value2";
  get.fields = {{"accept", "application/json"}, {"accept", "*/*"}};
  EXPECT_TRUE(verifies(get));
  get.target = "/demo?name1=Value1&Name2=value2&param=added";
  get.authority = "Example.ORG:443";
  get.fields = {{"accept-language", "en-US,en;q=0.5"}, {"accept", "application/json, */*"}};
  EXPECT_TRUE(verifies(get));
  get.method_text = "POST";
  EXPECT_FALSE(verifies(get));
  get.method_text = "GET";
  get.fields = {{"accept", "*/*"}, {"accept", "application/json"}};
  EXPECT_FALSE(verifies(get));
  get.fields = {{"accept", "application/json, */*"}};
  get.scheme = "http";  // whose port is another
  EXPECT_FALSE(verifies(get));
}

TEST(HttpSignature, DerivesComponents) {
  auto head = test_request();
  head.authority = "WWW.Example.com:8443";
  EXPECT_EQ(value_of("\"@method\"", head), "POST");
  EXPECT_EQ(value_of("\"@target-uri\"", head), "https://WWW.Example.com:8443/foo?param=Value&Pet=dog");
  EXPECT_EQ(value_of("\"@authority\"", head), "www.example.com:8443");
  EXPECT_EQ(value_of("\"@scheme\"", head), "https");
  EXPECT_EQ(value_of("\"@request-target\"", head), "/foo?param=Value&Pet=dog");
  EXPECT_EQ(value_of("\"@path\"", head), "/foo");
  EXPECT_EQ(value_of("\"@query\"", head), "?param=Value&Pet=dog");
  head.target = "/a";
  EXPECT_EQ(value_of("\"@query\"", head), "?");
  head.target = "*";
  EXPECT_EQ(value_of("\"@path\"", head), "/");
  EXPECT_EQ(value_of("\"@target-uri\"", head), "https://WWW.Example.com:8443");
  head.target =
      "/p?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something";
  EXPECT_EQ(value_of(R"("@query-param";name="var")", head), "this%20is%20a%20big%0Amultiline%20value");
  EXPECT_EQ(value_of(R"("@query-param";name="bar")", head), "with%20plus%20whitespace");
  EXPECT_EQ(value_of(R"("@query-param";name="fa%C3%A7ade%22%3A%20")", head), "something");
  head.target = "/p?a=1&b&a=2&%61=3&c=";
  EXPECT_EQ(value_of(R"("@query-param";name="b")", head), "");
  EXPECT_EQ(value_of(R"("@query-param";name="c")", head), "");
  EXPECT_EQ(value_of(R"("@query-param";name="a")", head), "none");  // twice
  EXPECT_EQ(value_of(R"("@query-param";name="d")", head), "none");
}

TEST(HttpSignature, CombinesAndSerializesFields) {
  auto head = test_request();
  head.fields = {{"x-two", "a"},
                 {"x-two", "b, c"},
                 {"x-empty", ""},
                 {"priority", "u=1,   i"},
                 {"example", "a=1, b=2;x=1;y=2, c=(a   b    c), d"}};
  EXPECT_EQ(value_of("\"x-two\"", head), "a, b, c");
  EXPECT_EQ(value_of("\"x-empty\"", head), "");
  EXPECT_EQ(value_of("\"x-two\";bs", head), ":YQ==:, :YiwgYw==:");
  EXPECT_EQ(value_of("\"priority\";sf", head), "u=1, i");
  EXPECT_EQ(value_of("\"example\";key=\"b\"", head), "2;x=1;y=2");
  EXPECT_EQ(value_of("\"example\";key=\"c\"", head), "(a b c)");
  EXPECT_EQ(value_of("\"example\";key=\"d\"", head), "?1");
  EXPECT_EQ(value_of("\"host\"", head), "example.com");
  for (const auto* bad : {"\"x-missing\"",
                          "\"example\";key=\"z\"",
                          "\"x-two\";sf",
                          "\"x-empty\";key=\"a\"",
                          "\"x-two\";bs;sf",
                          "\"x-two\";tr",
                          "\"x-two\";req",
                          "\"x-two\";bs=?0",
                          "\"x-two\";key=1",
                          "\"X-Two\"",
                          "\"@status\"",
                          "\"@method\";sf",
                          "\"@query-param\"",
                          "\"@query-param\";name=1",
                          "\"@signature-params\"",
                          "x-two",
                          "\"x-two\" \"x-two\"",
                          "\"example\";sf;key=\"b\" \"example\";key=\"b\";sf",
                          "\"\"",
                          "\"@METHOD\""})
    EXPECT_EQ(value_of(bad, head), "none") << bad;
}

TEST(HttpSignature, KnowsWhatItCovers) {
  const auto signature = signature_of(R"(s=("@method" "@target-uri" "a";bs "b";key="x" "@query-param";name="id"))");
  for (const auto* yes : {"@method", "@target-uri", "@path", "@query", "@authority", "@scheme", "a",
                          "@query-param;name=\"id\"", "b;key=\"x\""})
    EXPECT_TRUE(signature.covers(yes)) << yes;
  for (const auto* no : {"@request-target", "b", "c", "@query-param;name=\"other\"", "a;sf"})
    EXPECT_FALSE(signature.covers(no)) << no;
  const auto other = signature_of(R"(s=("@request-target"))");
  EXPECT_TRUE(other.covers("@path"));
  EXPECT_FALSE(other.covers("@authority"));
  for (const auto* good : {"@method", "content-type", "@query-param;name=\"a\"", "x;bs", "x;key=\"k\""})
    EXPECT_TRUE(is_component(good)) << good;
  for (const auto* bad : {"", "Content-Type", "@status", "@query-param", "a b", "x;tr", "x;sf", "@path;sf", "\"x\""})
    EXPECT_FALSE(is_component(bad)) << bad;
}

TEST(HttpSignature, RefusesFieldsThatDoNotFit) {
  EXPECT_FALSE(parse_signatures({{"date", "x"}}));
  const auto count = [](const std::string& input, const std::string& signature) {
    return parse_signatures({{"signature-input", input}, {"signature", signature}})->size();
  };
  EXPECT_EQ(count("a=(), b=()", "b=:AA==:, a=:AA==:"), 2U);
  EXPECT_EQ(parse_signatures({{"signature", "a=:AA==:"}})->size(), 0U);
  EXPECT_EQ(parse_signatures({{"signature-input", "a=()"}})->size(), 0U);
  for (const auto& [input, signature] : {std::pair("a=()", "b=:AA==:"),
                                         {"a=(), b=()", "a=:AA==:"},
                                         {"a=1", "a=:AA==:"},
                                         {"a=()", "a=\"AA==\""},
                                         {"a=()", "a=(:AA==:)"},
                                         {"a=();created=\"1\"", "a=:AA==:"},
                                         {"a=();created=1.5", "a=:AA==:"},
                                         {"a=();expires", "a=:AA==:"},
                                         {"a=();keyid=k", "a=:AA==:"},
                                         {"a=();alg=1", "a=:AA==:"},
                                         {"a=();tag=?1", "a=:AA==:"},
                                         {"a=();nonce=:AA==:", "a=:AA==:"},
                                         {"a=(", "a=:AA==:"}})
    EXPECT_EQ(count(input, signature), 0U) << input;
  std::string inputs = "s0=()", signatures = "s0=:AA==:";
  for (std::size_t i = 1; i <= kMostSignatures; ++i) {
    inputs += ", s" + std::to_string(i) + "=()";
    signatures += ", s" + std::to_string(i) + "=:AA==:";
  }
  EXPECT_EQ(count(inputs, signatures), 0U);
}

TEST(HttpSignature, TakesAKeyForOneAlgorithm) {
  EXPECT_EQ(signature_key(kPss, true, "")->algorithms(), bit(Algorithm::kPs512));
  EXPECT_EQ(signature_key(kPss, true, "rsa-v1_5-sha256")->algorithms(), bit(Algorithm::kRs256));
  EXPECT_EQ(signature_key(kCurve, true, "")->algorithms(), bit(Algorithm::kEs256));
  EXPECT_EQ(signature_key(kEdwards, true, "")->algorithms(), bit(Algorithm::kEdDsa));
  EXPECT_EQ(signature_key("secret", false, "")->algorithms(), bit(Algorithm::kHs256));
  EXPECT_FALSE(signature_key(kCurve, true, "ed25519"));
  EXPECT_FALSE(signature_key(kCurve, true, "hmac-sha256"));
  EXPECT_FALSE(signature_key("secret", false, "ed25519"));
  EXPECT_FALSE(signature_key("secret", false, "none"));
  EXPECT_FALSE(signature_key("", false, ""));
  constexpr const char* kEd448 =
      "-----BEGIN PUBLIC KEY-----\nMEMwBQYDK2VxAzoAX9dEm1m0Yf0s54fsYWrUaoLQeh8nDCjVlqbFCbnKZoXyqDCdGxaYoGOGt9kG\n"
      "E2DgDzhHYy1+DGIA\n-----END PUBLIC KEY-----\n";
  EXPECT_FALSE(signature_key(kEd448, true, ""));
}

TEST(HttpSignature, ChecksTheDigestOfABody) {
  const auto check = [](const std::string& value, const std::string& body) {
    return check_content_digest({{"content-digest", value}}, body);
  };
  const auto sha256_of = [](std::string_view body) {
    return "sha-256=:" + encode_base64(bytes_of(sha256(body))) + ":";
  };
  EXPECT_TRUE(check(kDigest, R"({"hello": "world"})"));
  EXPECT_FALSE(check(kDigest, R"({"hello": "World"})"));
  EXPECT_TRUE(check(sha256_of("x") + ", md5=:AA==:", "x"));
  EXPECT_FALSE(check("md5=:AA==:", "x"));
  EXPECT_FALSE(check(sha256_of("x") + ", sha-512=:AA==:", "x"));  // all that are known must be right
  EXPECT_FALSE(check("sha-256=(:AA==:)", "x"));
  EXPECT_FALSE(check("sha-256=\"AA==\"", "x"));
  EXPECT_FALSE(check("", "x"));
  EXPECT_FALSE(check_content_digest({}, "x"));
  EXPECT_TRUE(check(sha256_of(""), ""));
}

}  // namespace
}  // namespace fairlead::auth
