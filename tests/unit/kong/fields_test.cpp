// SPDX-License-Identifier: Apache-2.0
// Every field of Kong's entities and of the plugins that are served (release 3.9.1: kong/db/schema/entities/,
// kong/plugins/*/schema.lua): it changes what is served, or is named, or is of those that have nothing to say here.
#include <gtest/gtest.h>

#include <set>

#include "fairlead/kong/convert.hpp"
#include "fairlead/tls/self_signed.hpp"

namespace fairlead::kong {
namespace {

enum class Becomes : std::uint8_t {
  kServed,   ///< other objects
  kNamed,    ///< refuses the file, with the field's name
  kWarned,   ///< the same objects, and a warning with the field's name
  kNothing,  ///< the same objects, without a word: what it says is of Kong's own process, or for people
};
using enum Becomes;

struct Field {
  const char* entity;
  const char* name;
  const char* without;  ///< what stands in its entity beside the usual
  const char* with;
  Becomes becomes;
};

constexpr const char* kActive = "active: {healthy: {interval: 1}, unhealthy: {interval: 1, http_failures: 1";

const Field kFieldRows[] = {
    {"service", "name", "", "name: other", kServed},
    {"service", "url", "host: h.example", "url: 'http://i.example/'", kServed},
    {"service", "protocol", "host: h.example", "host: h.example, protocol: https", kServed},
    {"service", "host", "host: h.example", "host: i.example", kServed},
    {"service", "port", "host: h.example", "host: h.example, port: 81", kServed},
    {"service", "path", "host: h.example", "host: h.example, path: /p", kServed},
    {"service", "retries", "host: h.example", "host: h.example, retries: 1", kServed},
    {"service", "connect_timeout", "host: h.example", "host: h.example, connect_timeout: 1", kServed},
    {"service", "read_timeout", "host: h.example", "host: h.example, read_timeout: 1", kServed},
    // The longer of both waits is the backend's; it is in the list of differences.
    {"service", "write_timeout", "host: h.example", "host: h.example, write_timeout: 1", kNothing},
    {"service", "client_certificate", "host: h.example, protocol: https",
     "host: h.example, protocol: https, client_certificate: {id: c1}", kServed},
    {"service", "tls_verify", "host: h.example, protocol: https", "host: h.example, protocol: https, tls_verify: true",
     kServed},
    {"service", "tls_verify_depth", "host: h.example, protocol: https",
     "host: h.example, protocol: https, tls_verify_depth: 1", kNamed},
    {"service", "ca_certificates", "host: h.example, protocol: https",
     "host: h.example, protocol: https, ca_certificates: [a1]", kServed},
    {"service", "enabled", "host: h.example", "host: h.example, enabled: false", kServed},
    {"service", "tags", "host: h.example", "host: h.example, tags: [a]", kNothing},
    {"service", "id", "host: h.example", "host: h.example, id: i", kNothing},
    {"service", "created_at", "host: h.example", "host: h.example, created_at: 1", kNothing},
    {"service", "updated_at", "host: h.example", "host: h.example, updated_at: 1", kNothing},

    {"route", "name", "name: r, paths: [/a]", "name: other, paths: [/a]", kServed},
    {"route", "protocols", "paths: [/a]", "paths: [/a], protocols: [https]", kServed},
    {"route", "methods", "paths: [/a]", "paths: [/a], methods: [GET]", kServed},
    {"route", "methods", "paths: [/a]", "paths: [/a], methods: [PURGE]", kServed},
    {"route", "hosts", "paths: [/a]", "paths: [/a], hosts: [a.example]", kServed},
    {"route", "paths", "paths: [/a]", "paths: [/b]", kServed},
    {"route", "headers", "paths: [/a]", "paths: [/a], headers: {x: [y]}", kServed},
    {"route", "snis", "paths: [/a]", "paths: [/a], snis: [a.example]", kServed},
    {"route", "sources", "paths: [/a]", "paths: [/a], sources: [{ip: 10.0.0.1}]", kNamed},
    {"route", "destinations", "paths: [/a]", "paths: [/a], destinations: [{ip: 10.0.0.1}]", kNamed},
    {"route", "expression", "", "expression: 'http.path == \"/\"'", kNamed},
    {"route", "priority", "paths: [/a]", "paths: [/a], priority: 1", kNamed},
    {"route", "https_redirect_status_code", "paths: [/a], protocols: [https]",
     "paths: [/a], protocols: [https], https_redirect_status_code: 301", kServed},
    {"route", "strip_path", "paths: [/a]", "paths: [/a], strip_path: false", kServed},
    {"route", "preserve_host", "paths: [/a]", "paths: [/a], preserve_host: true", kServed},
    // Bodies are streamed, and held where a plugin needs them.
    {"route", "request_buffering", "paths: [/a]", "paths: [/a], request_buffering: false", kNothing},
    {"route", "response_buffering", "paths: [/a]", "paths: [/a], response_buffering: false", kNothing},
    // Shown where two expressions meet: convert_test.cpp, KongOrder.
    {"route", "regex_priority", "paths: ['~/a']", "paths: ['~/a'], regex_priority: 1", kNothing},
    // v1 is as v0, with a warning where the service has a path.
    {"route", "path_handling", "paths: [/a]", "paths: [/a], path_handling: v1", kNothing},
    {"route", "tags", "paths: [/a]", "paths: [/a], tags: [a]", kNothing},
    {"route", "service", "paths: [/a]", "paths: [/a], service: nobody", kNamed},

    {"upstream", "algorithm", "", "algorithm: least-connections", kServed},
    {"upstream", "hash_on", "", "hash_on: ip", kServed},
    {"upstream", "hash_on", "", "hash_on: uri_capture, hash_on_uri_capture: a", kNamed},
    {"upstream", "hash_on_header", "hash_on: header, hash_on_header: a", "hash_on: header, hash_on_header: b", kServed},
    {"upstream", "hash_on_cookie", "hash_on: cookie, hash_on_cookie: a", "hash_on: cookie, hash_on_cookie: b", kServed},
    {"upstream", "hash_on_cookie_path", "hash_on: cookie, hash_on_cookie: a",
     "hash_on: cookie, hash_on_cookie: a, hash_on_cookie_path: /p", kServed},
    {"upstream", "hash_on_query_arg", "hash_on: query_arg, hash_on_query_arg: a",
     "hash_on: query_arg, hash_on_query_arg: b", kServed},
    {"upstream", "hash_fallback", "hash_on: path", "hash_on: path, hash_fallback: ip", kServed},
    {"upstream", "hash_fallback", "hash_on: path", "hash_on: path, hash_fallback: consumer", kServed},
    {"upstream", "hash_fallback", "hash_on: path", "hash_on: path, hash_fallback: uri_capture", kNamed},
    {"upstream", "hash_fallback_header", "hash_on: path, hash_fallback: header, hash_fallback_header: a",
     "hash_on: path, hash_fallback: header, hash_fallback_header: b", kServed},
    {"upstream", "hash_fallback_header", "hash_on: path", "hash_on: path, hash_fallback: header", kNamed},
    {"upstream", "hash_fallback_query_arg", "hash_on: path, hash_fallback: query_arg, hash_fallback_query_arg: a",
     "hash_on: path, hash_fallback: query_arg, hash_fallback_query_arg: b", kServed},
    {"upstream", "slots", "", "slots: 100", kNothing},  // of Kong's own table
    {"upstream", "host_header", "", "host_header: b.example", kServed},
    {"upstream", "client_certificate", "", "client_certificate: {id: c1}", kServed},
    {"upstream", "use_srv_name", "", "use_srv_name: true", kNamed},
    {"upstream", "tags", "", "tags: [a]", kNothing},
    {"upstream", "threshold", "", "healthchecks: {threshold: 50}", kServed},
    {"active", "type", "", "type: tcp", kServed},
    {"active", "timeout", "", "timeout: 2", kServed},
    {"active", "concurrency", "", "concurrency: 2", kNothing},  // how many Kong asks at a time
    {"active", "http_path", "", "http_path: /p", kServed},
    {"active", "https_sni", "", "https_sni: a.example", kNamed},
    {"active", "https_verify_certificate", "type: https", "type: https, https_verify_certificate: true", kNamed},
    {"active", "headers", "", "headers: {x: [y]}", kNamed},
    {"active.healthy", "interval", "interval: 1", "interval: 2", kServed},
    {"active.healthy", "http_statuses", "interval: 1", "interval: 1, http_statuses: [204]", kServed},
    {"active.healthy", "successes", "interval: 1", "interval: 1, successes: 2", kServed},
    {"active.unhealthy", "interval", "interval: 1", "interval: 2", kServed},
    {"active.unhealthy", "http_statuses", "interval: 1", "interval: 1, http_statuses: [500]", kServed},
    {"active.unhealthy", "tcp_failures", "interval: 1", "interval: 1, tcp_failures: 2", kServed},
    {"active.unhealthy", "timeouts", "interval: 1", "interval: 1, timeouts: 2", kServed},
    {"active.unhealthy", "http_failures", "interval: 1, http_failures: 1", "interval: 1, http_failures: 2", kServed},
    {"passive", "type", "unhealthy: {http_failures: 2, tcp_failures: 1}",
     "unhealthy: {http_failures: 2, tcp_failures: 1}, type: tcp", kServed},
    {"passive", "http_statuses", "unhealthy: {http_failures: 2}",
     "unhealthy: {http_failures: 2}, healthy: {http_statuses: [200]}", kNamed},
    {"passive", "successes", "unhealthy: {http_failures: 2}", "unhealthy: {http_failures: 2}, healthy: {successes: 2}",
     kNamed},
    {"passive", "http_statuses", "unhealthy: {http_failures: 2}", "unhealthy: {http_failures: 2, http_statuses: [429]}",
     kServed},
    {"passive", "tcp_failures", "unhealthy: {http_failures: 2}", "unhealthy: {http_failures: 2, tcp_failures: 1}",
     kServed},
    {"passive", "timeouts", "unhealthy: {http_failures: 2}", "unhealthy: {http_failures: 2, timeouts: 1}", kServed},

    {"target", "target", "target: '10.0.0.9:80'", "target: '10.0.0.8:80'", kServed},
    {"target", "weight", "target: '10.0.0.9:80'", "target: '10.0.0.9:80', weight: 0", kServed},
    {"target", "tags", "target: '10.0.0.9:80'", "target: '10.0.0.9:80', tags: [a]", kNothing},
    {"target", "upstream", "target: '10.0.0.9:80'", "target: '10.0.0.9:80', upstream: nobody", kNamed},

    {"consumer", "username", "username: a", "username: b", kServed},
    {"consumer", "custom_id", "username: a", "username: a, custom_id: b", kServed},
    {"consumer", "id", "username: a", "username: a, id: b", kServed},
    {"consumer", "tags", "username: a", "username: a, tags: [b]", kNothing},
    {"consumer", "groups", "username: a", "username: a, groups: [{name: nobody}]", kNamed},
    {"consumer", "acls", "username: a", "username: a, acls: [{group: g}]", kServed},
    {"consumer", "key", "username: a", "username: a, keyauth_credentials: [{key: k}]", kServed},
    {"consumer", "ttl", "username: a, keyauth_credentials: [{key: k}]",
     "username: a, keyauth_credentials: [{key: k, ttl: 60}]", kNamed},
    {"consumer", "password", "username: a", "username: a, basicauth_credentials: [{username: u, password: p}]",
     kServed},
    {"consumer", "secret", "username: a", "username: a, hmacauth_credentials: [{username: u, secret: s}]", kServed},
    {"consumer", "algorithm", "username: a, jwt_secrets: [{key: k, secret: s}]",
     "username: a, jwt_secrets: [{key: k, secret: s, algorithm: HS512}]", kServed},

    {"certificate", "cert_alt", "", "cert_alt: x", kNamed},
    {"certificate", "key_alt", "", "key_alt: x", kNamed},
    {"certificate", "snis", "", "snis: [a.example]", kNothing},  // the certificate's own name
    {"certificate", "snis", "", "snis: [{name: b.example}]", kNamed},
    {"certificate", "tags", "", "tags: [a]", kNothing},
    {"sni", "name", "name: a.example, certificate: c1", "name: b.example, certificate: c1", kNamed},
    {"sni", "certificate", "name: a.example, certificate: c1", "name: a.example, certificate: c2", kNamed},
    {"ca_certificate", "cert_digest", "", "cert_digest: x", kNothing},  // of the certificate itself
    {"consumer_group", "consumers", "name: g", "name: g, consumers: [{username: nobody}]", kNamed},
    {"consumer_group", "plugins", "name: g",
     "name: g, plugins: [{name: rate-limiting, config: {minute: 5, policy: local}}], consumers: [{username: u}]",
     kServed},
    {"vault", "base64_decode", "config: {prefix: A}", "config: {prefix: A, base64_decode: true}", kNamed},

    {"plugin", "enabled", "name: key-auth", "name: key-auth, enabled: false", kServed},
    {"plugin", "instance_name", "name: key-auth", "name: key-auth, instance_name: a", kNothing},
    {"plugin", "protocols", "name: key-auth", "name: key-auth, protocols: [grpc, grpcs, http, https]", kNothing},
    {"plugin", "protocols", "name: key-auth", "name: key-auth, protocols: [https]", kWarned},
    {"plugin", "protocols", "name: key-auth", "name: key-auth, protocols: [http, tcp]", kNamed},
    {"plugin", "protocols", "name: key-auth", "name: key-auth, protocols: [gopher]", kNamed},
    {"plugin", "protocols", "name: ip-restriction, config: {deny: [10.0.0.1]}",
     "name: ip-restriction, config: {deny: [10.0.0.1]}, protocols: [tcp]", kServed},
    {"plugin", "ordering", "name: key-auth", "name: key-auth, ordering: {before: {access: [cors]}}", kNamed},
    {"plugin", "consumer", "name: key-auth", "name: key-auth, consumer: nobody", kNamed},
    {"plugin", "tags", "name: key-auth", "name: key-auth, tags: [a]", kNothing},

    {"key-auth", "key_names", "", "key_names: [a]", kServed},
    {"key-auth", "hide_credentials", "", "hide_credentials: true", kServed},
    {"key-auth", "anonymous", "", "anonymous: u", kServed},
    {"key-auth", "key_in_header", "", "key_in_header: false", kServed},
    {"key-auth", "key_in_query", "", "key_in_query: false", kServed},
    {"key-auth", "key_in_body", "", "key_in_body: true", kServed},
    {"key-auth", "run_on_preflight", "", "run_on_preflight: false", kServed},
    {"key-auth", "realm", "", "realm: a", kServed},
    {"basic-auth", "anonymous", "", "anonymous: u", kServed},
    {"basic-auth", "hide_credentials", "", "hide_credentials: true", kServed},
    {"basic-auth", "realm", "", "realm: a", kServed},
    {"jwt", "uri_param_names", "", "uri_param_names: [a]", kServed},
    {"jwt", "cookie_names", "", "cookie_names: [a]", kServed},
    {"jwt", "header_names", "", "header_names: [a]", kServed},
    {"jwt", "key_claim_name", "", "key_claim_name: a", kServed},
    {"jwt", "secret_is_base64", "", "secret_is_base64: true", kServed},
    {"jwt", "claims_to_verify", "", "claims_to_verify: [exp]", kServed},
    {"jwt", "maximum_expiration", "claims_to_verify: [exp]", "claims_to_verify: [exp], maximum_expiration: 60",
     kServed},
    {"jwt", "anonymous", "", "anonymous: u", kServed},
    {"jwt", "run_on_preflight", "", "run_on_preflight: false", kServed},
    {"jwt", "realm", "", "realm: a", kServed},
    {"hmac-auth", "hide_credentials", "", "hide_credentials: true", kServed},
    {"hmac-auth", "clock_skew", "", "clock_skew: 10", kServed},
    {"hmac-auth", "anonymous", "", "anonymous: u", kServed},
    {"hmac-auth", "validate_request_body", "", "validate_request_body: true", kServed},
    {"hmac-auth", "enforce_headers", "", "enforce_headers: [date]", kServed},
    {"hmac-auth", "algorithms", "", "algorithms: [hmac-sha256]", kServed},
    {"hmac-auth", "realm", "", "realm: a", kServed},
    {"acl", "allow", "allow: [a]", "allow: [b]", kServed},
    {"acl", "deny", "allow: [a]", "deny: [a]", kServed},
    {"acl", "hide_groups_header", "allow: [a]", "allow: [a], hide_groups_header: true", kServed},
    {"acl", "include_consumer_groups", "allow: [g0]", "allow: [g0], include_consumer_groups: true", kServed},
    // Groups of plugins that are not served.
    {"acl", "always_use_authenticated_groups", "allow: [a]", "allow: [a], always_use_authenticated_groups: true",
     kNothing},
    {"cors", "origins", "", "origins: ['https://a.example']", kServed},
    {"cors", "methods", "", "methods: [GET]", kServed},
    {"cors", "headers", "", "headers: [a]", kServed},
    {"cors", "exposed_headers", "", "exposed_headers: [a]", kServed},
    {"cors", "max_age", "", "max_age: 5", kServed},
    {"cors", "credentials", "", "credentials: true", kServed},
    {"cors", "private_network", "", "private_network: true", kServed},
    {"cors", "preflight_continue", "", "preflight_continue: true", kServed},
    {"cors", "allow_origin_absent", "", "allow_origin_absent: false", kServed},
    {"ip-restriction", "allow", "deny: [10.0.0.1]", "deny: [10.0.0.1], allow: [10.0.0.0/8]", kServed},
    {"ip-restriction", "deny", "deny: [10.0.0.1]", "deny: [10.0.0.2]", kServed},
    {"ip-restriction", "status", "deny: [10.0.0.1]", "deny: [10.0.0.1], status: 404", kServed},
    {"ip-restriction", "message", "deny: [10.0.0.1]", "deny: [10.0.0.1], message: no", kServed},
    {"rate-limiting", "second", "minute: 9", "minute: 9, second: 1", kServed},
    {"rate-limiting", "minute", "minute: 9", "minute: 8", kServed},
    {"rate-limiting", "hour", "minute: 9", "minute: 9, hour: 10", kServed},
    {"rate-limiting", "hour", "minute: 9", "minute: 500, hour: 5", kNamed},
    {"rate-limiting", "day", "minute: 9", "minute: 9, day: 10", kServed},
    {"rate-limiting", "month", "minute: 9", "minute: 9, month: 10", kServed},
    {"rate-limiting", "year", "minute: 9", "minute: 9, year: 10", kServed},
    {"rate-limiting", "limit_by", "minute: 9", "minute: 9, limit_by: ip", kServed},
    {"rate-limiting", "header_name", "minute: 9, limit_by: header, header_name: a",
     "minute: 9, limit_by: header, header_name: b", kServed},
    {"rate-limiting", "path", "minute: 9, limit_by: path, path: /a", "minute: 9, limit_by: path, path: /b", kServed},
    {"rate-limiting", "policy", "minute: 9", "minute: 9, policy: redis, redis: {host: r}", kServed},
    {"rate-limiting", "policy", "minute: 9", "minute: 9, policy: cluster", kNamed},
    {"rate-limiting", "fault_tolerant", "minute: 9, policy: redis, redis: {host: r}",
     "minute: 9, policy: redis, redis: {host: r}, fault_tolerant: false", kServed},
    {"rate-limiting", "hide_client_headers", "minute: 9", "minute: 9, hide_client_headers: true", kServed},
    {"rate-limiting", "error_code", "minute: 9", "minute: 9, error_code: 430", kServed},
    {"rate-limiting", "error_message", "minute: 9", "minute: 9, error_message: no", kServed},
    // Each request is counted as it comes.
    {"rate-limiting", "sync_rate", "minute: 9", "minute: 9, sync_rate: 1", kNothing},
    {"redis", "host", "host: q", "host: r", kServed},
    {"redis", "port", "host: r", "host: r, port: 1", kServed},
    {"redis", "timeout", "host: r", "host: r, timeout: 1", kServed},
    {"redis", "username", "host: r, password: p", "host: r, password: p, username: u", kServed},
    {"redis", "password", "host: r", "host: r, password: p", kServed},
    {"redis", "database", "host: r", "host: r, database: 1", kServed},
    {"redis", "ssl", "host: r", "host: r, ssl: true", kServed},
    {"redis", "ssl_verify", "host: r, ssl: true", "host: r, ssl: true, ssl_verify: true", kServed},
    {"redis", "server_name", "host: r, ssl: true", "host: r, ssl: true, server_name: a.example", kServed},
    {"response-ratelimiting", "header_name", "limits: {a: {day: 9}}", "limits: {a: {day: 9}}, header_name: b", kServed},
    {"response-ratelimiting", "limit_by", "limits: {a: {day: 9}}", "limits: {a: {day: 9}}, limit_by: ip", kServed},
    {"response-ratelimiting", "policy", "limits: {a: {day: 9}}",
     "limits: {a: {day: 9}}, policy: redis, redis: {host: r}", kServed},
    {"response-ratelimiting", "fault_tolerant", "limits: {a: {day: 9}}, policy: redis, redis: {host: r}",
     "limits: {a: {day: 9}}, policy: redis, redis: {host: r}, fault_tolerant: false", kServed},
    {"response-ratelimiting", "block_on_first_violation", "limits: {a: {day: 9}}",
     "limits: {a: {day: 9}}, block_on_first_violation: true", kServed},
    {"response-ratelimiting", "hide_client_headers", "limits: {a: {day: 9}}",
     "limits: {a: {day: 9}}, hide_client_headers: true", kServed},
    {"response-ratelimiting", "limits", "limits: {a: {day: 9}}", "limits: {a: {day: 8}}", kServed},
    {"response-ratelimiting", "hour", "limits: {a: {minute: 9}}", "limits: {a: {minute: 9, hour: 5}}", kNamed},
    {"request-size-limiting", "allowed_payload_size", "", "allowed_payload_size: 5", kServed},
    {"request-size-limiting", "size_unit", "", "size_unit: bytes", kServed},
    {"request-size-limiting", "require_content_length", "", "require_content_length: true", kServed},
    {"request-termination", "status_code", "", "status_code: 403", kServed},
    {"request-termination", "message", "", "message: a", kServed},
    {"request-termination", "body", "", "body: a", kServed},
    {"request-termination", "content_type", "body: a", "body: a, content_type: text/html", kServed},
    {"request-termination", "echo", "", "echo: true", kNamed},
    {"request-termination", "trigger", "", "trigger: a", kServed},
    {"request-transformer", "http_method", "", "http_method: POST", kServed},
    {"request-transformer", "remove", "", "remove: {headers: [a]}", kServed},
    {"request-transformer", "rename", "", "rename: {querystring: ['a:b']}", kServed},
    {"request-transformer", "replace", "", "replace: {body: ['a:b']}", kServed},
    {"request-transformer", "uri", "", "replace: {uri: /a}", kServed},
    {"request-transformer", "add", "", "add: {headers: ['a:b']}", kServed},
    {"request-transformer", "append", "", "append: {headers: ['a:b']}", kServed},
    {"response-transformer", "remove", "", "remove: {json: [a]}", kServed},
    {"response-transformer", "rename", "", "rename: {headers: ['a:b']}", kServed},
    {"response-transformer", "replace", "", "replace: {json: ['a:b']}", kServed},
    {"response-transformer", "json_types", "add: {json: ['a:1']}", "add: {json: ['a:1'], json_types: [number]}",
     kServed},
    {"response-transformer", "append", "", "append: {headers: ['a:b']}", kServed},
    {"proxy-cache", "response_code", "", "response_code: [200]", kServed},
    {"proxy-cache", "request_method", "", "request_method: [GET]", kServed},
    {"proxy-cache", "content_type", "", "content_type: [text/html]", kServed},
    {"proxy-cache", "cache_ttl", "", "cache_ttl: 5", kServed},
    {"proxy-cache", "cache_control", "", "cache_control: true", kServed},
    {"proxy-cache", "ignore_uri_case", "", "ignore_uri_case: true", kServed},
    {"proxy-cache", "storage_ttl", "", "storage_ttl: 5", kServed},
    {"proxy-cache", "memory", "", "memory: {dictionary_name: a}", kNothing},  // nginx's
    {"proxy-cache", "vary_query_params", "", "vary_query_params: [a]", kServed},
    {"proxy-cache", "vary_headers", "", "vary_headers: [a]", kServed},
    {"proxy-cache", "response_headers", "", "response_headers: {age: false}", kServed},
    {"correlation-id", "header_name", "", "header_name: a", kServed},
    {"correlation-id", "generator", "", "generator: uuid", kServed},
    {"correlation-id", "echo_downstream", "", "echo_downstream: true", kServed},
    {"bot-detection", "allow", "", "allow: [a]", kServed},
    {"bot-detection", "deny", "", "deny: [a]", kServed},
    {"redirect", "status_code", "location: 'http://a/'", "location: 'http://a/', status_code: 302", kServed},
    {"redirect", "location", "location: 'http://a/'", "location: 'http://b/'", kServed},
    {"redirect", "keep_incoming_path", "location: 'http://a/'", "location: 'http://a/', keep_incoming_path: true",
     kServed},
    {"prometheus", "status_code_metrics", "", "status_code_metrics: true", kServed},
    {"prometheus", "latency_metrics", "", "latency_metrics: true", kServed},
    {"prometheus", "bandwidth_metrics", "", "bandwidth_metrics: true", kServed},
    {"prometheus", "ai_metrics", "", "ai_metrics: true", kNamed},
    {"prometheus", "wasm_metrics", "", "wasm_metrics: true", kNamed},
    {"statsd", "host", "", "host: a", kServed},
    {"statsd", "port", "", "port: 1", kServed},
    {"statsd", "prefix", "", "prefix: a", kServed},
    {"statsd", "metrics", "", "metrics: [{name: latency, stat_type: timer}]", kServed},
    {"statsd", "allow_status_codes", "", "allow_status_codes: [200-299]", kServed},
    {"statsd", "udp_packet_size", "", "udp_packet_size: 100", kServed},
    {"statsd", "use_tcp", "", "use_tcp: true", kNamed},
    {"statsd", "hostname_in_prefix", "", "hostname_in_prefix: true", kServed},
    {"statsd", "consumer_identifier_default", "", "consumer_identifier_default: username", kServed},
    {"statsd", "service_identifier_default", "", "service_identifier_default: service_name", kServed},
    {"statsd", "workspace_identifier_default", "", "workspace_identifier_default: workspace_name", kNothing},  // one
    {"statsd", "tag_style", "", "tag_style: dogstatsd", kNamed},
    {"statsd", "queue", "", "queue: {max_entries: 5}", kServed},
    {"datadog", "host", "", "host: a", kServed},
    {"datadog", "port", "", "port: 1", kServed},
    {"datadog", "prefix", "", "prefix: a", kServed},
    {"datadog", "service_name_tag", "", "service_name_tag: a", kServed},
    {"datadog", "status_tag", "", "status_tag: a", kServed},
    {"datadog", "consumer_tag", "", "consumer_tag: a", kServed},
    {"datadog", "metrics", "", "metrics: [{name: latency, stat_type: timer}]", kServed},
    {"http-log", "http_endpoint", "http_endpoint: 'http://a/'", "http_endpoint: 'http://b/'", kServed},
    {"http-log", "method", "http_endpoint: 'http://a/'", "http_endpoint: 'http://a/', method: PUT", kServed},
    {"http-log", "content_type", "http_endpoint: 'http://a/'",
     "http_endpoint: 'http://a/', content_type: application/json; charset=utf-8", kServed},
    {"http-log", "timeout", "http_endpoint: 'http://a/'", "http_endpoint: 'http://a/', timeout: 5", kServed},
    // A connection is kept as long as the server keeps it; retry_count Kong does not heed either.
    {"http-log", "keepalive", "http_endpoint: 'http://a/'", "http_endpoint: 'http://a/', keepalive: 5", kNothing},
    {"http-log", "retry_count", "http_endpoint: 'http://a/'", "http_endpoint: 'http://a/', retry_count: 5", kNothing},
    {"http-log", "queue_size", "http_endpoint: 'http://a/'", "http_endpoint: 'http://a/', queue_size: 5", kServed},
    {"http-log", "flush_timeout", "http_endpoint: 'http://a/'", "http_endpoint: 'http://a/', flush_timeout: 5",
     kServed},
    {"http-log", "headers", "http_endpoint: 'http://a/'", "http_endpoint: 'http://a/', headers: {x: y}", kServed},
    {"http-log", "custom_fields_by_lua", "http_endpoint: 'http://a/'",
     "http_endpoint: 'http://a/', custom_fields_by_lua: {a: return 1}", kNamed},
    {"queue", "max_batch_size", "", "max_batch_size: 5", kServed},
    {"queue", "max_entries", "", "max_entries: 5", kServed},
    {"queue", "max_coalescing_delay", "", "max_coalescing_delay: 5", kServed},
    {"queue", "max_retry_time", "", "max_retry_time: 5", kServed},
    {"queue", "initial_retry_delay", "", "initial_retry_delay: 5", kServed},
    {"queue", "max_retry_delay", "", "max_retry_delay: 5", kServed},
    {"queue", "max_bytes", "", "max_bytes: 5", kNamed},
    {"queue", "concurrency_limit", "", "concurrency_limit: -1", kNamed},
    {"file-log", "path", "path: /a", "path: /b", kServed},
    {"file-log", "reopen", "path: /a", "path: /a, reopen: true", kServed},
    {"file-log", "custom_fields_by_lua", "path: /a", "path: /a, custom_fields_by_lua: {a: return 1}", kNamed},
    {"opentelemetry", "traces_endpoint", "traces_endpoint: 'http://a/'", "traces_endpoint: 'http://b/'", kServed},
    {"opentelemetry", "endpoint", "traces_endpoint: 'http://a/'", "endpoint: 'http://b/'", kServed},
    {"opentelemetry", "logs_endpoint", "traces_endpoint: 'http://a/'",
     "traces_endpoint: 'http://a/', logs_endpoint: 'http://b/'", kNamed},
    {"opentelemetry", "headers", "traces_endpoint: 'http://a/'", "traces_endpoint: 'http://a/', headers: {x: y}",
     kServed},
    {"opentelemetry", "resource_attributes", "traces_endpoint: 'http://a/'",
     "traces_endpoint: 'http://a/', resource_attributes: {x: y}", kServed},
    {"opentelemetry", "sampling_rate", "traces_endpoint: 'http://a/'",
     "traces_endpoint: 'http://a/', sampling_rate: 0.5", kServed},
    {"opentelemetry", "header_type", "traces_endpoint: 'http://a/'", "traces_endpoint: 'http://a/', header_type: b3",
     kNamed},
    {"opentelemetry", "http_response_header_for_traceid", "traces_endpoint: 'http://a/'",
     "traces_endpoint: 'http://a/', http_response_header_for_traceid: x", kNamed},
    {"opentelemetry", "propagation", "traces_endpoint: 'http://a/'",
     "traces_endpoint: 'http://a/', propagation: {default_format: b3}", kNamed},
    // How spans go to the collector is the exporter's own.
    {"opentelemetry", "queue", "traces_endpoint: 'http://a/'", "traces_endpoint: 'http://a/', queue: {max_entries: 5}",
     kNothing},
    {"opentelemetry", "connect_timeout", "traces_endpoint: 'http://a/'",
     "traces_endpoint: 'http://a/', connect_timeout: 5", kNothing},
};

/// The file whose entity has `fields`. A plugin's name stands for its config.
std::string file_with(const std::string& entity, const std::string& fields, const tls::SelfSigned& pem) {
  const auto indented = [](std::string text) {
    for (auto at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 7))
      text.insert(at + 1, "      ");
    return text;
  };
  const auto is = [&](const char* name) { return entity == name; };
  const auto config = [&](const char* plugin, const std::string& text) {
    return "- {name: " + std::string(plugin) + ", config: {" + text + "}}\n";
  };
  const auto check = [](const std::string& text) { return "healthchecks: {" + text + "}"; };
  std::string upstream, plugin;
  if (is("upstream")) upstream = fields;
  if (is("active")) upstream = check(std::string(kActive) + "}, " + fields + "}");
  if (is("active.healthy"))
    upstream = check("active: {unhealthy: {interval: 3, http_failures: 1}, healthy: {" + fields + "}}");
  const bool counts = fields.find("http_failures") != std::string::npos;
  if (is("active.unhealthy"))
    upstream =
        check("active: {healthy: {interval: 3}, unhealthy: {" + fields + (counts ? "}}" : ", http_failures: 3}}"));
  if (is("passive")) upstream = check("passive: {" + fields + "}");
  constexpr const char* kEntities[] = {
      "service", "route",    "upstream",    "active", "active.healthy", "active.unhealthy", "passive",
      "target",  "consumer", "certificate", "sni",    "ca_certificate", "consumer_group",   "vault"};
  if (is("plugin")) plugin = "- {" + fields + "}\n";
  else if (is("redis")) plugin = config("rate-limiting", "minute: 9, policy: redis, redis: {" + fields + "}");
  else if (is("queue")) plugin = config("http-log", "http_endpoint: 'http://a/', queue: {" + fields + "}");
  else if (is("proxy-cache")) plugin = config("proxy-cache", "strategy: memory, " + fields);
  else if (std::ranges::find(kEntities, entity) == std::end(kEntities)) plugin = config(entity.c_str(), fields);
  const auto only = [&](const char* name, const std::string& text) { return is(name) ? text : std::string(); };
  const auto more = [](const std::string& text) { return text.empty() ? text : ", " + text; };
  return "_format_version: '3.0'\nservices:\n"
         "- {name: s, host: h.example, routes: [{" +
         (is("route") ? fields : "name: r, paths: [/]") + "}]}\n- {name: t, host: u, routes: [{name: q, paths: [/q]}]" +
         (is("upstream") || fields.find("type: https") != std::string::npos ? ", protocol: https}\n" : "}\n") +
         only("target", "- {name: w, host: v, routes: [{name: x, paths: [/x]}]}\n") +
         only("service", "- {routes: [{name: p, paths: [/p]}]" +
                             more(fields.find("host:") == std::string::npos && fields.find("url:") == std::string::npos
                                      ? "host: h.example" + more(fields)
                                      : fields) +
                             "}\n") +
         "upstreams:\n- {name: u" +
         (upstream.find("host_header") == std::string::npos ? ", host_header: a.example" : "") +
         ", targets: [{target: '10.0.0.1:80'}, {target: '10.0.0.2:80'}]" + more(upstream) + "}\n" +
         only("target", "- {name: v, host_header: a.example, targets: [{" + fields + "}]}\n") +
         "consumers:\n- {username: u, jwt_secrets: [{key: k, secret: c2VjcmV0}]}\n" +
         only("consumer", "- {" + fields + "}\n") + "consumer_groups:\n- {name: g0, consumers: [{username: u}]}\n" +
         only("consumer_group", "- {" + fields + "}\n") + "certificates:\n- id: c1\n  cert: |\n      " +
         indented(pem.certificate) + "\n  key: |\n      " + indented(pem.key) + "\n" +
         (is("certificate") && !fields.empty() ? "  " + fields + "\n" : "") +
         "ca_certificates:\n- id: a1\n  cert: |\n      " + indented(pem.certificate) + "\n" +
         (is("ca_certificate") && !fields.empty() ? "  " + fields + "\n" : "") +
         only("sni", "snis:\n- {" + fields + "}\n") +
         only("vault", "vaults:\n- {name: env, prefix: my, " + fields + "}\n") +
         (plugin.empty() ? "" : "plugins:\n" + plugin);
}

std::string told(const Converted& out) {
  std::string all;
  for (const auto& one : out.diagnostics) all += one.text() + "\n";
  return all;
}

/// Traces are no objects.
std::string served_by(const Converted& out) {
  if (!out.tracing) return out.yaml;
  return out.yaml + out.tracing->endpoint + std::to_string(out.tracing->sample_percent) + out.tracing->headers +
         out.tracing->resource_attributes;
}

TEST(KongFields, AreServedOrNamed) {
  const auto pem = tls::make_self_signed("a.example");
  ASSERT_TRUE(pem);
  std::set<std::string> plugins;
  for (const auto& row : kFieldRows) {
    SCOPED_TRACE(std::string(row.entity) + "." + row.name + ": " + row.with);
    const auto before = convert(file_with(row.entity, row.without, *pem), false, "kong.yaml", {});
    const auto after = convert(file_with(row.entity, row.with, *pem), false, "kong.yaml", {});
    const bool empty = *row.without == '\0' && before.refused > 0;  // a plugin needs something to say
    if (!empty) {
      EXPECT_EQ(before.refused, 0U) << told(before);
    }
    bool named = false;
    for (const auto& one : after.diagnostics) named = named || one.field.find(row.name) != std::string::npos;
    EXPECT_EQ(after.refused > 0, row.becomes == kNamed) << told(after);
    EXPECT_EQ(named, row.becomes == kNamed || row.becomes == kWarned) << told(after);
    if (row.becomes != kNamed) {
      EXPECT_EQ(served_by(before) == served_by(after), row.becomes == kNothing || row.becomes == kWarned);
    }
  }
}

}  // namespace
}  // namespace fairlead::kong
