// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/request_limits.hpp"

#include <algorithm>
#include <set>

#include "fairlead/change/json.hpp"
#include "fairlead/limit/calendar.hpp"
#include "fairlead/limit/local.hpp"
#include "gateway/dataplane/config/request_limit_parts.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

using model::RateLimit;
using std::chrono::milliseconds;

constexpr milliseconds kMostPer{31LL * 24 * 3600 * 1000};

void read_period(Reader& reader, View at, RateLimit& out) {
  static constexpr std::string_view kNames[] = {"Second", "Minute", "Hour", "Day", "Week", "Month", "Year"};
  static constexpr std::int64_t kSeconds[] = {1, 60, 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400};
  const auto* named = at.is_string() ? std::ranges::find(kNames, at.text()) : std::end(kNames);
  if (named != std::end(kNames)) {
    const auto index = named - kNames;
    out.period = static_cast<RateLimit::Period>(index);
    out.per = std::chrono::seconds(kSeconds[index]);
    return;
  }
  if (at.is_string() && !at.text().empty() && at.text().front() >= '0' && at.text().front() <= '9') {
    const auto per = read_duration(reader, at);
    if (per && (*per < milliseconds(1) || *per > kMostPer)) reader.error(at, "a duration of 1ms to 744h");
    else if (per) out.per = *per;
    out.period = RateLimit::Period::kSpan;
    return;
  }
  reader.error(at, "Second, Minute, Hour, Day, Week, Month, Year, or a duration such as 10s");
}

void read_when(Reader& reader, View at, model::LimitWhen& out) {
  read_mapping(reader, at,
               field("methods",
                     [&](View v) {
                       read_list(reader, v, 1, 16, out.methods, [&](View item, std::string& one) {
                         read_text(reader, item, one, 1, 32, is_token, "a method such as GET");
                       });
                     }),
               field("paths", [&](View v) {
                 read_list(reader, v, 1, 64, out.paths, [&](View item, std::string& one) {
                   read_text(
                       reader, item, one, 1, 1024, [](std::string_view text) { return text.starts_with('/'); },
                       "a path that begins with /");
                 });
               }));
}

template <class... More>
void read_tier(Reader& reader, View at, model::LimitTier& out, const Field<More>&... more) {
  read_mapping(
      reader, at, required("group", "a group of consumers", [&](View v) { read_text(reader, v, out.group, 1, 253); }),
      required("requests", "a number", [&](View v) { read_number(reader, v, 1, limit::kMostRequests, out.requests); }),
      more...);
}

enum class Bursts : std::uint8_t { kNone, kRefused, kTaken };

void read_tiers(Reader& reader, View at, Bursts bursts, std::vector<model::LimitTier>& out) {
  read_list(reader, at, 1, 32, out, [&](View item, model::LimitTier& one) {
    if (bursts == Bursts::kNone) return read_tier(reader, item, one);
    read_tier(reader, item, one, field("burst", [&](View v) {
                if (bursts == Bursts::kRefused) return reader.error(v, "burst only with algorithm TokenBucket");
                read_number(reader, v, 1, limit::kMostRequests, one.burst);
              }));
  });
}

/// What only some algorithms have.
void check_limit(Reader& reader, View at, const RateLimit& limit) {
  const bool fixed = limit.algorithm == RateLimit::Algorithm::kFixedWindow;
  const bool long_one = limit.period == RateLimit::Period::kMonth || limit.period == RateLimit::Period::kYear;
  const bool calendar = limit.period == RateLimit::Period::kDay || limit.period == RateLimit::Period::kWeek || long_one;
  if (!fixed && long_one)
    reader.error(at.find("per"), "Month and Year only with algorithm FixedWindow; else a duration of at most 744h");
  if (limit.algorithm != RateLimit::Algorithm::kTokenBucket && at.find("burst"))
    reader.error(at.find("burst"), "burst only with algorithm TokenBucket");
  if (limit.response.used() && limit.cost == 0)
    reader.error(at.find("cost"), "1 to 1000000 with responseCost, as it is what is checked before the answer");
  const auto zone = at.find("timeZone");
  if (!zone || zone.is_null()) return;
  if (!fixed || !calendar)
    return reader.error(zone, "timeZone only with algorithm FixedWindow per Day, Week, Month or Year");
  if (const auto found = limit::Zone::find(limit.time_zone); !found)
    reader.error(zone,
                 "a time zone such as UTC, +02:00 or Europe/Berlin that this system knows: " + found.error().message);
}

void read_response_cost(Reader& reader, View at, model::ResponseCost& out) {
  read_mapping(reader, at, field("header", [&](View v) { read_header_name(reader, v, out.header); }),
               field("json", [&](View v) {
                 read_text(
                     reader, v, out.json, 1, 256,
                     [](std::string_view text) { return change::parse_json_path(text).has_value(); },
                     "a field such as usage.total_tokens");
               }));
  if (!at.is_mapping()) return;
  const bool header = static_cast<bool>(at.find("header")), json = static_cast<bool>(at.find("json"));
  if (header == json) reader.error(at, "header or json, one of them");
}

template <class... More>
void read_limit(Reader& reader, View at, RateLimit& out, const Field<More>&... more) {
  const auto algorithm = at.find("algorithm");
  const bool bucket = !algorithm || algorithm.is_null() || algorithm.text() == "TokenBucket";
  const auto bursts = sizeof...(More) == 0 ? Bursts::kNone : bucket ? Bursts::kTaken : Bursts::kRefused;
  read_mapping(
      reader, at, required("name", "a name", [&](View v) { read_section_name(reader, v, out.name); }),
      required("requests", "a number", [&](View v) { read_number(reader, v, 1, limit::kMostRequests, out.requests); }),
      required("per", "Second, Minute, Hour, Day, Month, Year, or a duration",
               [&](View v) { read_period(reader, v, out); }),
      field("timeZone", [&](View v) { read_text(reader, v, out.time_zone, 1, 64); }),
      field("key", [&](View v) { read_limit_key(reader, v, out.key); }),
      field("onMissing", [&](View v) { read_limit_missing(reader, v, out.missing); }),
      field("cost", [&](View v) { read_number(reader, v, 0, limit::kMostCost, out.cost); }),
      field("costHeader", [&](View v) { read_header_name(reader, v, out.cost_header); }),
      field("responseCost", [&](View v) { read_response_cost(reader, v, out.response); }),
      field("tiers", [&](View v) { read_tiers(reader, v, bursts, out.tiers); }),
      field("when", [&](View v) { read_when(reader, v, out.when); }), more...);
  if (out.key.empty()) out.key.emplace_back();  // the consumer
  check_limit(reader, at, out);
}

void read_rate_limit(Reader& reader, View at, RateLimit& out) {
  read_limit(reader, at, out,
             field("algorithm",
                   [&](View v) {
                     if (const auto found = reader.one_of(v, {"TokenBucket", "FixedWindow", "SlidingWindow"}))
                       out.algorithm = static_cast<RateLimit::Algorithm>(*found);
                   }),
             field("burst", [&](View v) { read_number(reader, v, 1, limit::kMostRequests, out.burst); }));
}

/// A fixed window by the calendar.
void read_quota(Reader& reader, View at, RateLimit& out) {
  out.algorithm = RateLimit::Algorithm::kFixedWindow;
  read_limit(reader, at, out);
  const auto per = at.find("per");
  if (per && (out.period < RateLimit::Period::kDay || out.period > RateLimit::Period::kYear))
    reader.error(per, "Day, Week, Month or Year");
}

void read_headers(Reader& reader, View at, unsigned& out) {
  out = 0;
  reader.items(at, [&](View item) {
    if (const auto found =
            reader.one_of(item, {"RateLimit", "XRateLimit", "XRateLimitPeriod", "RetryAfter", "RateLimitFields"}))
      out |= 1U << *found;
  });
}

void check_names(Reader& reader, View at, const model::RateLimits& out) {
  std::set<std::string_view> names;
  std::size_t i = 0;
  for (const char* list : {"limits", "quotas"}) {
    const auto items = at.find(list);
    if (!items || !items.is_sequence()) continue;
    for (auto item = items.first(); item && i < out.limits.size(); item = item.next(), ++i)
      if (!out.limits[i].name.empty() && !names.insert(out.limits[i].name).second)
        reader.error(item.find("name"), out.limits[i].response.entry.empty() ? "a name that no other limit has"
                                                                             : "a limit once for each name and per");
  }
}

}  // namespace

void read_rate_limits(Reader& reader, View at, model::RateLimits& out) {
  std::vector<RateLimit> quotas;
  bool shared = false;
  auto redis = std::make_shared<model::RedisSettings>();
  read_mapping(reader, at,
               field("limits",
                     [&](View v) {
                       read_list(reader, v, 1, 16, out.limits,
                                 [&](View item, RateLimit& one) { read_rate_limit(reader, item, one); });
                     }),
               field("quotas",
                     [&](View v) {
                       read_list(reader, v, 1, 16, quotas,
                                 [&](View item, RateLimit& one) { read_quota(reader, item, one); });
                     }),
               field("headers", [&](View v) { read_headers(reader, v, out.headers); }),
               field("refusal", [&](View v) { read_limit_refusal(reader, v, out.refusal); }),
               field("maxKeys", [&](View v) { read_number(reader, v, 1024, 100'000'000, out.most_keys); }),
               field("store",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Local", "Redis"})) shared = *found == 1;
                     }),
               field("redis", [&](View v) { read_redis(reader, v, *redis); }));
  if (!at.is_mapping()) return;
  const bool none = out.limits.empty() && quotas.empty();
  if (none && !at.find("limits") && !at.find("quotas")) reader.missing(at, "limits", "at least one limit or quota");
  if (out.limits.size() + quotas.size() > limit::kMostItems) reader.error(at, "at most 16 limits and quotas together");
  if (shared && !at.find("redis")) reader.missing(at, "redis", "a mapping, by the store");
  if (!shared && at.find("redis")) reader.error(at.find("redis"), "redis only with store Redis");
  out.quotas = !quotas.empty();
  out.limits.insert(out.limits.end(), quotas.begin(), quotas.end());
  check_names(reader, at, out);
  if (shared) out.redis = std::move(redis);
}

namespace {

/// Several of one name have periods that differ; what counts them is named by both.
void read_used_limit(Reader& reader, View at, RateLimit& out) {
  static constexpr std::string_view kNames[] = {":second", ":minute", ":hour", ":day", ":week", ":month", ":year"};
  out.algorithm = RateLimit::Algorithm::kFixedWindow;
  out.cost = 0;
  read_mapping(
      reader, at,
      required("name", "a name",
               [&](View v) {
                 read_text(reader, v, out.response.entry, 1, 128, is_token, "a name of what a field's name may have");
               }),
      required("requests", "a number", [&](View v) { read_number(reader, v, 1, limit::kMostRequests, out.requests); }),
      required("per", "Second, Minute, Hour, Day, Week, Month or Year", [&](View v) { read_period(reader, v, out); }));
  const auto per = at.find("per");
  if (out.period == RateLimit::Period::kSpan)
    return reader.error(per, "Second, Minute, Hour, Day, Week, Month or Year");
  out.name = lower(out.response.entry).append(kNames[static_cast<std::size_t>(out.period)]);
}

}  // namespace

void read_response_limits(Reader& reader, View at, model::ResponseLimits& out) {
  auto& limits = out.limits;
  std::vector<model::LimitKeyPart> key;
  auto missing = model::LimitMissing::kClientIp;
  bool shared = false;
  auto redis = std::make_shared<model::RedisSettings>();
  read_mapping(reader, at,
               required("header", "a field of responses", [&](View v) { read_header_name(reader, v, out.header); }),
               required("limits", "at least one limit",
                        [&](View v) {
                          read_list(reader, v, 1, limit::kMostItems, limits.limits,
                                    [&](View item, RateLimit& one) { read_used_limit(reader, item, one); });
                        }),
               field("key", [&](View v) { read_limit_key(reader, v, key); }),
               field("onMissing", [&](View v) { read_limit_missing(reader, v, missing); }),
               field("refuse",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Responses", "Requests"}))
                         out.refuse_requests = *found == 1;
                     }),
               bool_field(reader, "tellClients", out.tells),
               field("maxKeys", [&](View v) { read_number(reader, v, 1024, 100'000'000, limits.most_keys); }),
               field("store",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Local", "Redis"})) shared = *found == 1;
                     }),
               field("redis", [&](View v) { read_redis(reader, v, *redis); }));
  if (!at.is_mapping()) return;
  if (shared && !at.find("redis")) reader.missing(at, "redis", "a mapping, by the store");
  if (!shared && at.find("redis")) reader.error(at.find("redis"), "redis only with store Redis");
  if (redis->lease_percent > 0) reader.error(at.find("redis").find("mode"), "Exact: what is used is not leased");
  check_names(reader, at, limits);
  if (key.empty()) key.emplace_back();  // the consumer
  for (auto& one : limits.limits) {
    one.key = key;
    one.missing = missing;
    one.response.header = out.header;
  }
  limits.headers = model::RateLimits::kPerPeriod;
  if (shared) limits.redis = std::move(redis);
}

void read_concurrency(Reader& reader, View at, model::Concurrency& out) {
  bool shared = false;
  auto redis = std::make_shared<model::RedisSettings>();
  read_mapping(
      reader, at,
      required("requests", "how many at a time", [&](View v) { read_number(reader, v, 1, 1'000'000, out.most); }),
      field("key", [&](View v) { read_limit_key(reader, v, out.key); }),
      field("onMissing", [&](View v) { read_limit_missing(reader, v, out.missing); }),
      field("tiers", [&](View v) { read_tiers(reader, v, Bursts::kNone, out.tiers); }),
      field("refusal", [&](View v) { read_limit_refusal(reader, v, out.refusal); }),
      field("store",
            [&](View v) {
              if (const auto found = reader.one_of(v, {"Local", "Redis"})) shared = *found == 1;
            }),
      field("redis", [&](View v) { read_place_redis(reader, v, *redis); }), field("lease", [&](View v) {
        if (const auto time = reader.duration(v, std::chrono::seconds(1))) out.lease = *time;
        if (out.lease > std::chrono::minutes(10)) reader.error(v, "a duration from 1s to 10m");
      }));
  if (out.key.empty()) out.key.emplace_back();
  if (!at.is_mapping()) return;
  if (shared && !at.find("redis")) reader.missing(at, "redis", "a mapping, by the store");
  if (!shared && at.find("redis")) reader.error(at.find("redis"), "redis only with store Redis");
  if (!shared && at.find("lease")) reader.error(at.find("lease"), "lease only with store Redis");
  if (shared) out.redis = std::move(redis);
}

}  // namespace fairlead::config
