// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the admin API says of what is in force, as JSON. Values that may be secrets are never in it.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "fairlead/base/result.hpp"
#include "fairlead/proxy/snapshot.hpp"
#include "fairlead/proxy/view.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "gateway/filter_plan.hpp"

namespace fairlead::gateway {

using Json = nlohmann::ordered_json;

/// Text of any bytes as JSON takes it: what is no UTF-8 becomes U+FFFD.
[[nodiscard]] std::string dump(const Json& json);
/// "{"error": what}".
[[nodiscard]] std::string error_text(const std::string& what);

/// A header's value as it may be shown: where the name speaks of a secret (authorization, cookie, token, key, ...),
/// "(hidden)" and a number that tells two values apart and is another one in every process.
[[nodiscard]] std::string shown_value(std::string_view name, std::string_view value);

/// An array of filters; null: none.
[[nodiscard]] Json filters_json(const model::HttpFilters* filters);
/// A match: path, method, headers, query.
[[nodiscard]] Json match_json(const route::RouteMatch& match, bool grpc);
/// What becomes of a rule's requests: filters, backends with weights and clusters, timeouts.
void add_action(const proxy::RuleAction& action, const proxy::Snapshot& snapshot, Json& into);
/// {"name", "protocol", "addresses"}.
[[nodiscard]] Json listener_json(const proxy::ListenerSpec& listener);
/// The routes of a listener, in order of their names: {"route", "hosts", "rules"}.
[[nodiscard]] Json routes_of(const proxy::ListenerSpec& listener, const proxy::Snapshot& snapshot);
/// {"listeners": [{..., "routes": [...]}]}
[[nodiscard]] Json routes_json(const proxy::Snapshot& snapshot);
/// All that a snapshot serves by: listeners, routes, clusters, each by name, so that two can be compared.
[[nodiscard]] Json dump_json(const proxy::Snapshot& snapshot);
/// What `after` changes in `before`, both by dump_json(): [{"change": "added", "removed" or "changed", "what": where,
/// "before", "after"}].
[[nodiscard]] Json differences(const Json& before, const Json& after);

/// {"clusters": [{"name", "counters", "backends": [...]}]}
[[nodiscard]] Json backends_json(const proxy::View& view);
/// YAML documents as an array: what objects' statuses are as JSON.
[[nodiscard]] Json documents_json(const std::string& yaml);

/// {"sections": [{"policy", "section", "requests": {outcome: count}, "counts": [...], "holds": {...}}]}: sections that
/// are in force, and those that have counted something.
[[nodiscard]] Json sections_json(const std::vector<FilterPlan::Section>& sections,
                                 const std::vector<telemetry::CounterSetValues>& counts);

/// What the page and `top` show: counters, latencies, backends, failed requests.
[[nodiscard]] Json live_json(const proxy::Snapshot& snapshot, const proxy::Counters& counters, const proxy::View& view);

/// A request that somebody asks about.
struct Question {
  std::string method;
  std::string url;      ///< "https://a.example/x?y", "a.example/x", "/x"
  std::string headers;  ///< "Name: value", a line each
  std::string client;   ///< the address that it comes from; empty: 127.0.0.1
};
/// Where it would go, and why not elsewhere; what each filter of policies would say to it: nothing is sent or counted.
/// An error where it is no request.
[[nodiscard]] Result<Json> why_json(const proxy::Snapshot& snapshot, const Question& question);

}  // namespace fairlead::gateway
