// SPDX-License-Identifier: Apache-2.0
// Where a request would go, and which field made each other candidate lose.
#include <algorithm>
#include <charconv>
#include <deque>

#include "fairlead/filter/probe.hpp"
#include "fairlead/model/find_filter.hpp"
#include "fairlead/route/authority.hpp"
#include "fairlead/route/cors.hpp"
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
  Address client;
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

Result<> take_length(std::string_view text, http::RequestHead& head) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), head.content_length);
  if (error != std::errc{} || end != text.data() + text.size())
    return fail("content-length: found \"" + std::string(text) + "\", expected a number");
  head.body = head.content_length == 0 ? http::Body::kNone : http::Body::kLength;
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
    if (name == "content-length") FL_CHECK(take_length(value, into.head));
    if (name == "transfer-encoding") into.head.body = http::Body::kStream;
  }
  return {};
}

Result<> take_client(const std::string& text, Asked& into) {
  const auto address = Address::parse(text.empty() ? "127.0.0.1" : text);
  if (!address) return fail("client: found \"" + text + "\", expected an IP address");
  into.client = *address;
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
  FL_CHECK(take_client(question.client, into));
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
    if (listener->router == nullptr) continue;  // passes on what it does not read
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

struct Own {
  int status = 0;  // 0: what a backend says
  std::string why{};
};

/// Whether nobody can be asked, as no endpoint is ready. Those of names come and go.
bool is_empty(const proxy::Snapshot& snapshot, const proxy::WeightedBackend& backend) {
  const auto& cluster = snapshot.clusters[backend.cluster];
  return cluster != nullptr && cluster->dns.empty() &&
         std::ranges::none_of(cluster->endpoints, [](const auto& endpoint) { return endpoint.ready; });
}

Own of_backends(const proxy::Snapshot& snapshot, const proxy::RuleAction& action, bool canary) {
  std::vector<const proxy::WeightedBackend*> usable;
  const auto add = [&](const proxy::WeightedBackend& backend) {
    if (backend.weight > 0 && backend.cluster != proxy::WeightedBackend::kInvalid) usable.push_back(&backend);
  };
  if (canary) add(*action.extras->canary);
  else std::ranges::for_each(action.backends, add);
  if (usable.empty()) return {500, "the rule has no valid backend"};
  if (std::ranges::all_of(usable, [&](const auto* backend) { return is_empty(snapshot, *backend); }))
    return {503, "no endpoint of its backends is ready"};
  return {};
}

/// What the rule itself answers. `canary`: its canary has the request.
Own own_answer(const proxy::Snapshot& snapshot, Asked& asked, const route::Match& match,
               const proxy::RuleAction& action, bool canary) {
  if (action.unserved) return {500, "the rule has a filter that is not served"};
  if (const auto* cors = model::find_filter<model::Cors>(action.filters);
      cors != nullptr && route::is_preflight(asked.head))
    return {route::answer_preflight(*cors, asked.head, asked.arena).status,
            "CORS of " + name_of(*match.route) + " answers the preflight"};
  if (const auto* redirect = model::find_filter<model::RequestRedirect>(action.filters))
    return {redirect->status_code, "a redirect by " + name_of(*match.route)};
  return of_backends(snapshot, action, canary);
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

const filter::Chain* consumer_chain(const proxy::Snapshot& snapshot, const filter::Identity& identity) {
  if (snapshot.consumers == nullptr || identity.consumer == nullptr) return nullptr;
  const auto found =
      snapshot.consumers->find(std::string(identity.consumer_ns).append("/").append(identity.consumer->name()));
  return found == snapshot.consumers->end() ? nullptr : found->second.get();
}

/// What the filter says; nothing of an earlier one's answer, behind which nobody is asked.
void add_verdict(const filter::Filter& filter, filter::Probe& probe, bool& answered, Json& row) {
  using Kind = filter::Preview::Kind;
  if (answered) {
    row["verdict"] = "not reached";
    return;
  }
  const auto preview = filter.preview(probe);
  probe.next();
  answered = preview.kind == Kind::kAnswers;
  row["verdict"] = answered ? "answers" : preview.kind == Kind::kPasses ? "passes" : "depends";
  if (answered) row["status"] = preview.status;
  if (!preview.why.empty()) row["why"] = preview.why;
}

/// The filters of policies in the order in which the request meets them, each with its policy, the level at which that
/// is attached (of several the most special one, as at run time) and what it would say to this request.
Json chain_json(const proxy::Snapshot& snapshot, const proxy::RouteAction& route, const proxy::RuleAction& action,
                filter::Probe& probe) {
  const filter::Chain* backend = action.backends.size() == 1 ? action.backends[0].chain.get() : nullptr;
  std::pair<const char*, const filter::Chain*> levels[] = {
      {"consumer", nullptr},          {"consumer at backend", nullptr},
      {"consumer at rule", nullptr},  {"consumer at listener", nullptr},
      {"backend", backend},           {"rule", action.chain.get()},
      {"listener", route.chain.get()}};
  constexpr std::size_t kOverlays = 1, kLevels = 4;  // where overlays stand, and what they are laid over
  const auto lay_over = [&] {
    for (std::size_t level = 0; level < kLevels - kOverlays; ++level)
      if (const auto* chain = levels[kLevels + level].second; chain != nullptr)
        levels[kOverlays + level].second = filter::overlay_of(*chain, probe.identity());
  };
  Json out = Json::array();
  bool answered = false;
  for (std::size_t i = 0; i < filter::kSlots; ++i) {
    for (const auto& [name, chain] : levels) {
      if (chain == nullptr || chain->filters[i] == nullptr) continue;
      Json row{
          {"filter", filter::slot_name(static_cast<filter::Slot>(i))}, {"policy", chain->origins[i]}, {"level", name}};
      add_verdict(*chain->filters[i], probe, answered, row);
      out.push_back(std::move(row));
      break;
    }
    // As at run time: of a consumer's own only what comes behind his being known counts.
    if (i == static_cast<std::size_t>(filter::Slot::kAuthentication)) {
      levels[0].second = consumer_chain(snapshot, probe.identity());
      lay_over();
    }
    if (i == static_cast<std::size_t>(filter::Slot::kCanary) && probe.canary() && action.extras->canary != nullptr) {
      levels[kLevels].second = action.extras->canary->chain.get();
      lay_over();
    }
  }
  return out;
}

/// The status that a filter would answer with; 0: none does.
int answer_of(const Json& chain) {
  for (const auto& row : chain)
    if (row.contains("status")) return row["status"].get<int>();
  return 0;
}

Result<> say_result(const proxy::Snapshot& snapshot, Asked& asked, const route::Match& match, Json& out) {
  if (!match || match.route->data == nullptr) {
    out["result"] = "404: no route matches";
    out["status"] = 404;
    return {};
  }
  const auto& all = *static_cast<const proxy::RouteAction*>(match.route->data.get());
  const auto& action = all.rules[match.rule];
  out["route"] = name_of(*match.route);
  out["rule"] = match.rule;
  out["match"] = match.match;
  out["host"] = match.host;
  add_action(action, snapshot, out);
  add_endpoints(snapshot, out["backends"]);
  FL_TRY(const auto probe, filter::Probe::create({.head = asked.head,
                                                  .host = asked.authority.host,
                                                  .target = asked.target,
                                                  .client = asked.client,
                                                  .route = all.name,
                                                  .rule = action.name}));
  auto chain = chain_json(snapshot, all, action, *probe);
  const int by_policy = answer_of(chain);
  if (!chain.empty()) out["policies"] = std::move(chain);
  const bool canary = probe->canary() && action.extras->canary != nullptr;
  auto own = own_answer(snapshot, asked, match, action, canary);
  if (own.status == 503 && by_policy != 0) own = {};  // before a backend is looked for
  const int status = own.status == 0 ? by_policy : own.status;
  out["status"] = status == 0 ? Json() : Json(status);
  if (own.status != 0) out["result"] = std::to_string(own.status) + ": " + own.why;
  else if (by_policy != 0) out["result"] = std::to_string(by_policy) + ": a policy answers";
  else out["result"] = (canary ? "to the canary of " : "to a backend of ") + name_of(*match.route);
  return {};
}

Json request_json(const Asked& asked) {
  return {{"method", asked.head.method_text},
          {"host", asked.authority.host},
          {"path", asked.target.path},
          {"client", asked.client.text()},
          {"query", asked.target.query}};
}

/// Clients of TLS are thought to ask for the request's host.
route::Request request_of(const Asked& asked) {
  const bool tls = asked.head.scheme == "https";
  return {asked.authority.host, asked.target.path, asked.target.query, &asked.head, tls ? asked.authority.host : ""};
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
        all += (all.empty() ? "" : ", ") + std::string(proxy::scheme_of(listener->kind)) + "://" + address.text();
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
    const auto found = listener->router->match(request_of(asked));
    if (chosen != nullptr && !found) continue;
    chosen = listener;
    match = found;
    if (found) break;
  }
  Json out{{"request", request_json(asked)}, {"listener", listener_json(*chosen)}};
  FL_CHECK(say_result(snapshot, asked, match, out));
  Json candidates = Json::array();
  for (const auto& verdict : route::explain(*chosen->router, request_of(asked), kMostCandidates))
    candidates.push_back(verdict_json(verdict));
  out["candidates"] = std::move(candidates);
  return out;
}

}  // namespace fairlead::gateway
