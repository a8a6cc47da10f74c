// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/trace_context.hpp"

#include <algorithm>
#include <array>

#include "gateway/dataplane/telemetry/fraction.hpp"
#include "gateway/dataplane/telemetry/trace_parse.hpp"

namespace fairlead::telemetry {
namespace {

struct HeaderName {
  Propagation format;
  std::string_view name;
};
constexpr std::array kHeaders{
    HeaderName{Propagation::kW3c, "traceparent"},
    HeaderName{Propagation::kW3c, "tracestate"},
    HeaderName{Propagation::kB3Single, "b3"},
    HeaderName{Propagation::kB3, "x-b3-traceid"},
    HeaderName{Propagation::kB3, "x-b3-spanid"},
    HeaderName{Propagation::kB3, "x-b3-parentspanid"},
    HeaderName{Propagation::kB3, "x-b3-sampled"},
    HeaderName{Propagation::kB3, "x-b3-flags"},
    HeaderName{Propagation::kJaeger, "uber-trace-id"},
    HeaderName{Propagation::kDatadog, "x-datadog-trace-id"},
    HeaderName{Propagation::kDatadog, "x-datadog-parent-id"},
    HeaderName{Propagation::kDatadog, "x-datadog-sampling-priority"},
    HeaderName{Propagation::kDatadog, "x-datadog-tags"},
};

TraceParent read(Propagation format, const http::Fields& fields, Arena& arena) {
  switch (format) {
    case Propagation::kW3c: return read_w3c(fields, arena);
    case Propagation::kB3Single: return read_b3_single(fields);
    case Propagation::kB3: return read_b3(fields);
    case Propagation::kJaeger: return read_jaeger(fields);
    case Propagation::kDatadog: return read_datadog(fields, arena);
  }
  return {};
}

/// Text in an arena, appended to.
class Value {
 public:
  Value(Arena& arena, std::size_t most) : begin_(arena.allocate(most)), end_(begin_) {}
  Value& add(std::string_view part) {
    end_ = std::copy(part.begin(), part.end(), end_);
    return *this;
  }
  template <class Id>
  Value& hex(const Id& id) {
    end_ = write_hex(end_, id);
    return *this;
  }
  Value& decimal(std::uint64_t number) {
    end_ = text::put(end_, number);
    return *this;
  }
  [[nodiscard]] std::string_view text() const { return {begin_, static_cast<std::size_t>(end_ - begin_)}; }

 private:
  char* begin_;
  char* end_;
};

void inject_w3c(http::Fields& fields, const TraceFacts& trace, SpanId span, Arena& arena) {
  Value parent(arena, 55);
  parent.add("00-").hex(trace.trace).add("-").hex(span).add("-0");
  parent.add(trace.random ? (trace.sampled ? "3" : "2") : (trace.sampled ? "1" : "0"));
  fields.push_back({"traceparent", parent.text()});
  if (!trace.state.empty()) fields.push_back({"tracestate", trace.state});
}

void inject_b3_single(http::Fields& fields, const TraceFacts& trace, SpanId span, Arena& arena) {
  Value value(arena, 68);
  value.hex(trace.trace).add("-").hex(span).add(trace.debug ? "-d-" : trace.sampled ? "-1-" : "-0-").hex(trace.span);
  fields.push_back({"b3", value.text()});
}

void inject_b3(http::Fields& fields, const TraceFacts& trace, SpanId span, Arena& arena) {
  fields.push_back({"x-b3-traceid", Value(arena, 32).hex(trace.trace).text()});
  fields.push_back({"x-b3-spanid", Value(arena, 16).hex(span).text()});
  fields.push_back({"x-b3-parentspanid", Value(arena, 16).hex(trace.span).text()});
  // One or the other: debug says that it is sampled.
  if (trace.debug) fields.push_back({"x-b3-flags", "1"});
  else fields.push_back({"x-b3-sampled", trace.sampled ? "1" : "0"});
}

void inject_jaeger(http::Fields& fields, const TraceFacts& trace, SpanId span, Arena& arena) {
  Value value(arena, 53);
  // The parent's place is deprecated: 0.
  value.hex(trace.trace).add(":").hex(span).add(trace.debug ? ":0:3" : trace.sampled ? ":0:1" : ":0:0");
  fields.push_back({"uber-trace-id", value.text()});
}

std::string_view datadog_priority(const TraceFacts& trace) {
  if (trace.sampled) return trace.manual || trace.debug ? "2" : "1";
  return trace.manual ? "-1" : "0";
}

void inject_datadog(http::Fields& fields, const TraceFacts& trace, SpanId span, Arena& arena) {
  fields.push_back({"x-datadog-trace-id", Value(arena, text::kMaxNumber).decimal(trace.trace.low).text()});
  fields.push_back({"x-datadog-parent-id", Value(arena, text::kMaxNumber).decimal(span).text()});
  fields.push_back({"x-datadog-sampling-priority", datadog_priority(trace)});
  Value tags(arena, 27 + trace.datadog_tags.size());
  if (trace.trace.high != 0) tags.add("_dd.p.tid=").hex(trace.trace.high);
  if (trace.trace.high != 0 && !trace.datadog_tags.empty()) tags.add(",");
  tags.add(trace.datadog_tags);
  if (!tags.text().empty()) fields.push_back({"x-datadog-tags", tags.text()});
}

}  // namespace

TraceParent extract(const http::Fields& fields, Propagations formats, Arena& arena) {
  TraceParent best;
  bool malformed = false;
  for (std::size_t i = 0; i < kPropagations; ++i) {
    const auto format = static_cast<Propagation>(i);
    if (!formats.has(format)) continue;
    const auto found = read(format, fields, arena);
    malformed = malformed || found.malformed;
    if (found.malformed) continue;
    if (!best.trace && (found.trace || best.sampling == Sampling::kUndecided)) {
      // A decision without a trace is kept where a later format names one without a decision.
      const auto decided = best.sampling;
      best = found;
      if (best.sampling == Sampling::kUndecided) best.sampling = decided;
    }
  }
  best.malformed = malformed;
  return best;
}

TraceFacts begin_trace(const TraceParent& parent, const TracePolicy& policy, IdGenerator& ids) {
  TraceFacts facts;
  facts.span = ids.span_id();
  facts.backend_span = ids.span_id();
  const bool goes_on = policy.trust_parent && parent.trace;
  facts.trace = goes_on ? parent.trace : ids.trace_id();
  if (goes_on) {
    facts.parent = parent.span;
    facts.state = parent.state;
    facts.random = parent.random;
    facts.datadog_tags = parent.datadog_tags;
  }
  const bool decided = policy.trust_parent && (parent.sampling != Sampling::kUndecided || parent.debug);
  facts.sampled =
      decided ? parent.sampling == Sampling::kYes || parent.debug : within_fraction(facts.trace.low, policy.fraction);
  facts.debug = decided && parent.debug;
  facts.manual = decided && parent.manual;
  return facts;
}

void inject(http::Fields& fields, const TraceFacts& trace, SpanId span, Propagations formats, Arena& arena) {
  std::erase_if(fields, [&](const http::Field& field) {
    const auto* header = std::ranges::find(kHeaders, field.name, &HeaderName::name);
    return header != kHeaders.end() && (trace.parent == 0 || formats.has(header->format));
  });
  if (formats.has(Propagation::kW3c)) inject_w3c(fields, trace, span, arena);
  if (formats.has(Propagation::kB3Single)) inject_b3_single(fields, trace, span, arena);
  if (formats.has(Propagation::kB3)) inject_b3(fields, trace, span, arena);
  if (formats.has(Propagation::kJaeger)) inject_jaeger(fields, trace, span, arena);
  if (formats.has(Propagation::kDatadog)) inject_datadog(fields, trace, span, arena);
}

}  // namespace fairlead::telemetry
