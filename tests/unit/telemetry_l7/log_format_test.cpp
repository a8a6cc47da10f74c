// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/log_format.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "fairlead/telemetry/secret_names.hpp"
#include "sample.hpp"

namespace fairlead::telemetry {
namespace {

using test::line;
using test::Sample;

struct FormatRow {
  const char* text;
  const char* expected;
};

std::string of(std::string_view text, const RequestRecord& record, const FormatOptions& options = {}) {
  const auto format = LogFormat::from_template(text, options);
  if (!format) return "ERROR " + format.error().message;
  auto written = line(*format, record);
  EXPECT_TRUE(written.ends_with('\n')) << text;
  EXPECT_LE(written.size(), format->max_line());
  written.pop_back();
  return written;
}

TEST(LogFormat, NamesOfTheConfigurationAreSecret) {
  Sample sample;
  sample.record.target = "/p?my_tk=a&my%5Ftk=b&my+tk=c&my_t=d&xmy_tk=e&MY_TK=f";
  EXPECT_EQ(of("%REQ(:PATH)%", sample.record), sample.record.target);
  add_secret_parameters(std::vector<std::string>{"my_tk", "my_tk", "my tk"});
  EXPECT_EQ(of("%REQ(:PATH)%", sample.record),
            "/p?my_tk=[redacted]&my%5Ftk=[redacted]&my+tk=[redacted]&my_t=d&xmy_tk=e&MY_TK=f");
  const auto format = LogFormat::from_template("%REQ(x-our-token)%|%REQ(user-agent)%", {});
  sample.request.push_back({"x-our-token", "hush"});
  EXPECT_EQ(line(*format, sample.record), "hush|curl/8.5.0\n");
  add_secret_fields(std::vector<std::string>{"x-our-token"});
  EXPECT_EQ(line(*format, sample.record), "[redacted]|curl/8.5.0\n");  // by a format that was there before, too
}

TEST(LogFormat, OperatorsSayWhatTheRecordSays) {
  Sample sample;
  sample.record.flags = {ResponseFlag::kUpstreamConnectionFailure, ResponseFlag::kUpstreamRetryLimitExceeded};
  sample.record.grpc_status = 5;
  const FormatRow rows[] = {
      {"plain %% text", "plain % text"},
      {"%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(:SCHEME)%", "GET /a/../b?q=1 shop.example https"},
      {"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/a/../b?q=1"},
      {"%PATH_NORMALIZED%", "/b"},
      {"%REQ(User-Agent)%|%REQ(nothing)%|%REQ(nothing?USER-AGENT)%", "curl/8.5.0|-|curl/8.5.0"},
      {"%REQ(user-agent):4%", "curl"},
      {"%RESP(Content-Type)% %TRAILER(x-checksum)%", "text/plain abc"},
      {"%REQ(X-REQUEST-ID)%", "0c8a2f6e-1f53-4e6c-9a43-6d1de0b0b001"},
      {"%START_TIME%", "2026-11-28T11:42:03.123Z"},
      {"%START_TIME(%d/%b/%Y:%H:%M:%S +0000)%", "28/Nov/2026:11:42:03 +0000"},
      {"%START_TIME(%s.%6f)% %START_TIME(%f)%", "1795866123.123456 123456789"},
      {"%DURATION% %REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "12 2 5 7"},
      {"%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%", "12999"},
      {"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%", "4"},
      {"%PROTOCOL% %UPSTREAM_PROTOCOL%", "HTTP/1.1 HTTP/1.1"},
      {"%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%", "200 via_upstream"},
      {"%RESPONSE_FLAGS%", "UF,URX"},
      {"%RESPONSE_FLAGS_LONG%", "UpstreamConnectionFailure,UpstreamRetryLimitExceeded"},
      {"%GRPC_STATUS% %GRPC_STATUS_NUMBER%", "NotFound 5"},
      {"%BYTES_RECEIVED% %BYTES_SENT% %REQUEST_HEADERS_BYTES% %RESPONSE_HEADERS_BYTES%", "5 100 210 120"},
      {"%UPSTREAM_HOST% %UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_CLUSTER%", "10.0.1.5:8080 10.0.0.9:40000 shop/cart:8080"},
      {"%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%", "10.0.1.5 8080"},
      {"%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_TRANSPORT_FAILURE_REASON%", "1 -"},
      {"%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "192.0.2.7:51000 192.0.2.7"},
      {"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
       "[2001:db8::7]:52000 2001:db8::7"},
      {"%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_PORT%", "10.0.0.9:443 443"},
      {"%REQUESTED_SERVER_NAME% %DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER%",
       "shop.example TLSv1.3 TLS_AES_128_GCM_SHA256"},
      {"%DOWNSTREAM_PEER_URI_SAN% %CONNECTION_ID%", "spiffe://td/ns/a/sa/b 42"},
      {"%CONSUMER_NAME% %CREDENTIAL_ID%", "alice laptop"},
      {"%LISTENER_NAME% %ROUTE_NAME% %RULE_NAME%", "web/https shop/cart 0"},
      {"%TRACE_ID% %SPAN_ID%", "0af7651916cd43dd8448eb211c80319c 1122334455667788"},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(of(text, sample.record), expected) << text;
}

TEST(LogFormat, WhatNeverHappenedIsADash) {
  const RequestRecord empty;
  EXPECT_EQ(
      of("%REQ(:METHOD)% %DURATION% %UPSTREAM_HOST% %RESPONSE_FLAGS% %GRPC_STATUS% %TRACE_ID% %REQ(x)% %RESPONSE_CODE%",
         empty),
      "- - - - - - - 0");
}

TEST(LogFormat, AnIdentityThatWasNotVerifiedIsNotShown) {
  Sample sample;
  sample.tls.peer_verified = false;
  EXPECT_EQ(of("%DOWNSTREAM_PEER_IDENTITY%", sample.record), "-");
}

TEST(LogFormat, BadTemplatesAreRefusedWithAReason) {
  const FormatRow rows[] = {
      {"%NOTHING%", "'NOTHING' is no command operator"},
      {"%DURATION", "'%' is missing after '%DURATION'"},
      {"%REQ(X", "')' is missing"},
      {"%REQ%", "'REQ' needs an argument"},
      {"%REQ()%", "the name of a field is expected"},
      {"%REQ(x):%", "a length is expected"},
      {"%REQ(x):0%", "a length is expected"},
      {"a\nb", "a line feed inside"},
      {"%COMMON_DURATION(a:b:ms)%", "unknown point"},
      {"%COMMON_DURATION(DS_RX_BEG)%", "expects start:end:unit"},
      {"100% sure", "'%' is missing after '% sure'"},
      {"%COMMON_DURATION(DS_RX_BEG:DS_TX_END:s)%", "unknown point"},
  };
  for (const auto& [text, expected] : rows) {
    const auto written = of(text, RequestRecord{});
    EXPECT_TRUE(written.starts_with("ERROR ")) << text << " gave " << written;
    EXPECT_NE(written.find(expected), std::string::npos) << text << " gave " << written;
  }
}

TEST(LogFormat, TheJsonLogHasIstiosFieldsWithNumbersAsNumbers) {
  Sample sample;
  const auto parsed = nlohmann::json::parse(line(LogFormat::json(), sample.record));
  const auto expected = nlohmann::json::parse(R"({
    "authority":"shop.example","bytes_received":5,"bytes_sent":100,"downstream_local_address":"10.0.0.9:443",
    "downstream_remote_address":"192.0.2.7:51000","duration":12,"method":"GET","path":"/a/../b?q=1","protocol":"HTTP/1.1",
    "request_id":"0c8a2f6e-1f53-4e6c-9a43-6d1de0b0b001","requested_server_name":"shop.example","response_code":200,
    "response_code_details":"via_upstream","response_flags":"-","route_name":"shop/cart",
    "start_time":"2026-11-28T11:42:03.123Z","upstream_cluster":"shop/cart:8080","upstream_host":"10.0.1.5:8080",
    "upstream_local_address":"10.0.0.9:40000","upstream_service_time":4,"upstream_transport_failure_reason":null,
    "user_agent":"curl/8.5.0","x_forwarded_for":"192.0.2.7","listener":"web/https","rule":"0","upstream_attempts":1,
    "connected_us":1000,"first_byte_us":5500,"duration_us":12999,"trace_id":"0af7651916cd43dd8448eb211c80319c",
    "consumer":"alice","credential":"laptop"})");
  EXPECT_EQ(parsed, expected);
  EXPECT_TRUE(nlohmann::json::parse(line(LogFormat::json(), RequestRecord{}))["upstream_host"].is_null());
}

TEST(LogFormat, SaysWhetherItShowsTheResponsesFields) {
  EXPECT_FALSE(LogFormat::json().shows_response());
  EXPECT_FALSE(LogFormat::combined().shows_response());
  EXPECT_TRUE(LogFormat::from_template("%RESP(server)%")->shows_response());
  EXPECT_TRUE(LogFormat::from_template("%TRAILER(x)%")->shows_response());
}

TEST(LogFormat, JsonFieldsMayMixTextAndOperators) {
  Sample sample;
  const JsonField fields[] = {{"a \"b\"", "%REQ(:METHOD)% %PROTOCOL%"},
                              {"t", "%START_TIME(%H:%M \"x\")%"},
                              {"id", "%TRACE_ID%"},
                              {"code", "%RESPONSE_CODE%"}};
  const auto format = LogFormat::from_json(fields);
  ASSERT_TRUE(format);
  EXPECT_EQ(line(*format, sample.record),
            "{\"a \\\"b\\\"\":\"GET HTTP/1.1\",\"t\":\"11:42 \\\"x\\\"\",\"id\":\"0af7651916cd43dd8448eb211c80319c\","
            "\"code\":200}\n");
  const JsonField bad[] = {{"x", "%NO%"}};
  EXPECT_EQ(LogFormat::from_json(bad).error().message, "field 'x': log format: 'NO' is no command operator");
}

TEST(LogFormat, NcsaFormatsAreThoseOfNginxAndApache) {
  Sample sample;
  EXPECT_EQ(line(LogFormat::common(), sample.record),
            "192.0.2.7 - alice [28/Nov/2026:11:42:03 +0000] \"GET /a/../b?q=1 HTTP/1.1\" 200 100\n");
  EXPECT_EQ(line(LogFormat::combined(), sample.record),
            "192.0.2.7 - alice [28/Nov/2026:11:42:03 +0000] \"GET /a/../b?q=1 HTTP/1.1\" 200 100 "
            "\"https://example.com/from\" \"curl/8.5.0\"\n");
}

TEST(LogFormat, SecretsAreNeverPrinted) {
  Sample sample;
  sample.request.push_back({"x-mine", "s3cret"});
  sample.record.target = "/p?a=1&access_token=s3cret&API-Key=s3cret;%74oken=s3cret&b=2#id_token=s3cret";
  sample.request[4].value = "https://user:s3cret@example.com/?password=s3cret";
  const auto text =
      of("%REQ(Authorization)% %REQ(cookie)% %RESP(Set-Cookie)% %REQ(x-mine)% %REQ(none?cookie)% %REQ(:PATH)% "
         "%REQ(referer)%",
         sample.record, {.redact = {"X-Mine"}});
  EXPECT_EQ(text.find("s3cret"), std::string::npos) << text;
  EXPECT_NE(text.find("/p?a=1&access_token=[redacted]&API-Key=[redacted];%74oken=[redacted]&b=2#id_token=[redacted]"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("https://[redacted]@example.com/?password=[redacted]"), std::string::npos) << text;
  EXPECT_EQ(of("%REQ(authorization)%|%REQ(x-api-key)%", sample.record), "[redacted]|-");
}

TEST(LogFormat, NoValueForgesALine) {
  Sample sample;
  const std::string evil = "a\"b\\c\r\n{\"forged\":1}\x1b[2J\x7f\xc3\xa9\xff\xe2\x80\xae\xc2\x85\xed\xa0\x80z";
  sample.request[0].value = evil;
  EXPECT_EQ(of("%REQ(user-agent)%", sample.record),
            "a\\x22b\\x5Cc\\x0D\\x0A{\\x22forged\\x22:1}\\x1B["
            "2J\\x7F\\xC3\\xA9\\xFF\\xE2\\x80\\xAE\\xC2\\x85\\xED\\xA0\\x80z");
  const auto json = line(LogFormat::json(), sample.record);
  EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 1);
  EXPECT_NE(
      json.find(
          "a\\\"b\\\\c\\r\\n{\\\"forged\\\":1}\\u001b[2J\\u007f\xc3\xa9\\ufffd\\u202e\\u0085\\ufffd\\ufffd\\ufffdz"),
      std::string::npos)
      << json;
  EXPECT_EQ(nlohmann::json::parse(json).size(), 32U);
}

TEST(LogFormat, RandomBytesGiveOneLineOfValidJsonWithinItsBound) {
  Sample sample;
  const auto format = LogFormat::json();
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 200, '\0');
    for (auto& c : bytes) c = static_cast<char>(random() % (round % 2 == 0 ? 256 : 128));
    sample.request[0].value = sample.record.target = sample.record.method = sample.record.authority = bytes;
    const auto written = line(format, sample.record);
    ASSERT_EQ(std::count(written.begin(), written.end(), '\n'), 1);
    ASSERT_LE(written.size(), format.max_line());
    ASSERT_TRUE(nlohmann::json::accept(written)) << written;
  }
}

TEST(LogFormat, LongValuesAreCutAtAWholeEscape) {
  Sample sample;
  const std::string controls(5000, '\x01');
  sample.request[0].value = sample.record.target = controls;
  const JsonField fields[] = {{"a", "%REQ(user-agent)%"}, {"p", "%REQ(:PATH)%"}};
  const auto format = LogFormat::from_json(fields, {.value_limit = 100, .redact = {}});
  ASSERT_TRUE(format);
  const auto written = line(*format, sample.record);
  EXPECT_LE(written.size(), format->max_line());
  const auto parsed = nlohmann::json::parse(written);
  EXPECT_EQ(parsed["a"].get<std::string>(), std::string(16, '\x01'));  // 16 times \u0001 are 96 bytes
  EXPECT_EQ(parsed["p"].get<std::string>(), std::string(16, '\x01'));
}

TEST(LogFormat, TimesOfOneSecondShareTheirText) {
  Sample sample;
  const auto format = *LogFormat::from_template("%START_TIME(%S.%3f)%");
  std::vector<TimeCache> times(format.time_caches());
  std::string out(format.max_line(), ' ');
  const auto written = [&] { return std::string(out.data(), format.write(sample.record, out.data(), times)); };
  EXPECT_EQ(written(), "03.123\n");
  sample.record.start_unix_ns += 100'000'000;
  EXPECT_EQ(written(), "03.223\n");
  sample.record.start_unix_ns += 800'000'000;
  EXPECT_EQ(written(), "04.023\n");
  sample.record.start_unix_ns -= 1'000'000'000;  // the clock was set back
  EXPECT_EQ(written(), "03.023\n");
}

TEST(ResponseFlags, HaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kResponseFlags; ++i) {
    const auto flag = static_cast<ResponseFlag>(i);
    EXPECT_TRUE(names.insert(info(flag).short_name).second) << info(flag).short_name;
    EXPECT_FALSE(info(flag).long_name.empty());
    EXPECT_FALSE(info(flag).reason.empty());
  }
  EXPECT_EQ(info(ResponseFlag::kOverloaded).short_name, "OM");
  EXPECT_EQ(info(ResponseFlag::kTooLarge).short_name, "TL");
}

}  // namespace
}  // namespace fairlead::telemetry
