// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/request_limit_parts.hpp"

#include "fairlead/base/address.hpp"
#include "fairlead/tls/client_context.hpp"
#include "gateway/dataplane/config/gateway_references.hpp"
#include "gateway/dataplane/config/side_files.hpp"

namespace fairlead::config {
namespace {

using model::LimitKeyPart;

constexpr std::uint64_t kMostSharedObject = 1'000'000;  // bytes: what fits into a reply of Redis
constexpr std::size_t kMostRedisUser = 256, kMostRedisPassword = 4096, kMostRedisPem = 65536;
constexpr std::size_t kMostRedisCa = SideFiles::kMostBytes;  // of all authorities of a system, too
constexpr unsigned kLeasePercent = 5;  // of a limit, where nothing else is said

bool is_visible(std::string_view text) {
  for (const char c : text)
    if (c <= ' ' || c > '~') return false;
  return true;
}

void read_key_part(Reader& reader, View at, LimitKeyPart& out) {
  using enum LimitKeyPart::Type;
  read_mapping(
      reader, at,
      required("type", "Consumer, Credential, ClientIP, Header, Query, Cookie, Claim, Path, Route, Host or Everyone",
               [&](View v) {
                 if (const auto found = reader.one_of(v, {"Consumer", "Credential", "ClientIP", "Header", "Query",
                                                          "Cookie", "Claim", "Path", "Route", "Host", "Everyone"}))
                   out.type = static_cast<LimitKeyPart::Type>(*found);
               }),
      field("name",
            [&](View v) { read_text(reader, v, out.name, 1, 256, is_visible, "a name of visible ASCII characters"); }),
      field("ipv4Prefix", [&](View v) { read_number(reader, v, 0, 32, out.v4_prefix); }),
      field("ipv6Prefix", [&](View v) { read_number(reader, v, 0, 128, out.v6_prefix); }));
  const bool named = out.type == kHeader || out.type == kQuery || out.type == kCookie || out.type == kClaim;
  if (named && !at.find("name")) reader.missing(at, "name", "a name, by the type");
  if (!named && out.type != kPath && at.find("name"))
    reader.error(at.find("name"), "name only with types Header, Query, Cookie, Claim and Path");
  for (const char* prefix : {"ipv4Prefix", "ipv6Prefix"})
    if (out.type != kClientIp && at.find(prefix)) reader.error(at.find(prefix), "a prefix only with type ClientIP");
  if (out.type == kHeader && at.find("name")) read_header_name(reader, at.find("name"), out.name);
}

bool is_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  auto host = text.substr(0, colon);
  const auto port = text.substr(colon + 1);
  if (port.empty() || port.size() > 5) return false;
  std::uint32_t number = 0;
  for (const char c : port) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  if (number == 0 || number > 65535) return false;
  if (host.starts_with('[') && host.ends_with(']')) {
    const auto address = Address::parse(host.substr(1, host.size() - 2));
    return address && !address->is_v4();
  }
  if (host.find(':') != std::string_view::npos) return false;
  return Address::parse(host) || is_hostname(host, false);
}

void read_addresses(Reader& reader, View at, std::vector<std::string>& out) {
  read_list(reader, at, 1, 16, out, [&](View item, std::string& one) {
    read_text(reader, item, one, 1, 260, is_address, "HOST:PORT such as 10.0.0.1:6379 or redis.example:6379");
  });
}

/// A Secret whose keys have fixed names.
void read_secret_name(Reader& reader, View at, std::string_view expected, std::string& out) {
  read_mapping(reader, at, required("name", expected, [&](View v) { read_object_name(reader, v, out); }));
}

void read_redis_ca(Reader& reader, View at, model::SecretSource& out) {
  auto pem = reader.file(at, kMostRedisCa);
  if (!pem) return;
  out.held = std::move(*pem);
  tls::ClientConfig config;
  config.hostname = "redis";
  config.ca_pem = out.held;
  if (const auto good = tls::ClientContext::create(std::move(config)); !good)
    reader.error(at, "a file with certificates as PEM: " + good.error().message);
}

/// Of two files, which have to fit together: where one is replaced before the other, both stay as they were.
void check_certificate(Reader& reader, View at, const model::RedisTls& tls) {
  const auto file = at.find("certificateFile");
  if (!file && !at.find("keyFile")) return;
  if (!file) return reader.missing(at, "certificateFile", "the path of a file, with keyFile");
  if (!at.find("keyFile")) return reader.missing(at, "keyFile", "the path of a file, with certificateFile");
  if (tls.certificate.held.empty() || tls.key.held.empty()) return;
  const tls::CertificateSource source{.name = "TLS",
                                      .chain_pem = tls.certificate.held,
                                      .key_pem = tls.key.held,
                                      .ocsp_der = {},
                                      .accept_expired = true};
  if (const auto good = tls::Certificate::load(source); !good)
    reader.error(file, "a file with a certificate as PEM, of the key in keyFile: " + good.error().message);
}

void read_tls(Reader& reader, View at, model::RedisTls& out) {
  out.enabled = true;
  out.ca.key = "ca.crt";
  out.certificate.key = "tls.crt";
  out.key.key = "tls.key";
  read_mapping(reader, at, field("hostname", [&](View v) { read_hostname(reader, v, out.hostname, false); }),
               bool_field(reader, "verify", out.verifies),
               field("caSecretRef",
                     [&](View v) { read_secret_name(reader, v, "the name of a Secret with ca.crt", out.ca.name); }),
               field("caFile", [&](View v) { read_redis_ca(reader, v, out.ca); }),
               field("certificateSecretRef",
                     [&](View v) {
                       read_secret_name(reader, v, "the name of a Secret with tls.crt and tls.key",
                                        out.certificate.name);
                       out.key.name = out.certificate.name;
                     }),
               file_field(reader, "certificateFile", out.certificate.held, kMostRedisPem),
               file_field(reader, "keyFile", out.key.held, kMostRedisPem));
  if (!at.is_mapping()) return;
  check_one(reader, at, {"caSecretRef", "caFile"}, 0);
  check_one(reader, at, {"certificateSecretRef", "certificateFile"}, 0);
  check_certificate(reader, at, out);
}

void read_password(Reader& reader, View at, model::SecretKey& out) {
  out.key = "password";
  read_mapping(reader, at,
               required("name", "the name of a Secret", [&](View v) { read_object_name(reader, v, out.name); }),
               field("key", [&](View v) { read_text(reader, v, out.key, 1, 253); }));
}

void read_redis_service(Reader& reader, View at, model::RedisSettings& out) {
  auto& target = out.backend.emplace();
  read_backend_target(reader, at, target);
  if (target.ref.kind.kind != model::RefKind::kService) reader.error(at, "a Service");
}

/// Who we are: an ACL user, or the one without a name.
struct RedisLogin {
  std::string& username;
  model::SecretSource& password;
};

template <class... F>
void read_login_fields(Reader& reader, View at, RedisLogin out, const Field<F>&... more) {
  read_mapping(reader, at, field("username", [&](View v) { read_text(reader, v, out.username, 1, kMostRedisUser); }),
               file_field(reader, "usernameFile", out.username, kMostRedisUser),
               field("passwordSecretRef", [&](View v) { read_password(reader, v, out.password); }),
               file_field(reader, "passwordFile", out.password.held, kMostRedisPassword), more...);
}

void check_login(Reader& reader, View at) {
  check_one(reader, at, {"username", "usernameFile"}, 0);
  check_one(reader, at, {"passwordSecretRef", "passwordFile"}, 0);
  const bool user = at.find("username") || at.find("usernameFile");
  if (user && !at.find("passwordSecretRef") && !at.find("passwordFile"))
    reader.missing(at, "passwordSecretRef", "a mapping, with username; or passwordFile");
}

void read_sentinel(Reader& reader, View at, model::RedisSettings& out) {
  read_login_fields(reader, at, {out.sentinel_username, out.sentinel_password},
                    required("master", "the master's name",
                             [&](View v) {
                               read_text(reader, v, out.sentinel_master, 1, 128, is_visible,
                                         "a name of visible ASCII characters");
                             }),
                    field("addresses", [&](View v) { read_addresses(reader, v, out.addresses); }),
                    field("backendRef", [&](View v) { read_redis_service(reader, v, out); }));
  if (!at.is_mapping()) return;
  check_one(reader, at, {"addresses", "backendRef"});
  check_login(reader, at);
}

void read_lease(Reader& reader, View at, model::RedisSettings& out) {
  read_mapping(reader, at, field("percent", [&](View v) { read_number(reader, v, 1, 50, out.lease_percent); }),
               field("duration", [&](View v) {
                 const auto value = read_duration(reader, v);
                 if (value && (value->count() < 100 || value->count() > 60'000))
                   reader.error(v, "a duration of 100ms to 1m");
                 else if (value) out.lease_time = *value;
               }));
}

void read_mode(Reader& reader, View at, model::RedisSettings& out) {
  const auto mode = at.find("mode");
  const bool lease = mode && !mode.is_null() && reader.one_of(mode, {"Exact", "Lease"}) == std::size_t{1};
  if (lease && out.lease_percent == 0) out.lease_percent = kLeasePercent;
  if (!lease && at.find("lease")) reader.error(at.find("lease"), "lease only with mode Lease");
}

/// What every user of Redis says, and fields of its own.
template <class... F>
void read_redis_mapping(Reader& reader, View at, model::RedisSettings& out, const Field<F>&... more) {
  read_login_fields(reader, at, {out.username, out.password},
                    field("addresses", [&](View v) { read_addresses(reader, v, out.addresses); }),
                    field("backendRef", [&](View v) { read_redis_service(reader, v, out); }),
                    field("sentinel", [&](View v) { read_sentinel(reader, v, out); }),
                    field("cluster", [&](View v) { reader.read(v, out.cluster); }),
                    field("tls", [&](View v) { read_tls(reader, v, out.tls); }),
                    field("database", [&](View v) { read_number(reader, v, 0, 65535, out.database); }),
                    field("timeout",
                          [&](View v) {
                            const auto value = read_duration(reader, v);
                            if (value && (value->count() < 1 || value->count() > 10'000))
                              reader.error(v, "a duration of 1ms to 10s");
                            else if (value) out.timeout = *value;
                          }),
                    field("prefix",
                          [&](View v) {
                            read_text(reader, v, out.prefix, 1, 64, is_token,
                                      "a prefix of letters, digits, '-', '.' and '_'");
                          }),
                    more...);
}

void check_redis(Reader& reader, View at, const model::RedisSettings& out) {
  const bool sentinel = static_cast<bool>(at.find("sentinel"));
  const bool service = out.backend.has_value();
  if (!sentinel && !service && !at.find("addresses"))
    reader.missing(at, "addresses", "at least one HOST:PORT, or backendRef or sentinel");
  for (const char* other : {"addresses", "backendRef"})
    if (sentinel && at.find(other)) reader.error(at.find(other), std::string(other) + " or sentinel, not both");
  if (at.find("addresses") && at.find("backendRef"))
    reader.error(at.find("addresses"), "addresses or backendRef, not both");
  if (sentinel && out.cluster) reader.error(at.find("cluster"), "sentinel or cluster, not both");
  if (!sentinel && !out.cluster && out.addresses.size() > 1)
    reader.error(at.find("addresses"), "one address; several only with cluster: true");
  if (out.cluster && out.database != 0) reader.error(at.find("database"), "0 with cluster: true, which has no others");
  if (out.tls.enabled && out.tls.hostname.empty() && (sentinel || service || out.cluster))
    reader.missing(at.find("tls"), "hostname", "the name in the certificates, with sentinel, backendRef or cluster");
  check_login(reader, at);
}

}  // namespace

void read_limit_key(Reader& reader, View at, std::vector<LimitKeyPart>& out) {
  read_list(reader, at, 1, 8, out, [&](View item, LimitKeyPart& one) { read_key_part(reader, item, one); });
}

void read_limit_missing(Reader& reader, View at, model::LimitMissing& out) {
  if (const auto found = reader.one_of(at, {"ClientIP", "Shared", "Skip"}))
    out = static_cast<model::LimitMissing>(*found);
}

void read_limit_refusal(Reader& reader, View at, model::LimitRefusal& out) {
  const auto text = [&](std::string_view name, std::string& into, std::size_t most) {
    return field(name, [&reader, &into, most](View v) { read_text(reader, v, into, 1, most); });
  };
  read_mapping(reader, at, field("status", [&](View v) { read_number(reader, v, 400, 599, out.status); }),
               text("title", out.title, 256), text("detail", out.detail, 1024), text("body", out.body, 65536),
               field("contentType", [&](View v) {
                 read_text(reader, v, out.content_type, 1, 256, is_header_value,
                           "a media type such as application/json");
               }));
  if (at.find("contentType") && !at.find("body"))
    reader.error(at.find("contentType"), "contentType only with body; problem details have their own");
  if (!at.find("body")) return;
  for (const char* name : {"title", "detail"})
    if (at.find(name)) reader.error(at.find(name), "title and detail, or body");
}

namespace {

/// Of who counts there.
template <class... F>
void read_counting_redis(Reader& reader, View at, model::RedisSettings& out, const Field<F>&... more) {
  using OnFailure = model::RedisSettings::OnFailure;
  read_redis_mapping(reader, at, out,
                     field("onFailure",
                           [&](View v) {
                             if (const auto found = reader.one_of(v, {"Open", "Closed", "Local"}))
                               out.on_failure = static_cast<OnFailure>(*found);
                           }),
                     field("gateways", [&](View v) { read_number(reader, v, 1, 10'000, out.gateways); }), more...);
}

}  // namespace

void read_place_redis(Reader& reader, View at, model::RedisSettings& out) {
  read_counting_redis(reader, at, out);
  if (at.is_mapping()) check_redis(reader, at, out);
}

void read_redis(Reader& reader, View at, model::RedisSettings& out) {
  read_counting_redis(reader, at, out, field("mode", [](View) {}),
                      field("lease", [&](View v) { read_lease(reader, v, out); }));
  if (!at.is_mapping()) return;
  read_mode(reader, at, out);
  check_redis(reader, at, out);
}

void read_cache_redis(Reader& reader, View at, model::RedisSettings& out, std::uint64_t& most_object) {
  read_redis_mapping(reader, at, out, field("maxObjectBytes", [&](View v) {
                       read_number(reader, v, 1, kMostSharedObject, most_object);
                     }));
  if (at.is_mapping()) check_redis(reader, at, out);
}

}  // namespace fairlead::config
