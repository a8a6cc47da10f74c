// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdio>
#include <ctime>
#include <vector>

#include "fairlead/cache/conditional.hpp"
#include "gateway/dataplane/filter/cache_core.hpp"

namespace fairlead::filter {
namespace {

std::string_view number_text(std::int64_t value, Arena& arena) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return arena.copy({buffer, static_cast<std::size_t>(end - buffer)});
}

/// Seconds that are left; below 0 where it is stale. Rounded down, so that 0 is never fresh (RFC 9211 section 2.5).
std::int64_t ttl_of(const cache::Entry& entry, std::int64_t now) {
  const auto left = entry.lifetime - entry.age(now);
  return left >= 0 ? left / 1000 : -((-left + 999) / 1000);
}

std::string_view stored_status(const cache::Entry& entry, const Told& told, std::int64_t now, Arena& arena) {
  std::string text = "fairlead; ";
  if (told.status != 0) {
    text += told.by_request ? "fwd=request; fwd-status=" : "fwd=stale; fwd-status=";
    text += std::to_string(told.status);
  } else if (told.collapsed) {
    text += "fwd=uri-miss; collapsed";
  } else {
    text += "hit";
  }
  text += "; ttl=";
  text += std::to_string(ttl_of(entry, now));
  if (told.shared) text += "; detail=shared";
  return arena.copy(text);
}

/// What a 304 does not carry (RFC 9110 section 15.4.5): fields about the body that does not follow.
bool is_of_body(std::string_view name) { return name.starts_with("content-") && name != "content-location"; }

std::string_view range_text(const cache::Range* range, std::uint64_t length, Arena& arena) {
  std::string text = "bytes ";
  if (range == nullptr) text += '*';
  else text.append(std::to_string(range->first)).append("-").append(std::to_string(range->last));
  text.append("/").append(std::to_string(length));
  return arena.copy(text);
}

/// Several parts as one body (RFC 9110 section 14.6). `text`: for the body.
void set_parts(Request& request, const cache::Entry& entry, const std::vector<cache::Range>& ranges, std::string& text,
               Answer& out) {
  char boundary[33];
  auto& random = request.random();
  std::snprintf(boundary, sizeof boundary, "%016llx%016llx", static_cast<unsigned long long>(random.next()),
                static_cast<unsigned long long>(random.next()));
  const std::string_view whole = *entry.body;
  const auto* type = http::find(entry.fields, "content-type");
  for (const auto& range : ranges) {
    text.append(text.empty() ? "--" : "\r\n--").append(boundary);
    if (type != nullptr) text.append("\r\ncontent-type: ").append(type->value);
    text.append("\r\ncontent-range: ").append(range_text(&range, whole.size(), request.arena())).append("\r\n\r\n");
    text.append(whole.substr(range.first, range.last - range.first + 1));
  }
  text.append("\r\n--").append(boundary).append("--\r\n");
  out.body = text;
  out.fields.push_back(
      {"content-type", request.arena().copy(std::string("multipart/byteranges; boundary=") + boundary)});
}

/// Sets status and body by what the client asked for; views into the entry, or of `text`.
void set_part(Request& request, const cache::Entry& entry, const http::Fields& asked, std::string& text, Answer& out) {
  out.status = entry.status;
  out.body = *entry.body;
  if (entry.status != 200) return;
  const auto now = std::time(nullptr);
  if (cache::not_modified(asked, entry.validators, now)) {
    out.status = 304;
    out.body = {};
    return;
  }
  if (request.head().method != http::Method::kGet) return;
  std::vector<cache::Range> ranges;
  const auto length = entry.body->size();
  switch (cache::ranges_of(asked, entry.validators, length, ranges)) {
    case cache::RangeAnswer::kWhole: return;
    case cache::RangeAnswer::kParts:
      out.status = 206;
      if (ranges.size() > 1) return set_parts(request, entry, ranges, text, out);
      out.body = out.body.substr(ranges[0].first, ranges[0].last - ranges[0].first + 1);
      out.fields.push_back({"content-range", range_text(ranges.data(), length, request.arena())});
      return;
    case cache::RangeAnswer::kUnsatisfiable:
      out.status = 416;
      out.body = {};
      out.fields.push_back({"content-range", range_text(nullptr, length, request.arena())});
      return;
  }
}

}  // namespace

void answer_stored(Request& request, const CacheCore& core, const cache::Entry& entry, const http::Fields& fields,
                   const Told& told) {
  const auto now = static_cast<std::int64_t>(request.reactor().now_ms());
  Answer out{.flagged = false, .details = "cache"};
  out.fields.reserve(entry.fields.size() + 3);
  std::string text;
  set_part(request, entry, fields, text, out);
  const bool bodiless = out.status == 304 || out.status == 416;
  for (const auto& field : entry.fields) {
    if (bodiless && is_of_body(field.name)) continue;
    if (!text.empty() && field.name == "content-type") continue;  // it stands with each part
    out.fields.push_back(field);
  }
  if (core.settings.age_header) out.fields.push_back({"age", number_text(entry.age(now) / 1000, request.arena())});
  if (!told.key.empty()) out.fields.push_back({"x-cache-key", told.key});
  if (core.settings.cache_status_header)
    out.fields.push_back({"cache-status", stored_status(entry, told, now, request.arena())});
  request.answer(out);
}

std::string_view forward_status(CacheOutcome outcome, bool stored) {
  using enum CacheOutcome;
  switch (outcome) {
    case kUriMiss: return stored ? "fairlead; fwd=uri-miss; stored" : "fairlead; fwd=uri-miss";
    case kVaryMiss: return stored ? "fairlead; fwd=vary-miss; stored" : "fairlead; fwd=vary-miss";
    case kStaleForward: return stored ? "fairlead; fwd=stale; stored" : "fairlead; fwd=stale";
    case kMethod: return "fairlead; fwd=method";
    case kBypass: return "fairlead; fwd=bypass";
    case kRequest: return stored ? "fairlead; fwd=request; stored" : "fairlead; fwd=request";
    default: return stored ? "fairlead; fwd=miss; stored" : "fairlead; fwd=miss; detail=pass";
  }
}

}  // namespace fairlead::filter
