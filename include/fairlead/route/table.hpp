// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a router is compiled from: routes with their rules and matches, in neutral terms. Precedence is Gateway API's.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/name.hpp"
#include "fairlead/base/result.hpp"
#include "fairlead/http/message.hpp"

namespace re2 {
class RE2;
}

namespace fairlead::route {

/// Regular expressions are RE2's and match a whole value, case-sensitively. All workers use one object, which
/// RE2 allows: it takes a shared lock of its own on each match.
using Regex = std::shared_ptr<const re2::RE2>;

/// A header condition of this name is met by Request::server_name; no field of a request has a say in it.
inline constexpr std::string_view kServerName = "fairlead-tls-server-name";
/// One of this name by the request's method, whichever it is: HTTPRoutes name nine of them alone.
inline constexpr std::string_view kMethodName = "fairlead-method";

enum class Compare : std::uint8_t { kExact, kRegex };

/// A header field or query parameter that must be there with a value. A field that a request has several times is
/// compared as one, joined by ", " (RFC 9110 section 5.3); of a parameter the first value counts.
struct FieldMatch {
  std::string name;  ///< of a field: in any case
  std::string value;
  Compare compare = Compare::kExact;
  Regex regex;       ///< made by prepare()
};

enum class PathKind : std::uint8_t {
  kExact,
  kPrefix,       ///< element by element; a '/' at the end counts for nothing
  kRegex,        ///< the whole path without the query
  kGrpcMethod,   ///< "/any.Service/value": `value` is a method's name; made by prepare()
};

/// gRPC's service and method; an empty one matches all. At least one is not empty.
struct GrpcMatch {
  std::string service;
  std::string method;
  Compare compare = Compare::kExact;
};

/// An expression of a path.
struct PathRegex {
  Regex regex;
  std::string literal;      ///< the path elements that its matches begin with
  bool has_prefix = false;  ///< it begins with a group
};

/// The order of precedence between kinds of path, first to last.
enum class Rank : std::uint8_t {
  kExact,             ///< gRPC: service and method
  kRegex,             ///< gRPC: service and method, one of them or both by expression
  kPrefix,            ///< gRPC: service
  kGrpcServiceRegex,
  kGrpcMethod,
  kGrpcMethodRegex,
  kRoot,              ///< the prefix "/"; gRPC: every method
};

/// All of its conditions must hold.
struct RouteMatch {
  std::string path = "/";
  std::shared_ptr<const PathRegex> path_regex;  ///< made by prepare()
  std::shared_ptr<const GrpcMatch> grpc;  ///< takes the place of the path, in routes of gRPC; null: none
  Name method;                          ///< "GET"; empty: all
  std::vector<FieldMatch> headers;      ///< of several with one name only the first counts
  std::vector<FieldMatch> queries;      ///< the same
  PathKind path_kind = PathKind::kPrefix;
  http::Method method_id = http::Method::kOther;  ///< made by prepare()
  std::uint16_t depth = 0;  ///< made by prepare(): elements of the prefix, or of an expression's literal
  Rank rank = Rank::kExact;  ///< made by prepare()
};

/// Any of its matches must hold. Without one it matches every request: prepare() puts that match there.
struct RouteRule {
  std::vector<RouteMatch> matches;
};

/// The listener's host name among the hosts of a route that asks for more there: "*.example.com", or every host.
struct Narrowed {
  std::string host;
  std::string asked;  ///< empty: every host
};

/// Whose route it is.
struct RouteKey {
  Name ns;
  Name name;
  [[nodiscard]] std::string text() const { return ns + "/" + name; }
  [[nodiscard]] int compare(const RouteKey& other) const;  ///< of the texts
};

/// One route object, attached to one listener.
struct Route {
  RouteKey key;  ///< a tie between routes of the same age is broken by it
  std::int64_t created = 0;  ///< any unit, the same for all routes: older ones come first
  bool grpc = false;  ///< matches requests of gRPC only, and by GRPCRoute's precedence
  std::vector<std::string> hosts;  ///< patterns, already intersected with the listener's; none: every host
  std::vector<RouteRule> rules;
  std::shared_ptr<const void> data;  ///< the caller's, per route: a Match leads back to it
  std::shared_ptr<const Narrowed> narrowed = nullptr;  ///< null: each host is as the route asks for it
};

/// What the route itself asks for where it has this host; empty: every host.
[[nodiscard]] inline std::string_view asked_for(const Route& route, std::string_view host) {
  return route.narrowed != nullptr && route.narrowed->host == host ? std::string_view(route.narrowed->asked) : host;
}

using RoutePtr = std::shared_ptr<const Route>;

/// Deepest prefix that can be matched, in path elements.
inline constexpr std::size_t kMaxPrefixDepth = 64;

/// Checks a route and compiles it: paths made normal, names in lower case, expressions compiled. An error says where in
/// the route ("rules[1].matches[0].path: ..."), what was found and what was expected.
/// Thread: any; costs some microseconds per expression.
[[nodiscard]] Result<RoutePtr> prepare(Route route);

}  // namespace fairlead::route
