// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/explain.hpp"

#include <re2/re2.h>

#include <algorithm>

#include "fairlead/route/authority.hpp"
#include "fairlead/route/path.hpp"
#include "host_router.hpp"

namespace fairlead::route {
namespace {

struct Ranked {
  Verdict verdict;
  const Candidate* candidate = nullptr;
  int progress = 0;  // how many kinds of condition hold
  std::string_view asked;  // what the route asks for where the listener has narrowed it
};

bool path_met(const RouteMatch& match, std::string_view path) {
  switch (match.path_kind) {
    case PathKind::kExact: return path == match.path;
    case PathKind::kPrefix: return has_path_prefix(path, match.path);
    case PathKind::kRegex:
      return re2::RE2::FullMatch(re2::StringPiece(path.data(), path.size()), *match.path_regex->regex);
    case PathKind::kGrpcMethod: {
      const auto slash = path.rfind('/');
      return slash != 0 && path.find('/', 1) == slash && path.substr(slash + 1) == match.path;
    }
  }
  return false;
}

std::string path_text(const RouteMatch& match) {
  switch (match.path_kind) {
    case PathKind::kExact: return "exactly " + match.path;
    case PathKind::kPrefix: return "prefix " + match.path;
    case PathKind::kRegex: return "expression " + match.path;
    case PathKind::kGrpcMethod: return "method " + match.path + " of any service";
  }
  return {};
}

std::string field_text(const FieldMatch& field) {
  return (field.compare == Compare::kRegex ? "expression " : "") + field.value;
}

void say(Verdict& verdict, std::string field, std::string_view found, std::string expected) {
  verdict.field = std::move(field);
  verdict.found = found;
  verdict.expected = std::move(expected);
}

/// Fills in the first condition that does not hold; answers how many kinds of condition do.
int judge_conditions(Verdict& verdict, const Candidate& candidate, const Request& request) {
  const auto& spec = *candidate.spec;
  const auto unmet = first_unmet(spec, candidate.route->grpc, request);
  switch (unmet.condition) {
    case Condition::kNone: verdict.met = true; return 6;
    case Condition::kGrpc:
      say(verdict, "content-type", field_value(request, "content-type").value_or("none"), "a POST of application/grpc");
      return 2;
    case Condition::kMethod: say(verdict, "method", request.head->method_text, spec.method); return 3;
    case Condition::kHeader: {
      const auto& field = spec.headers[unmet.index];
      say(verdict, "header " + field.name, field_value(request, field.name).value_or("none"), field_text(field));
      return 4;
    }
    case Condition::kQuery: {
      const auto& field = spec.queries[unmet.index];
      say(verdict, "query " + field.name, query_value(request.query, field.name).value_or("none"), field_text(field));
      return 5;
    }
  }
  return 0;
}

Ranked judge(const HostRouter& host, const Candidate& candidate, const Request& request) {
  Ranked ranked{
      {candidate.route, candidate.rule, candidate.match, std::string(host.pattern()), false, false, {}, {}, {}},
      &candidate,
      0,
      host.asked()};
  if (!host_matches(host.pattern(), request.host)) {
    say(ranked.verdict, "host", request.host, std::string(host.pattern()));
  } else if (!path_met(*candidate.spec, request.path)) {
    say(ranked.verdict, "path", request.path, path_text(*candidate.spec));
    ranked.progress = 1;
  } else {
    ranked.progress = judge_conditions(ranked.verdict, candidate, request);
  }
  return ranked;
}

/// Exact names before wildcards, then more characters (HTTPRouteSpec.hostnames).
int compare_hosts(std::string_view a, std::string_view b) {
  const auto key = [](std::string_view host) { return std::pair(host.starts_with('*') || host.empty(), ~host.size()); };
  return key(a) == key(b) ? a.compare(b) : key(a) < key(b) ? -1 : 1;
}

Order compare_ranked(const Ranked& a, const Ranked& b) {
  if (const int sign = compare_hosts(a.verdict.host, b.verdict.host)) return {sign, Precedence::kHost};
  if (const int sign = compare_hosts(a.asked, b.asked)) return {sign, Precedence::kAsked};
  return compare(*a.candidate, *b.candidate);
}

std::string value_of(const Ranked& ranked, Precedence by) {
  const auto& spec = *ranked.candidate->spec;
  switch (by) {
    case Precedence::kHost: return ranked.verdict.host.empty() ? "every host" : ranked.verdict.host;
    case Precedence::kAsked: return ranked.asked.empty() ? "every host" : std::string(ranked.asked);
    case Precedence::kPath: return path_text(spec);
    case Precedence::kPathLength: return std::to_string(spec.path.size());
    case Precedence::kMethod: return spec.method.empty() ? "none" : spec.method;
    case Precedence::kHeaders: return std::to_string(spec.headers.size());
    case Precedence::kQueries: return std::to_string(spec.queries.size());
    case Precedence::kAge: return std::to_string(ranked.candidate->route->created);
    case Precedence::kName: return ranked.candidate->route->key.text();
    case Precedence::kOrder:
      return "rules[" + std::to_string(ranked.verdict.rule) + "].matches[" + std::to_string(ranked.verdict.match) + "]";
  }
  return {};
}

std::string_view name_of(Precedence by) {
  switch (by) {
    case Precedence::kHost: return "hostname";
    case Precedence::kAsked: return "hostname in the route";
    case Precedence::kPath: return "path kind";
    case Precedence::kPathLength: return "path length";
    case Precedence::kMethod: return "has a method";
    case Precedence::kHeaders: return "number of headers";
    case Precedence::kQueries: return "number of query parameters";
    case Precedence::kAge: return "age";
    case Precedence::kName: return "namespace/name";
    case Precedence::kOrder: return "order of rules";
  }
  return "";
}

}  // namespace

std::vector<Verdict> explain(const Router& router, const Request& request, std::size_t limit) {
  std::vector<Ranked> all;
  for (const auto& first : router.host_routers())
    for (const auto* host = first.get(); host != nullptr; host = host->wider())
      for (const auto& candidate : host->candidates()) all.push_back(judge(*host, candidate, request));
  std::ranges::sort(all, [](const Ranked& a, const Ranked& b) {
    if (a.progress != b.progress) return a.progress > b.progress;
    return compare_ranked(a, b).sign < 0;
  });
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < std::min(limit, all.size()); ++i) {
    auto& ranked = all[i];
    if (ranked.verdict.met && i == 0) ranked.verdict.won = true;
    if (ranked.verdict.met && i > 0) {
      const auto by = compare_ranked(all[0], ranked).by;
      say(ranked.verdict, std::string(name_of(by)), value_of(all[0], by), value_of(ranked, by));
    }
    verdicts.push_back(ranked.verdict);
  }
  return verdicts;
}

}  // namespace fairlead::route
