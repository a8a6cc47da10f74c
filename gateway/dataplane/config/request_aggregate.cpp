// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/request_aggregate.hpp"

#include <algorithm>

#include "gateway/dataplane/config/gateway_references.hpp"
#include "gateway/dataplane/config/json_value.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

using change::Place;
using model::AggregateCall;

constexpr std::size_t kMostCalls = 16, kMostPaths = 64;

void read_call_name(Reader& reader, View at, std::string& out) {
  const auto good = [](std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
  };
  read_text(reader, at, out, 1, 64, good, "a name of letters, digits, _ and -");
}

auto paths_field(Reader& reader, std::string_view name, std::vector<std::string>& out) {
  return field(name, [&reader, &out](View v) {
    read_list(reader, v, 1, kMostPaths, out, [&](View item, std::string& one) { read_json_path(reader, item, one); });
  });
}

void read_call(Reader& reader, View at, AggregateCall& out) {
  read_mapping(
      reader, at, required("name", "a name", [&](View v) { read_call_name(reader, v, out.name); }),
      required("backendRef", "a Service", [&](View v) { read_backend_target(reader, v, out.backend); }),
      field("method", [&](View v) { read_method(reader, v, out.method); }),
      required("path", "a template that begins with /",
               [&](View v) { read_template(reader, v, Place::kPath, out.path); }),
      field("query", [&](View v) { read_named_templates(reader, v, false, out.query); }),
      field("headers", [&](View v) { read_named_templates(reader, v, true, out.headers); }),
      field("forwardHeaders",
            [&](View v) {
              read_list(reader, v, 0, 64, out.forward_headers,
                        [&](View item, std::string& one) { read_free_header_name(reader, item, one); });
            }),
      field("host", [&](View v) { read_hostname(reader, v, out.host, false); }),
      field("json", [&](View v) { read_json_template(reader, v, out.body); }),
      field("timeout",
            [&](View v) {
              const auto value = read_duration(reader, v);
              if (value && (value->count() < 1 || *value > std::chrono::minutes(10)))
                reader.error(v, "a duration of 1ms to 10m");
              if (value) out.timeout = *value;
            }),
      field("required", [&](View v) { reader.read(v, out.required); }),
      field("dependsOn",
            [&](View v) {
              read_list(reader, v, 0, kMostCalls, out.depends_on,
                        [&](View item, std::string& one) { read_call_name(reader, item, one); });
            }),
      field("select", [&](View v) { read_json_path(reader, v, out.select); }),
      paths_field(reader, "fields", out.fields), paths_field(reader, "remove", out.remove),
      field("rename",
            [&](View v) {
              read_list(reader, v, 0, kMostPaths, out.rename, [&](View item, std::pair<std::string, std::string>& one) {
                read_mapping(reader, item,
                             required("from", "a place in JSON", [&](View n) { read_json_path(reader, n, one.first); }),
                             required("to", "a place in JSON", [&](View n) { read_json_path(reader, n, one.second); }));
              });
            }),
      field("group", [&](View v) { read_text(reader, v, out.group, 1, 256); }));
  if (out.group.empty()) out.group = out.name;
}

/// Puts the calls that templates refer to among those that are waited for.
void add_needed(const std::string& text, Place place, std::vector<std::string>& out) {
  const auto made = change::Template::compile(text, place);
  if (!made) return;
  for (const auto name : made->calls())
    if (std::ranges::find(out, name) == out.end()) out.emplace_back(name);
}

void refuse_sources(Reader& reader, View at, const std::string& text) {
  for (const auto source : {change::Source::kStatus, change::Source::kResponseHeader, change::Source::kResponseBody})
    refuse_source(reader, at, text, source, "values of the request and of calls: there is no response yet");
}

void find_needed(Reader& reader, View at, AggregateCall& call) {
  add_needed(call.path, Place::kPath, call.depends_on);
  refuse_sources(reader, at, call.path);
  if (!call.body.empty()) {
    add_needed(call.body, Place::kJson, call.depends_on);
    refuse_sources(reader, at, call.body);
  }
  for (const auto* all : {&call.query, &call.headers})
    for (const auto& [name, value] : *all) {
      add_needed(value, Place::kText, call.depends_on);
      refuse_sources(reader, at, value);
    }
}

/// Each call waits for earlier ones only: so nothing waits for itself.
void check_calls(Reader& reader, View at, model::Aggregate& out) {
  auto item = at.first();
  for (std::size_t i = 0; i < out.calls.size() && item; ++i, item = item.next()) {
    auto& call = out.calls[i];
    find_needed(reader, item, call);
    for (std::size_t k = 0; k < i; ++k)
      if (out.calls[k].name == call.name) reader.error(item.find("name"), "no other call of this name");
    for (const auto& needed : call.depends_on) {
      const bool earlier = std::any_of(out.calls.begin(), out.calls.begin() + static_cast<std::ptrdiff_t>(i),
                                       [&](const AggregateCall& other) { return other.name == needed; });
      if (!earlier) reader.error(item, "calls that it waits for in front of it; \"" + needed + "\" is not");
    }
    if (out.mode == model::Aggregate::Mode::kFirstOf && !call.depends_on.empty())
      reader.error(item, "no calls that wait for others, with mode FirstOf");
  }
}

/// What goes out has to be settled by the calls up to there.
void check_stream(Reader& reader, View at, View calls, const model::Aggregate& out) {
  const auto stream = at.find("stream");
  if (out.mode != model::Aggregate::Mode::kAll) reader.error(stream, "false with mode FirstOf, which has one answer");
  if (out.merge != model::Aggregate::Merge::kObject)
    reader.error(stream, "false with merge Flat, where later calls change what earlier ones gave");
  if (!out.partial && std::ranges::all_of(out.calls, &AggregateCall::required))
    reader.error(stream,
                 "false where all calls are required: any may make it a failure (partial: Partial, or a call "
                 "with required: false)");
  auto item = calls.first();
  for (std::size_t i = 0; i < out.calls.size() && item; ++i, item = item.next())
    for (std::size_t k = 0; k < i; ++k)
      if (out.calls[k].group == out.calls[i].group)
        reader.error(item, "no group of an earlier call, with stream: \"" + out.calls[i].group + "\" is one");
}

}  // namespace

void read_aggregate(Reader& reader, View at, model::Aggregate& out) {
  constexpr std::uint64_t kMostAnswer = 64 * 1024 * 1024;
  View calls;
  read_mapping(reader, at,
               required("calls", "a list of calls",
                        [&](View v) {
                          calls = v;
                          read_list(reader, v, 1, kMostCalls, out.calls,
                                    [&](View item, AggregateCall& one) { read_call(reader, item, one); });
                        }),
               field("mode",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"All", "FirstOf"}))
                         out.mode = static_cast<model::Aggregate::Mode>(*found);
                     }),
               field("merge",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Object", "Flat"}))
                         out.merge = static_cast<model::Aggregate::Merge>(*found);
                     }),
               field("partial",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Fail", "Partial"})) out.partial = *found == 1;
                     }),
               bool_field(reader, "stream", out.stream),
               field("completeHeader",
                     [&](View v) {
                       if (v.is_string() && v.text().empty()) out.complete_header.clear();
                       else read_free_header_name(reader, v, out.complete_header);
                     }),
               field("maxAnswerBytes", [&](View v) { read_number(reader, v, 1, kMostAnswer, out.max_answer_bytes); }));
  if (!calls || !calls.is_sequence() || reader.failed()) return;
  check_calls(reader, calls, out);
  if (out.stream) check_stream(reader, at, calls, out);
}

}  // namespace fairlead::config
