// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/base/ascii.hpp"
#include "fairlead/cache/control.hpp"
#include "fairlead/http/cookies.hpp"
#include "fairlead/route/forwarded.hpp"
#include "fairlead/route/query.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"
#include "gateway/dataplane/filter/cache_core.hpp"

namespace fairlead::filter {
namespace {

/// Fields by which clients may tell a backend another method, host, path or scheme than they ask us for. They are part
/// of each key, so that what a backend makes of them reaches only those who send the same. "x_original_url" is one of
/// them for what goes by CGI's rules.
bool overrides_target(std::string_view name) {
  if (name.size() < 2 || (name[1] != '-' && name[1] != '_' && name[0] != 'f')) return false;
  constexpr std::string_view kNames[] = {
      "x-forwarded-host",   "x-forwarded-proto", "x-forwarded-port",       "x-forwarded-scheme", "x-forwarded-prefix",
      "x-forwarded-server", "x-forwarded-uri",   "x-forwarded-method",     "x-forwarded-ssl",    "x-host",
      "x-http-host",        "x-original-host",   "x-original-url",         "x-original-uri",     "x-rewrite-url",
      "x-http-method",      "x-method-override", "x-http-method-override", "x-url-scheme",       "x-http-host-override",
      "x-forwarded-path",   "front-end-https"};
  return std::ranges::any_of(kNames, [&](std::string_view one) { return same_header(name, one); });
}

/// What backends are told of who asked, where it says no more than the URL and the listener.
bool is_own(const http::Field& field, Request& request) {
  const auto& head = request.head();
  if (field.name == "x-forwarded-host") return field.value == head.authority;
  if (field.name == "x-forwarded-proto") return field.value == head.scheme;
  return field.name == "x-forwarded-port" && field.value == std::to_string(request.record().local.port);
}

/// ":8080" where the client named a port: backends put it into links.
std::string_view port_of(std::string_view authority) {
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.find(']', colon) != std::string_view::npos) return {};
  return authority.substr(colon);
}

bool names_parameter(const std::vector<std::string>& names, std::string_view pair) {
  const auto name = pair.substr(0, pair.find('='));
  return std::ranges::any_of(names, [&](const std::string& one) { return route::query_equals(name, one); });
}

bool is_keyed(std::string_view pair, const model::CacheKey& settings) {
  if (settings.query_include) return names_parameter(*settings.query_include, pair);
  return !names_parameter(settings.query_exclude, pair);
}

bool all_keyed(const model::CacheKey& settings) { return !settings.query_include && settings.query_exclude.empty(); }

/// In the order that the client chose, as backends may go by it.
void append_keyed(std::string_view query, const model::CacheKey& settings, std::string& out) {
  char separator = '?';
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (!is_keyed(pair, settings)) continue;
    out += separator;
    out += pair;
    separator = '&';
  }
}

void append_fields(Request& request, const model::CacheKey& settings, std::string& out) {
  const auto& fields = request.head().fields;
  for (const auto& field : fields) {
    const bool keyed = (overrides_target(field.name) && !is_own(field, request)) ||
                       std::ranges::find(settings.headers, field.name) != settings.headers.end();
    if (keyed) out.append("\n").append(field.name).append("=").append(field.value);
    if (field.name != "forwarded") continue;
    // Its addresses differ with each client; what it says of host and scheme may decide on links.
    auto text = field.value;
    route::ForwardedElement element;
    while (!text.empty() && route::next_forwarded(text, element))
      out.append("\nforwarded=").append(element.host).append(";").append(element.proto);
    if (!text.empty()) out.append("\nforwarded?").append(text);
  }
  if (settings.cookies.empty()) return;
  http::for_each_cookie(fields, [&](const http::Cookie& cookie) {
    if (std::ranges::find(settings.cookies, cookie.name) != settings.cookies.end())
      out.append("\n;").append(cookie.pair);
  });
}

/// So that no two callers have one text: a token's subject is its issuer's word, and several may be of one consumer.
void append_caller(const Identity& who, std::string& out) {
  if (who.consumer != nullptr) out.append("\n@").append(who.consumer->name());
  if (!who.authenticated || (who.consumer != nullptr && who.claims.empty())) return;
  out.append("\n@@").append(std::to_string(who.credential.size())).append(":").append(who.credential);
  out.append("\n").append(who.subject);
}

}  // namespace

std::string& key_scratch() {
  thread_local std::string text;
  text.clear();
  return text;
}

std::string& vary_scratch() {
  thread_local std::string text;
  text.clear();
  return text;
}

void append_url(Request& request, const model::CacheKey& settings, std::string& out) {
  const auto& head = request.head();
  const auto& target = request.target();
  out.append(head.scheme).append("://").append(request.host()).append(port_of(head.authority)).append(target.path);
  append_query(target, settings, out);
}

void append_query(const route::Target& target, const model::CacheKey& settings, std::string& out) {
  if (!all_keyed(settings)) append_keyed(target.query, settings, out);
  else if (target.has_query) out.append("?").append(target.query);
}

cache::Key make_key(Request& request, const CacheCore& core, std::string& out) {
  const auto& settings = core.settings.key;
  append_url(request, settings, out);
  cache::Key key;
  key.url_size = out.size();
  // Two rules may serve one URL from different backends, by a header for instance.
  out.append("\n").append(request.route_name()).append("/").append(request.rule_name());
  if (request.canary()) out.append("\n#canary");
  append_fields(request, settings, out);
  if (settings.consumer) append_caller(request.identity(), out);
  key.text = out;
  core.store->hash(key);
  return key;
}

cache::Key make_settings_key(Request& request, const CacheCore& core, std::string& out) {
  const auto& settings = core.settings.key;
  const auto& head = request.head();
  const auto& target = request.target();
  out.append(head.scheme).append("://").append(request.host()).append(port_of(head.authority));
  if (settings.ignore_case) out += lower_ascii(target.path);
  else out += target.path;
  std::vector<std::string_view> pairs;
  for (auto rest = target.query; !rest.empty();) {
    const auto pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (is_keyed(pair, settings)) pairs.push_back(pair);
  }
  std::ranges::sort(pairs);
  for (const auto pair : pairs) out.append(pair.data() == pairs.front().data() ? "?" : "&").append(pair);
  cache::Key key;
  key.url_size = out.size();
  out.append("\n").append(head.method_text).append(" ");
  out.append(request.route_name()).append("/").append(request.rule_name());
  if (request.canary()) out.append("\n#canary");
  append_fields(request, settings, out);
  const auto& who = request.identity();
  if (settings.consumer && who.consumer != nullptr) out.append("\n@").append(who.consumer->name());
  key.text = out;
  core.store->hash(key);
  return key;
}

void strip_query(Request& request, const model::CacheKey& settings) {
  if (all_keyed(settings)) return;
  auto& target = request.target();
  if (!target.has_query) return;
  std::string kept;
  append_keyed(target.query, settings, kept);
  if (kept.size() == target.query.size() + 1) return;
  target.has_query = !kept.empty();
  target.path = request.arena().copy(target.path);  // apart from what was sent, so that the target is written anew
  target.query = kept.empty() ? std::string_view() : request.arena().copy(std::string_view(kept).substr(1));
}

bool has_other_cookies(const http::Fields& fields, const model::CacheKey& settings) {
  bool other = false;
  http::for_each_cookie(fields, [&](const http::Cookie& cookie) {
    other = other || std::ranges::find(settings.cookies, cookie.name) == settings.cookies.end();
  });
  return other;
}

}  // namespace fairlead::filter
