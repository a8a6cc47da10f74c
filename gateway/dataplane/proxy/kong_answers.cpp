// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/kong_answers.hpp"

#include <algorithm>

namespace fairlead::proxy {
namespace {

std::string_view number(std::uint64_t value, Arena& arena) { return arena.copy(std::to_string(value)); }

}  // namespace

void change_challenges(http::Fields& fields, Arena& arena) {
  constexpr std::string_view kRealm = " realm=\"fairlead\"", kCharset = ", charset=\"UTF-8\"";
  constexpr std::string_view kDescription = ", error_description=\"";
  for (auto& field : fields) {
    if (field.name != "www-authenticate") continue;
    std::string value(field.value);
    if (const auto at = value.find(kDescription); at != std::string::npos) value.erase(at);
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
    const bool answered = record.times.first_byte != 0;
    const auto waited = answered ? telemetry::between(asked, record.times.first_byte).ns / kMillisecond : 0;
    add_kong_via(fields, record.backend_version, arena);
    if (http::find(fields, "server") == nullptr) fields.push_back({"server", kKongName});
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
