// SPDX-License-Identifier: Apache-2.0
#include "gateway/protocol_metrics.hpp"

#include <string>
#include <string_view>

namespace fairlead::gateway {
namespace {

using metrics::Type;

struct Http1Row {
  std::string_view reason;
  std::uint64_t http::H1Counts::* member;
};
constexpr Http1Row kHttp1Rows[] = {
    {"idle_timeout", &http::H1Counts::idle_timeouts}, {"write_timeout", &http::H1Counts::write_timeouts},
    {"truncated", &http::H1Counts::truncated},        {"unsolicited", &http::H1Counts::unsolicited},
    {"unwritable", &http::H1Counts::unwritable},      {"lingered", &http::H1Counts::lingered},
};

struct Http2Row {
  std::string_view reason;
  std::uint64_t http::H2Counters::* member;
};
constexpr Http2Row kHttp2Rows[] = {
    {"refused_stream", &http::H2Counters::refused_streams},
    {"malformed", &http::H2Counters::malformed},
    {"refused_head", &http::H2Counters::refused_heads},
    {"protocol_error", &http::H2Counters::protocol_errors},
    {"timeout", &http::H2Counters::timeouts},
    {"goaway", &http::H2Counters::goaways},
};

void add_http1(metrics::Page& page, const http::H1Counts& counts) {
  auto& refusals = page.family("fairlead_gateway_http1_refusals", Type::kCounter,
                               "messages of HTTP/1 that were refused, requests and answers of backends");
  for (std::size_t i = 1; i < counts.refused.size(); ++i) {  // 0: none
    const auto label = std::string(http::refusal_label(static_cast<http::H1Refusal>(i)));
    refusals.add(metrics::label_text({{"reason", label}}), counts.refused[i]);
  }
  auto& ends = page.family("fairlead_gateway_http1_ends", Type::kCounter,
                           "connections of HTTP/1 that ended otherwise than after a whole message, of both sides");
  for (const auto& row : kHttp1Rows)
    ends.add(metrics::label_text({{"reason", std::string(row.reason)}}), counts.*row.member);
}

void add_http2(metrics::Page& page, const std::string& side, const http::H2Counters& counts) {
  auto& floods = page.family("fairlead_gateway_http2_floods", Type::kCounter,
                             "connections of HTTP/2 that were closed as they made more work than they were of use");
  for (std::size_t i = 0; i < counts.floods.size(); ++i) {
    const auto reason = std::string(http::flood_name(static_cast<http::H2Flood>(i)));
    floods.add(metrics::label_text({{"peer", side}, {"reason", reason}}), counts.floods[i]);
  }
  auto& errors = page.family("fairlead_gateway_http2_errors", Type::kCounter,
                             "streams and connections of HTTP/2 that were refused or ended before their time");
  for (const auto& row : kHttp2Rows)
    errors.add(metrics::label_text({{"peer", side}, {"reason", std::string(row.reason)}}), counts.*row.member);
}

}  // namespace

void add_protocols(metrics::Page& page, const proxy::ProtocolCounters& counters) {
  add_http1(page, counters.http1);
  add_http2(page, "client", counters.http2_clients);
  add_http2(page, "backend", counters.http2_backends);
  auto& accepts = page.family("fairlead_gateway_accept_failures", Type::kCounter,
                              "connections that were gone or closed before they were accepted");
  const auto add = [&](const char* reason, std::uint64_t value) {
    accepts.add(metrics::label_text({{"reason", reason}}), value);
  };
  add("aborted", counters.accepts.aborted);
  add("shed", counters.accepts.shed);
  page.family("fairlead_gateway_descriptors_exhausted", Type::kCounter,
              "times that there was no descriptor or memory to accept a connection")
      .add("", counters.accepts.exhausted);
}

}  // namespace fairlead::gateway
