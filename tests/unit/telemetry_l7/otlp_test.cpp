// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/otlp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector.hpp"
#include "sample.hpp"
#include "support/wait.hpp"

namespace fairlead::telemetry {
namespace {

using test::attributes;
using test::Collector;
using test::decode;
using test::kFlushMs;
using test::Message;
using test::one;
using test::Sample;
using ::testing::HasSubstr;

OtlpOptions options_for(const std::string& endpoint) {
  OtlpOptions options;
  options.endpoint = endpoint;
  options.first_backoff_ms = 1;
  options.last_backoff_ms = 2;
  options.tries = 3;
  return options;
}

std::vector<Message> spans_of(const std::string& request) {
  const auto resource_spans = decode(one(decode(request), 1));
  const auto scope_spans = decode(one(resource_spans, 2));
  std::vector<Message> spans;
  const auto [first, last] = scope_spans.equal_range(2);
  for (auto it = first; it != last; ++it) spans.push_back(decode(it->second));
  return spans;
}

std::uint64_t dropped(const SpanExporter& exporter, SpanDrop reason) {
  return exporter.counts().dropped[static_cast<std::size_t>(reason)];
}

Message server_span(const RequestRecord& record) {
  std::string buffer(kMaxSpanBytes, '\0');
  buffer.resize(static_cast<std::size_t>(encode_server_span(record, buffer.data()) - buffer.data()));
  return decode(one(decode(buffer), 2));
}

Message client_span(const RequestRecord& record) {
  std::string buffer(kMaxSpanBytes, '\0');
  buffer.resize(static_cast<std::size_t>(encode_client_span(record, buffer.data()) - buffer.data()));
  return decode(one(decode(buffer), 2));
}

TEST(OtlpSpan, TheServersSpanFollowsTheSemanticConventions) {
  Sample sample;
  sample.record.trace.state = "a=1";
  const auto span = server_span(sample.record);
  EXPECT_EQ(one(span, 1), std::string("\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c", 16));
  EXPECT_EQ(one(span, 2), std::string("\x11\x22\x33\x44\x55\x66\x77\x88", 8));
  EXPECT_EQ(one(span, 3), "a=1");
  EXPECT_EQ(one(span, 4), std::string("\xb7\xad\x6b\x71\x69\x20\x33\x31", 8));
  EXPECT_EQ(one(span, 5), "GET shop/cart");
  EXPECT_EQ(one(span, 6), "2");
  EXPECT_EQ(one(span, 7), "1795866123123456789");
  EXPECT_EQ(one(span, 8), "1795866123136456788");
  EXPECT_EQ(one(span, 16), "1");
  EXPECT_EQ(span.count(15), 0U);
  const std::map<std::string, std::string> expected{{"http.request.method", "GET"},
                                                    {"url.scheme", "https"},
                                                    {"url.path", "/a/../b"},
                                                    {"url.query", "q=1"},
                                                    {"server.address", "shop.example"},
                                                    {"server.port", "443"},
                                                    {"http.response.status_code", "200"},
                                                    {"network.protocol.name", "http"},
                                                    {"network.protocol.version", "1.1"},
                                                    {"client.address", "192.0.2.7"},
                                                    {"network.peer.address", "2001:db8::7"},
                                                    {"network.peer.port", "52000"},
                                                    {"user_agent.original", "curl/8.5.0"},
                                                    {"http.request.body.size", "5"},
                                                    {"http.response.body.size", "100"},
                                                    {"fairlead.request_id", "0c8a2f6e-1f53-4e6c-9a43-6d1de0b0b001"},
                                                    {"fairlead.listener", "web/https"},
                                                    {"fairlead.route", "shop/cart"},
                                                    {"fairlead.backend", "shop/cart:8080"},
                                                    {"enduser.id", "alice"},
                                                    {"fairlead.credential", "laptop"}};
  EXPECT_EQ(attributes(span, 9), expected);
}

TEST(OtlpSpan, TheClientsSpanIsAChildOfIt) {
  Sample sample;
  sample.record.attempts = 3;
  sample.record.status = sample.record.backend_status = 404;
  const auto span = client_span(sample.record);
  EXPECT_EQ(one(span, 2), std::string("\x99\xaa\xbb\xcc\xdd\xee\xff\x00", 8));
  EXPECT_EQ(one(span, 4), std::string("\x11\x22\x33\x44\x55\x66\x77\x88", 8));
  EXPECT_EQ(one(span, 5), "GET");
  EXPECT_EQ(one(span, 6), "3");
  const auto found = attributes(span, 9);
  EXPECT_EQ(found.at("server.address"), "10.0.1.5");
  EXPECT_EQ(found.at("server.port"), "8080");
  EXPECT_EQ(found.at("url.full"), "http://10.0.1.5:8080/inner?q=1&sig=[redacted]");
  EXPECT_EQ(found.at("http.request.resend_count"), "2");
  EXPECT_EQ(found.at("error.type"), "404");  // an error for the client, not for the server
  EXPECT_EQ(one(decode(one(span, 15)), 3), "2");
  EXPECT_EQ(server_span(sample.record).count(15), 0U);
}

TEST(OtlpSpan, TheClientsSpanHasWhatTheBackendAnswered) {
  Sample sample;
  sample.record.backend_status = 404;
  sample.record.backend_tls = true;
  sample.record.backend_target = "/inner?X-Amz-Credential=a&X-Goog-Credential=b&X-Goog-Signature=c&d";
  sample.record.backend = {*Address::parse("2001:db8::8"), 8443};
  const auto found = attributes(client_span(sample.record), 9);
  EXPECT_EQ(found.at("http.response.status_code"), "404");
  EXPECT_EQ(found.at("url.full"),
            "https://[2001:db8::8]:8443/inner?X-Amz-Credential=[redacted]&X-Goog-Credential=[redacted]"
            "&X-Goog-Signature=[redacted]&d");
  EXPECT_EQ(attributes(server_span(sample.record), 9).at("http.response.status_code"), "200");
}

TEST(OtlpSpan, FailuresSayWhy) {
  Sample sample;
  sample.record.status = 503;
  sample.record.backend_status = 0;
  sample.record.times.first_byte = 0;
  sample.record.flags.set(ResponseFlag::kUpstreamConnectionFailure);
  sample.record.failure = "Connection refused";
  const auto server = server_span(sample.record);
  EXPECT_EQ(attributes(server, 9).at("error.type"), "503");
  EXPECT_EQ(attributes(server, 9).at("fairlead.response_flags"), "UF");
  EXPECT_EQ(one(decode(one(server, 15)), 3), "2");
  const auto client = client_span(sample.record);
  EXPECT_EQ(attributes(client, 9).at("error.type"), "UpstreamConnectionFailure");
  EXPECT_EQ(attributes(client, 9).count("http.response.status_code"), 0U);
  EXPECT_EQ(one(decode(one(client, 15)), 2), "Connection refused");
}

TEST(OtlpSpan, WhatAClientSendsIsBoundedValidAndWithoutSecrets) {
  Sample sample;
  sample.request[0].value = "a\xff\x80z\xc3\xa9";
  sample.record.method = "BREW";
  const std::string query = "/p?token=s3cret&a=" + std::string(100000, 'x');
  sample.record.target = query;
  const auto span = server_span(sample.record);
  EXPECT_EQ(one(span, 5), "HTTP shop/cart");
  const auto found = attributes(span, 9);
  EXPECT_EQ(found.at("user_agent.original"), "a\xef\xbf\xbd\xef\xbf\xbdz\xc3\xa9");
  EXPECT_EQ(found.at("http.request.method"), "_OTHER");
  EXPECT_EQ(found.at("http.request.method_original"), "BREW");
  EXPECT_EQ(found.at("url.query").size(), 1024U);
  EXPECT_THAT(found.at("url.query"), ::testing::StartsWith("token=[redacted]&a=x"));
  const std::string evil(100000, '\xff');
  for (auto* view :
       {&sample.record.method, &sample.record.scheme, &sample.record.authority, &sample.record.target,
        &sample.record.path, &sample.record.request_id, &sample.record.listener, &sample.record.route,
        &sample.record.cluster, &sample.record.failure, &sample.record.backend_target, &sample.record.trace.state})
    *view = evil;
  sample.request[0].value = evil;
  sample.record.flags = ResponseFlags(~0U);
  sample.record.status = 500;
  EXPECT_EQ(one(server_span(sample.record), 6), "2");  // and nothing was written beyond kMaxSpanBytes, says ASan
  EXPECT_EQ(one(client_span(sample.record), 6), "3");
}

TEST(SpanExporter, SendsWhatIsSampledWithItsResource) {
  const Collector collector({200});
  auto options = options_for(collector.endpoint());
  options.resource = {{"k8s.pod.name", "gateway-0"}};
  options.headers = {{"Authorization", "Bearer token"}};
  auto exporter = *SpanExporter::create(options);
  Sample sample;
  {
    WorkerTracer tracer(*exporter);
    tracer.record(sample.record);
    sample.record.trace.sampled = false;
    tracer.record(sample.record);
  }
  ASSERT_TRUE(exporter->flush(kFlushMs));
  const auto requests = collector.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_THAT(collector.heads()[0], HasSubstr("POST /v1/traces HTTP/1.1"));
  EXPECT_THAT(collector.heads()[0], HasSubstr("Content-Type: application/x-protobuf"));
  EXPECT_THAT(collector.heads()[0], HasSubstr("Authorization: Bearer token"));
  const auto resource_spans = decode(one(decode(requests[0]), 1));
  const auto resource = attributes(decode(one(resource_spans, 1)), 1);
  EXPECT_EQ(resource.at("service.name"), "fairlead-gateway");
  EXPECT_EQ(resource.at("k8s.pod.name"), "gateway-0");
  EXPECT_EQ(one(decode(one(decode(one(resource_spans, 2)), 1)), 1), "fairlead");
  const auto spans = spans_of(requests[0]);
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(one(spans[0], 6), "2");
  EXPECT_EQ(one(spans[1], 6), "3");
  EXPECT_EQ(exporter->counts().exported, 2U);
}

TEST(SpanExporter, ManySpansOverManyRoundsOfTheRingArriveWhole) {
  const Collector collector({200});
  auto options = options_for(collector.endpoint());
  options.batch_spans = 100;
  auto exporter = *SpanExporter::create(options);
  Sample sample;
  WorkerTracer tracer(*exporter);
  constexpr std::uint64_t kRounds = 20;
  constexpr std::uint64_t kEach = 60;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    for (std::uint64_t i = 0; i < kEach; ++i) tracer.record(sample.record);
    ASSERT_TRUE(exporter->flush(kFlushMs));
  }
  EXPECT_EQ(exporter->counts().exported, kRounds * kEach * 2);
  std::size_t spans = 0;
  for (const auto& request : collector.requests()) {
    const auto found = spans_of(request);
    EXPECT_LE(found.size(), 100U);
    for (const auto& span : found) ASSERT_EQ(one(span, 7).substr(0, 10), "1795866123");
    spans += found.size();
  }
  EXPECT_EQ(spans, kRounds * kEach * 2);
}

TEST(SpanExporter, SendsAgainWhereTheCollectorIsBusy) {
  const Collector collector({503, 429, 200});
  auto exporter = *SpanExporter::create(options_for(collector.endpoint()));
  Sample sample;
  WorkerTracer tracer(*exporter);
  tracer.record(sample.record);
  ASSERT_TRUE(exporter->flush(kFlushMs));
  const auto counts = exporter->counts();
  ASSERT_EQ(counts.requests, 3U);
  EXPECT_EQ(counts.failures, 2U);
  EXPECT_EQ(counts.exported, 2U);
  EXPECT_EQ(collector.requests()[0], collector.requests()[2]);
}

TEST(SpanExporter, GivesUpAfterItsTriesAndCounts) {
  const Collector collector({503});
  auto exporter = *SpanExporter::create(options_for(collector.endpoint()));
  Sample sample;
  WorkerTracer tracer(*exporter);
  tracer.record(sample.record);
  ASSERT_TRUE(exporter->flush(kFlushMs));
  EXPECT_EQ(exporter->counts().requests, 3U);
  EXPECT_EQ(dropped(*exporter, SpanDrop::kUnavailable), 2U);
}

TEST(SpanExporter, DoesNotRepeatWhatIsRefused) {
  const Collector collector({400});
  auto exporter = *SpanExporter::create(options_for(collector.endpoint()));
  Sample sample;
  WorkerTracer tracer(*exporter);
  tracer.record(sample.record);
  ASSERT_TRUE(exporter->flush(kFlushMs));
  EXPECT_EQ(exporter->counts().requests, 1U);
  EXPECT_EQ(dropped(*exporter, SpanDrop::kRejected), 2U);
}

TEST(SpanExporter, CountsWhatAPartialSuccessRejects) {
  const Collector collector({200},
                            std::string("\x0a\x05\x08\x01\x12\x01x", 7));  // rejected_spans: 1, error_message: "x"
  auto exporter = *SpanExporter::create(options_for(collector.endpoint()));
  Sample sample;
  WorkerTracer tracer(*exporter);
  tracer.record(sample.record);
  ASSERT_TRUE(exporter->flush(kFlushMs));
  EXPECT_EQ(exporter->counts().exported, 1U);
  EXPECT_EQ(dropped(*exporter, SpanDrop::kRejected), 1U);
}

TEST(SpanExporter, ACollectorThatNeverAnswersHoldsNeitherWorkerNorExit) {
  const Collector collector({0});
  auto options = options_for(collector.endpoint());
  options.timeout_ms = 600'000;
  auto exporter = *SpanExporter::create(options);
  Sample sample;
  WorkerTracer tracer(*exporter);
  ASSERT_TRUE(fairlead::test::eventually([&] {
    for (int i = 0; i < 100; ++i) tracer.record(sample.record);
    return dropped(*exporter, SpanDrop::kQueueFull) > 0 && !collector.requests().empty();
  }));
  exporter->stop(1);
  EXPECT_GT(dropped(*exporter, SpanDrop::kAtExit), 0U);
  EXPECT_EQ(exporter->counts().exported, 0U);
}

TEST(SpanExporter, BadEndpointsAreErrors) {
  for (const std::string bad : {"", "127.0.0.1:4318", "grpc://127.0.0.1:4317"}) {
    const auto exporter = SpanExporter::create(options_for(bad));
    ASSERT_FALSE(exporter) << bad;
    EXPECT_THAT(exporter.error().message, HasSubstr("is expected"));
  }
}

}  // namespace
}  // namespace fairlead::telemetry
