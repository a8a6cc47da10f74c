// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "fairlead/base/arena.hpp"
#include "fairlead/http/message.hpp"
#include "fairlead/telemetry/identifiers.hpp"
#include "fairlead/telemetry/record.hpp"

namespace fairlead::telemetry {

/// Headers that carry a trace from hop to hop.
enum class Propagation : std::uint8_t {
  kW3c,       ///< traceparent, tracestate: W3C Trace Context
  kB3Single,  ///< b3
  kB3,        ///< x-b3-traceid, x-b3-spanid, x-b3-parentspanid, x-b3-sampled, x-b3-flags
  kJaeger,    ///< uber-trace-id
  kDatadog,   ///< x-datadog-trace-id, -parent-id, -sampling-priority, -tags
};
inline constexpr std::size_t kPropagations = 5;

/// Formats in use; looked for in the order of the enum.
class Propagations {
 public:
  constexpr Propagations() = default;
  constexpr Propagations(std::initializer_list<Propagation> formats) {
    for (const auto format : formats) add(format);
  }
  constexpr void add(Propagation format) { bits_ = static_cast<std::uint8_t>(bits_ | bit(format)); }
  [[nodiscard]] constexpr bool has(Propagation format) const { return (bits_ & bit(format)) != 0; }

 private:
  static constexpr std::uint8_t bit(Propagation format) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(format));
  }
  std::uint8_t bits_ = 0;
};

/// What a caller decided about recording its trace.
enum class Sampling : std::uint8_t { kUndecided, kNo, kYes };

/// What a request's headers say.
struct TraceParent {
  TraceId trace;        ///< zero: no trace; the decision may be there all the same (`b3: 0`)
  SpanId span = 0;      ///< the caller's
  Sampling sampling = Sampling::kUndecided;
  bool debug = false;   ///< B3's and Jaeger's: record whatever the rates
  bool random = false;  ///< W3C's: the trace id is random; passed on as it is
  bool manual = false;  ///< Datadog's: a person or a rule decided (priorities 2 and -1), no sampler
  std::string_view state;   ///< tracestate; empty where it is missing or invalid
  std::string_view datadog_tags{};  ///< of x-datadog-tags those that are to be passed on, but the trace id's half
  bool malformed = false;   ///< a header of a format in use was there and invalid: for a counter
};

/// Strict: what is not to the letter is as if it were not there. Views are those of `fields`, or in `arena`.
[[nodiscard]] TraceParent extract(const http::Fields& fields, Propagations formats, Arena& arena);

/// How traces begin.
struct TracePolicy {
  double fraction = 1;        ///< of requests without a caller's decision; by trace id, the same on every hop
  bool trust_parent = true;   ///< false: every trace begins here, and what the client says is not passed on
};

/// The trace of a request: the caller's goes on, or one begins.
[[nodiscard]] TraceFacts begin_trace(const TraceParent& parent, const TracePolicy& policy, IdGenerator& ids);

/// Puts `span` (of an attempt) with the trace into the request to a backend, in all formats of `formats`; what stood
/// there in these formats is replaced. Where the trace began here, what other formats said is taken off, too.
void inject(http::Fields& fields, const TraceFacts& trace, SpanId span, Propagations formats, Arena& arena);

}  // namespace fairlead::telemetry
