// SPDX-License-Identifier: Apache-2.0
// Lines "name: value" as a request's fields: what extract() takes, inject() must write so that it is read as the same
// again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fairlead/telemetry/trace_context.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::telemetry;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  fairlead::http::Fields fields;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() == text.size() ? text.size() : line.size() + 1);
    if (const auto colon = line.find(": "); colon != std::string_view::npos)
      fields.push_back({line.substr(0, colon), line.substr(colon + 2)});
  }
  constexpr Propagation kEach[] = {Propagation::kW3c, Propagation::kB3Single, Propagation::kB3, Propagation::kJaeger,
                                   Propagation::kDatadog};
  IdGenerator ids(1);
  for (const auto format : kEach) {
    fairlead::Arena arena;
    const auto parent = extract(fields, {format}, arena);
    if (parent.malformed && parent.trace) std::abort();
    if (!parent.trace) continue;
    const auto facts = begin_trace(parent, {.fraction = 0.5}, ids);
    auto sent = fields;
    inject(sent, facts, facts.backend_span, {format}, arena);
    const auto again = extract(sent, {format}, arena);
    // Datadog cannot say that the lower half is zero, and never takes such a trace.
    if (again.malformed || again.trace != parent.trace || again.span != facts.backend_span) std::abort();
    if ((again.sampling == Sampling::kYes) != facts.sampled || again.state != parent.state) std::abort();
  }
  return 0;
}
