// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/hmac_signature.hpp"

#include <gtest/gtest.h>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {
namespace {

http::RequestHead hmac_request() {
  http::RequestHead head;
  head.method_text = "POST";
  head.target = "/orders?x=1";
  head.authority = "api.example:8080";
  head.body = http::Body::kLength;
  head.content_length = 5;
  head.fields = {{"date", "Thu, 22 Jun 2017 17:15:21 GMT"}, {"x-twice", "a"}, {"x-twice", "b"}};
  return head;
}

TEST(HmacSignature, ReadsItsHeaderStrictly) {
  const auto good =
      parse_hmac(R"(hmac username="alice", algorithm="hmac-sha512",headers="date @request-target", signature="YWJj")");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->username, "alice");
  EXPECT_EQ(good->algorithm, "hmac-sha512");
  EXPECT_TRUE(good->covers("@request-target"));
  EXPECT_FALSE(good->covers("host"));
  EXPECT_EQ(good->signature, "YWJj");
  for (const auto* bad :
       {"", "hmac ", "basic abc", "hmac username=\"a\"", R"(hmac username="a",headers="",signature="b")",
        R"(hmac username="a",headers="date",signature="")", R"(hmac username="",headers="date",signature="b")",
        R"(hmac username="a",username="b",headers="date",signature="b")",
        R"(hmac username="a",headers="date date",signature="b")", R"(hmac username="a",headers="Date",signature="b")",
        R"(hmac username="a",headers="date  host",signature="b")", R"(hmac username="a",headers="date",signature="b",)",
        R"(hmac username="a",headers="date",signature="b" x)", R"(hmac username="a\"",headers="date",signature="b")",
        R"(hmac username=a,headers="date",signature="b")",
        R"(hmac username="a",headers="date",signature="b",extra="c")",
        R"(hmac username="a",headers="date",signature="b)"})
    EXPECT_FALSE(parse_hmac(bad)) << bad;
}

TEST(HmacSignature, SignsWhatTheListNames) {
  HmacHeader header;
  header.headers = {"date", "request-line", "@request-target", "host", "content-length"};
  EXPECT_EQ(signing_string(header, hmac_request()),
            "date: Thu, 22 Jun 2017 17:15:21 GMT\nPOST /orders?x=1 HTTP/1.1\n@request-target: post "
            "/orders?x=1\nhost: api.example:8080\ncontent-length: 5");
  for (const std::string_view bad : {"x-missing", "x-twice"}) {
    header.headers = {bad};
    EXPECT_FALSE(signing_string(header, hmac_request())) << bad;
  }
}

TEST(HmacSignature, ComparesByAlgorithmAndSecret) {
  // The example of Kong's documentation of hmac-auth.
  constexpr std::string_view kText = "date: Thu, 22 Jun 2017 17:15:21 GMT\nGET /requests HTTP/1.1";
  constexpr std::string_view kSignature = "ujWCGHeec9Xd6UD2zlyxiNMCiXnDOWeVFMu5VeRUxtw=";
  EXPECT_TRUE(check_hmac("hmac-sha256", "secret", kText, kSignature));
  EXPECT_FALSE(check_hmac("hmac-sha1", "secret", kText, kSignature));
  EXPECT_FALSE(check_hmac("hmac-sha256", "Secret", kText, kSignature));
  EXPECT_FALSE(check_hmac("hmac-sha256", "secret", "x", kSignature));
  EXPECT_FALSE(check_hmac("none", "secret", kText, kSignature));
  EXPECT_FALSE(check_hmac("hmac-sha256", "secret", kText, ""));
  EXPECT_FALSE(check_hmac("hmac-sha256", "secret", kText, kSignature.substr(1)));
}

TEST(HmacSignature, ReadsDatesOfOneForm) {
  EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  for (const auto* bad :
       {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 ovD 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:3x GMT"})
    EXPECT_FALSE(parse_date(bad)) << bad;
}

TEST(HmacSignature, ChecksADigestOfTheBody) {
  EXPECT_TRUE(check_body_digest("SHA-256=" + encode_base64(bytes_of(sha256("hello"))), "hello"));
  EXPECT_FALSE(check_body_digest("SHA-256=" + encode_base64(bytes_of(sha256("hello"))), "hellO"));
  EXPECT_FALSE(check_body_digest("MD5=abc", "hello"));
}

}  // namespace
}  // namespace fairlead::auth
