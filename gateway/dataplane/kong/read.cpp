// SPDX-License-Identifier: Apache-2.0
// Services, routes, upstreams, targets and plugins of a file.
#include "gateway/dataplane/kong/read.hpp"

#include <algorithm>
#include <charconv>

#include "fairlead/base/ascii.hpp"
#include "gateway/dataplane/config/fields.hpp"

namespace fairlead::kong {

using config::field;
using config::required;

namespace {

bool is_regular_path(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '%' && (i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0))
      return false;
  return text.starts_with('/') && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != '?'; });
}

/// In lower case; names of machines such as `a_b`, too, which are no host names elsewhere.
bool is_host(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
}

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port != 0;
}

bool is_served(std::string_view protocol) {
  return protocol == "http" || protocol == "https" || protocol == "grpc" || protocol == "grpcs";
}

/// scheme://host[:port][/path] in place of these four fields.
void read_url(FileReader& file, View at, Service& out) {
  constexpr const char* kExpected = "a URL such as http://backend.example:8080/base";
  std::string text;
  file.text(at, text);
  const auto scheme = text.find("://");
  if (scheme == std::string::npos) return file.notes().error(at, kExpected);
  out.protocol = text.substr(0, scheme);
  out.port = out.protocol == "https" ? 443 : 80;
  auto rest = std::string_view(text).substr(scheme + 3);
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    out.path = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  const auto bracket = rest.starts_with('[') ? rest.find(']') : 0;
  if (bracket == std::string_view::npos) return file.notes().error(at, kExpected);
  const auto colon = rest.find(':', bracket);
  out.host = rest.substr(0, colon);
  if (out.host.starts_with('[')) out.host = out.host.substr(1, out.host.size() - 2);
  bool good = !out.host.empty() && is_served(out.protocol) && is_regular_path(out.path);
  if (colon != std::string_view::npos) {
    const auto port = rest.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    good = good && error == std::errc{} && end == port.data() + port.size() && out.port != 0;
  }
  if (!good) file.notes().error(at, kExpected);
}

void read_statuses(FileReader& file, View list, std::vector<std::uint32_t>& out) {
  auto& reader = file.notes().reader();
  out.clear();
  config::read_list(reader, list, 1, 32, out,
                    [&](View item, std::uint32_t& one) { config::read_number(reader, item, 100, 599, one); });
}

auto statuses_field(FileReader& file, std::vector<std::uint32_t>& out) {
  return field("http_statuses", [&file, &out](View list) { read_statuses(file, list, out); });
}

void read_active(FileReader& file, View at, ActiveCheck& out) {
  auto& reader = file.notes().reader();
  out.at = at;
  const auto count = [&](std::string_view name, std::uint32_t& into) {
    return field(name, [&](View v) { config::read_number(reader, v, 0, 255, into); });
  };
  const auto seconds = [&](std::string_view name, double& into) {
    return field(name, [&](View v) { file.seconds(v, into); });
  };
  config::read_mapping(
      reader, at, file.choice("type", out.type, {"http", "tcp", "https", "grpc", "grpcs"}),
      seconds("timeout", out.timeout), file.number("concurrency", 1, 0x7fffffff),
      file.text_field("http_path", out.path), file.unserved_field("https_sni", "checks without https_sni"),
      field("https_verify_certificate", [&](View v) { out.verifies_at = v; }),
      file.unserved_field("headers", "checks without headers"),
      field("healthy",
            [&](View v) {
              config::read_mapping(reader, v, seconds("interval", out.healthy_interval),
                                   statuses_field(file, out.healthy_statuses), count("successes", out.successes));
            }),
      field("unhealthy", [&](View v) {
        config::read_mapping(reader, v, seconds("interval", out.unhealthy_interval),
                             statuses_field(file, out.unhealthy_statuses), count("tcp_failures", out.tcp_failures),
                             count("timeouts", out.timeouts), count("http_failures", out.http_failures));
      }));
}

/// What ends a row of failures; served as one answer that is none of them.
void read_passive_healthy(FileReader& file, View at) {
  constexpr std::uint32_t kUsual[] = {200, 201, 202, 203, 204, 205, 206, 207, 208, 226,
                                      300, 301, 302, 303, 304, 305, 306, 307, 308};
  auto& reader = file.notes().reader();
  std::uint32_t successes = 0;
  config::read_mapping(reader, at,
                       field("http_statuses",
                             [&](View v) {
                               std::vector<std::uint32_t> statuses;
                               read_statuses(file, v, statuses);
                               std::ranges::sort(statuses);
                               if (!std::ranges::equal(statuses, kUsual))
                                 file.notes().unserved(v, "the statuses of Kong's default");
                             }),
                       field("successes", [&](View v) {
                         config::read_number(reader, v, 0, 255, successes);
                         if (successes > 1) file.notes().unserved(v, "0 or 1: one answer ends a row of failures");
                       }));
}

void read_passive(FileReader& file, View at, PassiveCheck& out) {
  auto& reader = file.notes().reader();
  const auto count = [&](const char* name, std::uint32_t& to) {
    return field(name, [&](View v) { config::read_number(reader, v, 0, 255, to); });
  };
  std::string type = "http";
  config::read_mapping(reader, at, file.choice("type", type, {"http", "tcp", "https", "grpc", "grpcs"}),
                       field("healthy", [&](View v) { read_passive_healthy(file, v); }),
                       field("unhealthy", [&](View v) {
                         config::read_mapping(reader, v, statuses_field(file, out.http_statuses),
                                              count("tcp_failures", out.tcp_failures), count("timeouts", out.timeouts),
                                              count("http_failures", out.http_failures));
                       }));
  if (type == "tcp") out.http_failures = 0;  // answers are not looked at
}

void read_healthchecks(FileReader& file, View at, Upstream& out) {
  auto& reader = file.notes().reader();
  config::read_mapping(reader, at, field("active", [&](View v) { read_active(file, v, out.active); }),
                       field("passive", [&](View v) { read_passive(file, v, out.passive); }),
                       field("threshold", [&](View v) { config::read_number(reader, v, 0, 100, out.threshold); }));
}

}  // namespace

void FileReader::seconds(View at, double& out) {
  double value = 0;
  const auto text = at.text();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0 && value <= 65535))  // "nan", too
    return notes_.error(at, "a number of seconds from 0 to 65535");
  out = value;
}

void FileReader::text(View at, std::string& out) {
  if (at.is_mapping() || at.is_sequence()) return notes_.error(at, "a text");
  out = at.text();
}

void FileReader::texts(View at, std::vector<std::string>& out) {
  out.clear();
  notes_.reader().items(at, [&](View item) { text(item, out.emplace_back()); });
}

void FileReader::service(View at) {
  const auto index = file_.services.size();
  file_.services.emplace_back();
  Service out;
  out.at = at;
  auto& reader = notes_.reader();
  const auto ms = [&](std::string_view name, std::uint32_t& into) {
    return field(name, [&](View v) { config::read_number(reader, v, 1, kMostMs, into); });
  };
  entity(at, text_field("name", out.name), field("url", [&](View v) { read_url(*this, v, out); }),
         choice("protocol", out.protocol,
                {"http", "https", "grpc", "grpcs", "tcp", "tls", "udp", "tls_passthrough", "ws", "wss"}),
         text_field("host", out.host), field("port", [&](View v) { reader.read_port(v, out.port); }),
         field("path",
               [&](View v) {
                 text(v, out.path);
                 if (!is_regular_path(out.path)) notes_.error(v, "a path that begins with /");
               }),
         field("retries", [&](View v) { config::read_number(reader, v, 0, 32767, out.retries); }),
         ms("connect_timeout", out.connect_ms), ms("read_timeout", out.read_ms), ms("write_timeout", out.write_ms),
         field("client_certificate", [&](View v) { out.client_at = v; }),
         field("tls_verify", [&](View v) { reader.read(v, out.tls_verify); }),
         unserved_field("tls_verify_depth", "no tls_verify_depth"),
         field("ca_certificates", [&](View v) { texts(v, out.ca_certificates); }),
         field("enabled", [&](View v) { reader.read(v, out.enabled); }),
         field("routes", [&](View v) { reader.items(v, [&](View one) { route(one, index); }); }),
         field("plugins", [&](View v) { reader.items(v, [&](View one) { plugin(one, {.service = index}); }); }));
  if (out.host.empty() && at.is_mapping()) reader.missing(at, "host", "a host, or url");
  if (!is_served(out.protocol) && at.find("protocol"))
    notes_.unserved(at.find("protocol"), "http, https, grpc or grpcs");
  file_.services[index] = std::move(out);
}

void FileReader::route(View at, Index parent) {
  const auto index = file_.routes.size();
  file_.routes.emplace_back();
  Route out;
  out.at = at;
  out.service = parent;
  auto& reader = notes_.reader();
  // Without one of its conditions a route would be for more requests: it is left out as a whole.
  const auto unserved_condition = [&](std::string_view name, const char* expected) {
    return field(name, [this, expected, &out](View v) {
      if (v.is_sequence() && !v.first()) return;
      out.left_out = true;
      notes_.unserved(v, expected);
    });
  };
  entity(at, text_field("name", out.name),
         field("protocols",
               [&](View v) {
                 texts(v, out.protocols);
                 if (!std::ranges::all_of(out.protocols, is_served)) {
                   out.left_out = true;
                   return notes_.unserved(v, "http and https, or grpc and grpcs: no others from Kong's file");
                 }
                 if (!std::ranges::all_of(out.protocols, [&](const auto& one) { return is_grpc(one) == out.grpc(); }))
                   notes_.error(v, "http and https, or grpc and grpcs, but not of both");
               }),
         field("methods", [&](View v) { methods(v, out); }), field("hosts", [&](View v) { hosts(v, out); }),
         field("paths", [&](View v) { paths(v, out); }), field("headers", [&](View v) { headers(v, out); }),
         field("snis", [&](View v) { snis(v, out); }), unserved_condition("sources", "no sources"),
         unserved_condition("destinations", "no destinations"),
         unserved_condition("expression", "paths, hosts, methods and headers"),
         unserved_field("priority", "regex_priority"),
         field("https_redirect_status_code",
               [&](View v) {
                 constexpr std::string_view kCodes[] = {"426", "301", "302", "307", "308"};
                 if (std::ranges::find(kCodes, v.text()) == std::end(kCodes))
                   return notes_.error(v, "426, 301, 302, 307 or 308");
                 config::read_number(reader, v, 301, 426, out.https_redirect);
               }),
         field("strip_path", [&](View v) { reader.read(v, out.strip_path); }),
         field("preserve_host", [&](View v) { reader.read(v, out.preserve_host); }), ignored("request_buffering"),
         ignored("response_buffering"),
         field("regex_priority", [&](View v) { config::read_number(reader, v, 0, 0xffffffff, out.regex_priority); }),
         field("path_handling",
               [&](View v) {
                 if (v.text() == "v1") out.joins_as_it_is = v;
                 else if (v.text() != "v0") notes_.error(v, "v0 or v1");
               }),
         field("service", [&](View v) { out.service_at = v; }),
         field("plugins", [&](View v) { reader.items(v, [&](View one) { plugin(one, {.route = index}); }); }));
  if (out.grpc()) {
    if (out.strip_path && at.find("strip_path")) notes_.error(at.find("strip_path"), "false: gRPC's paths are methods");
    out.strip_path = false;
  }
  // One without any is a slip for Kong, and would be for all requests.
  const bool any = !out.methods.empty() || !out.hosts.empty() || !out.paths.empty() || !out.headers.empty();
  if (!any && out.snis.empty() && !out.left_out)
    notes_.error(at, "methods, hosts, headers, paths or snis: one of them");
  file_.routes[index] = std::move(out);
}

void FileReader::methods(View at, Route& out) {
  texts(at, out.methods);
  if (!std::ranges::all_of(out.methods, is_method)) notes_.error(at, "methods in capital letters");
}

void FileReader::paths(View at, Route& out) {
  notes_.reader().items(at, [&](View item) {
    PathCondition one;
    one.at = item;
    text(item, one.text);
    if (one.text.starts_with('~')) {
      one.regex = true;
      one.text.erase(0, 1);
      // Rust's and PCRE's named groups, as RE2 of this version reads them.
      for (auto from = one.text.find("(?<"); from != std::string::npos; from = one.text.find("(?<", from + 3))
        if (from + 3 < one.text.size() && one.text[from + 3] != '=' && one.text[from + 3] != '!')
          one.text.insert(from + 2, "P");
      if (!is_regex(one.text)) notes_.error(item, "a regular expression as RE2 reads them");
    } else if (!is_regular_path(one.text)) {
      notes_.error(item, "a path that begins with /, or ~ and a regular expression");
    }
    out.paths.push_back(std::move(one));
  });
}

void FileReader::hosts(View at, Route& out) {
  notes_.reader().items(at, [&](View item) {
    std::string one;
    text(item, one);
    one = config::lower(one);
    const auto [host, port] = parts_of_host(one);
    auto name = host;
    if (name.starts_with('*')) name.remove_prefix(1);
    else if (name.ends_with('*')) name.remove_suffix(1);
    if (!is_host(name) || (host.size() < one.size() && !is_port(port)))
      return notes_.error(item, "a host name, with * only as its first or last character, and a port or none");
    out.hosts.push_back(std::move(one));
  });
}

/// The dot at the end of a name counts for nothing.
void FileReader::snis(View at, Route& out) {
  notes_.reader().items(at, [&](View item) {
    std::string one;
    text(item, one);
    one = config::lower(one);
    if (one.ends_with('.')) one.pop_back();
    auto name = std::string_view(one);
    if (name.starts_with('*')) name.remove_prefix(1);
    else if (name.ends_with('*')) name.remove_suffix(1);
    if (!is_host(name))
      return notes_.error(item, "a host name without a port, with * only as its first or last character");
    out.snis.push_back(std::move(one));
  });
}

void FileReader::headers(View at, Route& out) {
  notes_.reader().fields(at, [&](View child) {
    HeaderCondition one;
    one.at = child;
    one.name = config::lower(child.key());
    if (one.name == "host" || !config::is_token(one.name)) return notes_.error(child, "a header other than Host");
    if (child.is_sequence()) texts(child, one.values);
    else text(child, one.values.emplace_back());
    if (one.values.empty()) return notes_.error(child, "at least one value");
    for (const auto& value : one.values)
      if (value.starts_with("~*") && !is_regex(value.substr(2)))
        return notes_.error(child, "a regular expression as RE2 reads them, behind ~*");
    out.headers.push_back(std::move(one));
  });
}

void FileReader::upstream(View at) {
  const auto index = file_.upstreams.size();
  file_.upstreams.emplace_back();
  Upstream out;
  out.at = at;
  auto& reader = notes_.reader();
  entity(at, required("name", "a host name", [&](View v) { text(v, out.name); }),
         choice("algorithm", out.algorithm, {"round-robin", "consistent-hashing", "least-connections", "latency"}),
         choice("hash_on", out.hash_on,
                {"none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"}),
         choice("hash_fallback", out.hash_fallback,
                {"none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"}),
         text_field("hash_on_header", out.hash_header), text_field("hash_on_cookie", out.hash_cookie),
         field("hash_on_cookie_path",
               [&](View v) {
                 text(v, out.cookie_path);
                 if (!is_regular_path(out.cookie_path) || out.cookie_path.find(';') != std::string::npos)
                   notes_.error(v, "a path that begins with /");
               }),
         text_field("hash_on_query_arg", out.hash_query),
         // Of what hash_on and hash_fallback name themselves where it is not served.
         ignored("hash_on_uri_capture"), ignored("hash_fallback_uri_capture"),
         text_field("hash_fallback_header", out.fallback_header),
         text_field("hash_fallback_query_arg", out.fallback_query), number("slots", 10, 65536),
         text_field("host_header", out.host_header), field("client_certificate", [&](View v) { out.client_at = v; }),
         field("use_srv_name",
               [&](View v) {
                 if (v.text() != "false") notes_.unserved(v, "false");
               }),
         field("healthchecks", [&](View v) { read_healthchecks(*this, v, out); }),
         field("targets", [&](View v) { reader.items(v, [&](View one) { target(one, index); }); }));
  file_.upstreams[index] = std::move(out);
}

void FileReader::target(View at, Index parent) {
  Target out;
  out.at = at;
  out.upstream = parent;
  auto& reader = notes_.reader();
  entity(at,
         required("target", "HOST:PORT",
                  [&](View v) {
                    std::string all;
                    text(v, all);
                    const auto colon = all.rfind(':');
                    const bool v6 = all.starts_with('[');
                    const bool port = colon != std::string::npos && (!v6 || all[colon - 1] == ']');
                    out.host = all.substr(0, port ? colon : all.size());
                    if (v6 && out.host.ends_with(']')) out.host = out.host.substr(1, out.host.size() - 2);
                    bool good = !out.host.empty();
                    if (port) {
                      const auto digits = all.substr(colon + 1);
                      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
                      good = good && error == std::errc{} && end == digits.data() + digits.size() && out.port != 0;
                    }
                    if (!good) notes_.error(v, "HOST:PORT");
                  }),
         field("weight", [&](View v) { config::read_number(reader, v, 0, 65535, out.weight); }),
         field("upstream", [&](View v) { out.upstream_at = v; }));
  file_.targets.push_back(std::move(out));
}

/// For streams alone it meets no request.
void FileReader::plugin_protocols(View at, Plugin& out) {
  notes_.reader().items(at, [&](View item) {
    std::string one;
    text(item, one);
    constexpr std::string_view kOthers[] = {"tcp", "tls", "tls_passthrough", "udp"};
    if (!is_served(one) && std::ranges::find(kOthers, one) == std::end(kOthers))
      notes_.error(item, "one of grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp");
    out.protocols.push_back(std::move(one));
  });
  if (!out.protocols.empty() && std::ranges::none_of(out.protocols, is_served)) out.enabled = false;
  constexpr std::string_view kOfStreams[] = {
      "datadog", "file-log", "http-log", "ip-restriction", "proxy-cache", "prometheus", "request-transformer",
      "statsd"};
  if (std::ranges::find(kOfStreams, out.name) == std::end(kOfStreams) && !std::ranges::all_of(out.protocols, is_served))
    notes_.unserved(at, "grpc, grpcs, http or https for this plugin");
}

void FileReader::plugin(View at, const Scope& scope) {
  Plugin out;
  out.at = at;
  out.service = scope.service;
  out.route = scope.route;
  out.consumer = scope.consumer;
  out.group = scope.group;
  entity(at, required("name", "a plugin's name", [&](View v) { text(v, out.name); }), ignored("instance_name"),
         field("config",
               [&](View v) {
                 if (!v.is_mapping()) notes_.error(v, "a mapping");
                 out.config = v;
               }),
         field("enabled", [&](View v) { notes_.reader().read(v, out.enabled); }),
         field("protocols", [&](View v) { out.protocols_at = v; }),
         unserved_field("ordering", "the order of Kong's own"), ignored("_config"),
         unserved_field("condition", "no condition"), field("service", [&](View v) { out.service_at = v; }),
         field("route", [&](View v) { out.route_at = v; }), field("consumer", [&](View v) { out.consumer_at = v; }),
         field("consumer_group", [&](View v) { out.group_at = v; }));
  plugin_protocols(out.protocols_at, out);
  file_.plugins.push_back(std::move(out));
}

}  // namespace fairlead::kong
