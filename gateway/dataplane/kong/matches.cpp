// SPDX-License-Identifier: Apache-2.0
// Kong's order of routes in Gateway API's terms. Where the API's own precedence gives the same first route for every
// request, hosts and paths stand where they are found by hash. Where it does not, the order is in the expressions: all
// routes are for every host, each path is an expression without literal elements, and of those the longer text goes
// first, so that a row of empty alternatives behind it, which no path meets, puts it in its place.
#include <algorithm>
#include <unordered_map>

#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/kong/parts.hpp"
#include "gateway/dataplane/route/candidate.hpp"

namespace fairlead::kong {
namespace {

constexpr std::size_t kMostExpression = 1024;  // HTTPPathMatch.value

std::string quote(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view(R"(\.+*?()|[]{}^$)").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

/// A name with * as its first or last character, or without; `end` is what a * at its end stands for.
std::string name_expression(std::string_view name, std::string_view end) {
  if (name.starts_with('*')) return ".*" + quote(name.substr(1));
  if (name.ends_with('*')) return quote(name.substr(0, name.size() - 1)).append(end);
  return quote(name);
}

/// kong/router/transform.lua: fields that are there, plain hosts, number of headers, expression or not, regex_priority,
/// length of the path. Of equals those with a port go first.
std::uint64_t priority_of(const Route& route, const PathCondition* path) {
  std::uint64_t fields = path != nullptr ? 1 : 0;
  for (const bool given : {!route.methods.empty(), !route.hosts.empty(), !route.headers.empty(), !route.snis.empty()})
    fields += given ? 1 : 0;
  const bool plain = !route.hosts.empty() && std::ranges::none_of(route.hosts, [](const std::string& host) {
    return host.find('*') != std::string::npos;
  });
  std::uint64_t out = fields << 61 | std::uint64_t{plain} << 60;
  out |= std::min<std::uint64_t>(route.headers.size(), 255) << 52;
  if (std::ranges::any_of(route.hosts, [](const std::string& host) { return !parts_of_host(host).second.empty(); }))
    out |= 1;
  if (path == nullptr) return out;
  if (path->regex) return out | std::uint64_t{1} << 51 | std::uint64_t{route.regex_priority} << 19;
  return out | std::min<std::uint64_t>(path->text.size(), 0x3ffff) << 1;
}

/// The path as an expression; its first group is what is replaced by the base.
void set_path(RouteMatch& out, const Route& route, const PathCondition* path, const std::string& base) {
  out.regex = path != nullptr && path->regex;
  const auto text = path == nullptr ? std::string("/") : path->text;
  out.plain = out.regex ? "" : text;
  const bool root = !out.regex && text == "/";
  const bool strip = route.strip_path && !root;
  out.replaces = strip || base != "/";
  if (root) {
    // Without a '/' at the base's end, none is put there for the root.
    if (out.replaces) out.path = base.ends_with('/') ? "().*" : "(/).*";
    return;
  }
  if (out.regex) {
    // Its own groups stand behind one of ours, wherever it is.
    out.path = strip ? "(" + text + ").*" : "()(?:" + text + ").*";
    return;
  }
  if (!out.replaces) out.path = quote(text) + "(.*)";
  else if (!strip) out.path = "()" + quote(text) + ".*";
  else if (text.ends_with('/')) out.path = "(" + quote(text.substr(0, text.size() - 1)) + ")/.*";
  else out.path = "(" + quote(text) + ").*";
}

Json headers_of(Notes& notes, const Route& route) {
  Json out = Json::array();
  for (const auto& header : route.headers) {
    std::string all;
    for (const auto& value : header.values) {
      all += all.empty() ? "" : "|";
      if (!value.starts_with("~*")) {
        all += quote(value);
        continue;
      }
      for (std::size_t i = 2; i < value.size(); ++i)
        if (value[i] >= 'A' && value[i] <= 'Z' && value[i - 1] != '\\') {
          notes.unserved(header.at, "an expression in lower case, as values are compared so");
          break;
        }
      all += "(?:.*(?:" + value.substr(2) + ").*)";
    }
    out.push_back({{"type", "RegularExpression"}, {"name", header.name}, {"value", "(?i)(?:" + all + ")"}});
  }
  if (route.snis.empty()) return out;
  std::string all;  // begins with the empty name: requests without TLS
  for (const auto& name : route.snis) all += "|" + name_expression(name, ".*");
  out.push_back({{"type", "RegularExpression"}, {"name", route::kServerName}, {"value", all}});
  return out;
}

bool hosts_meet(std::string_view a, std::string_view b) {
  const auto [name_a, port_a] = parts_of_host(a);
  const auto [name_b, port_b] = parts_of_host(b);
  if (!port_a.empty() && !port_b.empty() && port_a != port_b) return false;
  a = name_a;
  b = name_b;
  const auto under = [](std::string_view name, std::string_view pattern) {
    if (pattern.starts_with('*')) return name.ends_with(pattern.substr(1));
    if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
    return name == pattern;
  };
  const bool wild_a = a.find('*') != std::string_view::npos, wild_b = b.find('*') != std::string_view::npos;
  if (wild_a && wild_b) {
    if (a.starts_with('*') != b.starts_with('*')) return true;
    return a.starts_with('*') ? a.ends_with(b.substr(1)) || b.ends_with(a.substr(1))
                              : a.starts_with(b.substr(0, b.size() - 1)) || b.starts_with(a.substr(0, a.size() - 1));
  }
  return wild_a ? under(b, a) : under(a, b);
}

/// How Gateway API ranks a host: names, the longer wildcard, every host (where those are that it does not take).
std::size_t host_rank(std::string_view host) {
  constexpr std::size_t kName = 1000;
  if (host.empty() || !is_object_host(host)) return 0;
  return host.starts_with('*') ? host.size() : kName;
}

/// Compares all pairs of matches that may meet in one request. They are found by the beginnings of their paths, of
/// which one has to begin with the other, and by their hosts: a file of thousands of routes has few of them.
class Comparison {
 public:
  Comparison(const File& file, const std::vector<RouteMatch>& matches) : file_(file), matches_(matches) {
    for (const auto& match : matches_) {
      auto& most = most_[match.route];
      most = std::max(most, match.priority);
    }
  }

  bool prepare() {
    for (const auto& match : matches_) {
      route::Route made;
      route::RouteMatch out;
      out.path_kind = match.path.empty() ? route::PathKind::kPrefix : route::PathKind::kRegex;
      out.path = match.path.empty() ? "/" : match.path;
      if (match.match.contains("method")) out.method = match.match["method"].get<std::string>();
      if (match.match.contains("headers"))
        for (const auto& header : match.match["headers"])
          out.headers.push_back({header["name"], header["value"], route::Compare::kRegex, {}});
      made.rules.push_back({{std::move(out)}});
      auto done = route::prepare(std::move(made));
      if (!done) return false;  // said where the object is read
      routes_.push_back(std::move(*done));
    }
    return true;
  }

  [[nodiscard]] bool agrees() {
    sort();
    for (std::size_t place = 0; place < sorted_.size(); ++place) {
      const auto i = sorted_[place];
      // Those behind it that begin with all that it begins with stand side by side.
      const auto behind =
          std::ranges::partition_point(sorted_.begin() + static_cast<std::ptrdiff_t>(place), sorted_.end(),
                                       [&](std::size_t j) { return begin_of(j).starts_with(begin_of(i)); });
      const auto end = static_cast<std::size_t>(behind - sorted_.begin());
      if (is_open(i)) {
        for (auto other = place + 1; other < end; ++other)
          if (!agree(i, sorted_[other])) return false;
        continue;
      }
      if (!agree_all(i, open_, place, end)) return false;
      for (const auto& host : route_of(i).hosts)
        if (!agree_all(i, by_host_.at(host), place, end)) return false;
    }
    return true;
  }

 private:
  void sort() {
    for (std::size_t i = 0; i < matches_.size(); ++i) sorted_.push_back(i);
    std::ranges::sort(sorted_, [&](std::size_t i, std::size_t j) { return begin_of(i) < begin_of(j); });
    for (std::size_t place = 0; place < sorted_.size(); ++place) {
      if (is_open(sorted_[place])) open_.push_back(place);
      else
        for (const auto& host : route_of(sorted_[place]).hosts) by_host_[host].push_back(place);
    }
  }
  /// What every path that it matches begins with.
  [[nodiscard]] const std::string& begin_of(std::size_t i) const {
    return matches_[i].regex ? spec(i).path_regex->literal : matches_[i].plain;
  }
  /// Its hosts may be those of any other.
  [[nodiscard]] bool is_open(std::size_t i) const {
    const auto& hosts = route_of(i).hosts;
    return hosts.empty() ||
           std::ranges::any_of(hosts, [](const auto& host) { return host.find_first_of("*:") != std::string::npos; });
  }
  [[nodiscard]] bool agree(std::size_t i, std::size_t j) const {
    return matches_[i].priority == matches_[j].priority || !meet(i, j) || same_order(i, j);
  }
  /// With those of the places that are between two.
  [[nodiscard]] bool agree_all(std::size_t i, const std::vector<std::size_t>& places, std::size_t after,
                               std::size_t end) const {
    for (auto at = std::ranges::upper_bound(places, after); at != places.end() && *at < end; ++at)
      if (!agree(i, sorted_[*at])) return false;
    return true;
  }

  [[nodiscard]] const Route& route_of(std::size_t i) const { return file_.routes[matches_[i].route]; }
  [[nodiscard]] const route::RouteMatch& spec(std::size_t i) const { return routes_[i]->rules[0].matches[0]; }

  [[nodiscard]] bool meet(std::size_t i, std::size_t j) const {
    if (!spec(i).method.empty() && !spec(j).method.empty() && spec(i).method != spec(j).method) return false;
    return !std::ranges::any_of(route_of(i).headers, [&](const HeaderCondition& a) {
      return std::ranges::any_of(route_of(j).headers, [&](const HeaderCondition& b) { return exclude(a, b); });
    });
  }
  static bool exclude(const HeaderCondition& a, const HeaderCondition& b) {
    return a.name == b.name && std::ranges::none_of(a.values, [&](const std::string& one) {
             return one.starts_with("~*") || std::ranges::any_of(b.values, [&](const std::string& other) {
                      return other.starts_with("~*") || config::lower(one) == config::lower(other);
                    });
           });
  }

  /// For each pair of hosts that one request may have.
  [[nodiscard]] bool same_order(std::size_t i, std::size_t j) const {
    const std::vector<std::string> every{""};
    const auto& left = route_of(i).hosts.empty() ? every : route_of(i).hosts;
    const auto& right = route_of(j).hosts.empty() ? every : route_of(j).hosts;
    const bool first = matches_[i].priority > matches_[j].priority;
    for (const auto& a : left)
      for (const auto& b : right) {
        if (!a.empty() && !b.empty() && !hosts_meet(a, b)) continue;
        const auto rank_a = host_rank(a), rank_b = host_rank(b);
        if (rank_a != rank_b) {
          if ((rank_a > rank_b) != first) return false;
          continue;
        }
        // What is left open there is settled by the time of the objects, which is by priority; but of one object the
        // order of its matches is by priority too.
        const route::Candidate x{.spec = &spec(i), .route = routes_[i].get()},
            y{.spec = &spec(j), .route = routes_[j].get()};
        const auto order = route::compare(x, y);
        const bool open = order.by >= route::Precedence::kAge;
        if (open ? by_time(i, j) != first : (order.sign < 0) != first) return false;
      }
    return true;
  }
  /// Whether the object of i is older, or the same.
  [[nodiscard]] bool by_time(std::size_t i, std::size_t j) const {
    const auto a = matches_[i].route, b = matches_[j].route;
    if (a == b) return matches_[i].priority > matches_[j].priority;
    return most_.at(a) > most_.at(b);
  }

  const File& file_;
  const std::vector<RouteMatch>& matches_;
  std::vector<route::RoutePtr> routes_;
  std::unordered_map<std::size_t, std::uint64_t> most_;  // priorities of routes
  std::vector<std::size_t> sorted_;  // by what their paths begin with
  std::vector<std::size_t> open_;  // places in sorted_
  std::unordered_map<std::string, std::vector<std::size_t>> by_host_;
};

/// Puts the order into the lengths of expressions.
void rank(Notes& notes, const File& file, std::vector<RouteMatch>& matches) {
  std::vector<std::uint64_t> priorities;
  std::size_t longest = 0;
  for (auto& match : matches) {
    if (match.path.empty()) match.path = "/(.*)";
    longest = std::max(longest, match.path.size());
    priorities.push_back(match.priority);
  }
  std::ranges::sort(priorities);
  const auto same = std::ranges::unique(priorities);
  priorities.erase(same.begin(), same.end());
  for (auto& match : matches) {
    const auto place = std::ranges::lower_bound(priorities, match.priority) - priorities.begin();
    const auto length = longest + 1 + static_cast<std::size_t>(place);
    if (length > kMostExpression)
      return notes.unserved(file.routes[match.route].at, "fewer routes whose order is not that of hosts and paths");
    match.path.append(length - match.path.size(), '|');
  }
}

}  // namespace

std::string base_of(const File& file, const Route& route) {
  return route.service ? file.services[*route.service].path : "/";
}

bool is_object_host(std::string_view host) { return config::is_hostname(host, true); }

std::string host_expression(const std::vector<std::string>& hosts, std::initializer_list<std::uint16_t> listening) {
  std::string all;
  for (const auto& host : hosts) {
    const auto [name, port] = parts_of_host(host);
    all += all.empty() ? "" : "|";
    all += name_expression(name, "[^:]*");
    if (port.empty()) {
      all += "(?::[0-9]*)?";
      continue;
    }
    const bool usual = std::ranges::any_of(listening, [&](std::uint16_t one) { return std::to_string(one) == port; });
    all.append(usual ? "(?::" : ":").append(port).append(usual ? ")?" : "");
  }
  return "(?i)(?:" + all + ")";
}

RoutePlan plan_matches(Notes& notes, const File& file) {
  constexpr std::string_view kMethods[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                           "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  RoutePlan plan;
  for (std::size_t i = 0; i < file.routes.size(); ++i) {
    const auto& route = file.routes[i];
    if (route.left_out) continue;
    const auto headers = headers_of(notes, route);
    const auto base = base_of(file, route);
    if (route.joins_as_it_is && base != "/")
      notes.reader().warn(route.joins_as_it_is,
                          "v0 counts, as it does in Kong unless its router_flavor is traditional: a slash parts the "
                          "service's path and what is left of the request's");
    std::vector<const PathCondition*> paths;
    for (const auto& path : route.paths) paths.push_back(&path);
    if (paths.empty()) paths.push_back(nullptr);
    std::vector<std::string> methods = route.methods;
    if (methods.empty()) methods.emplace_back();
    for (const auto* path : paths)
      for (const auto& method : methods) {
        RouteMatch one;
        one.route = i;
        one.priority = priority_of(route, path);
        set_path(one, route, path, base);
        if (!headers.empty()) one.match["headers"] = headers;
        if (std::ranges::find(kMethods, method) != std::end(kMethods)) one.match["method"] = method;
        else if (!method.empty())
          one.match["headers"].push_back(
              {{"type", "RegularExpression"}, {"name", route::kMethodName}, {"value", method}});
        plan.matches.push_back(std::move(one));
      }
  }
  Comparison comparison(file, plan.matches);
  if (!comparison.prepare() || comparison.agrees()) return plan;
  plan.ranked = true;
  rank(notes, file, plan.matches);
  return plan;
}

}  // namespace fairlead::kong
