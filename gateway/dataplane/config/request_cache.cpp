// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/request_cache.hpp"

#include <algorithm>

#include "gateway/dataplane/config/request_limit_parts.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

using std::chrono::milliseconds;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 40;
constexpr milliseconds kMostTime = std::chrono::hours(24 * 366);

void read_seconds(Reader& reader, View at, milliseconds& out) {
  const auto value = read_duration(reader, at);
  if (!value) return;
  // HTTP counts seconds.
  if (value->count() % 1000 != 0 || *value > kMostTime) return reader.error(at, "whole seconds, 8784h at most");
  out = *value;
}

auto seconds_field(Reader& reader, std::string_view name, milliseconds& out) {
  return field(name, [&](View v) { read_seconds(reader, v, out); });
}

template <class T>
bool is_repeated(const std::vector<T>& list, const T& one) {
  return std::ranges::count(list, one) > 1;
}

void read_header_names(Reader& reader, View at, std::vector<std::string>& out) {
  read_list(reader, at, 1, 32, out, [&](View item, std::string& one) {
    read_header_name(reader, item, one);
    if (!one.empty() && is_repeated(out, one)) reader.error(item, "each header once");
  });
}

void read_names(Reader& reader, View at, std::size_t least, std::vector<std::string>& out) {
  read_list(reader, at, least, 64, out, [&](View item, std::string& one) {
    read_text(reader, item, one, 1, 256);
    if (!one.empty() && is_repeated(out, one)) reader.error(item, "each name once");
  });
}

void read_query(Reader& reader, View at, model::CacheKey& out) {
  read_mapping(reader, at, field("include", [&](View v) { read_names(reader, v, 0, out.query_include.emplace()); }),
               field("exclude", [&](View v) { read_names(reader, v, 1, out.query_exclude); }));
  if (out.query_include && !out.query_exclude.empty()) reader.error(at.find("exclude"), "include or exclude, not both");
}

void read_cookies(Reader& reader, View at, std::vector<std::string>& out) {
  read_list(reader, at, 1, 32, out, [&](View item, std::string& one) {
    if (read_text(reader, item, one, 1, 256, is_token, "a cookie's name") && is_repeated(out, one))
      reader.error(item, "each cookie once");
  });
}

void read_key(Reader& reader, View at, model::CacheKey& out) {
  read_mapping(reader, at, field("query", [&](View v) { read_query(reader, v, out); }),
               field("headers", [&](View v) { read_header_names(reader, v, out.headers); }),
               field("cookies", [&](View v) { read_cookies(reader, v, out.cookies); }),
               bool_field(reader, "consumer", out.consumer), bool_field(reader, "ignoreCase", out.ignore_case));
}

void read_statuses(Reader& reader, View at, std::vector<model::ResponseCache::StatusTtl>& out) {
  read_list(reader, at, 1, 64, out, [&](View item, model::ResponseCache::StatusTtl& one) {
    read_mapping(reader, item,
                 required("status", "200 to 599",
                          [&](View v) {
                            read_number(reader, v, 200, 599, one.status);
                            if (one.status == 206 || one.status == 304)
                              reader.error(v, "no 206 or 304, which are parts of other answers");
                            const auto same = [&](const auto& other) { return other.status == one.status; };
                            if (one.status != 0 && std::ranges::count_if(out, same) > 1)
                              reader.error(v, "each status once");
                          }),
                 required("ttl", "a duration", [&](View v) { read_seconds(reader, v, one.ttl); }));
  });
}

void read_methods(Reader& reader, View at, model::ResponseCache& out) {
  out.get = out.head = false;
  out.methods.clear();
  read_list(reader, at, 1, 5, out.methods, [&](View item, std::string& one) {
    const auto found = out.by_settings ? reader.one_of(item, {"GET", "HEAD", "POST", "PATCH", "PUT"})
                                       : reader.one_of(item, {"GET", "HEAD"});
    if (!found) return;
    one = item.text();
    if (is_repeated(out.methods, one)) reader.error(item, "each method once");
    out.get = out.get || *found == 0;
    out.head = out.head || *found == 1;
  });
  if (!out.by_settings && out.head && !out.get)
    reader.error(at, "GET too: a HEAD is answered by what a GET has stored");
}

void read_coalesce(Reader& reader, View at, model::ResponseCache& out) {
  read_mapping(reader, at, bool_field(reader, "enabled", out.coalesce), field("maxWait", [&](View v) {
                 const auto value = read_duration(reader, v);
                 if (!value) return;
                 if (value->count() < 1 || *value > std::chrono::minutes(10)) return reader.error(v, "1ms to 10m");
                 out.max_wait = *value;
               }));
}

/// What only a cache by settings has, and what it needs.
void check_settings(Reader& reader, View at, const model::ResponseCache& out) {
  if (out.by_settings) {
    if (!at.find("statuses")) reader.missing(at, "statuses", "statuses, by storeBy");
    for (const char* name : {"defaultTtl", "staleWhileRevalidate", "staleIfError", "controlHeaders", "store"})
      if (const auto there = at.find(name)) reader.error(there, "this field only with storeBy: Responses");
    return;
  }
  for (const char* name : {"contentTypes", "keepFor", "keyHeader", "ageHeader"})
    if (const auto there = at.find(name)) reader.error(there, "this field only with storeBy: Settings");
  if (out.key.ignore_case) reader.error(at.find("key").find("ignoreCase"), "this field only with storeBy: Settings");
}

}  // namespace

void read_cache(Reader& reader, View at, model::ResponseCache& out) {
  bool shared = false;
  out.by_settings = at.is_mapping() && at.find("storeBy") && at.find("storeBy").text() == "Settings";
  auto redis = std::make_shared<model::RedisSettings>();
  read_mapping(reader, at, field("maxBytes", [&](View v) { read_number(reader, v, 65536, kMostBytes, out.max_bytes); }),
               field("maxObjectBytes", [&](View v) { read_number(reader, v, 1, kMostBytes, out.max_object_bytes); }),
               field("defaultTtl", [&](View v) { read_seconds(reader, v, out.default_ttl.emplace()); }),
               field("statuses", [&](View v) { read_statuses(reader, v, out.statuses); }),
               field("methods", [&](View v) { read_methods(reader, v, out); }),
               field("key", [&](View v) { read_key(reader, v, out.key); }),
               seconds_field(reader, "staleWhileRevalidate", out.stale_while_revalidate),
               seconds_field(reader, "staleIfError", out.stale_if_error),
               bool_field(reader, "honourRequestDirectives", out.honour_request_directives),
               field("bypass",
                     [&](View v) {
                       read_mapping(reader, v, required("headers", "at least one header", [&](View headers) {
                                      read_header_names(reader, headers, out.bypass_headers);
                                    }));
                     }),
               bool_field(reader, "cacheStatusHeader", out.cache_status_header),
               field("storeBy", [&](View v) { (void)reader.one_of(v, {"Responses", "Settings"}); }),
               field("contentTypes",
                     [&](View v) {
                       read_list(reader, v, 1, 64, out.content_types, [&](View item, std::string& one) {
                         read_text(reader, item, one, 3, 256, is_header_value, "a content type such as text/plain");
                       });
                     }),
               seconds_field(reader, "keepFor", out.keep_for), bool_field(reader, "ageHeader", out.age_header),
               bool_field(reader, "keyHeader", out.key_header),
               field("tagHeader",
                     [&](View v) {
                       out.tag_headers.assign(1, {});
                       read_header_name(reader, v, out.tag_headers.front());
                     }),
               field("controlHeaders", [&](View v) { read_header_names(reader, v, out.control_headers); }),
               field("coalesce", [&](View v) { read_coalesce(reader, v, out); }),
               field("store",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Local", "Redis"})) shared = *found == 1;
                     }),
               field("redis", [&](View v) { read_cache_redis(reader, v, *redis, out.max_shared_bytes); }));
  if (!at.is_mapping()) return;
  check_settings(reader, at, out);
  if (shared && !at.find("redis")) reader.missing(at, "redis", "a mapping, by the store");
  if (!shared && at.find("redis")) reader.error(at.find("redis"), "redis only with store Redis");
  if (shared) out.redis = std::move(redis);
  if (out.max_object_bytes <= out.max_bytes / 4) return;
  if (const auto object = at.find("maxObjectBytes")) reader.error(object, "at most a quarter of maxBytes");
  out.max_object_bytes = out.max_bytes / 4;
}

}  // namespace fairlead::config
