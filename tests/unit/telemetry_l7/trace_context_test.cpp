// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/trace_context.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace fairlead::telemetry {
namespace {

constexpr Propagations kAll{Propagation::kW3c, Propagation::kB3Single, Propagation::kB3, Propagation::kJaeger,
                            Propagation::kDatadog};
constexpr TraceId kTrace{0x0af7651916cd43dd, 0x8448eb211c80319c};
constexpr SpanId kSpan = 0xb7ad6b7169203331;

/// "trace span sampling[ debug]", "none", "decision ...", or "malformed".
std::string told(const http::Fields& fields, Propagations formats = kAll) {
  Arena arena;
  const auto parent = extract(fields, formats, arena);
  if (parent.malformed) return "malformed";
  const char* sampling = parent.sampling == Sampling::kYes  ? "yes"
                         : parent.sampling == Sampling::kNo ? "no"
                                                            : "undecided";
  const std::string debug = parent.debug ? " debug" : "";
  if (!parent.trace)
    return parent.sampling == Sampling::kUndecided ? "none" : std::string("decision ") + sampling + debug;
  char text[48];
  return std::string(text, write_hex(text, parent.trace)) + " " + std::string(text, write_hex(text, parent.span)) +
         " " + sampling + debug;
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

TEST(TraceContext, HeadersAreReadToTheLetter) {
  const std::string yes = TRACE " " SPAN " yes";
  const std::string no = TRACE " " SPAN " no";
  const std::string bad = "malformed";
  struct Row {
    http::Fields fields;
    std::string expected;
  };
  const Row rows[] = {
      {{}, "none"},
      // W3C Trace Context
      {{{"traceparent", "00-" TRACE "-" SPAN "-01"}}, yes},
      {{{"traceparent", "00-" TRACE "-" SPAN "-00"}}, no},
      {{{"traceparent", "00-" TRACE "-" SPAN "-ff"}}, yes},
      {{{"traceparent", "cc-" TRACE "-" SPAN "-01-what-comes"}}, yes},
      {{{"traceparent", "00-" TRACE "-" SPAN "-01-what-comes"}}, bad},
      {{{"traceparent", "cc-" TRACE "-" SPAN "-01.what"}}, bad},
      {{{"traceparent", "ff-" TRACE "-" SPAN "-01"}}, bad},
      {{{"traceparent", "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01"}}, bad},
      {{{"traceparent", "00-00000000000000000000000000000000-" SPAN "-01"}}, bad},
      {{{"traceparent", "00-" TRACE "-0000000000000000-01"}}, bad},
      {{{"traceparent", "00-" TRACE "-" SPAN "-0"}}, bad},
      {{{"traceparent", "00_" TRACE "-" SPAN "-01"}}, bad},
      {{{"traceparent", ""}}, bad},
      {{{"traceparent", "00-" TRACE "-" SPAN "-01"}, {"traceparent", "00-" TRACE "-" SPAN "-01"}}, bad},
      // B3, one header
      {{{"b3", TRACE "-" SPAN "-1"}}, yes},
      {{{"b3", TRACE "-" SPAN "-0-05e3ac9a4f6e3b90"}}, no},
      {{{"b3", TRACE "-" SPAN "-d"}}, yes + " debug"},
      {{{"b3", TRACE "-" SPAN}}, TRACE " " SPAN " undecided"},
      {{{"b3", "8448eb211c80319c-" SPAN "-1"}}, "00000000000000008448eb211c80319c " SPAN " yes"},
      {{{"b3", "0"}}, "decision no"},
      {{{"b3", "1"}}, "decision yes"},
      {{{"b3", "d"}}, "decision yes debug"},
      {{{"b3", "2"}}, bad},
      {{{"b3", TRACE}}, bad},
      {{{"b3", TRACE "-" SPAN "-"}}, bad},
      {{{"b3", TRACE "-" SPAN "-true"}}, bad},
      {{{"b3", TRACE "-" SPAN "-1-" SPAN "-x"}}, bad},
      {{{"b3", TRACE "-" SPAN "-1-xyz"}}, bad},
      {{{"b3", "8448eb211c80319-" SPAN "-1"}}, bad},
      // B3, several headers
      {{{"x-b3-traceid", TRACE}, {"x-b3-spanid", SPAN}, {"x-b3-sampled", "1"}}, yes},
      {{{"x-b3-traceid", TRACE}, {"x-b3-spanid", SPAN}, {"x-b3-sampled", "false"}}, no},
      {{{"x-b3-traceid", TRACE}, {"x-b3-spanid", SPAN}, {"x-b3-flags", "1"}}, yes + " debug"},
      {{{"x-b3-sampled", "0"}}, "decision no"},
      {{{"x-b3-traceid", TRACE}}, bad},
      {{{"x-b3-spanid", SPAN}}, bad},
      {{{"x-b3-traceid", TRACE}, {"x-b3-spanid", SPAN}, {"x-b3-sampled", "maybe"}}, bad},
      {{{"x-b3-traceid", TRACE}, {"x-b3-spanid", "b7"}}, bad},
      // Jaeger
      {{{"uber-trace-id", TRACE ":" SPAN ":0:1"}}, yes},
      {{{"uber-trace-id", TRACE "%3A" SPAN "%3a0%3A0"}}, no},
      {{{"uber-trace-id", "1f:2:0:3"}}, "0000000000000000000000000000001f 0000000000000002 yes debug"},
      {{{"uber-trace-id", "0:2:0:1"}}, bad},
      {{{"uber-trace-id", TRACE ":" SPAN ":0"}}, bad},
      {{{"uber-trace-id", TRACE ":" SPAN ":0:1:1"}}, bad},
      {{{"uber-trace-id", TRACE "0:" SPAN ":0:1"}}, bad},
      // Datadog
      {{{"x-datadog-trace-id", "9532127138774266268"},
        {"x-datadog-parent-id", "13235353014750950193"},
        {"x-datadog-sampling-priority", "2"},
        {"x-datadog-tags", "_dd.p.dm=-4,_dd.p.tid=0af7651916cd43dd"}},
       yes},
      {{{"x-datadog-trace-id", "5"}, {"x-datadog-parent-id", "6"}, {"x-datadog-sampling-priority", "-1"}},
       "00000000000000000000000000000005 0000000000000006 no"},
      {{{"x-datadog-trace-id", "5"}, {"x-datadog-parent-id", "6"}},
       "00000000000000000000000000000005 0000000000000006 undecided"},
      {{{"x-datadog-trace-id", "18446744073709551616"}, {"x-datadog-parent-id", "6"}}, bad},
      {{{"x-datadog-trace-id", "0"}, {"x-datadog-parent-id", "6"}}, bad},
      {{{"x-datadog-trace-id", "5"}}, bad},
      {{{"x-datadog-trace-id", "5"}, {"x-datadog-parent-id", "6"}, {"x-datadog-sampling-priority", "3"}}, bad},
  };
  for (const auto& [fields, expected] : rows)
    EXPECT_EQ(told(fields), expected) << (fields.empty()
                                              ? ""
                                              : std::string(fields[0].name) + ": " + std::string(fields[0].value));
}

TEST(TraceContext, TheFirstValidFormatInUseCounts) {
  const http::Fields both = {{"b3", "1"}, {"traceparent", "00-" TRACE "-" SPAN "-00"}};
  EXPECT_EQ(told(both), TRACE " " SPAN " no");
  EXPECT_EQ(told(both, {Propagation::kB3Single}), "decision yes");
  EXPECT_EQ(told(both, {Propagation::kJaeger}), "none");
  Arena arena;
  const auto parent = extract({{"traceparent", "bad"}, {"b3", TRACE "-" SPAN "-1"}}, kAll, arena);
  EXPECT_TRUE(parent.malformed);
  EXPECT_EQ(parent.trace, kTrace);
}

std::string state_of(const http::Fields& states) {
  http::Fields fields = {{"traceparent", "00-" TRACE "-" SPAN "-01"}};
  fields.insert(fields.end(), states.begin(), states.end());
  Arena arena;
  const auto parent = extract(fields, kAll, arena);
  EXPECT_EQ(parent.trace, kTrace);  // a bad tracestate does not spoil the trace
  return std::string(parent.state);
}

TEST(TraceContext, TracestateIsPassedOnWholeOrNotAtAll) {
  EXPECT_EQ(state_of({{"tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"}}),
            "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
  EXPECT_EQ(state_of({{"tracestate", "a=1 ,\t b=2"}, {"tracestate", ""}, {"tracestate", "t@sys=3"}}),
            "a=1,b=2,t@sys=3");
  // Level 2's keys.
  EXPECT_EQ(state_of({{"tracestate", "a@=1,b@@c=2,1@0=3"}}), "a@=1,b@@c=2,1@0=3");
  const std::string longest(256, 'z');
  EXPECT_EQ(state_of({{"tracestate", longest + "=1"}}), longest + "=1");
  EXPECT_EQ(state_of({{"tracestate", longest + "z=1"}}), "");
  EXPECT_EQ(state_of({{"tracestate", "a=1,b=2,a=3"}, {"tracestate", "b=2"}}), "a=1,b=2");
  for (const std::string bad : {"a", "A=1", "a=", "a=1=2", "a=\x7f", "@a=1", "=1"})
    EXPECT_EQ(state_of({{"tracestate", bad}}), "") << bad;
  std::string many;
  for (int i = 0; i < 32; ++i) many += (i == 0 ? "k" : ",k") + std::to_string(i) + "=v";
  EXPECT_EQ(state_of({{"tracestate", many}}), many);
  const auto more = many + ",k32=v";
  EXPECT_EQ(state_of({{"tracestate", more}}), "");
  // Too long: members of over 128 characters go first, then the end.
  const auto big = "big=" + std::string(200, 'x');
  const auto mid = [](char c) { return std::string(1, c) + "=" + std::string(100, 'y'); };
  const auto all = big + "," + mid('a') + "," + mid('b') + "," + mid('c') + "," + mid('d') + "," + mid('e');
  EXPECT_EQ(state_of({{"tracestate", all}}), mid('a') + "," + mid('b') + "," + mid('c') + "," + mid('d'));
}

TEST(TraceContext, WhatIsInjectedIsReadBackByEachFormat) {
  Arena arena;
  TraceFacts trace{.trace = kTrace,
                   .parent = 1,
                   .span = 0x1122334455667788,
                   .backend_span = kSpan,
                   .sampled = true,
                   .random = false,
                   .state = "a=1"};
  for (const auto format :
       {Propagation::kW3c, Propagation::kB3Single, Propagation::kB3, Propagation::kJaeger, Propagation::kDatadog})
    for (const bool sampled : {true, false}) {
      trace.sampled = sampled;
      http::Fields fields = {{"accept", "*/*"},   {"traceparent", "old"},   {"tracestate", "old=1"},  {"b3", "old"},
                             {"x-b3-flags", "1"}, {"uber-trace-id", "old"}, {"x-datadog-tags", "old"}};
      inject(fields, trace, kSpan, {format}, arena);
      EXPECT_EQ(told(fields, {format}), std::string(TRACE " " SPAN " ") + (sampled ? "yes" : "no"))
          << static_cast<int>(format);
      EXPECT_EQ(fields[0].name, "accept");
      if (format != Propagation::kJaeger) {
        EXPECT_NE(http::find(fields, "uber-trace-id"), nullptr);  // another format's goes on
      }
    }
  http::Fields fields;
  inject(fields, trace, kSpan, {Propagation::kW3c}, arena);
  ASSERT_EQ(fields.size(), 2U);
  EXPECT_EQ(fields[0].value, "00-" TRACE "-" SPAN "-00");
  EXPECT_EQ(fields[1].value, "a=1");
}

// Level 2: set where it was set, and not where it was not.
TEST(TraceContext, ThatAnIdIsRandomIsPassedOn) {
  Arena arena;
  IdGenerator ids(1);
  for (const auto* flags : {"00", "01", "02", "03"}) {
    const std::string sent = std::string("00-" TRACE "-" SPAN "-") + flags;
    const auto parent = extract({{"traceparent", sent}}, {Propagation::kW3c}, arena);
    http::Fields fields;
    inject(fields, begin_trace(parent, {}, ids), kSpan, {Propagation::kW3c}, arena);
    EXPECT_EQ(fields[0].value, sent);
    EXPECT_FALSE(begin_trace(parent, {.trust_parent = false}, ids).random);
  }
}

/// What goes on of what came, by one format.
std::string passed_on(Propagation format, const http::Fields& sent, std::string_view name, TracePolicy policy = {}) {
  Arena arena;
  IdGenerator ids(1);
  http::Fields fields = sent;
  inject(fields, begin_trace(extract(sent, {format}, arena), policy, ids), kSpan, {format}, arena);
  const auto* found = http::find(fields, name);
  return found == nullptr ? "none" : std::string(found->value);
}

TEST(TraceContext, DebugIsPassedOn) {
  EXPECT_EQ(passed_on(Propagation::kB3Single, {{"b3", TRACE "-00000000000000aa-d"}}, "b3").substr(0, 51),
            TRACE "-" SPAN "-d");
  const http::Fields b3 = {{"x-b3-traceid", TRACE}, {"x-b3-spanid", SPAN}, {"x-b3-flags", "1"}};
  EXPECT_EQ(passed_on(Propagation::kB3, b3, "x-b3-flags"), "1");
  EXPECT_EQ(passed_on(Propagation::kB3, b3, "x-b3-sampled"), "none");
  const http::Fields jaeger = {{"uber-trace-id", TRACE ":00000000000000aa:0:3"}};
  EXPECT_EQ(passed_on(Propagation::kJaeger, jaeger, "uber-trace-id"), TRACE ":" SPAN ":0:3");
  EXPECT_EQ(passed_on(Propagation::kB3, b3, "x-b3-flags", {.trust_parent = false}), "none");
}

TEST(TraceContext, DatadogsPrioritiesAndTagsArePassedOn) {
  const auto sent = [](std::string_view priority, std::string_view tags) -> http::Fields {
    return {{"x-datadog-trace-id", "5"},
            {"x-datadog-parent-id", "6"},
            {"x-datadog-sampling-priority", priority},
            {"x-datadog-tags", tags}};
  };
  for (const auto* priority : {"-1", "0", "1", "2"})
    EXPECT_EQ(passed_on(Propagation::kDatadog, sent(priority, ""), "x-datadog-sampling-priority"), priority);
  const auto tags = [&](std::string_view text) {
    return passed_on(Propagation::kDatadog, sent("2", text), "x-datadog-tags");
  };
  EXPECT_EQ(tags("_dd.p.dm=-4,_dd.p.tid=0af7651916cd43dd,_dd.p.usr=x"),
            "_dd.p.tid=0af7651916cd43dd,_dd.p.dm=-4,_dd.p.usr=x");
  EXPECT_EQ(tags("_dd.p.dm=-4,other=1"), "_dd.p.dm=-4");
  EXPECT_EQ(tags("other=1"), "none");
  EXPECT_EQ(tags("_dd.p.tid=0af7651916cd43dd,_dd.p.long=" + std::string(512, 'x')), "_dd.p.tid=0af7651916cd43dd");
}

TEST(TraceContext, ATraceThatBeginsHereTakesAllOthersOff) {
  Arena arena;
  http::Fields fields = {{"b3", "1"}, {"uber-trace-id", "old"}, {"x-other", "stays"}};
  inject(fields,
         {.trace = kTrace, .parent = 0, .span = 1, .backend_span = 2, .sampled = false, .random = false, .state = {}},
         2, {Propagation::kW3c}, arena);
  ASSERT_EQ(fields.size(), 2U);
  EXPECT_EQ(fields[0].name, "x-other");
  EXPECT_EQ(fields[1].name, "traceparent");
}

TEST(TraceContext, TheCallersDecisionIsKeptAndOthersAreMadeByTraceId) {
  IdGenerator ids(1);
  const TraceParent none;
  TraceParent parent{.trace = kTrace,
                     .span = kSpan,
                     .sampling = Sampling::kNo,
                     .debug = false,
                     .random = false,
                     .state = "a=1",
                     .malformed = false};
  auto facts = begin_trace(parent, {.fraction = 1}, ids);
  EXPECT_EQ(facts.trace, kTrace);
  EXPECT_EQ(facts.parent, kSpan);
  EXPECT_EQ(facts.state, "a=1");
  EXPECT_FALSE(facts.sampled);
  EXPECT_NE(facts.span, facts.backend_span);
  parent.sampling = Sampling::kYes;
  EXPECT_TRUE(begin_trace(parent, {.fraction = 0}, ids).sampled);
  facts = begin_trace(parent, {.fraction = 0, .trust_parent = false}, ids);
  EXPECT_NE(facts.trace, kTrace);
  EXPECT_EQ(facts.parent, 0U);
  EXPECT_FALSE(facts.sampled);
  EXPECT_TRUE(facts.state.empty());
  parent.sampling = Sampling::kUndecided;
  const bool first = begin_trace(parent, {.fraction = 0.5}, ids).sampled;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(begin_trace(parent, {.fraction = 0.5}, ids).sampled, first);
  int sampled = 0;
  for (int i = 0; i < 10000; ++i) sampled += begin_trace(none, {.fraction = 0.1}, ids).sampled ? 1 : 0;
  EXPECT_NEAR(sampled, 1000, 150);
}

TEST(Identifiers, AreUniqueAndOfTheirForm) {
  IdGenerator ids;
  std::set<std::string> seen;
  char text[kUuidText];
  for (int i = 0; i < 1000; ++i) seen.emplace(text, write_uuid(text, UuidVersion::kV4, ids, 0));
  EXPECT_EQ(seen.size(), 1000U);
  for (const auto& id : seen) {
    EXPECT_EQ(id[14], '4');
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
    for (const std::size_t at : {8U, 13U, 18U, 23U}) EXPECT_EQ(id[at], '-');
  }
  const std::string ordered(text, write_uuid(text, UuidVersion::kV7, ids, 0x0123456789ab));
  EXPECT_TRUE(ordered.starts_with("01234567-89ab-7")) << ordered;
  IdGenerator one(5);
  IdGenerator same(5);
  IdGenerator other(6);
  const auto number = one.next();
  EXPECT_EQ(number, same.next());
  EXPECT_NE(number, other.next());
}

TEST(Identifiers, ARequestIdIsKeptOnlyFromTrustedCallersAndOnlyWhereItIsHarmless) {
  IdGenerator ids(1);
  Arena arena;
  const auto chosen = [&](std::string_view sent, bool trusted) {
    return std::string(request_id(sent, trusted, UuidVersion::kV4, ids, 0, arena));
  };
  EXPECT_EQ(chosen("abc-123", true), "abc-123");
  EXPECT_EQ(chosen("abc-123", false).size(), kUuidText);
  for (const std::string bad : {"", "a b", "a\"b", "a\nb", "a,b", "\xc3\xa9"})
    EXPECT_EQ(chosen(bad, true).size(), kUuidText) << bad;
  EXPECT_EQ(chosen(std::string(kMaxRequestId, 'x'), true), std::string(kMaxRequestId, 'x'));
  EXPECT_EQ(chosen(std::string(kMaxRequestId + 1, 'x'), true).size(), kUuidText);
}

}  // namespace
}  // namespace fairlead::telemetry
