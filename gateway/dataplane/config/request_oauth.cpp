// SPDX-License-Identifier: Apache-2.0
// The methods introspection and login of authentication.
#include "fairlead/auth/oauth.hpp"
#include "fairlead/auth/seal.hpp"
#include "gateway/dataplane/config/gateway_references.hpp"
#include "gateway/dataplane/config/request_auth_parts.hpp"

namespace fairlead::config {
namespace {

using std::chrono::milliseconds;

void check_time(Reader& reader, View at, std::string_view name, milliseconds value, milliseconds least,
                milliseconds most, std::string_view expected) {
  if (value < least || value > most) reader.error(at.find(name), "a duration " + std::string(expected));
}

constexpr std::size_t kMostClientSecret = 4096;

void read_client(Reader& reader, View at, model::OauthClient& out) {
  read_mapping(reader, at, required("id", "the client's id", [&](View v) { read_text(reader, v, out.id, 1, 1024); }),
               field("secret",
                     [&](View v) {
                       reader.hide_values(true);
                       read_text(reader, v, out.secret, 1, kMostClientSecret);
                       reader.hide_values(false);
                     }),
               file_field(reader, "file", out.secret, kMostClientSecret),
               field("secretRef", [&](View v) { read_secret_key(reader, v, out.secret_ref.emplace()); }),
               field("authentication", [&](View v) {
                 if (const auto found = reader.one_of(v, {"Basic", "Post"}))
                   out.way = static_cast<model::OauthClient::Way>(*found);
               }));
  if (at.is_mapping()) check_one(reader, at, {"secret", "secretRef", "file"}, 0);
}

/// A path of ours: nothing that is sent back or made normal otherwise.
auto own_path_field(Reader& reader, std::string_view name, std::string& out) {
  return field(name, [&](View v) {
    const auto good = [](std::string_view text) {
      return auth::is_local_target(text) && text.find_first_of("?#%") == std::string_view::npos &&
             text.find("//") == std::string_view::npos && text.find("/.") == std::string_view::npos;
    };
    read_text(reader, v, out, 1, 1024, good, "a path that begins with / and has no ?, #, %, // or /.");
  });
}

bool is_url(std::string_view text) { return auth::split_url(text).has_value(); }
bool is_origin(std::string_view text) {
  const auto url = auth::split_url(text);
  return url && url->path.empty();
}
bool is_issuer(std::string_view text) { return is_url(text) && text.find('?') == std::string_view::npos; }

/// As a server knows itself, which may name its port.
auto host_field(Reader& reader, std::string& out) {
  return field("host", [&](View v) {
    const auto good = [](std::string_view text) { return is_origin("http://" + std::string(text)); };
    read_text(reader, v, out, 1, 256, good, "a host, with a port if need be, such as id.example or id.example:8443");
  });
}

auto url_text(Reader& reader, std::string& out) {
  return [&reader, &out](View v) {
    read_text(reader, v, out, 1, 2048, is_url, "an absolute URL with http or https, without fragment");
  };
}

void read_endpoints(Reader& reader, View at, model::LoginEndpoints& out) {
  read_mapping(reader, at, required("authorization", "a URL", url_text(reader, out.authorization)),
               required("token", "a path", [&](View v) { read_server_path(reader, v, out.token); }),
               required("jwks", "a path", [&](View v) { read_server_path(reader, v, out.jwks); }),
               field("endSession", url_text(reader, out.end_session)));
}

bool is_scope(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; });
}

void read_scopes(Reader& reader, View at, std::vector<std::string>& out) {
  out.clear();
  read_list(reader, at, 0, 64, out, [&](View item, std::string& one) {
    read_text(reader, item, one, 1, 256, is_scope, "a scope: visible ASCII without '\"' and '\\'");
  });
}

void read_login_scopes(Reader& reader, View at, std::vector<std::string>& out) {
  read_scopes(reader, at, out);
  if (at.is_sequence() && std::ranges::find(out, "openid") == out.end())
    reader.error(at, "a list with openid: without it no provider says who logs in");
}

void read_cookie_key(Reader& reader, View at, model::SecretSource& out) {
  read_mapping(reader, at, field("name", [&](View v) { read_object_name(reader, v, out.name); }),
               field("key", [&](View v) { read_text(reader, v, out.key, 1, 253); }), field("file", [&](View v) {
                 auto text = reader.file(v, kMostClientSecret);
                 if (!text) return;
                 out.held = std::move(*text);
                 if (out.held.size() < auth::SealKeys::kLeastSecret) reader.error(v, "a file with at least 32 bytes");
               }));
  if (!at.is_mapping()) return;
  check_one(reader, at, {"name", "file"});
  if (at.find("name") && !at.find("key")) reader.missing(at, "key", "a key of the Secret");
  if (at.find("file") && at.find("key")) reader.error(at.find("key"), "key only with name");
}

void read_cookies(Reader& reader, View at, model::LoginMethod& out) {
  const auto good = [](std::string_view text) { return is_cookie_name(text) && !text.starts_with("__"); };
  read_mapping(reader, at,
               field("name",
                     [&](View v) {
                       read_text(reader, v, out.cookie_name, 1, 64, good,
                                 "a cookie's name of at most 64 characters that does not begin with __");
                     }),
               required("keys", "at least one key",
                        [&](View v) {
                          read_list(reader, v, 1, 8, out.cookie_keys,
                                    [&](View item, model::SecretSource& one) { read_cookie_key(reader, item, one); });
                        }),
               bool_field(reader, "secure", out.secure_cookies));
}

/// Each path has one meaning.
void check_paths(Reader& reader, View at, const model::LoginMethod& out) {
  if (out.logout_path == out.callback_path) reader.error(at.find("logoutPath"), "another path than callbackPath");
  if (!out.login_path.empty() && (out.login_path == out.callback_path || out.login_path == out.logout_path))
    reader.error(at.find("loginPath"), "another path than callbackPath and logoutPath");
}

}  // namespace

void read_introspection(Reader& reader, View at, model::IntrospectionMethod& out) {
  using namespace std::chrono_literals;
  read_mapping(
      reader, at,
      required("backendRef", "a Service and its port", [&](View v) { read_backend_target(reader, v, out.backend); }),
      required("path", "a path", [&](View v) { read_server_path(reader, v, out.path); }), host_field(reader, out.host),
      required("client", "the client that asks", [&](View v) { read_client(reader, v, out.client); }),
      field("from",
            [&](View v) {
              out.from = {};
              places_fields(reader, out.from)(v);
            }),
      field("issuer", [&](View v) { read_text(reader, v, out.issuer, 1, 1024); }),
      texts_field(reader, "audiences", out.audiences, 64),
      field("scopes", [&](View v) { read_scopes(reader, v, out.scopes); }),
      field("claimsToHeaders", [&](View v) { read_claim_headers(reader, v, out.claims_to_headers); }),
      field("requiredClaims", [&](View v) { read_required_claims(reader, v, out.required_claims); }),
      field("consumerClaim", [&](View v) { read_text(reader, v, out.consumer_claim, 1, 256); }),
      time_field(reader, "activeFor", out.active_for), time_field(reader, "inactiveFor", out.inactive_for),
      time_field(reader, "timeout", out.timeout), bool_field(reader, "hideCredentials", out.hide_credentials));
  if (!at.is_mapping()) return;
  const auto client = at.find("client");
  if (client && client.is_mapping() && !client.find("secret") && !client.find("secretRef") && !client.find("file"))
    reader.missing(client, "secret", "secret, secretRef or file");
  check_time(reader, at, "activeFor", out.active_for, 1s, 24h, "from 1s to 24h");
  check_time(reader, at, "inactiveFor", out.inactive_for, 1s, 24h, "from 1s to 24h");
  check_time(reader, at, "timeout", out.timeout, 1ms, 60s, "from 1ms to 1m");
}

void read_login(Reader& reader, View at, model::LoginMethod& out) {
  using namespace std::chrono_literals;
  read_mapping(
      reader, at,
      required("issuer", "the provider's URL",
               [&](View v) {
                 read_text(reader, v, out.issuer, 1, 1024, is_issuer, "a URL with http or https, without query");
               }),
      required("backendRef", "a Service and its port", [&](View v) { read_backend_target(reader, v, out.backend); }),
      host_field(reader, out.host),
      field("endpoints", [&](View v) { read_endpoints(reader, v, out.endpoints.emplace()); }),
      required("client", "the client that the provider knows", [&](View v) { read_client(reader, v, out.client); }),
      field("scopes", [&](View v) { read_login_scopes(reader, v, out.scopes); }),
      field("baseUrl",
            [&](View v) {
              read_text(reader, v, out.base_url, 1, 1024, is_origin,
                        "a URL without path, such as https://shop.example");
            }),
      own_path_field(reader, "callbackPath", out.callback_path), own_path_field(reader, "loginPath", out.login_path),
      own_path_field(reader, "logoutPath", out.logout_path), own_path_field(reader, "afterLogout", out.after_logout),
      required("cookies", "the key that seals cookies", [&](View v) { read_cookies(reader, v, out); }),
      time_field(reader, "sessionLifetime", out.session_lifetime),
      field("claimsToHeaders", [&](View v) { read_claim_headers(reader, v, out.claims_to_headers); }),
      field("requiredClaims", [&](View v) { read_required_claims(reader, v, out.required_claims); }),
      field("consumerClaim", [&](View v) { read_text(reader, v, out.consumer_claim, 1, 256); }),
      time_field(reader, "clockSkew", out.clock_skew), time_field(reader, "timeout", out.timeout));
  if (!at.is_mapping()) return;
  check_paths(reader, at, out);
  check_time(reader, at, "sessionLifetime", out.session_lifetime, 1min, 720h, "from 1m to 720h");
  check_time(reader, at, "clockSkew", out.clock_skew, 0ms, 1h, "of at most 1h");
  check_time(reader, at, "timeout", out.timeout, 1ms, 60s, "from 1ms to 1m");
}

}  // namespace fairlead::config
