// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/cache_located.hpp"

#include <algorithm>

#include "fairlead/base/ascii.hpp"
#include "fairlead/route/authority.hpp"
#include "fairlead/route/path.hpp"
#include "gateway/dataplane/filter/cache_core.hpp"

namespace fairlead::filter {
namespace {

/// "http" and "a.example:8080" of a URL, which are taken off it; both empty where it does not begin with them.
struct Origin {
  std::string_view scheme, authority;
};

std::string_view take_authority(std::string_view& url) {
  url.remove_prefix(2);
  const auto out = url.substr(0, url.find_first_of("/?"));
  url.remove_prefix(out.size());
  return out;
}

Origin take_origin(std::string_view& url) {
  Origin out;
  out.scheme = url.substr(0, url.find(':'));
  url.remove_prefix(out.scheme.size() + 1);
  if (url.starts_with("//")) out.authority = take_authority(url);
  return out;
}

bool has_scheme(std::string_view reference) {
  const auto colon = reference.find(':');
  return colon != std::string_view::npos && reference.find_first_of("/?") > colon;
}

/// A port that is the scheme's counts as none.
bool same_authority(std::string_view scheme, std::string_view a, std::string_view b, Arena& arena) {
  route::Authority left, right;
  if (route::parse_authority(a, arena, left) != route::AuthorityError::kNone) return false;
  if (route::parse_authority(b, arena, right) != route::AuthorityError::kNone) return false;
  const std::uint16_t usual = scheme == "https" ? 443 : 80;
  const auto port = [&](const route::Authority& one) { return one.port == 0 ? usual : one.port; };
  return left.host == right.host && port(left) == port(right);
}

/// RFC 3986 section 5.2.2, for what has a path or a query of its own; `base` begins with its path.
std::string target_of(std::string_view base, std::string_view reference) {
  if (reference.starts_with('/')) return std::string(reference);
  const auto path = base.substr(0, base.find('?'));
  const auto kept = reference.empty() || reference.front() == '?' ? path : path.substr(0, path.rfind('/') + 1);
  return std::string(kept.empty() ? "/" : kept).append(reference);
}

}  // namespace

std::string located_url(std::string_view base, std::string_view reference, const model::CacheKey& settings,
                        Arena& arena) {
  reference = reference.substr(0, reference.find('#'));
  if (reference.empty()) return std::string(base);
  const auto own = take_origin(base);
  bool whole = reference.starts_with("//");
  auto theirs = own;
  if (whole) {
    theirs.authority = take_authority(reference);
  } else if (has_scheme(reference)) {
    whole = true;
    theirs = take_origin(reference);
  }
  const bool same = !whole || (lower_ascii(theirs.scheme) == own.scheme &&
                               same_authority(own.scheme, theirs.authority, own.authority, arena));
  if (!same) return {};
  const auto text = arena.copy(target_of(whole ? "/" : base, reference));
  route::Target target;
  if (route::parse_target(text, {}, arena, target) != route::PathError::kNone) return {};
  std::string out(own.scheme);
  out.append("://").append(own.authority).append(target.path);
  append_query(target, settings, out);
  return out;
}

}  // namespace fairlead::filter
