// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fairlead/telemetry/log_format.hpp"

namespace fairlead::telemetry::test {

/// How long what was written may take to be out, in milliseconds: longer than any of it takes.
inline constexpr int kFlushMs = 20000;

/// One request as a proxy would tell of it; tests change what they are about.
struct Sample {
  http::Fields request{{"user-agent", "curl/8.5.0"},
                       {"x-forwarded-for", "192.0.2.7"},
                       {"authorization", "Bearer s3cret"},
                       {"cookie", "sid=s3cret"},
                       {"referer", "https://example.com/from"}};
  http::Fields response{{"content-type", "text/plain"}, {"set-cookie", "sid=s3cret"}};
  http::Fields trailers{{"x-checksum", "abc"}};
  net::TlsFacts tls{.alpn = "h2",
                    .server_name = "shop.example",
                    .version = "TLSv1.3",
                    .cipher = "TLS_AES_128_GCM_SHA256",
                    .peer_identity = "spiffe://td/ns/a/sa/b",
                    .peer_verified = true,
                    .resumed = false};
  RequestRecord record;

  Sample() {
    record.times = {.start = 1'000'000,
                    .head = 1'100'000,
                    .route = 1'200'000,
                    .request_end = 3'000'000,
                    .connected = 2'000'000,
                    .first_byte = 6'500'000,
                    .response_end = 8'000'000,
                    .end = 13'999'999};
    record.start_unix_ns = 1'795'866'123'123'456'789;  // 2026-11-28T11:42:03.123456789Z
    record.status = 200;
    record.attempts = 1;
    record.bytes = {.request_head = 210, .request_body = 5, .response_head = 120, .response_body = 100};
    record.method = "GET";
    record.scheme = "https";
    record.authority = "shop.example";
    record.target = "/a/../b?q=1";
    record.path = "/b";
    record.request_id = "0c8a2f6e-1f53-4e6c-9a43-6d1de0b0b001";
    record.details = "via_upstream";
    record.listener = "web/https";
    record.route = "shop/cart";
    record.rule = "0";
    record.consumer = "alice";
    record.credential = "laptop";
    record.cluster = "shop/cart:8080";
    record.has_backend = true;
    record.backend = {*Address::parse("10.0.1.5"), 8080};
    record.backend_target = "/inner?q=1&sig=s3cret";
    record.backend_status = 200;
    record.backend_local = {*Address::parse("10.0.0.9"), 40000};
    record.client = {*Address::parse("192.0.2.7"), 51000};
    record.peer = {*Address::parse("2001:db8::7"), 52000};
    record.local = {*Address::parse("10.0.0.9"), 443};
    record.connection_id = 42;
    record.tls = &tls;
    record.trace = {.trace = {0x0af7651916cd43dd, 0x8448eb211c80319c},
                    .parent = 0xb7ad6b7169203331,
                    .span = 0x1122334455667788,
                    .backend_span = 0x99aabbccddeeff00,
                    .sampled = true,
                    .random = false,
                    .state = {}};
    record.request = &request;
    record.response = &response;
    record.trailers = &trailers;
  }
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;
};

inline std::string line(const LogFormat& format, const RequestRecord& record) {
  std::vector<TimeCache> times(format.time_caches());
  std::string out(format.max_line(), '#');
  const char* end = format.write(record, out.data(), times);
  out.resize(static_cast<std::size_t>(end - out.data()));
  return out;
}

}  // namespace fairlead::telemetry::test
