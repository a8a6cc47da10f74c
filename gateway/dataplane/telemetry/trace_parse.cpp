// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/telemetry/trace_parse.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace fairlead::telemetry {
namespace {

constexpr TraceParent kMalformed{
    .trace = {}, .span = 0, .sampling = {}, .debug = false, .random = false, .state = {}, .malformed = true};

enum class Header : std::uint8_t { kMissing, kOne, kSeveral };

/// A header that may stand once only: several are as bad as an invalid one.
Header single(const http::Fields& fields, std::string_view name, std::string_view& value) {
  auto found = Header::kMissing;
  for (const auto& field : fields) {
    if (field.name != name) continue;
    if (found == Header::kOne) return Header::kSeveral;
    found = Header::kOne;
    value = field.value;
  }
  return found;
}

/// Lower-case hexadecimal digits and nothing else; 1 to 16 of them.
bool hex(std::string_view text, std::uint64_t& value) {
  if (text.empty() || text.size() > 16) return false;
  value = 0;
  for (const char c : text) {
    if (c >= '0' && c <= '9') value = (value << 4) | static_cast<std::uint64_t>(c - '0');
    else if (c >= 'a' && c <= 'f') value = (value << 4) | static_cast<std::uint64_t>(c - 'a' + 10);
    else return false;
  }
  return true;
}

/// A trace id of at most 32 digits; never zero.
bool trace_id(std::string_view text, TraceId& id) {
  if (text.size() > 32) return false;
  const auto low = text.size() > 16 ? text.substr(text.size() - 16) : text;
  if (text.size() > 16 && !hex(text.substr(0, text.size() - 16), id.high)) return false;
  return hex(low, id.low) && id;
}

bool span_id(std::string_view text, SpanId& id) { return hex(text, id) && id != 0; }

bool decimal(std::string_view text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// Takes what stands before `separator` off the front of `text`; all of it where there is none.
std::string_view take(std::string_view& text, char separator) {
  const auto at = text.find(separator);
  const auto part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return part;
}

constexpr std::size_t kStateMembers = 32;  // W3C Trace Context, 3.3.1.1
constexpr std::size_t kStateBytes = 512;   // 3.3.1.5: at least this much is to be passed on

/// 3.3.1.3.1, as level 2 has it: what level 1 calls a key is one here too.
bool state_key(std::string_view key) {
  const auto first = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto any = [&](char c) { return first(c) || std::string_view("_-*/@").find(c) != std::string_view::npos; };
  return !key.empty() && key.size() <= 256 && first(key[0]) && std::ranges::all_of(key, any);
}

/// 3.3.1.3.2: printable ASCII but ',' and '=', not ending with a space.
bool state_value(std::string_view value) {
  if (value.empty() || value.size() > 256 || value.back() == ' ') return false;
  for (const char c : value)
    if (c < 0x20 || c > 0x7e || c == ',' || c == '=') return false;
  return true;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The members of all tracestate fields, of those with one key the first; false where one is invalid or there are too
/// many.
bool state_members(const http::Fields& fields, std::array<std::string_view, kStateMembers>& members,
                   std::size_t& count) {
  for (const auto& field : fields) {
    if (field.name != "tracestate") continue;
    auto rest = field.value;
    while (!rest.empty()) {
      const auto member = trimmed(take(rest, ','));
      if (member.empty()) continue;
      const auto equals = member.find('=');
      if (count == members.size() || equals == std::string_view::npos || !state_key(member.substr(0, equals)) ||
          !state_value(member.substr(equals + 1)))
        return false;
      const auto known = std::span(members).first(count);
      if (std::ranges::none_of(known, [&](auto other) { return other.starts_with(member.substr(0, equals + 1)); }))
        members[count++] = member;
    }
  }
  return true;
}

/// One text of all fields; what is too long loses members of over 128 characters first, then its end (3.3.1.5).
std::string_view read_state(const http::Fields& fields, Arena& arena) {
  std::array<std::string_view, kStateMembers> members;
  std::size_t count = 0;
  if (!state_members(fields, members, count) || count == 0) return {};
  std::size_t size = count - 1;
  for (std::size_t i = 0; i < count; ++i) size += members[i].size();
  char* const begin = arena.allocate(kStateBytes);
  char* end = begin;
  for (std::size_t i = 0; i < count; ++i) {
    if (size > kStateBytes && members[i].size() > 128) {
      size -= members[i].size() + 1;
      continue;
    }
    const auto used = static_cast<std::size_t>(end - begin);
    if (used + members[i].size() + (used == 0 ? 0 : 1) > kStateBytes) break;
    if (used != 0) *end++ = ',';
    end = text::put(end, members[i]);
  }
  return {begin, static_cast<std::size_t>(end - begin)};
}

/// 0, 1; d of B3's single header; true and false of old tracers.
bool b3_sampling(std::string_view text, TraceParent& parent) {
  if (text == "1" || text == "true") parent.sampling = Sampling::kYes;
  else if (text == "0" || text == "false") parent.sampling = Sampling::kNo;
  else return false;
  return true;
}

constexpr std::size_t kDatadogTags = 512;  // what Datadog's tracers pass on at most

/// "_dd.p.dm=-4,_dd.p.tid=...": names with that prefix go from hop to hop. All or nothing where they are too long, as
/// Datadog's own do it.
void read_datadog_tags(std::string_view tags, Arena& arena, TraceParent& parent) {
  const bool fit = tags.size() <= kDatadogTags;
  char* const begin = fit && !tags.empty() ? arena.allocate(tags.size()) : nullptr;
  char* end = begin;
  while (!tags.empty()) {
    const auto tag = take(tags, ',');
    constexpr std::string_view kUpper = "_dd.p.tid=";
    if (tag.starts_with(kUpper)) {
      const auto digits = tag.substr(kUpper.size());
      if (digits.size() != 16 || !hex(digits, parent.trace.high)) parent.trace.high = 0;
    } else if (fit && tag.starts_with("_dd.p.")) {
      if (end != begin) *end++ = ',';
      end = text::put(end, tag);
    }
  }
  if (begin != nullptr) parent.datadog_tags = {begin, static_cast<std::size_t>(end - begin)};
}

bool b3_trace_id(std::string_view text, TraceId& id) {
  return (text.size() == 16 || text.size() == 32) && trace_id(text, id);
}

}  // namespace

// W3C Trace Context, 3.2: version "-" trace-id "-" parent-id "-" trace-flags; later versions may append "-...".
TraceParent read_w3c(const http::Fields& fields, Arena& arena) {
  std::string_view text;
  switch (single(fields, "traceparent", text)) {
    case Header::kMissing: return {};
    case Header::kSeveral: return kMalformed;
    case Header::kOne: break;
  }
  constexpr std::size_t kLength = 55;
  std::uint64_t version = 0;
  std::uint64_t flags = 0;
  TraceParent parent;
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') return kMalformed;
  if (!hex(text.substr(0, 2), version) || version == 0xff) return kMalformed;
  if (text.size() > kLength && (version == 0 || text[kLength] != '-')) return kMalformed;
  if (!trace_id(text.substr(3, 32), parent.trace) || !span_id(text.substr(36, 16), parent.span) ||
      !hex(text.substr(53, 2), flags))
    return kMalformed;
  parent.sampling = (flags & 1) != 0 ? Sampling::kYes : Sampling::kNo;
  parent.random = (flags & 2) != 0;
  parent.state = read_state(fields, arena);
  return parent;
}

// b3: {trace id}-{span id}[-{sampling}[-{parent span id}]], or the sampling alone.
TraceParent read_b3_single(const http::Fields& fields) {
  std::string_view text;
  switch (single(fields, "b3", text)) {
    case Header::kMissing: return {};
    case Header::kSeveral: return kMalformed;
    case Header::kOne: break;
  }
  TraceParent parent;
  if (text == "d") {
    parent.debug = true;
    parent.sampling = Sampling::kYes;
    return parent;
  }
  if (text == "0" || text == "1") {
    b3_sampling(text, parent);
    return parent;
  }
  const auto last_is_dash = text.ends_with('-');
  if (last_is_dash || !b3_trace_id(take(text, '-'), parent.trace)) return kMalformed;
  const auto span = take(text, '-');
  if (span.size() != 16 || !span_id(span, parent.span)) return kMalformed;
  if (text.empty()) return parent;
  const auto sampling = take(text, '-');
  if (sampling == "d") {
    parent.debug = true;
    parent.sampling = Sampling::kYes;
  } else if (sampling.size() != 1 || !b3_sampling(sampling, parent)) {
    return kMalformed;
  }
  SpanId grandparent = 0;
  if (!text.empty() && (text.size() != 16 || !span_id(text, grandparent))) return kMalformed;
  return parent;
}

TraceParent read_b3(const http::Fields& fields) {
  std::string_view trace;
  std::string_view span;
  std::string_view sampled;
  std::string_view flags;
  const auto has_trace = single(fields, "x-b3-traceid", trace);
  const auto has_span = single(fields, "x-b3-spanid", span);
  const auto has_sampled = single(fields, "x-b3-sampled", sampled);
  const auto has_flags = single(fields, "x-b3-flags", flags);
  for (const auto header : {has_trace, has_span, has_sampled, has_flags})
    if (header == Header::kSeveral) return kMalformed;
  TraceParent parent;
  if (has_trace != has_span) return kMalformed;
  if (has_trace == Header::kOne &&
      (!b3_trace_id(trace, parent.trace) || span.size() != 16 || !span_id(span, parent.span)))
    return kMalformed;
  if (has_sampled == Header::kOne && !b3_sampling(sampled, parent)) return kMalformed;
  if (has_flags == Header::kOne && flags == "1") {
    parent.debug = true;
    parent.sampling = Sampling::kYes;
  } else if (has_flags == Header::kOne && flags != "0") {
    return kMalformed;
  }
  return parent;
}

// uber-trace-id: {trace id}:{span id}:{parent span id}:{flags}; zeros in front may be missing, ':' may be %3A.
TraceParent read_jaeger(const http::Fields& fields) {
  std::string_view text;
  switch (single(fields, "uber-trace-id", text)) {
    case Header::kMissing: return {};
    case Header::kSeveral: return kMalformed;
    case Header::kOne: break;
  }
  std::array<std::string_view, 4> parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto colon = text.find(':');
    const auto escaped = std::min(text.find("%3A"), text.find("%3a"));
    const auto end = std::min(colon, escaped);
    if ((end == std::string_view::npos) != (i == 3)) return kMalformed;
    parts[i] = text.substr(0, end);
    if (i != 3) text.remove_prefix(end + (end == colon ? 1 : 3));
  }
  TraceParent parent;
  std::uint64_t grandparent = 0;
  std::uint64_t flags = 0;
  if (!trace_id(parts[0], parent.trace) || !span_id(parts[1], parent.span) || !hex(parts[2], grandparent) ||
      parts[3].size() > 2 || !hex(parts[3], flags))
    return kMalformed;
  parent.sampling = (flags & 1) != 0 ? Sampling::kYes : Sampling::kNo;
  parent.debug = (flags & 3) == 3;
  return parent;
}

// Decimal ids of 64 bits; the upper half of the trace's stands in x-datadog-tags as _dd.p.tid, hexadecimal.
TraceParent read_datadog(const http::Fields& fields, Arena& arena) {
  std::string_view trace;
  std::string_view span;
  std::string_view priority;
  std::string_view tags;
  const auto has_trace = single(fields, "x-datadog-trace-id", trace);
  const auto has_span = single(fields, "x-datadog-parent-id", span);
  const auto has_priority = single(fields, "x-datadog-sampling-priority", priority);
  const auto has_tags = single(fields, "x-datadog-tags", tags);
  if (has_trace == Header::kMissing) return {};
  for (const auto header : {has_trace, has_span, has_priority, has_tags})
    if (header == Header::kSeveral) return kMalformed;
  TraceParent parent;
  if (!decimal(trace, parent.trace.low) || parent.trace.low == 0) return kMalformed;
  if (has_span != Header::kOne || !decimal(span, parent.span) || parent.span == 0) return kMalformed;
  if (has_priority == Header::kOne) {
    const bool known = priority == "-1" || priority == "0" || priority == "1" || priority == "2";
    if (!known) return kMalformed;
    parent.sampling = priority == "1" || priority == "2" ? Sampling::kYes : Sampling::kNo;
    parent.manual = priority == "2" || priority == "-1";
  }
  read_datadog_tags(tags, arena, parent);
  return parent;
}

}  // namespace fairlead::telemetry
