// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cmath>

#include "fairlead/model/request_change.hpp"
#include "gateway/dataplane/config/json_value.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

constexpr std::size_t kMostHeaders = 32;

void read_bounded_delay(Reader& reader, View at, std::chrono::milliseconds& out) {
  const auto value = read_duration(reader, at);
  if (value && *value > std::chrono::minutes(5)) reader.error(at, "a duration of at most 5m");
  if (value) out = *value;
}

void read_header_values(Reader& reader, View at, std::vector<std::pair<std::string, std::string>>& out) {
  read_list(reader, at, 1, kMostHeaders, out, [&](View item, std::pair<std::string, std::string>& one) {
    read_mapping(reader, item,
                 required("name", "a header's name", [&](View v) { read_header_name(reader, v, one.first); }),
                 field("value", [&](View v) {
                   read_text(reader, v, one.second, 1, 4096, is_header_value, "a header's value: visible ASCII");
                 }));
  });
}

void read_allow(Reader& reader, View at, model::MaintenanceAllow& out) {
  read_mapping(reader, at,
               field("addresses",
                     [&](View v) {
                       reader.items(v, [&](View item) {
                         if (const auto block = reader.cidr(item)) out.addresses.push_back(*block);
                       });
                     }),
               field("header", [&](View v) {
                 read_mapping(
                     reader, v,
                     required("name", "a header's name", [&](View n) { read_header_name(reader, n, out.header); }),
                     required("value", "a value", [&](View n) {
                       read_text(reader, n, out.value, 1, 4096, is_header_value, "a header's value: visible ASCII");
                     }));
               }));
}

void read_maintenance(Reader& reader, View at, model::FixedAnswer& out) {
  out.maintenance = true;
  out.status = 503;
  out.retry_after = std::chrono::minutes(2);
  read_mapping(reader, at, field("message", [&](View v) { read_template(reader, v, change::Place::kText, out.body); }),
               field("retryAfter", [&](View v) { read_bounded_delay(reader, v, out.retry_after); }),
               field("allow", [&](View v) { read_allow(reader, v, out.allow); }));
}

}  // namespace

void read_percent(Reader& reader, View at, std::uint32_t& out) {
  double value = -1;
  const auto text = at.text();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const bool scalar = at.node().type == Tree::Type::kScalar && at.node().plain;
  if (!scalar || error != std::errc{} || end != text.data() + text.size() ||
      !(value >= 0 && value <= 100))  // "nan", too
    return reader.error(at, "a number from 0 to 100, such as 12.5");
  out = static_cast<std::uint32_t>(std::lround(value * 10'000));
}

void read_fixed_answer(Reader& reader, View at, model::FixedAnswer& out) {
  View body;
  read_mapping(
      reader, at, field("status", [&](View v) { read_number(reader, v, 200, 599, out.status); }),
      field("detail", [&](View v) { read_text(reader, v, out.detail, 1, 1024); }),
      field(
          "trigger",
          [&](View v) { read_text(reader, v, out.trigger, 1, 256, is_token, "the name of a header or a parameter"); }),
      field("headers", [&](View v) { read_named_templates(reader, v, true, out.headers); }),
      field("body", [&](View v) { body = v; }),
      field("json",
            [&](View v) {
              out.has_body = true;
              read_json_template(reader, v, out.body);
            }),
      field("contentType",
            [&](View v) {
              read_text(reader, v, out.content_type, 3, 256, is_header_value, "a content type such as text/plain");
            }),
      field("delay", [&](View v) { read_bounded_delay(reader, v, out.delay); }),
      field("maintenance", [&](View v) { read_maintenance(reader, v, out); }));
  const auto json = at.is_mapping() ? at.find("json") : View{};
  if (body && json) reader.error(json, "body or json, not both");
  if (json && out.content_type.empty()) out.content_type = "application/json";
  if (json && change::place_of_type(out.content_type) != change::Place::kJson)
    reader.error(at.find("contentType"), "a content type of JSON, as the body is json");
  if (body) {
    out.has_body = true;
    if (out.content_type.empty()) out.content_type = "text/plain; charset=utf-8";
    read_template(reader, body, change::place_of_type(out.content_type), out.body);
  }
  if (out.maintenance && (out.has_body || at.find("status")))
    reader.error(at.find("maintenance"), "maintenance, or status and body, not both");
  if (!out.detail.empty() && (out.has_body || out.maintenance || out.status < 400))
    reader.error(at.find("detail"), "detail only with a status from 400, and without body and maintenance");
  if (out.has_body && (out.status == 204 || out.status == 205 || out.status == 304))
    reader.error(body ? body : json, "no body, as the status has none");
  for (const auto source : {change::Source::kStatus, change::Source::kResponseHeader, change::Source::kResponseBody,
                            change::Source::kCallStatus, change::Source::kCallBody})
    refuse_source(reader,
                  body   ? body
                  : json ? json
                         : at,
                  out.body, source, "values of the request: there is no response");
  for (const auto& [name, value] : out.headers)
    refuse_source(reader, at.find("headers"), value, change::Source::kBody, "values of the request's head");
}

void read_fault(Reader& reader, View at, model::Fault& out) {
  read_mapping(
      reader, at,
      field("delay",
            [&](View v) {
              read_mapping(
                  reader, v, required("percent", "0 to 100", [&](View n) { read_percent(reader, n, out.delay_share); }),
                  required("duration", "a duration", [&](View n) { read_bounded_delay(reader, n, out.delay); }));
            }),
      field("abort",
            [&](View v) {
              read_mapping(reader, v,
                           required("percent", "0 to 100", [&](View n) { read_percent(reader, n, out.abort_share); }),
                           field("status", [&](View n) { read_number(reader, n, 200, 599, out.abort_status); }),
                           field("grpcStatus", [&](View n) { read_number(reader, n, 0, 16, out.grpc_status); }));
              if (!v.is_mapping()) return;
              if (v.find("status") && v.find("grpcStatus"))
                reader.error(v.find("grpcStatus"), "status or grpcStatus, not both");
              if (!v.find("status") && !v.find("grpcStatus")) reader.missing(v, "status", "a status, or a grpcStatus");
            }),
      field("when", [&](View v) {
        read_mapping(reader, v, field("headers", [&](View n) { read_header_values(reader, n, out.when); }));
      }));
  if (at.is_mapping() && !at.find("delay") && !at.find("abort")) reader.missing(at, "delay", "a delay, or an abort");
}

}  // namespace fairlead::config
