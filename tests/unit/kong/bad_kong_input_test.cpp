// SPDX-License-Identifier: Apache-2.0
// What is wrong with a file of Kong's, or not served as Kong does: each with its line, field, what was found and what
// was expected.
#include <gtest/gtest.h>

#include "fairlead/kong/convert.hpp"

namespace fairlead::kong {
namespace {

struct BadFile {
  const char* name;
  const char* text;  ///< behind the version's line
  std::uint32_t line;
  const char* field;
  const char* found;
  const char* expected;  ///< a part of it
  bool partial;          ///< right in Kong, and left out with --allow-partial
};

// The first line is the format's version.
constexpr const char* kVersion = "_format_version: \"3.0\"\n";
#define SERVICE "services:\n- name: a\n  url: http://127.0.0.1:81\n"
#define ROUTE SERVICE "  routes:\n  - name: r\n    paths: [/]\n"
#define PLUGIN "plugins:\n- name: "

const BadFile kRows[] = {
    {"an unknown list", "servces: []\n", 2, "servces", "an unknown field", "one of _format_version", false},
    {"a service without host", "services:\n- name: a\n", 3, "services[0].host", "nothing", "a host, or url", false},
    {"a URL without scheme", "services:\n- url: example.com\n", 3, "services[0].url", "\"example.com\"", "a URL",
     false},
    {"a URL with a bad port", "services:\n- url: http://a:0/\n", 3, "services[0].url", "\"http://a:0/\"", "a URL",
     false},
    {"a port", "services:\n- host: a\n  port: 70000\n", 4, "services[0].port", "70000", "65535", false},
    {"retries", SERVICE "  retries: 99999\n", 5, "services[0].retries", "99999", "32767", false},
    {"a time-out", SERVICE "  read_timeout: 0\n", 5, "services[0].read_timeout", "0", "from 1", false},
    {"a protocol", "services:\n- {host: a, protocol: gopher}\n", 3, "services[0].protocol", "\"gopher\"", "one of http",
     false},
    {"tcp", "services:\n- {host: a, protocol: tcp}\n", 3, "services[0].protocol", "\"tcp\"",
     "http, https, grpc or grpcs", true},
    {"an unknown field of a service", SERVICE "  pathh: /\n", 5, "services[0].pathh", "an unknown field", "one of",
     false},
    {"a service's name twice", SERVICE "- {name: a, host: b}\n", 5, "services[1]", "a mapping", "no other service",
     false},
    {"verified TLS without a name",
     "services:\n- {name: a, host: 10.0.0.1, protocol: https, tls_verify: true, routes: [{paths: [/]}]}\n", 3,
     "services[0].host", "\"10.0.0.1\"", "a host name", false},
    {"routes that differ in Host",
     "upstreams:\n- {name: u, targets: [{target: 'a:1'}, {target: 'b:1'}]}\nservices:\n- {name: s, host: u, routes: "
     "[{paths: [/a]}, {paths: [/b], preserve_host: true}]}\n",
     3, "upstreams[0]", "a mapping", "the same preserve_host", true},
    {"a relative path", SERVICE "  routes:\n  - paths: [foo]\n", 6, "services[0].routes[0].paths[0]", "\"foo\"",
     "begins with /", false},
    {"an expression", SERVICE "  routes:\n  - paths: ['~/(']\n", 6, "services[0].routes[0].paths[0]", "\"~/(\"", "RE2",
     false},
    {"a look-ahead", SERVICE "  routes:\n  - paths: ['~/a(?=b)']\n", 6, "services[0].routes[0].paths[0]",
     "\"~/a(?=b)\"", "RE2", false},
    {"a wildcard amid a host", SERVICE "  routes:\n  - hosts: [a.*.example]\n", 6, "services[0].routes[0].hosts[0]",
     "\"a.*.example\"", "first or last", false},
    {"a host with no number as a port", SERVICE "  routes:\n  - hosts: ['a.example:x']\n", 6,
     "services[0].routes[0].hosts[0]", "\"a.example:x\"", "a port or none", false},
    {"a source", SERVICE "  routes:\n  - paths: [/]\n    sources: [{ip: 10.0.0.1}]\n", 7,
     "services[0].routes[0].sources", "a list", "no sources", true},
    {"Host as a header", SERVICE "  routes:\n  - headers: {Host: [a]}\n", 6, "services[0].routes[0].headers.Host",
     "a list", "other than Host", false},
    {"an sni with a wildcard amid it", ROUTE "    snis: ['a.*.example']\n", 8, "services[0].routes[0].snis[0]",
     "\"a.*.example\"", "first or last", false},
    {"a vault that is not the environment", "vaults: [{name: aws, prefix: my}]\n", 2, "vaults[0].name", "\"aws\"",
     "env", true},
    {"a reference to another vault", "consumers:\n- username: '{vault://aws/name}'\n  custom_id: a\n", 3,
     "consumers[0].username", "\"{vault://aws/name}\"", "{vault://env/NAME}", true},
    {"a key of another vault", "consumers:\n- username: u\n  keyauth_credentials: [{key: '{vault://aws/key}'}]\n", 4,
     "consumers[0].keyauth_credentials[0].key", "\"{vault://aws/key}\"", "{vault://env/NAME}", false},
    {"a variable that is not there", "consumers:\n- username: '{vault://env/fl-nothing}'\n", 3, "consumers[0].username",
     "\"{vault://env/fl-nothing}\"", "there is no FL_NOTHING", false},
    {"a shared config that is not there", ROUTE PLUGIN "key-auth\n  _config: x\n", 10, "plugins[0]._config", "\"x\"",
     "_plugin_configs", false},
    {"a default of a wrong kind", "_info: {defaults: {service: {retries: many}}}\n" SERVICE, 2, "services[0].retries",
     "\"many\"", "32767", false},
    {"a group that is not there", "consumers:\n- {username: u, groups: [{name: gold}]}\n", 3, "consumers[0].groups[0]",
     "a mapping", "a consumer group of this file", false},
    {"a plugin of a consumer and a group",
     ROUTE "consumers: [{username: u}]\nconsumer_groups: [{name: g}]\n" PLUGIN
           "rate-limiting\n  config: {minute: 5}\n  consumer: u\n  consumer_group: g\n",
     11, "plugins[0]", "a mapping", "not both", false},
    {"a plugin that groups cannot have",
     ROUTE "consumer_groups: [{name: g, plugins: [{name: ip-restriction, config: {deny: [10.0.0.1]}}]}]\n", 8,
     "consumer_groups[0].plugins[0].name", "\"ip-restriction\"", "a consumer group", true},
    {"gRPC and HTTP", SERVICE "  routes:\n  - protocols: [grpc, http]\n", 6, "services[0].routes[0].protocols",
     "a list", "but not of both", false},
    {"a path of gRPC to strip", SERVICE "  routes:\n  - {protocols: [grpc], paths: [/a], strip_path: true}\n", 6,
     "services[0].routes[0].strip_path", "true", "false: gRPC", false},
    {"a stream's route", SERVICE "  routes:\n  - protocols: [tcp]\n", 6, "services[0].routes[0].protocols", "a list",
     "http and https, or grpc", true},
    {"an expression in place of fields", SERVICE "  routes:\n  - expression: http.path == \"/\"\n", 6,
     "services[0].routes[0].expression", "\"http.path == \"/\"\"", "paths, hosts", true},
    {"a redirect's status", ROUTE "    https_redirect_status_code: 303\n", 8,
     "services[0].routes[0].https_redirect_status_code", "303", "426, 301", false},
    {"a route for whatever comes", SERVICE "  routes:\n  - name: r\n    methods: []\n", 6, "services[0].routes[0]",
     "a mapping", "methods, hosts", false},
    {"half a triplet", SERVICE "  routes:\n  - paths: ['/a%2']\n", 6, "services[0].routes[0].paths[0]", "\"/a%2\"",
     "a path", false},
    {"a method in small letters", ROUTE "    methods: [get]\n", 8, "services[0].routes[0].methods", "a list",
     "capital letters", false},
    {"no such service", "routes:\n- {paths: [/], service: b}\n", 3, "routes[0].service", "\"b\"",
     "a service of this file", false},
    {"a target without upstream", "targets:\n- target: a:80\n", 3, "targets[0].upstream", "nothing", "an upstream",
     false},
    {"a target's port", "upstreams:\n- name: u\n  targets: [{target: 'a:x'}]\n", 4, "upstreams[0].targets[0].target",
     "\"a:x\"", "HOST:PORT", false},
    {"a consumer without name", "consumers:\n- tags: [a]\n", 3, "consumers[0].username", "nothing", "a user name",
     false},
    {"a key without key", "consumers:\n- username: u\n  keyauth_credentials: [{tags: [a]}]\n", 4,
     "consumers[0].keyauth_credentials[0].key", "nothing", "a value", false},
    {"an algorithm", "consumers:\n- username: u\n  jwt_secrets: [{key: k, secret: s, algorithm: none}]\n", 4,
     "consumers[0].jwt_secrets[0].algorithm", "a value (not shown)", "one of HS256", false},
    {"hashed passwords",
     "_transform: false\nconsumers:\n- username: u\n  basicauth_credentials: [{username: u, password: p}]\n", 5,
     "consumers[0].basicauth_credentials[0].password", "a value (not shown)", "_transform: true", true},
    {"a plugin's name", ROUTE "    plugins: [{config: {}}]\n", 8, "services[0].routes[0].plugins[0].name", "nothing",
     "a plugin's name", false},
    {"a plugin that is not served", ROUTE PLUGIN "zipkin\n", 9, "plugins[0].name", "\"zipkin\"",
     "a plugin that is served", true},
    {"a cache's strategy", ROUTE PLUGIN "proxy-cache\n  config: {strategy: redis}\n", 10, "plugins[0].config.strategy",
     "\"redis\"", "strategy: memory", false},
    {"a cache of parts", ROUTE PLUGIN "proxy-cache\n  config: {strategy: memory, response_code: [206]}\n", 10,
     "plugins[0].config.response_code", "a list", "without 206", true},
    {"a cache of deletes", ROUTE PLUGIN "proxy-cache\n  config: {strategy: memory, request_method: [GET, DELETE]}\n",
     10, "plugins[0].config.request_method", "a list", "GET, HEAD, POST", false},
    {"a cache's words", ROUTE PLUGIN "proxy-cache\n  config: {strategy: memory, response_headers: {via: false}}\n", 10,
     "plugins[0].config.response_headers.via", "an unknown field", "X-Cache-Key", false},
    {"an unknown field of a cache", ROUTE PLUGIN "proxy-cache\n  config: {strategy: memory, ttl: 5}\n", 10,
     "plugins[0].config.ttl", "an unknown field", "a field of proxy-cache", false},
    {"traces to nowhere", ROUTE PLUGIN "opentelemetry\n  config: {sampling_rate: 1}\n", 10,
     "plugins[0].config.traces_endpoint", "nothing", "a URL", false},
    {"traces by gRPC", ROUTE PLUGIN "opentelemetry\n  config: {traces_endpoint: 'grpc://a'}\n", 10,
     "plugins[0].config.traces_endpoint", "\"grpc://a\"", "http or https", false},
    {"too many traces", ROUTE PLUGIN "opentelemetry\n  config: {traces_endpoint: 'http://a/', sampling_rate: 2}\n", 10,
     "plugins[0].config.sampling_rate", "2", "from 0 to 1", false},
    {"traces with a list of headers",
     ROUTE PLUGIN "opentelemetry\n  config: {traces_endpoint: 'http://a/', headers: {x: [y]}}\n", 10,
     "plugins[0].config.headers.x", "a list", "a text", false},
    {"traces of a service", ROUTE PLUGIN "opentelemetry\n  service: a\n  config: {traces_endpoint: 'http://a/'}\n", 9,
     "plugins[0].name", "\"opentelemetry\"", "for all routes", true},
    {"metrics of models", ROUTE PLUGIN "prometheus\n  config: {ai_metrics: true}\n", 10, "plugins[0].config.ai_metrics",
     "true", "no such metrics", true},
    {"more in a minute than in an hour", ROUTE PLUGIN "rate-limiting\n  config: {minute: 500, hour: 5}\n", 10,
     "plugins[0].config.hour", "5", "no less than for the minute, 500", false},
    {"a client certificate that is not there", SERVICE "  client_certificate: {id: x}\n", 5,
     "services[0].client_certificate", "a mapping", "a certificate of this file", false},
    {"a name that another certificate would have", "snis:\n- {name: a.example, certificate: x}\n", 3,
     "snis[0].certificate", "\"x\"", "a certificate of this file", false},
    {"probes that verify otherwise",
     "upstreams:\n- name: u\n  healthchecks: {active: {type: https, https_verify_certificate: true}}\n  targets: "
     "[{target: 'a:1'}]\nservices: [{name: s, protocol: https, host: u, routes: [{paths: [/]}]}]\n",
     4, "upstreams[0].healthchecks.active.https_verify_certificate", "true", "the service's tls_verify", true},
    {"probes without TLS",
     "upstreams:\n- name: u\n  healthchecks: {active: {healthy: {interval: 1}, unhealthy: {http_failures: 1}}}\n  "
     "targets: [{target: 'a:1'}]\nservices: [{name: s, protocol: https, host: u, routes: [{paths: [/]}]}]\n",
     4, "upstreams[0].healthchecks.active", "a mapping", "https or tcp", true},
    {"an interval that is no number", "upstreams:\n- name: u\n  healthchecks: {active: {healthy: {interval: nan}}}\n",
     4, "upstreams[0].healthchecks.active.healthy.interval", "\"nan\"", "from 0 to 65535", false},
    {"a plugin of streams", ROUTE PLUGIN "key-auth\n  protocols: [tcp]\n", 10, "plugins[0].protocols", "a list",
     "grpc, grpcs, http or https", true},
    {"an unknown field of metrics", ROUTE PLUGIN "prometheus\n  config: {metrics: true}\n", 10,
     "plugins[0].config.metrics", "an unknown field", "a field of prometheus", false},
    {"an unknown field of a plugin", ROUTE PLUGIN "key-auth\n  config: {key_namse: [a]}\n", 10,
     "plugins[0].config.key_namse", "an unknown field", "a field of key-auth", false},
    {"no limit", ROUTE PLUGIN "rate-limiting\n  config: {policy: local}\n", 10, "plugins[0].config", "a mapping",
     "second, minute", false},
    {"a limit of nothing", ROUTE PLUGIN "rate-limiting\n  config: {minute: 0}\n", 10, "plugins[0].config.minute", "0",
     "from 1", false},
    {"a limit by colour", ROUTE PLUGIN "rate-limiting\n  config: {minute: 5, limit_by: colour}\n", 10,
     "plugins[0].config.limit_by", "\"colour\"", "consumer, credential", false},
    {"a limit by no header", ROUTE PLUGIN "rate-limiting\n  config: {minute: 5, limit_by: header}\n", 10,
     "plugins[0].config.header_name", "nothing", "limit_by: header", false},
    {"a limit in no Redis", ROUTE PLUGIN "rate-limiting\n  config: {minute: 5, policy: redis, redis: {port: 1}}\n", 10,
     "plugins[0].config.redis.host", "nothing", "policy: redis", false},
    {"allow and deny", ROUTE PLUGIN "acl\n  config: {allow: [a], deny: [b]}\n", 10, "plugins[0].config", "a mapping",
     "one of them", false},
    {"a claim", ROUTE PLUGIN "jwt\n  config: {claims_to_verify: [iat]}\n", 10, "plugins[0].config.claims_to_verify",
     "a list", "exp and nbf", false},
    {"an address", ROUTE PLUGIN "ip-restriction\n  config: {deny: [10.0.0.0/40]}\n", 6, "services[0].routes[0]",
     "a mapping", "", false},
    {"a template in Lua", ROUTE PLUGIN "request-transformer\n  config: {add: {headers: ['a:$(headers.b:upper())']}}\n",
     10, "plugins[0].config.add.headers[0]", "\"a:$(headers.b:upper())\"", "no Lua", true},
    {"a method in small letters", ROUTE PLUGIN "request-transformer\n  config: {http_method: get}\n", 10,
     "plugins[0].config.http_method", "\"get\"", "capital letters", false},
    {"a template of ours", ROUTE PLUGIN "request-transformer\n  config: {add: {headers: ['a:{{ uuid }}']}}\n", 10,
     "plugins[0].config.add.headers[0]", "\"a:{{ uuid }}\"", "without {{", true},
    {"a Host by template", ROUTE PLUGIN "request-transformer\n  config: {replace: {headers: ['Host:$(headers.b)']}}\n",
     10, "plugins[0].config", "a mapping", "a Host without templates", true},
    {"a change of nothing", ROUTE PLUGIN "request-transformer\n  config: {add: {cookies: ['a:b']}}\n", 10,
     "plugins[0].config.add.cookies", "an unknown field", "add of this plugin", false},
    {"a header without value", ROUTE PLUGIN "request-transformer\n  config: {add: {headers: [a]}}\n", 10,
     "plugins[0].config.add.headers[0]", "\"a\"", "NAME:VALUE", false},
    {"a number that is none",
     ROUTE PLUGIN "response-transformer\n  config: {add: {json: ['a:b'], json_types: [number]}}\n", 10,
     "plugins[0].config.add", "a mapping", "by json_types", false},
    {"an origin's expression", ROUTE PLUGIN "cors\n  config: {origins: ['a(?=b)']}\n", 10, "plugins[0].config.origins",
     "a list", "RE2 takes", true},
    {"secrets of two kinds",
     ROUTE PLUGIN
     "jwt\n  config: {secret_is_base64: true}\n- name: jwt\n  route: r\n  config: {secret_is_base64: false}\n",
     13, "plugins[1].config.secret_is_base64", "false", "the same secret_is_base64", true},
    {"preflights of one of two", ROUTE PLUGIN "jwt\n  config: {run_on_preflight: false}\n- name: key-auth\n", 11,
     "plugins[1].name", "\"key-auth\"", "run_on_preflight alike", true},
    {"two of which one reads bodies",
     ROUTE PLUGIN "hmac-auth\n  config: {validate_request_body: true}\n- name: basic-auth\n", 9, "plugins[0].name",
     "\"hmac-auth\"", "without validate_request_body", true},
    {"an anonymous nobody", ROUTE PLUGIN "key-auth\n  config: {anonymous: u}\n", 10, "plugins[0].config.anonymous",
     "\"u\"", "of a consumer", false},
    {"a log without path", ROUTE PLUGIN "file-log\n  config: {reopen: true}\n", 10, "plugins[0].config.path", "nothing",
     "a file's path", false},
    {"a relative path of a log", ROUTE PLUGIN "file-log\n  config: {path: logs/a.log}\n", 10, "plugins[0].config.path",
     "\"logs/a.log\"", "absolute", true},
    {"a log's path with marks", ROUTE PLUGIN "file-log\n  config: {path: '/a*.log'}\n", 10, "plugins[0].config.path",
     "\"/a*.log\"", "without *", false},
    {"fields of a log by Lua", ROUTE PLUGIN "file-log\n  config: {path: /a.log, custom_fields_by_lua: {a: return 1}}\n",
     10, "plugins[0].config.custom_fields_by_lua", "a mapping", "no custom_fields_by_lua", true},
    {"an unknown field of a log", ROUTE PLUGIN "file-log\n  config: {path: /a.log, pathh: /b}\n", 10,
     "plugins[0].config.pathh", "an unknown field", "a field of file-log", false},
    {"a log to nowhere", ROUTE PLUGIN "http-log\n  config: {timeout: 5}\n", 10, "plugins[0].config.http_endpoint",
     "nothing", "a URL of http or https", false},
    {"a log to no URL", ROUTE PLUGIN "http-log\n  config: {http_endpoint: 'tcp://a'}\n", 10,
     "plugins[0].config.http_endpoint", "\"tcp://a\"", "a URL of http or https", false},
    {"a log's method", ROUTE PLUGIN "http-log\n  config: {http_endpoint: 'http://a/', method: GET}\n", 10,
     "plugins[0].config.method", "\"GET\"", "POST, PUT or PATCH", false},
    {"a log's type", ROUTE PLUGIN "http-log\n  config: {http_endpoint: 'http://a/', content_type: text/plain}\n", 10,
     "plugins[0].config.content_type", "\"text/plain\"", "application/json", false},
    {"a log's Host", ROUTE PLUGIN "http-log\n  config: {http_endpoint: 'http://a/', headers: {Host: b}}\n", 10,
     "plugins[0].config.headers.Host", "a value (not shown)", "other than Host", false},
    {"two authorizations of a log",
     ROUTE PLUGIN "http-log\n  config: {http_endpoint: 'http://u:p@a/', headers: {Authorization: b}}\n", 10,
     "plugins[0].config.http_endpoint", "a value (not shown)", "not both", false},
    {"a log's vault",
     ROUTE PLUGIN "http-log\n  config: {http_endpoint: 'http://a/', headers: {x: '{vault://aws/x}'}}\n", 10,
     "plugins[0].config.headers.x", "\"{vault://aws/x}\"", "{vault://env/NAME}", true},
    {"a batch of none", ROUTE PLUGIN "http-log\n  config: {http_endpoint: 'http://a/', queue: {max_batch_size: 0}}\n",
     10, "plugins[0].config.queue.max_batch_size", "0", "from 1", false},
    {"a queue's delay", ROUTE PLUGIN "http-log\n  config: {http_endpoint: 'http://a/', queue: {max_retry_delay: no}}\n",
     10, "plugins[0].config.queue.max_retry_delay", "\"no\"", "a number of seconds", false},
    {"a queue by bytes", ROUTE PLUGIN "http-log\n  config: {http_endpoint: 'http://a/', queue: {max_bytes: 5}}\n", 10,
     "plugins[0].config.queue.max_bytes", "5", "max_entries", true},
    {"an unknown field of a queue", ROUTE PLUGIN "http-log\n  config: {http_endpoint: 'http://a/', queue: {size: 5}}\n",
     10, "plugins[0].config.queue.size", "an unknown field", "a field of a queue", false},
    {"a metric's name", ROUTE PLUGIN "statsd\n  config: {metrics: [{name: requests, stat_type: set}]}\n", 10,
     "plugins[0].config.metrics[0].name", "\"requests\"", "a metric's name", false},
    {"a metric's type", ROUTE PLUGIN "statsd\n  config: {metrics: [{name: latency, stat_type: distribution}]}\n", 10,
     "plugins[0].config.metrics[0].stat_type", "\"distribution\"", "a type such as", false},
    {"a counter without rate", ROUTE PLUGIN "statsd\n  config: {metrics: [{name: latency, stat_type: counter}]}\n", 10,
     "plugins[0].config.metrics[0].sample_rate", "nothing", "a number above 0", false},
    {"a rate of 0", ROUTE PLUGIN "datadog\n  config: {metrics: [{name: latency, stat_type: gauge, sample_rate: 0}]}\n",
     10, "plugins[0].config.metrics[0].sample_rate", "0", "above 0", false},
    {"a metric of nginx", ROUTE PLUGIN "statsd\n  config: {metrics: [{name: shdict_usage, stat_type: set}]}\n", 10,
     "plugins[0].config.metrics[0].name", "\"shdict_usage\"", "another metric", true},
    {"a consumer's id", ROUTE PLUGIN "statsd\n  config: {consumer_identifier_default: consumer_id}\n", 10,
     "plugins[0].config.consumer_identifier_default", "\"consumer_id\"", "custom_id or username", true},
    {"metrics by TCP", ROUTE PLUGIN "statsd\n  config: {use_tcp: true}\n", 10, "plugins[0].config.use_tcp", "true",
     "false", true},
    {"tags of statsd", ROUTE PLUGIN "statsd\n  config: {tag_style: dogstatsd}\n", 10, "plugins[0].config.tag_style",
     "\"dogstatsd\"", "no tag_style", true},
    {"a prefix with marks", ROUTE PLUGIN "statsd\n  config: {prefix: 'a|b'}\n", 10, "plugins[0].config.prefix",
     "\"a|b\"", "without spaces", false},
    {"statuses of a log", ROUTE PLUGIN "statsd\n  config: {allow_status_codes: ['299-200']}\n", 10,
     "plugins[0].config.allow_status_codes", "a list", "200-299", false},
    {"a tag with marks",
     ROUTE PLUGIN "datadog\n  config: {metrics: [{name: latency, stat_type: timer, tags: ['a,b']}]}\n", 10,
     "plugins[0].config.metrics[0].tags", "a list", "without spaces", false},
    {"a metric of Datadog", ROUTE PLUGIN "datadog\n  config: {metrics: [{name: status_count, stat_type: set}]}\n", 10,
     "plugins[0].config.metrics[0].name", "\"status_count\"", "a metric's name", false},
    {"a log of a consumer",
     ROUTE "consumers: [{username: u}]\n" PLUGIN "file-log\n  consumer: u\n  config: {path: /a}\n", 10,
     "plugins[0].name", "\"file-log\"", "response-transformer for a consumer", true},
    {"an expression for bots", ROUTE PLUGIN "bot-detection\n  config: {deny: ['a(?=b)']}\n", 10,
     "plugins[0].config.deny", "a list", "RE2 takes, found \"a(?=b)\"", true},
    {"limits of responses without any", ROUTE PLUGIN "response-ratelimiting\n", 9, "plugins[0]", "a mapping",
     "limits:", false},
    {"a limit's name", ROUTE PLUGIN "response-ratelimiting\n  config: {limits: {'a b': {day: 5}}}\n", 9, "plugins[0]",
     "a mapping", "a name of what a field's name may have", false},
    {"a plugin twice", ROUTE PLUGIN "key-auth\n- name: key-auth\n", 10, "plugins[1].name", "\"key-auth\"", "once",
     false},
};

TEST(BadKongInput, IsNamed) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    const auto out = convert(std::string(kVersion) + row.text, false, "kong.yaml", {});
    EXPECT_GT(out.refused, 0U);
    EXPECT_EQ(out.yaml, "");
    bool named = false;
    std::string all;
    for (const auto& one : out.diagnostics) {
      all += one.text() + "\n";
      named = named || (one.file == "kong.yaml" && one.line == row.line && one.field == row.field &&
                        one.found == row.found && one.expected.find(row.expected) != std::string::npos);
    }
    EXPECT_TRUE(named) << all;
    const auto partial = convert(std::string(kVersion) + row.text, false, "kong.yaml", {.allow_partial = true});
    EXPECT_EQ(partial.refused == 0, row.partial) << (partial.diagnostics.empty() ? "" : partial.diagnostics[0].text());
    EXPECT_EQ(partial.yaml.empty(), !row.partial);
    EXPECT_FALSE(partial.diagnostics.empty());
  }
}

TEST(BadKongInput, ARouteOfStreamsIsLeftOutAsAWhole) {
  const auto out = convert(std::string(kVersion) +
                               "services:\n- {name: a, host: b, routes: [{name: s, protocols: [tls_passthrough], snis: "
                               "[c.example]}, {name: h, paths: [/]}]}\n",
                           false, "f", {.allow_partial = true});
  EXPECT_NE(out.yaml.find("name: route-h"), std::string::npos) << out.yaml;
  EXPECT_EQ(out.yaml.find("c\\.example"), std::string::npos) << out.yaml;
  EXPECT_EQ(out.yaml.find("https-s"), std::string::npos) << out.yaml;
}

TEST(BadKongInput, AllThatIsNotServedIsNamedAtOnce) {
  const auto out =
      convert(std::string(kVersion) +
                  "services:\n- {name: a, host: b, routes: [{paths: [/a], sources: [{ip: 10.0.0.1}]}]}\n"
                  "plugins: [{name: acme}, {name: key-auth, config: {key_in_header: false, key_in_query: false}}]\n"
                  "consumers: [{username: u, keyauth_credentials: [{key: k, ttl: 60}]}]\n",
              false, "f", {});
  std::string fields;
  for (const auto& one : out.diagnostics) fields += one.field + " ";
  for (const auto* field : {"routes[0].sources", "plugins[0].name", "plugins[1].config", "keyauth_credentials[0].ttl"})
    EXPECT_NE(fields.find(field), std::string::npos) << field << " is not in " << fields;
}

TEST(BadKongInput, VersionAndSyntax) {
  const auto version = convert("_format_version: \"4.0\"\n", false, "f", {});
  ASSERT_EQ(version.refused, 1U);
  EXPECT_EQ(version.diagnostics[0].found, "\"4.0\"");
  const auto broken = convert("_format_version: \"3.0\"\nservices: [\n", false, "f", {});
  EXPECT_GT(broken.refused, 0U);
  EXPECT_EQ(broken.yaml, "");
  EXPECT_FALSE(is_kong("kind: Service\napiVersion: v1\n", false));
  EXPECT_FALSE(is_kong("a: _format_version\n", false));
  EXPECT_TRUE(is_kong("_format_version: \"3.0\"\n", false));
  EXPECT_TRUE(is_kong(R"({"_format_version": "3.0"})", true));
}

TEST(BadKongInput, CredentialsAreNeverShown) {
  const auto out =
      convert(std::string(kVersion) +
                  "consumers:\n- username: u\n  jwt_secrets: [{key: k, secret: hush, algorithm: hush-hush}]\n"
                  "  keyauth_credentials: [{key: hush, ttl: 4711}]\n",
              false, "f", {});
  ASSERT_GT(out.refused, 0U);
  for (const auto& one : out.diagnostics) EXPECT_EQ(one.text().find("hush"), std::string::npos) << one.text();
}

}  // namespace
}  // namespace fairlead::kong
