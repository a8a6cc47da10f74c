// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/storable.hpp"

#include <algorithm>

#include "fairlead/cache/date.hpp"

namespace fairlead::cache {
namespace {

/// RFC 9110 section 15.1: those that may be stored without a time of their own.
bool is_heuristic(std::uint16_t status) {
  constexpr std::uint16_t kStatuses[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};
  return std::ranges::find(kStatuses, status) != std::end(kStatuses);
}

bool takes_default(std::uint16_t status) {
  return status == 200 || status == 203 || status == 300 || status == 301 || status == 308;
}

bool has_validator(const http::Fields& fields) {
  return http::find(fields, "etag") != nullptr || http::find(fields, "last-modified") != nullptr;
}

/// Set-Cookie is stored away with neither of them, so it does not count where they name it.
bool sets_cookie(const http::Fields& fields, const Control& control) {
  return http::find(fields, "set-cookie") != nullptr && !names(control.private_fields, "set-cookie") &&
         !names(control.no_cache_fields, "set-cookie");
}

bool varies_by_all(const http::Fields& fields) {
  return std::ranges::any_of(fields,
                             [](const http::Field& field) { return field.name == "vary" && names(field.value, "*"); });
}

/// Nothing: the field is not there. What is no date has passed (RFC 9111 section 5.3).
std::optional<std::int64_t> expires_of(const http::Fields& fields, std::int64_t now) {
  std::optional<std::int64_t> earliest;
  for (const auto& field : fields) {
    if (field.name != "expires") continue;
    const auto value = parse_date(field.value, now).value_or(0);
    earliest = earliest ? std::min(*earliest, value) : value;
  }
  return earliest;
}

std::int64_t date_of(const http::Fields& fields, std::int64_t now) {
  const auto* date = http::find(fields, "date");
  return date == nullptr ? now : parse_date(date->value, now).value_or(now);
}

/// The first member of the first line; what is no number is passed over (RFC 9111 section 5.1).
std::uint32_t age_value(const http::Fields& fields) {
  const auto* age = http::find(fields, "age");
  if (age == nullptr) return 0;
  auto list = age->value;
  std::string_view member;
  return next_member(list, member) ? parse_seconds(member).value_or(0) : 0;
}

/// What the response itself says; seconds.
std::optional<std::int64_t> explicit_lifetime(const http::Fields& fields, const Control& control, std::int64_t now,
                                              bool by_expires) {
  if (control.s_maxage) return *control.s_maxage;
  if (control.max_age) return *control.max_age;
  if (!by_expires) return std::nullopt;
  if (const auto expires = expires_of(fields, now)) return *expires - date_of(fields, now);
  return std::nullopt;
}

/// A tenth of the time since it was changed, a day at most (RFC 9111 section 4.2.2).
std::optional<std::int64_t> heuristic_lifetime(const http::Fields& fields, std::int64_t now) {
  const auto* changed = http::find(fields, "last-modified");
  if (changed == nullptr) return std::nullopt;
  const auto at = parse_date(changed->value, now);
  const auto date = date_of(fields, now);
  if (!at || *at > date) return std::nullopt;
  return std::min<std::int64_t>((date - *at) / 10, 86400);
}

std::optional<std::int64_t> default_lifetime(const http::ResponseHead& head, const Control& control,
                                             const Defaults& defaults, std::int64_t now) {
  const auto found = std::ranges::find(defaults.statuses, head.status, &StatusTtl::status);
  if (found != defaults.statuses.end()) return found->seconds;
  if (takes_default(head.status) && defaults.ttl) return *defaults.ttl;
  if (is_heuristic(head.status) || control.is_public) return heuristic_lifetime(head.fields, now);
  return std::nullopt;
}

/// What forbids storing, whatever the time.
Reason forbidden(const http::ResponseHead& head, const Control& control, const Asked& asked) {
  using enum Reason;
  if (!asked.get) return kMethod;
  if (head.status < 200 || head.status == 206 || head.status == 304) return kStatus;
  const bool understood = !http::reason_of(head.status).empty();
  if (control.must_understand && !understood) return kStatus;
  // RFC 9111 section 5.2.2.3: who understands must-understand passes over the no-store that stands beside it.
  if ((control.no_store && !control.must_understand) || asked.no_store) return kNoStore;
  if (control.is_private) return kPrivate;
  const bool shared = control.is_public || control.must_revalidate || control.s_maxage.has_value();
  if (asked.authorized && !asked.own_key && !shared) return kAuthorization;
  if (sets_cookie(head.fields, control)) return kSetCookie;
  if (varies_by_all(head.fields)) return kVaryAny;
  return kStorable;
}

void set_stale_times(const Control& control, const Defaults& defaults, Terms& out) {
  // RFC 9111 section 5.2.2.10: s-maxage means proxy-revalidate to a shared cache.
  out.validate_stale = control.must_revalidate || control.proxy_revalidate || control.s_maxage || control.no_cache;
  if (out.validate_stale) return;
  out.stale_while_revalidate =
      std::int64_t{control.stale_while_revalidate.value_or(defaults.stale_while_revalidate)} * 1000;
  out.stale_if_error = std::int64_t{control.stale_if_error.value_or(defaults.stale_if_error)} * 1000;
}

}  // namespace

std::string_view name_of(Reason reason) {
  constexpr std::string_view kNames[kReasons] = {"storable",   "method",   "status",        "failure",
                                                 "no_store",   "private",  "authorization", "cookie",
                                                 "set_cookie", "vary_any", "not_fresh",     "too_large"};
  return kNames[static_cast<std::size_t>(reason)];
}

bool is_unsafe(http::Method method) {
  using enum http::Method;
  return method != kGet && method != kHead && method != kOptions && method != kTrace && method != kConnect;
}

Terms judge(const http::ResponseHead& head, const Asked& asked, const Defaults& defaults, std::int64_t now,
            std::int64_t delay_ms, const std::optional<Control>& targeted) {
  Terms out;
  const auto control = targeted ? *targeted : control_of(head.fields, false);
  out.reason = forbidden(head, control, asked);
  if (out.reason != Reason::kStorable) return out;
  auto lifetime = explicit_lifetime(head.fields, control, now, !targeted);
  if (!lifetime && asked.cookies && !control.is_public) {
    out.reason = Reason::kCookie;
    return out;
  }
  if (!lifetime) lifetime = default_lifetime(head, control, defaults, now);
  const auto apparent = std::max<std::int64_t>(0, now - date_of(head.fields, now));
  out.age = std::max(apparent * 1000, std::int64_t{age_value(head.fields)} * 1000 + delay_ms);
  out.lifetime = std::clamp<std::int64_t>(lifetime.value_or(0), 0, kMostSeconds) * 1000;
  out.validate_always = control.no_cache;
  set_stale_times(control, defaults, out);
  const bool fresh = out.lifetime > out.age && !out.validate_always;
  const bool stale =
      !out.validate_always && out.lifetime + std::max(out.stale_while_revalidate, out.stale_if_error) > out.age;
  // Of a status that nothing but a time makes storable there is nothing to validate without one (section 3).
  const bool validated = has_validator(head.fields) && (lifetime || is_heuristic(head.status) || control.is_public);
  if (!fresh && !validated && !(stale && lifetime)) out.reason = Reason::kNotFresh;
  return out;
}

}  // namespace fairlead::cache
