// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/limit_key.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "fairlead/http/cookies.hpp"
#include "fairlead/route/query.hpp"

namespace fairlead::filter {
namespace {

using model::LimitKeyPart;

/// All values of the field, as a client may send several: "a" twice is not "a" once, nor is "b" behind it ignored.
std::optional<std::string_view> header(Request& request, std::string_view name) {
  std::optional<std::string_view> out;
  for (const auto& field : request.head().fields) {
    if (field.name != name) continue;
    if (!out) {
      out = field.value;
      continue;
    }
    const auto size = out->size() + 1 + field.value.size();
    char* at = request.arena().allocate(size);
    std::ranges::copy(*out, at);
    at[out->size()] = ',';
    std::ranges::copy(field.value, at + out->size() + 1);
    out = std::string_view{at, size};
  }
  return out;
}

std::optional<std::string_view> query(Request& request, std::string_view name) {
  const auto found = route::find_query(request.target().query, name);
  if (!found) return std::nullopt;
  std::string decoded;
  route::decode_query(*found, decoded);
  return request.arena().copy(decoded);
}

/// "sub", or "a.b" of an object within.
std::optional<std::string_view> claim(Request& request, std::string_view name) {
  const auto& identity = request.identity();
  if (name == "sub" && !identity.subject.empty()) return identity.subject;
  if (identity.claims.empty()) return std::nullopt;
  const auto all = nlohmann::json::parse(identity.claims, nullptr, false);
  const auto* at = &all;
  for (auto rest = name; at->is_object();) {
    const auto whole = at->find(rest);  // a claim's own name may hold a dot
    if (whole != at->end()) {
      at = &*whole;
      if (at->is_string()) return request.arena().copy(at->get_ref<const std::string&>());
      if (at->is_null()) return std::nullopt;
      return request.arena().copy(at->dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
    }
    const auto dot = rest.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const auto inner = at->find(rest.substr(0, dot));
    if (inner == at->end()) return std::nullopt;
    at = &*inner;
    rest.remove_prefix(dot + 1);
  }
  return std::nullopt;
}

std::optional<std::string_view> unless_empty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

std::optional<std::string_view> text_of(Request& request, const LimitKeyPart& part) {
  using enum LimitKeyPart::Type;
  switch (part.type) {
    case kConsumer: {
      const auto* consumer = request.identity().consumer;
      return consumer == nullptr ? std::nullopt : unless_empty(consumer->name());
    }
    case kCredential: return unless_empty(request.identity().credential);
    case kHeader: return header(request, part.name);
    case kQuery: return query(request, part.name);
    case kCookie: return http::find_cookie(request.head().fields, part.name);
    case kClaim: return claim(request, part.name);
    case kPath:
      if (!part.name.empty() && part.name != request.target().path) return std::nullopt;
      return request.target().path;
    case kRoute: return request.route_name();
    case kHost: return request.host();
    case kEveryone: return std::string_view("*");
    case kClientIp: break;
  }
  return std::nullopt;
}

void add_client(Request& request, char kind, unsigned v4_prefix, unsigned v6_prefix, limit::KeyText& out) {
  const auto address = limit::masked(request.client(), v4_prefix, v6_prefix);
  out.add(kind, {reinterpret_cast<const char*>(&address.raw()), sizeof address.raw()});
}

}  // namespace

bool build_limit_key(Request& request, const std::vector<LimitKeyPart>& parts, model::LimitMissing missing,
                     limit::KeyText& out) {
  for (const auto& part : parts) {
    const auto kind = static_cast<char>('a' + static_cast<int>(part.type));
    if (part.type == LimitKeyPart::Type::kClientIp) {
      add_client(request, kind, part.v4_prefix, part.v6_prefix, out);
    } else if (const auto text = text_of(request, part)) {
      out.add(kind, *text);
    } else if (missing == model::LimitMissing::kClientIp) {
      add_client(request, 'z', 32, 64, out);
    } else if (missing == model::LimitMissing::kShared) {
      out.add('-', {});
    } else {
      return false;
    }
  }
  return true;
}

std::size_t find_limit_tier(Request& request, const std::vector<model::LimitTier>& tiers) {
  const auto* consumer = request.identity().consumer;
  if (consumer == nullptr || tiers.empty()) return 0;
  for (std::size_t i = 0; i < tiers.size(); ++i)
    if (std::ranges::binary_search(consumer->groups(), tiers[i].group)) return i + 1;
  return 0;
}

}  // namespace fairlead::filter
