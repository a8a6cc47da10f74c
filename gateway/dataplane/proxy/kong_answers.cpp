// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/kong_answers.hpp"

#include <algorithm>

namespace fairlead::proxy {

std::uint16_t kong_status(const OwnAnswer& answer) {
  return answer.status == 503 && answer.flag == telemetry::ResponseFlag::kUpstreamConnectionFailure ? 502
                                                                                                    : answer.status;
}

namespace {

using Flag = telemetry::ResponseFlag;

bool asks_for_key(const http::Fields* fields) {
  return fields != nullptr && std::ranges::any_of(*fields, [](const http::Field& field) {
           return field.name == "www-authenticate" && field.value.starts_with("Key");
         });
}

/// kong/error_handlers and the plugins, release 3.9.
std::string message_of(const OwnAnswer& answer) {
  if (answer.details == "no_credential" && asks_for_key(answer.fields)) return "No API key found in request";
  if (answer.details == "access_denied") return "You cannot consume this service";
  if (answer.details == "address_denied") return "IP address not allowed: " + answer.client.text();
  if (answer.details == "request_too_large") return "Request size limit exceeded";
  if (answer.details == "length_required") return "A valid Content-Length header is required";
  if (answer.details == "several_user_agents") return "Only one User-Agent header allowed";
  constexpr std::string_view kUsedUp = "response_limit:";
  if (answer.details.starts_with(kUsedUp))
    return "API rate limit exceeded for '" + std::string(answer.details.substr(kUsedUp.size())) + "'";
  switch (kong_status(answer)) {
    case 400: return "Bad request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "no Route matched with those values";
    case 405: return "Method not allowed";
    case 408: return "Request timeout";
    case 413: return "Payload too large";
    case 414: return "URI too long";
    case 415: return "Unsupported media type";
    case 429: return "API rate limit exceeded";
    case 431: return "Request header or cookie too large";
    case 502: return "An invalid response was received from the upstream server";
    case 503:
      if (answer.flag == Flag::kNoHealthyUpstream) return "failure to get a peer from the ring-balancer";
      if (answer.flag == Flag::kDnsFailed) return "name resolution failed";
      return "The upstream server is currently unavailable";
    case 504: return "The upstream server is timing out";
    default: return "An unexpected error occurred";
  }
}

std::string_view number(std::uint64_t value, Arena& arena) { return arena.copy(std::to_string(value)); }

}  // namespace

std::string kong_body(const OwnAnswer& answer) {
  std::string out = R"({"message":")" + message_of(answer) + R"(","request_id":")";
  for (const char c : answer.request_id)  // letters, digits and signs: a hop that is trusted may have sent it
    if (c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20) out += c;
  return out + "\"}";
}

void change_challenges(http::Fields& fields, Arena& arena) {
  constexpr std::string_view kRealm = " realm=\"fairlead\"", kCharset = ", charset=\"UTF-8\"";
  for (auto& field : fields) {
    if (field.name != "www-authenticate") continue;
    std::string value(field.value);
    if (const auto at = value.find(kCharset); at != std::string::npos) value.erase(at, kCharset.size());
    if (const auto at = value.find(kRealm); at != std::string::npos) {
      value.erase(at, kRealm.size());
      if (value.substr(at).starts_with(',')) value.erase(at, 1);
    }
    field.value = arena.copy(value);
  }
}

void change_cache_status(http::Fields& fields) {
  for (auto& field : fields) {
    if (field.name != "cache-status" || !field.value.starts_with("fairlead")) continue;
    const auto says = [&](std::string_view what) { return field.value.find(what) != std::string_view::npos; };
    std::string_view status = "Bypass";
    if (says("; hit") || says("; collapsed")) status = "Hit";
    else if (says("fwd=stale")) status = "Refresh";
    else if (says("fwd=uri-miss") || says("fwd=vary-miss") || says("fwd=miss")) status = "Miss";
    field = {"x-cache-status", status};
  }
}

void add_kong_via(http::Fields& fields, http::Version version, Arena& arena) {
  const auto* before = http::find(fields, "via");
  std::string via = before == nullptr ? std::string() : std::string(before->value) + ", ";
  via += version == http::Version::kHttp2 ? "2 " : "1.1 ";
  via += kKongName;
  std::erase_if(fields, [](const http::Field& field) { return field.name == "via"; });
  fields.push_back({"via", arena.copy(via)});
}

void add_kong_fields(http::ResponseHead& head, const telemetry::RequestRecord& record, bool from_backend,
                     std::uint64_t now_ns, Arena& arena) {
  constexpr std::uint64_t kMillisecond = 1'000'000;
  auto& fields = head.fields;
  change_cache_status(fields);
  const auto all = telemetry::between(record.times.start, now_ns).ns / kMillisecond;
  if (from_backend) {
    // From the connection to the backend, or where that stood already from the choice of it, to its answer.
    const auto asked = record.times.connected != 0 ? record.times.connected : record.times.route;
    const auto waited = telemetry::between(asked, record.times.first_byte).ns / kMillisecond;
    add_kong_via(fields, record.backend_version, arena);
    fields.push_back({"x-kong-upstream-latency", number(waited, arena)});
    fields.push_back({"x-kong-proxy-latency", number(all > waited ? all - waited : 0, arena)});
  } else {
    std::erase_if(fields, [](const http::Field& field) { return field.name == "server"; });
    fields.push_back({"server", kKongName});
    fields.push_back({"x-kong-response-latency", number(all, arena)});
  }
  if (!record.request_id.empty()) fields.push_back({"x-kong-request-id", record.request_id});
}

}  // namespace fairlead::proxy
