// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/compile.hpp"

#include "fairlead/route/authority.hpp"

namespace fairlead::route {
namespace {

std::string_view method_name(model::HttpMethod method) {
  switch (method) {
    case model::HttpMethod::kAny: return "";
    case model::HttpMethod::kGet: return "GET";
    case model::HttpMethod::kHead: return "HEAD";
    case model::HttpMethod::kPost: return "POST";
    case model::HttpMethod::kPut: return "PUT";
    case model::HttpMethod::kDelete: return "DELETE";
    case model::HttpMethod::kConnect: return "CONNECT";
    case model::HttpMethod::kOptions: return "OPTIONS";
    case model::HttpMethod::kTrace: return "TRACE";
    case model::HttpMethod::kPatch: return "PATCH";
  }
  return "";
}

Compare compare_of(model::ValueMatchType type) {
  return type == model::ValueMatchType::kRegularExpression ? Compare::kRegex : Compare::kExact;
}

PathKind kind_of(model::PathMatchType type) {
  switch (type) {
    case model::PathMatchType::kExact: return PathKind::kExact;
    case model::PathMatchType::kRegularExpression: return PathKind::kRegex;
    case model::PathMatchType::kPathPrefix: break;
  }
  return PathKind::kPrefix;
}

std::vector<FieldMatch> fields_of(const std::vector<model::ValueMatch>& values) {
  std::vector<FieldMatch> fields;
  fields.reserve(values.size());
  for (const auto& value : values) fields.push_back({value.name, value.value, compare_of(value.type), {}});
  return fields;
}

RouteMatch match_of(const model::HttpMatch& from) {
  RouteMatch match;
  match.path_kind = kind_of(from.path.type);
  match.path = from.path.value;
  match.method = method_name(from.method);
  match.headers = fields_of(from.headers);
  match.queries = fields_of(from.query);
  return match;
}

RouteMatch match_of(const model::GrpcMatch& from) {
  RouteMatch match;
  match.headers = fields_of(from.headers);
  if (from.method)
    match.grpc =
        std::make_shared<const GrpcMatch>(from.method->service, from.method->method, compare_of(from.method->type));
  return match;
}

/// Null where the route asks for the listener's host name itself, or has it not.
std::shared_ptr<const Narrowed> narrowed_by(std::string_view listener, const std::vector<std::string>& hostnames) {
  if (listener.empty()) return nullptr;
  const std::string* asked = nullptr;  // the longest, as all are suffixes of one name
  for (const auto& hostname : hostnames) {
    if (hostname == listener) return nullptr;
    if (host_intersection(hostname, listener) != listener) continue;
    if (asked == nullptr || asked->size() < hostname.size()) asked = &hostname;
  }
  if (asked == nullptr && !hostnames.empty()) return nullptr;
  return std::make_shared<const Narrowed>(std::string(listener), asked == nullptr ? std::string() : *asked);
}

Result<Route> begin(const model::RouteBase& base, const std::vector<std::string>& hostnames, std::string_view listener,
                    std::shared_ptr<const void> data) {
  Route route;
  route.key = {base.metadata.ns, base.metadata.name};
  route.created = base.metadata.created;
  route.data = std::move(data);
  for (const auto& hostname : hostnames)
    if (const auto both = host_intersection(hostname, listener)) route.hosts.emplace_back(*both);
  if (hostnames.empty() && !listener.empty()) route.hosts.emplace_back(listener);
  route.narrowed = narrowed_by(listener, hostnames);
  if (!hostnames.empty() && route.hosts.empty())
    return fail("hostnames: found none that the listener's \"" + std::string(listener) + "\" matches");
  return route;
}

template <class Rules>
Result<RoutePtr> finish(Result<Route> route, const Rules& rules, bool grpc) {
  if (!route) return fail(std::move(route.error()));
  route->grpc = grpc;
  route->rules.reserve(rules.size());
  for (const auto& rule : rules) {
    auto& made = route->rules.emplace_back();
    made.matches.reserve(rule.matches.size());
    for (const auto& match : rule.matches) made.matches.push_back(match_of(match));
  }
  return prepare(std::move(*route));
}

}  // namespace

Result<RoutePtr> compile(const model::HttpRoute& route, std::string_view listener, std::shared_ptr<const void> data) {
  return finish(begin(route, route.hostnames, listener, std::move(data)), route.rules, false);
}

Result<RoutePtr> compile(const model::GrpcRoute& route, std::string_view listener, std::shared_ptr<const void> data) {
  return finish(begin(route, route.hostnames, listener, std::move(data)), route.rules, true);
}

Result<RoutePtr> compile(const model::TlsRoute& route, std::string_view listener, std::shared_ptr<const void> data) {
  FL_TRY(auto made, begin(route, route.hostnames, listener, std::move(data)));
  made.rules.resize(route.rules.size());
  return prepare(std::move(made));
}

}  // namespace fairlead::route
