// SPDX-License-Identifier: Apache-2.0
// One JSON object for each request, with the names of Kong's log serializer (release 3.9).
#include <algorithm>
#include <array>
#include <span>

#include "fairlead/base/ascii.hpp"
#include "fairlead/telemetry/log_format.hpp"
#include "gateway/dataplane/telemetry/kong_facts.hpp"
#include "gateway/dataplane/telemetry/redact.hpp"
#include "gateway/dataplane/telemetry/text.hpp"

namespace fairlead::telemetry {
namespace {

using text::Escape;
using text::put;

constexpr std::string_view kHidden = "REDACTED";
constexpr std::size_t kMostItems = 100;  // of fields and of parameters, as Kong has it
// Bytes of output, escapes counted.
constexpr std::size_t kName = 256, kValue = 4096, kTarget = 8192;
constexpr std::size_t kItems = 32 * 1024;  // of one mapping, its last item apart
constexpr std::size_t kItem = kName + kValue + 32;
constexpr std::size_t kEntities = 16 * 1024;  // of route and service; what is longer is not let in by KongNames' maker
constexpr std::size_t kRest = 8 * 1024;
constexpr std::size_t kLine = 3 * (kItems + kItem) + 3 * (kTarget + kName) + kEntities + kRest;

/// A field of a head, or a parameter of a query.
struct Item {
  std::string_view name, value;
  bool bare = false;  ///< a parameter without =
};

/// At most kMostItems.
struct Items {
  std::array<Item, kMostItems> items;
  std::size_t count = 0;
  void add(Item item) {
    if (count < items.size()) items[count++] = item;
  }
  [[nodiscard]] std::span<const Item> all() const { return {items.data(), count}; }
};

char* put_string(char* out, std::string_view value, std::size_t limit) {
  *out++ = '"';
  out = text::put_escaped(out, value, Escape::kJson, limit);
  *out++ = '"';
  return out;
}

char* put_url(char* out, std::string_view value) { return put_target(out, value, Escape::kJson, kTarget); }

/// %41 and + as they are meant, into `memory`; what does not fit is cut.
std::string_view decoded(std::string_view text, std::span<char> memory) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < text.size() && size < memory.size(); ++i) {
    char c = text[i] == '+' ? ' ' : text[i];
    if (c == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      c = static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    }
    memory[size++] = c;
  }
  return {memory.data(), size};
}

char* put_field(char* out, const Item& item) {
  if (secret_field(item.name)) return put_string(out, kHidden, kValue);
  if (item.name != "referer" && item.name != "location") return put_string(out, item.value, kValue);
  *out++ = '"';
  out = put_target(out, item.value, Escape::kJson, kValue);
  *out++ = '"';
  return out;
}

char* put_parameter(char* out, const Item& item) {
  if (item.bare) return put(out, std::string_view("true"));
  if (secret_parameter(item.name)) return put_string(out, kHidden, kValue);
  std::array<char, kValue> memory;
  return put_string(out, decoded(item.value, memory), kValue);
}

char* put_name(char* out, std::string_view name, bool parameter) {
  std::array<char, kName> memory;
  out = put_string(out, parameter ? decoded(name, memory) : name, kName);
  *out++ = ':';
  return out;
}

/// A mapping; what comes several times is a list. Items beyond kItems are left out.
char* put_items(char* out, std::span<const Item> items, bool parameters) {
  const char* const full = out + kItems;
  const auto value = [&](const Item& item) { out = parameters ? put_parameter(out, item) : put_field(out, item); };
  *out++ = '{';
  bool first = true;
  for (std::size_t i = 0; i < items.size() && out < full; ++i) {
    const auto& name = items[i].name;
    const auto same = [&](const Item& other) { return other.name == name; };
    if (std::ranges::any_of(items.first(i), same)) continue;
    if (!std::exchange(first, false)) *out++ = ',';
    out = put_name(out, name, parameters);
    const auto rest = items.subspan(i + 1);
    if (std::ranges::none_of(rest, same)) {
      value(items[i]);
      continue;
    }
    *out++ = '[';
    value(items[i]);
    for (const auto& other : rest) {
      if (!same(other) || out >= full) continue;
      *out++ = ',';
      value(other);
    }
    *out++ = ']';
  }
  *out++ = '}';
  return out;
}

void add_fields(Items& out, const http::Fields* fields) {
  if (fields == nullptr) return;
  for (const auto& field : *fields) out.add({field.name, field.value});
}

char* put_fields(char* out, const http::Fields* fields, std::string_view host, std::int64_t length) {
  std::array<char, text::kMaxNumber> digits;
  Items items;
  if (!host.empty()) items.add({"host", host});
  if (length >= 0)
    items.add(
        {"content-length", {digits.data(), static_cast<std::size_t>(put(digits.data(), length) - digits.data())}});
  add_fields(items, fields);
  return put_items(out, items.all(), false);
}

char* put_query(char* out, std::string_view target) {
  Items items;
  const auto begin = std::min(target.find('?'), target.size() - 1);
  for (auto rest = target.empty() ? target : target.substr(begin + 1); !rest.empty();) {
    const auto part = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    const auto equals = part.find('=');
    if (!part.empty() && equals != 0)
      items.add({part.substr(0, equals), equals == std::string_view::npos ? "" : part.substr(equals + 1),
                 equals == std::string_view::npos});
  }
  return put_items(out, items.all(), true);
}

/// scheme://host:port, and the target.
char* put_whole_url(char* out, const RequestRecord& record) {
  const auto bracket = record.authority.starts_with('[') ? record.authority.find(']') : 0;
  const auto colon = record.authority.find(':', std::min(bracket, record.authority.size()));
  *out++ = '"';
  out = put(put(out, record.scheme.substr(0, 8)), std::string_view("://"));
  out = text::put_escaped(out, record.authority.substr(0, colon), Escape::kJson, kName);
  *out++ = ':';
  if (colon == std::string_view::npos) out = put(out, std::uint64_t{record.local.port});
  else out = text::put_escaped(out, record.authority.substr(colon + 1), Escape::kJson, 8);
  out = put_url(out, record.target);
  *out++ = '"';
  return out;
}

char* put_request(char* out, const RequestRecord& record) {
  out = put(out, std::string_view(R"("request":{"id":)"));
  out = put_string(out, record.request_id, kName);
  out = put(out, std::string_view(R"(,"uri":")"));
  out = put_url(out, record.target);
  out = put(out, std::string_view(R"(","url":)"));
  out = put_whole_url(out, record);
  out = put(out, std::string_view(R"(,"querystring":)"));
  out = put_query(out, record.target);
  out = put(out, std::string_view(R"(,"method":)"));
  out = put_string(out, record.method, kName);
  out = put(out, std::string_view(R"(,"headers":)"));
  out = put_fields(out, record.request, record.authority, record.request_length);
  out = put(out, std::string_view(R"(,"size":)"));
  out = put(out, record.bytes.request_head + record.bytes.request_body);
  if (record.tls != nullptr) {
    out = put(out, std::string_view(R"(,"tls":{"version":)"));
    out = put_string(out, record.tls->version, kName);
    out = put(out, std::string_view(R"(,"cipher":)"));
    out = put_string(out, record.tls->cipher, kName);
    out = put(out, std::string_view(R"(,"client_verify":)"));
    out = put_string(out, record.tls->peer_verified ? "SUCCESS" : "NONE", kName);
    *out++ = '}';
  }
  *out++ = '}';
  return out;
}

char* put_response(char* out, const RequestRecord& record) {
  out = put(out, std::string_view(R"(,"response":{"status":)"));
  out = put(out, std::uint64_t{record.status});
  out = put(out, std::string_view(R"(,"headers":)"));
  out = put_fields(out, record.response, {}, record.response_length);
  out = put(out, std::string_view(R"(,"size":)"));
  out = put(out, record.bytes.response_head + record.bytes.response_body);
  *out++ = '}';
  return out;
}

char* put_latencies(char* out, const RequestRecord& record) {
  const auto took = kong_latencies(record);
  out = put(put(out, std::string_view(R"(,"latencies":{"request":)")), took.request);
  out = put(put(out, std::string_view(R"(,"kong":)")), took.kong);
  out = put(put(out, std::string_view(R"(,"proxy":)")), took.proxy);
  out = put(put(out, std::string_view(R"(,"receive":)")), took.receive);
  *out++ = '}';
  return out;
}

/// The last try: earlier ones are not remembered.
char* put_upstream(char* out, const RequestRecord& record) {
  out = put(out, std::string_view(R"(,"tries":[)"));
  if (record.has_backend) {
    out = put(out, std::string_view(R"({"ip":")"));
    out = put(out, record.backend.address);
    out = put(put(out, std::string_view(R"(","port":)")), std::uint64_t{record.backend.port});
    *out++ = '}';
  }
  out = put(out, std::string_view(R"(],"upstream_uri":")"));
  if (record.has_backend) out = put_url(out, record.backend_target);
  out = put(out, std::string_view(R"(","upstream_status":")"));
  if (record.backend_status != 0) out = put(out, std::uint64_t{record.backend_status});
  *out++ = '"';
  return out;
}

char* put_caller(char* out, const RequestRecord& record) {
  if (!record.credential.empty()) {
    out = put_string(put(out, std::string_view(R"(,"authenticated_entity":{"id":)")), record.credential, kValue / 2);
    *out++ = '}';
  }
  if (record.consumer.empty()) return out;
  out = put_string(put(out, std::string_view(R"(,"consumer":{"username":)")), record.consumer, kName * 2);
  if (!record.consumer_custom_id.empty())
    out = put_string(put(out, std::string_view(R"(,"custom_id":)")), record.consumer_custom_id, kName * 2);
  *out++ = '}';
  return out;
}

char* put_place(char* out, const RequestRecord& record) {
  if (record.kong != nullptr && record.kong->route_json.size() + record.kong->service_json.size() < kEntities - kName) {
    out = put(put(out, std::string_view(R"(,"route":)")), record.kong->route_json);
    if (!record.kong->service_json.empty())
      out = put(put(out, std::string_view(R"(,"service":)")), record.kong->service_json);
  }
  out = put(put(out, std::string_view(R"(,"client_ip":")")), record.client.address);
  out = put(put(out, std::string_view(R"(","started_at":)")), record.start_unix_ns / 1'000'000);
  if (record.trace.trace && record.trace.span != 0) {
    out = write_hex(put(out, std::string_view(R"(,"trace_id":{"w3c":")")), record.trace.trace);
    out = put(out, std::string_view(R"("})"));
  }
  out = put(out, std::string_view(R"(,"source":")"));
  out = put(out, std::string_view(record.details == "via_upstream" ? "upstream" : "kong"));
  return put(out, std::string_view(R"(","workspace":"default","workspace_name":"default"})"));
}

class KongWriter final : public RecordWriter {
 public:
  char* write(const RequestRecord& record, char* out) const override {
    *out++ = '{';
    out = put_request(out, record);
    out = put_response(out, record);
    out = put_latencies(out, record);
    out = put_upstream(out, record);
    out = put_caller(out, record);
    out = put_place(out, record);
    *out++ = '\n';
    return out;
  }
  [[nodiscard]] std::size_t max_bytes() const override { return kLine; }
  [[nodiscard]] bool shows_response() const override { return true; }
};

}  // namespace

LogFormat LogFormat::kong() { return of(std::make_shared<const KongWriter>()); }

}  // namespace fairlead::telemetry
