// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/table.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <limits>

#include "fairlead/base/arena.hpp"
#include "fairlead/base/ascii.hpp"
#include "fairlead/route/authority.hpp"
#include "fairlead/route/path.hpp"

namespace fairlead::route {
namespace {

constexpr std::int64_t kRegexMemory = 1 << 20;  // bytes of automaton per expression; beyond it RE2 goes on, slower

std::string numbered(std::string_view list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

Result<Regex> compile(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kRegexMemory);
  // Anchored here, so that RE2 keeps the smaller automata of an anchored expression.
  auto regex = std::make_shared<re2::RE2>("^(?:" + pattern + ")$", options);
  // "a)(b" would be balanced only by what is put around it.
  const bool alone = !pattern.contains(')') || re2::RE2(pattern, options).ok();
  if (!regex->ok() || !alone) return fail("found \"" + pattern + "\", expected a regular expression as RE2 reads them");
  return regex;
}

/// The whole path elements that everything that `regex` matches begins with: "/users" of "/users/[0-9]+".
std::string literal_elements(const re2::RE2& regex) {
  std::string low, high;
  if (!regex.PossibleMatchRange(&low, &high, 256)) return {};
  const auto common = static_cast<std::size_t>(std::ranges::mismatch(low, high).in1 - low.begin());
  low.resize(common);
  const auto slash = low.rfind('/');
  if (slash == std::string::npos || slash == 0 || low.front() != '/') return {};
  low.resize(slash);
  return low;
}

Result<> prepare_regex_path(RouteMatch& match, Rank rank) {
  PathRegex made;
  FL_TRY(made.regex, compile(match.path));
  made.has_prefix = match.path.starts_with('(') && !match.path.starts_with("(?");
  if (rank == Rank::kRegex) made.literal = literal_elements(*made.regex);
  const auto depth = static_cast<std::size_t>(std::ranges::count(made.literal, '/'));
  if (depth > kMaxPrefixDepth) made.literal.clear();
  match.path_kind = PathKind::kRegex;
  match.rank = rank;
  match.depth = made.literal.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(depth);
  match.path_regex = std::make_shared<const PathRegex>(std::move(made));
  return {};
}

Result<> prepare_plain_path(RouteMatch& match) {
  Arena arena;
  Target target;
  const auto error = parse_target(match.path, {}, arena, target);
  if (error != PathError::kNone || target.has_query || target.path == "*")
    return fail("found \"" + match.path + "\" (" + std::string(error == PathError::kNone ? "no path" : name_of(error)) +
                "), expected a path that begins with '/' and has no query");
  match.path = std::string(target.path);
  if (match.path_kind == PathKind::kExact) {
    match.rank = Rank::kExact;
    return {};
  }
  if (match.path.ends_with('/')) match.path.pop_back();
  const auto depth = static_cast<std::size_t>(std::ranges::count(match.path, '/'));
  if (depth > kMaxPrefixDepth)
    return fail("found a prefix of " + std::to_string(depth) + " elements, expected at most " +
                std::to_string(kMaxPrefixDepth));
  match.depth = static_cast<std::uint16_t>(depth);
  match.rank = depth == 0 ? Rank::kRoot : Rank::kPrefix;
  if (depth == 0) match.path = "/";
  return {};
}

Result<> prepare_grpc(RouteMatch& match) {
  const auto& grpc = *match.grpc;
  if (grpc.service.empty() && grpc.method.empty())
    return fail("found neither service nor method, expected one of them");
  if (grpc.compare == Compare::kRegex) {
    const auto part = [](const std::string& text) { return text.empty() ? "[^/]+" : "(?:" + text + ")"; };
    for (const auto& text : {grpc.service, grpc.method}) FL_CHECK(compile(text));
    match.path = "/" + part(grpc.service) + "/" + part(grpc.method);
    return prepare_regex_path(match, grpc.method.empty()    ? Rank::kGrpcServiceRegex
                                     : grpc.service.empty() ? Rank::kGrpcMethodRegex
                                                            : Rank::kRegex);
  }
  if (grpc.service.contains('/') || grpc.method.contains('/'))
    return fail("found \"" + grpc.service + "\" and \"" + grpc.method + "\", expected names without '/'");
  if (grpc.service.empty()) {
    match.path_kind = PathKind::kGrpcMethod;
    match.path = grpc.method;
    match.rank = Rank::kGrpcMethod;
    return {};
  }
  match.path_kind = grpc.method.empty() ? PathKind::kPrefix : PathKind::kExact;
  match.path = grpc.method.empty() ? "/" + grpc.service : "/" + grpc.service + "/" + grpc.method;
  return prepare_plain_path(match);
}

Result<> prepare_fields(std::vector<FieldMatch>& fields, std::string_view where, bool any_case) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    auto& field = fields[i];
    const auto place = numbered(where, i);
    if (field.name.empty()) return fail(place + ".name: found nothing, expected a name");
    if (any_case) field.name = lower_ascii(field.name);
    if (field.compare == Compare::kExact) continue;
    auto regex = compile(field.value);
    if (!regex) return fail(std::move(regex.error()).in(place + ".value"));
    field.regex = std::move(*regex);
  }
  // Of equivalent names only the first counts (HTTPHeaderMatch.name, HTTPQueryParamMatch.name).
  std::vector<FieldMatch> kept;
  for (auto& field : fields)
    if (std::ranges::find(kept, field.name, &FieldMatch::name) == kept.end()) kept.push_back(std::move(field));
  fields = std::move(kept);
  return {};
}

http::Method method_named(std::string_view text) {
  constexpr std::pair<std::string_view, http::Method> kNames[] = {
      {"GET", http::Method::kGet},         {"HEAD", http::Method::kHead},     {"POST", http::Method::kPost},
      {"PUT", http::Method::kPut},         {"DELETE", http::Method::kDelete}, {"CONNECT", http::Method::kConnect},
      {"OPTIONS", http::Method::kOptions}, {"TRACE", http::Method::kTrace},   {"PATCH", http::Method::kPatch}};
  for (const auto& [name, method] : kNames)
    if (name == text) return method;
  return http::Method::kOther;
}

Result<> prepare_match(RouteMatch& match) {
  auto path = match.grpc                            ? prepare_grpc(match)
              : match.path_kind == PathKind::kRegex ? prepare_regex_path(match, Rank::kRegex)
                                                    : prepare_plain_path(match);
  if (!path) return fail(std::move(path.error()).in(match.grpc ? "method" : "path"));
  match.method_id = method_named(match.method);
  FL_CHECK(prepare_fields(match.headers, "headers", true));
  return prepare_fields(match.queries, "queryParams", false);
}

}  // namespace

int RouteKey::compare(const RouteKey& other) const {
  return ns == other.ns ? name.text().compare(other.name.text()) : text().compare(other.text());
}

Result<RoutePtr> prepare(Route route) {
  constexpr std::size_t kMost = std::numeric_limits<std::uint16_t>::max();
  for (std::size_t i = 0; i < route.hosts.size(); ++i)
    if (!is_hostname(route.hosts[i], true))
      return fail(numbered("hostnames", i) + ": found \"" + route.hosts[i] + "\", expected a host name in lower case");
  std::ranges::sort(route.hosts);
  route.hosts.erase(std::ranges::unique(route.hosts).begin(), route.hosts.end());
  if (route.rules.size() > kMost)
    return fail("rules: found " + std::to_string(route.rules.size()) + ", expected at most " + std::to_string(kMost));
  for (std::size_t i = 0; i < route.rules.size(); ++i) {
    auto& matches = route.rules[i].matches;
    if (matches.empty()) matches.emplace_back();
    if (matches.size() > kMost)
      return fail(numbered("rules", i) + ".matches: found " + std::to_string(matches.size()) + ", expected at most " +
                  std::to_string(kMost));
    for (std::size_t j = 0; j < matches.size(); ++j)
      if (auto done = prepare_match(matches[j]); !done)
        return fail(std::move(done.error()).in(numbered("rules", i) + numbered(".matches", j)));
  }
  return std::make_shared<const Route>(std::move(route));
}

}  // namespace fairlead::route
