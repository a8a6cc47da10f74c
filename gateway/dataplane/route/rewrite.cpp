// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/rewrite.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <initializer_list>

namespace fairlead::route {
namespace {

std::string_view join(std::initializer_list<std::string_view> parts, Arena& arena) {
  std::size_t size = 0;
  for (const auto part : parts) size += part.size();
  char* at = arena.allocate(size);
  const char* begin = at;
  for (const auto part : parts) {
    std::ranges::copy(part, at);
    at += part.size();
  }
  return {begin, size};
}

/// "example.com" of "example.com:80", "[::1]" of "[::1]:80".
std::string_view host_of(std::string_view authority) {
  const auto behind = authority.starts_with('[') ? authority.find(']') : 0;
  return authority.substr(0, authority.find(':', behind == std::string_view::npos ? 0 : behind));
}

/// A normal path has no `?`, so where there is one, a filter has put it there: its query comes first.
std::string_view full(std::string_view path, const Target& target, Arena& arena) {
  const bool more = path.find('?') != std::string_view::npos;
  if (!target.has_query || (more && target.query.empty())) return path;
  return join({path, more ? "&" : "?", target.query}, arena);
}

/// The rest of an element that a group has ended within. A normal path has no element . or .., but "/a../b" has such a
/// rest behind "/a", which would lead out of what the replacement names.
std::string_view without_dots(std::string_view rest) {
  for (const std::string_view dots : {"..", "."}) {
    if (!rest.starts_with(dots)) continue;
    if (rest.size() == dots.size()) return {};
    if (rest[dots.size()] == '/') return rest.substr(dots.size() + 1);
  }
  return rest;
}

void set_field(http::Fields& fields, std::string_view name, std::string_view value) {
  auto found = std::ranges::find(fields, name, &http::Field::name);
  if (found == fields.end()) {
    fields.push_back({name, value});
    return;
  }
  found->value = value;
  const auto rest =
      std::remove_if(found + 1, fields.end(), [&](const http::Field& field) { return field.name == name; });
  fields.erase(rest, fields.end());
}

}  // namespace

std::string_view modified_path(const model::PathModifier& modifier, std::string_view path, std::string_view prefix,
                               Arena& arena) {
  std::string_view replacement = modifier.value;
  if (modifier.type == model::PathModifier::Type::kReplaceFullPath) {
    if (replacement.starts_with('/')) return replacement;
    return join({"/", replacement}, arena);
  }
  // A slash at the end stays there, also where an expression's group has matched it.
  const bool slashed = path.ends_with('/') && (path.size() > 1 || replacement.ends_with('/'));
  while (replacement.ends_with('/')) replacement.remove_suffix(1);
  auto rest = without_dots(path.substr(std::min(prefix.size(), path.size())));
  if (rest.empty() && slashed) rest = "/";
  // What an expression's group has matched may end within an element.
  const std::string_view slash = rest.empty() || rest.starts_with('/') ? "" : "/";
  if (replacement.empty()) return rest.empty() ? "/" : slash.empty() ? rest : join({slash, rest}, arena);
  if (replacement.starts_with('/')) return rest.empty() ? replacement : join({replacement, slash, rest}, arena);
  return join({"/", replacement, slash, rest}, arena);
}

void rewrite(const model::UrlRewrite* filter, const Target& target, std::string_view prefix, http::RequestHead& head,
             Arena& arena) {
  auto path = target.path;
  // A path that a policy has put in the place of the one that matched has no prefix to be replaced.
  const bool matched = !target.whole && path.starts_with(prefix);
  if (filter != nullptr && filter->path && matched) path = modified_path(*filter->path, path, prefix, arena);
  if (filter != nullptr && !filter->hostname.empty()) head.authority = filter->hostname;
  // Where path and query are what was sent, so is the target.
  const auto length = path.size() + (target.has_query ? 1 + target.query.size() : 0);
  const bool same = path.data() == head.target.data() && length == head.target.size() &&
                    (!target.has_query || target.query.empty() || target.query.data() == path.data() + path.size() + 1);
  if (!same) head.target = full(path, target, arena);
}

http::ResponseHead redirect(const model::RequestRedirect& filter, const RedirectContext& context,
                            const http::RequestHead& head, Arena& arena) {
  using Scheme = model::RequestRedirect::Scheme;
  const std::string_view scheme = filter.scheme == Scheme::kHttp    ? "http"
                                  : filter.scheme == Scheme::kHttps ? "https"
                                                                    : head.scheme;
  const std::uint16_t known = scheme == "https" ? 443 : 80;
  std::uint16_t port = filter.port;
  if (port == 0) port = filter.scheme == Scheme::kUnset ? context.listener_port : known;
  char digits[8] = {':'};
  const auto* end = port == 0 || port == known ? digits : std::to_chars(digits + 1, digits + 8, port).ptr;
  const std::string_view host = filter.hostname.empty() ? host_of(head.authority) : std::string_view(filter.hostname);
  auto path = context.target.path;
  if (filter.path) path = modified_path(*filter.path, path, context.prefix, arena);
  const auto fragment = path.substr(std::min(path.find('#'), path.size()));
  path.remove_suffix(fragment.size());
  path = full(path, context.target, arena);
  if (!fragment.empty()) path = join({path, fragment}, arena);
  http::ResponseHead answer;
  answer.status = filter.status_code;
  answer.body = http::Body::kLength;
  const std::string_view port_text(digits, static_cast<std::size_t>(end - digits));
  answer.fields.push_back({"location", host.empty() ? path : join({scheme, "://", host, port_text, path}, arena)});
  return answer;
}

bool is_protected_field(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "connection", "content-length",   "host",    "http2-settings",    "keep-alive",
      "te",         "proxy-connection", "trailer", "transfer-encoding", "upgrade"};
  return name.starts_with(':') || std::ranges::find(kNames, name) != std::end(kNames);
}

void modify(const model::HeaderModifier& modifier, http::Fields& fields) {
  for (const auto& header : modifier.set)
    if (!is_protected_field(header.name)) set_field(fields, header.name, header.value);
  for (const auto& header : modifier.add)
    if (!is_protected_field(header.name)) fields.push_back({header.name, header.value});
  for (const auto& name : modifier.remove)
    if (!is_protected_field(name)) std::erase_if(fields, [&](const http::Field& field) { return field.name == name; });
}

void modify(const model::HeaderModifier& modifier, http::RequestHead& head) {
  modify(modifier, head.fields);
  for (const auto& header : modifier.set)
    if (header.name == "host") head.authority = header.value;
}

}  // namespace fairlead::route
