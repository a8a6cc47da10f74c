// SPDX-License-Identifier: Apache-2.0
// Where a request would go, and which field made each other candidate lose.
#include <algorithm>
#include <deque>

#include "fairlead/route/authority.hpp"
#include "fairlead/route/explain.hpp"
#include "fairlead/route/path.hpp"
#include "gateway/admin_json.hpp"

namespace fairlead::gateway {
namespace {

constexpr std::size_t kMostCandidates = 100;

/// What a question says, taken apart and made normal; texts live as long as it does.
struct Asked {
  Arena arena;
  std::deque<std::string> texts;
  http::RequestHead head;
  route::Target target;
  route::Authority authority;
  std::string_view scheme;  // empty: not said
  std::uint16_t port = 0;   // 0: not said
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Result<> take_url(std::string_view url, Asked& into) {
  if (const auto end = url.find("://"); end != std::string_view::npos) {
    into.scheme = into.texts.emplace_back(lower(url.substr(0, end)));
    if (into.scheme != "http" && into.scheme != "https")
      return fail("URL: found scheme " + std::string(into.scheme) + ", expected http or https");
    url.remove_prefix(end + 3);
  }
  url = url.substr(0, url.find('#'));
  const auto path = std::min(url.find_first_of("/?"), url.size());
  into.head.authority = into.texts.emplace_back(url.substr(0, path));
  auto target = std::string(url.substr(path));
  if (!target.starts_with('/')) target.insert(0, "/");
  into.head.target = into.texts.emplace_back(std::move(target));
  return {};
}

Result<> take_headers(std::string_view lines, Asked& into) {
  while (!lines.empty()) {
    const auto end = std::min(lines.find('\n'), lines.size());
    const auto line = trimmed(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.empty()) continue;
    const auto colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos)
      return fail("header: found \"" + std::string(line) + "\", expected \"Name: value\"");
    const std::string_view name = into.texts.emplace_back(lower(trimmed(line.substr(0, colon))));
    const std::string_view value = into.texts.emplace_back(trimmed(line.substr(colon + 1)));
    if (name == "host") into.head.authority = value;
    else into.head.fields.push_back({name, value});
  }
  return {};
}

Result<> take(const Question& question, Asked& into) {
  into.head.method_text = into.texts.emplace_back(question.method);
  into.head.method = http::method_of(into.head.method_text);
  FL_CHECK(take_url(question.url, into));
  if (!into.head.authority.empty()) {
    route::Authority of_url;
    if (route::parse_authority(into.head.authority, into.arena, of_url) == route::AuthorityError::kNone)
      into.port = of_url.port;
  }
  FL_CHECK(take_headers(question.headers, into));
  if (into.head.authority.empty()) return {};
  const auto wrong = route::parse_authority(into.head.authority, into.arena, into.authority);
  if (wrong != route::AuthorityError::kNone)
    return fail("host: found \"" + std::string(into.head.authority) + "\": " + std::string(route::name_of(wrong)));
  return {};
}

bool listens_at(const proxy::ListenerSpec& listener, std::uint16_t port) {
  return std::ranges::any_of(listener.addresses, [&](const auto& at) { return at.endpoint().port == port; });
}

/// Listeners that may take the request: by the URL's scheme and port, where it has them.
std::vector<const proxy::ListenerSpec*> listeners_for(const proxy::Snapshot& snapshot, const Asked& asked) {
  std::vector<const proxy::ListenerSpec*> out;
  for (const auto& listener : snapshot.listeners) {
    const bool tls = listener->kind == proxy::ListenerKind::kHttps;
    if (!asked.scheme.empty() && tls != (asked.scheme == "https")) continue;
    if (asked.port == 0 || listens_at(*listener, asked.port)) out.push_back(listener.get());
  }
  // Without a port the scheme's own is meant, where somebody listens there.
  const auto is_default = [](const auto* listener) {
    return listens_at(*listener, listener->kind == proxy::ListenerKind::kHttps ? 443 : 80);
  };
  if (asked.port == 0) std::ranges::stable_partition(out, is_default);
  return out;
}

std::string name_of(const route::Route& route) {
  return route.data == nullptr ? "(404: the host is another listener's)"
                               : static_cast<const proxy::RouteAction*>(route.data.get())->name;
}

Json verdict_json(const route::Verdict& verdict) {
  const auto& match = verdict.route->rules[verdict.rule].matches[verdict.match];
  Json out{{"route", name_of(*verdict.route)},
           {"rule", verdict.rule},
           {"match", verdict.match},
           {"host", verdict.host},
           {"result", verdict.won   ? "taken"
                      : verdict.met ? "beaten"
                                    : "no match"},
           {"asks", match_json(match, verdict.route->grpc)}};
  if (verdict.won) return out;
  const auto space = verdict.field.find(' ');
  const bool of_field = verdict.field.starts_with("header ") || verdict.field.starts_with("query ");
  const auto name = of_field ? verdict.field.substr(space + 1) : std::string();
  out["field"] = verdict.field;
  out["found"] = verdict.found;
  out["expected"] = of_field ? shown_value(name, verdict.expected) : verdict.expected;
  return out;
}

template <class Filter>
const Filter* find_filter(const model::HttpFilters* filters) {
  if (filters == nullptr) return nullptr;
  for (const auto& filter : *filters)
    if (const auto* found = std::get_if<Filter>(&filter)) return found;
  return nullptr;
}

/// What the rule itself answers; 0: what a backend says.
int own_status(const proxy::RuleAction& action) {
  if (action.unserved) return 500;
  if (const auto* redirect = find_filter<model::RequestRedirect>(action.filters)) return redirect->status_code;
  const auto usable = [](const auto& backend) {
    return backend.weight > 0 && backend.cluster != proxy::WeightedBackend::kInvalid;
  };
  return std::ranges::any_of(action.backends, usable) ? 0 : 500;
}

void add_endpoints(const proxy::Snapshot& snapshot, Json& backends) {
  for (auto& backend : backends) {
    Json endpoints = Json::array();
    for (const auto& cluster : snapshot.clusters) {
      if (cluster == nullptr || backend["cluster"] != cluster->name) continue;
      for (const auto& endpoint : cluster->endpoints)
        endpoints.push_back({{"address", net::SocketAddress(endpoint.address).text()},
                             {"ready", endpoint.ready && !endpoint.draining}});
    }
    backend["endpoints"] = std::move(endpoints);
  }
}

/// The filters of policies in the order in which the request meets them, each with its policy and the level at which
/// that is attached: of several the most special one, as at run time. Consumers' come behind who that is.
Json chain_json(const proxy::RouteAction& route, const proxy::RuleAction& action) {
  const filter::Chain* backend = action.backends.size() == 1 ? action.backends[0].chain.get() : nullptr;
  const std::pair<const char*, const filter::Chain*> levels[] = {
      {"backend", backend}, {"rule", action.chain.get()}, {"listener", route.chain.get()}};
  Json out = Json::array();
  for (std::size_t i = 0; i < filter::kSlots; ++i)
    for (const auto& [name, chain] : levels) {
      if (chain == nullptr || chain->filters[i] == nullptr) continue;
      out.push_back({{"filter", filter::slot_name(static_cast<filter::Slot>(i))},
                     {"policy", chain->origins[i]},
                     {"level", name}});
      break;
    }
  return out;
}

void say_result(const proxy::Snapshot& snapshot, const route::Match& match, Json& out) {
  if (!match || match.route->data == nullptr) {
    out["result"] = "404: no route matches";
    out["status"] = 404;
    return;
  }
  const auto& all = *static_cast<const proxy::RouteAction*>(match.route->data.get());
  const auto& action = all.rules[match.rule];
  out["route"] = name_of(*match.route);
  out["rule"] = match.rule;
  out["match"] = match.match;
  out["host"] = match.host;
  add_action(action, snapshot, out);
  add_endpoints(snapshot, out["backends"]);
  if (auto chain = chain_json(all, action); !chain.empty()) out["policies"] = std::move(chain);
  const int status = own_status(action);
  out["status"] = status == 0 ? Json() : Json(status);
  if (status == 0) out["result"] = "to a backend of " + name_of(*match.route);
  else if (status == 500) out["result"] = "500: the rule has no valid backend, or a filter that is not served";
  else out["result"] = std::to_string(status) + ": a redirect by " + name_of(*match.route);
}

Json request_json(const Asked& asked) {
  return {{"method", asked.head.method_text},
          {"host", asked.authority.host},
          {"path", asked.target.path},
          {"query", asked.target.query}};
}

}  // namespace

Result<Json> why_json(const proxy::Snapshot& snapshot, const Question& question) {
  Asked asked;
  FL_CHECK(take(question, asked));
  const auto listeners = listeners_for(snapshot, asked);
  if (listeners.empty()) {
    std::string all;
    for (const auto& listener : snapshot.listeners)
      for (const auto& address : listener->addresses)
        all += (all.empty() ? "" : ", ") +
               std::string(listener->kind == proxy::ListenerKind::kHttps ? "https" : "http") + "://" + address.text();
    return fail("no listener has the URL's scheme and port; found: " + (all.empty() ? "none" : all));
  }
  const proxy::ListenerSpec* chosen = nullptr;
  route::Match match;
  for (const auto* listener : listeners) {
    const auto wrong = route::parse_target(asked.head.target, listener->limits->paths, asked.arena, asked.target);
    if (wrong != route::PathError::kNone)
      return fail("path: found \"" + std::string(asked.head.target) + "\": " + std::string(route::name_of(wrong)) +
                  ": 400");
    asked.head.scheme = listener->kind == proxy::ListenerKind::kHttps ? "https" : "http";
    const auto found =
        listener->router->match({asked.authority.host, asked.target.path, asked.target.query, &asked.head});
    if (chosen != nullptr && !found) continue;
    chosen = listener;
    match = found;
    if (found) break;
  }
  Json out{{"request", request_json(asked)}, {"listener", listener_json(*chosen)}};
  say_result(snapshot, match, out);
  Json candidates = Json::array();
  const route::Request request{asked.authority.host, asked.target.path, asked.target.query, &asked.head};
  for (const auto& verdict : route::explain(*chosen->router, request, kMostCandidates))
    candidates.push_back(verdict_json(verdict));
  out["candidates"] = std::move(candidates);
  return out;
}

}  // namespace fairlead::gateway
