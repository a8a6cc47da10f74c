// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which rule of a listener's routes takes a request, by the precedence of Gateway API's HTTPRoute and GRPCRoute:
//   1. the longest exact host name, then the longest wildcard, then routes for every host. A route for a more special
//      host that has no rule for the request leaves it to the next. Among routes that the listener has narrowed to one
//      name the same holds for what they ask for themselves;
//   2. an exact path (gRPC: service and method), a regular expression, the longest prefix (gRPC: the service). Of
//      expressions, whose order the API leaves open, first the one with more literal path elements in front, then the
//      longer one. gRPC's expressions come behind what is exact of the same kind;
//   3. a method; more headers; more query parameters;
//   4. the older route; the first by "namespace/name"; the first rule in its list.
//
// A request costs what its path and host cost, however many routes there are: paths and hosts are found by hash, many
// rules on one path by the hash of a header or parameter that they need. Only regular expressions without a literal
// first path element, and many on the same literal elements, are tried one after the other.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/http/message.hpp"
#include "fairlead/route/table.hpp"

namespace fairlead::route {

/// What is matched. Everything is made normal before (path.hpp, authority.hpp).
struct Request {
  std::string_view host;                      ///< in lower case, without port
  std::string_view path;
  std::string_view query;
  const http::RequestHead* head = nullptr;    ///< method and fields
  std::optional<std::string_view> server_name = "";  ///< of TLS, in lower case; "": no TLS; none: TLS without one
};

/// Views and pointers live as long as the router.
struct Match {
  const Route* route = nullptr;  ///< nullptr: no rule takes the request, 404 (gRPC: UNIMPLEMENTED)
  std::uint32_t rule = 0;        ///< in route->rules
  std::uint32_t match = 0;       ///< in the rule's matches
  std::string_view host;         ///< the pattern that matched; empty: every host

  explicit operator bool() const { return route != nullptr; }
  [[nodiscard]] const RouteMatch& spec() const { return route->rules[rule].matches[match]; }
  /// The prefix that matched, without a '/' at its end; empty where the path matched otherwise, or by "/".
  [[nodiscard]] std::string_view prefix() const {
    return spec().rank == Rank::kPrefix ? std::string_view(spec().path) : std::string_view{};
  }
  /// The same; of an expression that begins with a group what that group matched, a view of `path`.
  [[nodiscard]] std::string_view prefix(std::string_view path) const;
};

/// The groups of a path's expression: whole match first. Answers how many were filled; 0 where the match has none.
[[nodiscard]] std::size_t captures(const Match& match, std::string_view path, std::span<std::string_view> into);

/// The same of one group, by its name or its number.
[[nodiscard]] std::optional<std::string_view> capture(const Match& match, std::string_view path, std::string_view name);

class HostRouter;

/// The compiled routes of one listener. Immutable.
/// Owner: shared, by those who route with it. Thread: any.
class Router {
 public:
  Router() = default;
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// Compiles prepared routes.
  [[nodiscard]] static std::shared_ptr<const Router> build(std::span<const RoutePtr> routes);
  /// The same router with some routes gone and others there: only their hosts are compiled again, the rest is shared.
  /// `removed`: the objects that it was built from.
  [[nodiscard]] std::shared_ptr<const Router> changed(std::span<const RoutePtr> removed,
                                                      std::span<const RoutePtr> added) const;

  /// Nothing is allocated, but by RE2 for the states that it meets first.
  [[nodiscard]] Match match(const Request& request) const;

  [[nodiscard]] std::size_t hosts() const { return hosts_.size(); }
  [[nodiscard]] std::size_t bytes() const;  ///< of the compiled tables, without the routes and expressions
  [[nodiscard]] std::span<const std::shared_ptr<const HostRouter>> host_routers() const { return hosts_; }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t index = 0;  // + 1
  };
  void index_hosts();
  [[nodiscard]] std::size_t find(std::uint64_t hash, std::string_view text, bool wildcard) const;  // + 1; 0: none
  [[nodiscard]] std::size_t find_pattern(std::string_view pattern) const;  // the same
  void find_any_host();

  std::vector<std::shared_ptr<const HostRouter>> hosts_;
  std::vector<Slot> slots_;  // a power of two, half full at most
  const HostRouter* any_host_ = nullptr;
  std::uint64_t wildcard_labels_ = 0;  // bit n: some wildcard has n labels behind "*."
};

}  // namespace fairlead::route
