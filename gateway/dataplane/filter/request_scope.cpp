// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/request_scope.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>

#include "fairlead/http/cookies.hpp"
#include "fairlead/route/query.hpp"

namespace fairlead::filter {
namespace {

using change::Json;
using change::JsonKind;
using change::Source;
using change::Value;

Value text(std::string_view text) { return {.found = true, .text = text}; }
Value text_if(std::string_view value) { return value.empty() ? Value{} : text(value); }

/// All values of that name, as if they stood in one field (RFC 9110 section 5.3).
Value field_value(const http::Fields& fields, std::string_view name, std::string& scratch) {
  std::size_t count = 0;
  std::string_view first;
  for (const auto& field : fields) {
    if (field.name != name) continue;
    if (count++ == 0) {
      first = field.value;
      continue;
    }
    if (count == 2) scratch = first;
    scratch.append(name == "cookie" ? "; " : ", ").append(field.value);
  }
  if (count == 0) return {};
  return text(count == 1 ? first : std::string_view(scratch));
}

Value cookie(const http::Fields& fields, std::string_view name) {
  const auto found = http::find_cookie(fields, name);
  return found ? text(*found) : Value{};
}

Value at_path(const Json* json, const change::JsonPath& path) {
  if (json == nullptr || json->empty()) return {};
  const auto at = change::find(*json, json->root(), path);
  if (at == Json::kNone) return {};
  return {.found = true, .text = {}, .document = json, .node = at};
}

/// RFC 3339, in UTC.
void append_now(std::string& out) {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&now, &parts);
  char buffer[32];
  out.append(buffer, std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

}  // namespace

void append_uuid(upstream::Random& random, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::uint64_t words[] = {random.next(), random.next()};
  words[0] = (words[0] & ~std::uint64_t{0xf000}) | 0x4000;
  words[1] = (words[1] & ~(std::uint64_t{3} << 62)) | (std::uint64_t{2} << 62);
  for (unsigned i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) out.push_back('-');
    out.push_back(kHex[(words[i / 16] >> (60 - 4 * (i % 16))) & 15]);
  }
}

void append_counted(upstream::Random& random, std::string& out) {
  thread_local std::string base;
  thread_local std::uint64_t count = 0;
  if (base.empty()) append_uuid(random, base);
  out += base + "#" + std::to_string(++count);
}

Value RequestScope::groups() {
  const auto* consumer = request_.identity().consumer;
  if (consumer == nullptr) return {};
  if (groups_.empty()) {
    groups_.set_root(groups_.make(JsonKind::kArray));
    for (const auto& group : consumer->groups()) groups_.push(groups_.root(), groups_.make(JsonKind::kString, group));
  }
  return at_path(&groups_, {});
}

Value RequestScope::claim(const change::JsonPath& path) {
  if (!claims_read_) {
    claims_read_ = true;
    static_cast<void>(claims_.parse(request_.identity().claims));  // what is no JSON holds no claims
  }
  return at_path(&claims_, path);
}

Value RequestScope::value(const change::Reference& reference, std::string& scratch) {
  auto& head = request_.head();
  const auto& identity = request_.identity();
  switch (reference.source) {
    case Source::kMethod: return text(head.method_text);
    case Source::kPath: return text(request_.target().path);
    case Source::kRawQuery: return text(request_.target().query);
    case Source::kTarget:
      scratch = request_.target().path;
      if (request_.target().has_query) scratch.append("?").append(request_.target().query);
      return text(scratch);
    case Source::kCapture: {
      const auto found = request_.capture(reference.name);
      return found ? text(*found) : Value{};
    }
    case Source::kHost: return text(request_.host());
    case Source::kScheme: return text(head.scheme);
    case Source::kRequestId: return text_if(request_.record().request_id);
    case Source::kHeader: return field_value(head.fields, reference.name, scratch);
    case Source::kQuery: {
      const auto found = route::find_query(request_.target().query, reference.name);
      if (!found) return {};
      route::decode_query(*found, scratch);
      return text(scratch);
    }
    case Source::kCookie: return cookie(head.fields, reference.name);
    case Source::kBody: return at_path(body_, reference.path);
    case Source::kConsumerName: return identity.consumer == nullptr ? Value{} : text(identity.consumer->name());
    case Source::kConsumerId: return identity.consumer == nullptr ? Value{} : text_if(identity.consumer->custom_id());
    case Source::kConsumerGroups: return groups();
    case Source::kClaims: return claim(reference.path);
    case Source::kClientIp: scratch = request_.client().text(); return text(scratch);
    case Source::kRoute: return text(request_.route_name());
    case Source::kRule: return text_if(request_.rule_name());
    case Source::kUuid: append_uuid(request_.random(), scratch); return text(scratch);
    case Source::kCounted: append_counted(request_.random(), scratch); return text(scratch);
    case Source::kNow: append_now(scratch); return text(scratch);
    case Source::kStatus:
      if (response_ == nullptr) return {};
      scratch = std::to_string(response_->status);
      return text(scratch);
    case Source::kResponseHeader:
      return response_ == nullptr ? Value{} : field_value(response_->fields, reference.name, scratch);
    case Source::kResponseBody: return at_path(response_body_, reference.path);
    case Source::kCallStatus:
    case Source::kCallBody: return call_value(reference, scratch);
  }
  return {};
}

change::Template compiled(std::string_view text, change::Place place) {
  auto made = change::Template::compile(text, place);
  return made ? std::move(*made) : change::Template{};
}

bool is_json_type(const http::Fields& fields) {
  const auto* type = http::find(fields, "content-type");
  return type != nullptr && !type->value.empty() && change::place_of_type(type->value) == change::Place::kJson;
}

}  // namespace fairlead::filter
