// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/gateway_filters.hpp"

#include <algorithm>
#include <array>

#include "fairlead/base/arena.hpp"
#include "fairlead/route/path.hpp"
#include "fairlead/route/rewrite.hpp"
#include "gateway/dataplane/config/gateway_references.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

constexpr std::size_t kMostHeaders = 16;
constexpr std::size_t kMostNames = 64;

/// Names of filter types, and the fields that carry them; in the order of model::HttpFilter.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kFilterTypes{{
    {"RequestHeaderModifier", "requestHeaderModifier"},
    {"ResponseHeaderModifier", "responseHeaderModifier"},
    {"RequestMirror", "requestMirror"},
    {"RequestRedirect", "requestRedirect"},
    {"URLRewrite", "urlRewrite"},
    {"CORS", "cors"},
    {"ExternalAuth", "externalAuth"},
    {"ExtensionRef", "extensionRef"},
}};

void read_headers(Reader& reader, View at, std::vector<model::HttpHeader>& out) {
  read_list(reader, at, 0, kMostHeaders, out, [&](View item, model::HttpHeader& one) {
    read_mapping(reader, item,
                 required("name", "a header's name", [&](View v) { read_header_name(reader, v, one.name); }),
                 required("value", "a header's value", [&](View v) {
                   read_text(reader, v, one.value, 1, 4096, is_header_value,
                             "a header's value: visible ASCII, single blanks between");
                 }));
  });
  // Names compare without case; of equal ones the first counts.
  std::vector<model::HttpHeader> unique;
  for (auto& header : out)
    if (std::ranges::find(unique, header.name, &model::HttpHeader::name) == unique.end())
      unique.push_back(std::move(header));
  out = std::move(unique);
}

void read_modifier(Reader& reader, View at, model::HeaderModifier& out) {
  read_mapping(reader, at, field("set", [&](View v) { read_headers(reader, v, out.set); }),
               field("add", [&](View v) { read_headers(reader, v, out.add); }), field("remove", [&](View v) {
                 read_list(reader, v, 0, kMostHeaders, out.remove,
                           [&](View item, std::string& one) { read_header_name(reader, item, one); });
               }));
}

void read_mirror(Reader& reader, View at, model::RequestMirror& out) {
  bool percent = false;
  read_mapping(
      reader, at, required("backendRef", "a backend", [&](View v) { read_backend_target(reader, v, out.backend); }),
      field("percent",
            [&](View v) {
              read_number(reader, v, 0, 100, out.numerator);
              out.denominator = 100;
              percent = true;
            }),
      field("fraction", [&](View v) {
        if (percent || at.find("percent")) return reader.error(v, "percent or fraction, not both");
        out.denominator = 100;
        read_mapping(
            reader, v,
            required("numerator", "a number", [&](View n) { read_number(reader, n, 0, 0x7fffffff, out.numerator); }),
            field("denominator", [&](View n) { read_number(reader, n, 1, 0x7fffffff, out.denominator); }));
        if (out.numerator > out.denominator) reader.error(v, "a numerator of at most the denominator");
      }));
}

enum class Fragment : std::uint8_t { kNone, kStays };

/// What no URI holds as it is becomes triplets; `?` and `#` as well where they divide nothing.
std::string encoded(std::string_view text, bool query, bool fragment) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto value = static_cast<unsigned char>(c);
    if (c != ' ' && value < 0x80 && (c != '?' || query) && (c != '#' || fragment)) {
      out += c;
      continue;
    }
    out += '%';
    out += kDigits[value >> 4];
    out += kDigits[value & 15];
  }
  return out;
}

/// Normal, as the paths of requests are: no filter sends what no client may. A full path may have a query.
void read_path(Reader& reader, View at, bool full, Fragment fragment, std::string& out) {
  std::string text;
  read_text(reader, at, text, 0, 1024);
  if (reader.failed() || text.empty()) return;
  text = encoded(text, full, full && fragment == Fragment::kStays);
  if (!text.starts_with('/')) text.insert(text.begin(), '/');
  const auto hash = std::min(text.find('#'), text.size());
  Arena arena;
  route::Target target;
  constexpr route::PathOptions kOptions{.other_characters = route::OtherCharacters::kEncode, .merge_slashes = false};
  const bool visible = std::ranges::none_of(text, [](char c) { return c < ' ' || c == '\x7f'; });
  if (!visible ||
      route::parse_target(std::string_view(text).substr(0, hash), kOptions, arena, target) != route::PathError::kNone)
    return reader.error(at, "a path: no control characters, no \\, two hexadecimal digits behind each %, no %00");
  out = target.path;
  if (target.has_query) out.append("?").append(target.query);
  out.append(text, hash);
}

void read_path_modifier(Reader& reader, View at, Fragment fragment, std::optional<model::PathModifier>& out) {
  constexpr std::string_view kNames[] = {"replaceFullPath", "replacePrefixMatch"};
  auto& path = out.emplace();
  std::optional<std::size_t> type;
  read_mapping(reader, at,
               required("type", "ReplaceFullPath or ReplacePrefixMatch",
                        [&](View v) { type = reader.one_of(v, {"ReplaceFullPath", "ReplacePrefixMatch"}); }),
               field(kNames[0], [&](View v) { read_path(reader, v, true, fragment, path.value); }),
               field(kNames[1], [&](View v) { read_path(reader, v, false, fragment, path.value); }));
  if (!type) return;
  path.type = static_cast<model::PathModifier::Type>(*type);
  if (const auto other = at.find(kNames[1 - *type]))
    reader.error(other, "only " + std::string(kNames[*type]) + ", by the type");
  if (!at.find(kNames[*type])) reader.missing(at, kNames[*type], "a path, by the type");
}

void read_redirect(Reader& reader, View at, model::RequestRedirect& out) {
  read_mapping(reader, at,
               field("scheme",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"http", "https"}))
                         out.scheme = *found == 0 ? model::RequestRedirect::Scheme::kHttp
                                                  : model::RequestRedirect::Scheme::kHttps;
                     }),
               field("hostname", [&](View v) { read_hostname(reader, v, out.hostname, false); }),
               field("path", [&](View v) { read_path_modifier(reader, v, Fragment::kStays, out.path); }),
               field("port", [&](View v) { reader.read_port(v, out.port); }), field("statusCode", [&](View v) {
                 constexpr std::array<std::string_view, 5> kCodes{"301", "302", "303", "307", "308"};
                 if (v.is_string() || std::ranges::find(kCodes, v.text()) == kCodes.end())
                   return reader.error(v, "301, 302, 303, 307 or 308");
                 read_number(reader, v, 301, 308, out.status_code);
               }));
}

void read_rewrite(Reader& reader, View at, model::UrlRewrite& out) {
  read_mapping(reader, at, field("hostname", [&](View v) { read_hostname(reader, v, out.hostname, false); }),
               field("path", [&](View v) { read_path_modifier(reader, v, Fragment::kNone, out.path); }));
}

/// "*", or scheme://host[:port] whose host may begin with "*." or be "*".
bool is_origin(std::string_view text) {
  if (text == "*") return true;
  if (text.starts_with("http://")) text.remove_prefix(7);
  else if (text.starts_with("https://")) text.remove_prefix(8);
  else return false;
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    const auto port = text.substr(colon + 1);
    text = text.substr(0, colon);
    const bool number =
        !port.empty() && port.size() <= 5 && std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
    if (!number) return false;
  }
  if (text == "*") return true;
  if (text.starts_with("*.")) text.remove_prefix(2);
  for (std::size_t from = 0; from <= text.size();) {
    const auto dot = std::min(text.find('.', from), text.size());
    const auto label = text.substr(from, dot - from);
    const bool good = !label.empty() && std::ranges::all_of(label, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    });
    if (!good) return false;
    from = dot + 1;
  }
  return true;
}

/// A "*" stands alone.
void check_star(Reader& reader, View at, const std::vector<std::string>& values) {
  if (values.size() > 1 && std::ranges::find(values, "*") != values.end())
    reader.error(at, "\"*\" alone, or none of it");
}

void read_cors(Reader& reader, View at, model::Cors& out) {
  const auto header_names = [&](View v, std::vector<std::string>& names) {
    read_list(reader, v, 0, kMostNames, names, [&](View item, std::string& one) {
      read_text(reader, item, one, 1, 256, is_token, "a header's name, or \"*\"");
    });
  };
  read_mapping(reader, at,
               field("allowOrigins",
                     [&](View v) {
                       read_list(reader, v, 0, kMostNames, out.allow_origins, [&](View item, std::string& one) {
                         read_text(reader, item, one, 1, 253, is_origin,
                                   "an origin such as https://a.example or https://*.example:8443, or \"*\"");
                       });
                       check_star(reader, v, out.allow_origins);
                     }),
               field("allowCredentials", [&](View v) { reader.read(v, out.allow_credentials); }),
               field("allowMethods",
                     [&](View v) {
                       read_list(reader, v, 0, 9, out.allow_methods, [&](View item, std::string& one) {
                         if (reader.one_of(item, {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE",
                                                  "PATCH", "*"}))
                           one = item.text();
                       });
                       check_star(reader, v, out.allow_methods);
                     }),
               field("allowHeaders",
                     [&](View v) {
                       header_names(v, out.allow_headers);
                       check_star(reader, v, out.allow_headers);
                     }),
               field("exposeHeaders", [&](View v) { header_names(v, out.expose_headers); }),
               field("maxAge", [&](View v) { read_number(reader, v, 1, 0x7fffffff, out.max_age_seconds); }));
}

bool is_path_text(std::string_view text) {
  static constexpr std::string_view kMarks = "-/._~!$&'()*+,;=:@";
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !hex(text[i + 1]) || !hex(text[i + 2])) return false;
      i += 2;
    } else if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
               kMarks.find(c) == std::string_view::npos) {
      return false;
    }
  }
  return !text.empty();
}

void read_lower_names(Reader& reader, View at, std::vector<std::string>& out) {
  read_list(reader, at, 0, kMostNames, out, [&](View item, std::string& one) { read_header_name(reader, item, one); });
}

/// Reads into the alternative of that index.
void read_filter_value(Reader& reader, View at, std::size_t type, model::HttpFilter& out) {
  switch (type) {
    case 0: return read_modifier(reader, at, out.emplace<model::RequestHeaderModifier>());
    case 1: return read_modifier(reader, at, out.emplace<model::ResponseHeaderModifier>());
    case 2: return read_mirror(reader, at, out.emplace<model::RequestMirror>());
    case 3: return read_redirect(reader, at, out.emplace<model::RequestRedirect>());
    case 4: return read_rewrite(reader, at, out.emplace<model::UrlRewrite>());
    case 5: return read_cors(reader, at, out.emplace<model::Cors>());
    case 6: return read_external_auth(reader, at, out.emplace<model::ExternalAuth>());
    default: return read_full_ref(reader, at, out.emplace<model::ExtensionRef>().ref, false);
  }
}

std::optional<std::size_t> read_filter_type(Reader& reader, View at, bool grpc) {
  const auto type = at.find("type");
  if (!at.is_mapping()) reader.error(at, "a mapping");
  else if (!type) reader.missing(at, "type", "a filter's type such as RequestHeaderModifier");
  if (!type || !at.is_mapping()) return std::nullopt;
  if (!grpc)
    return reader.one_of(type, {"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "RequestRedirect",
                                "URLRewrite", "CORS", "ExternalAuth", "ExtensionRef"});
  const auto found =
      reader.one_of(type, {"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef"});
  return found && *found == 3 ? kFilterTypes.size() - 1 : found;
}

void read_filter(Reader& reader, View at, bool grpc, model::HttpFilter& out) {
  const auto type = read_filter_type(reader, at, grpc);
  if (!type) return;
  const auto name = kFilterTypes[*type].second;
  reader.fields(at, [&](View child) {
    if (child.key() == "type") return;
    if (child.key() == name) return read_filter_value(reader, child, *type, out);
    const bool of_other = std::ranges::any_of(kFilterTypes, [&](const auto& one) { return one.second == child.key(); });
    if (of_other) reader.error(child, "only " + std::string(name) + ", by the filter's type");
    else reader.unknown_field(child, "type or " + std::string(name));
  });
  if (!at.find(name)) reader.missing(at, name, "a mapping, by the filter's type");
  if (std::holds_alternative<model::ExtensionRef>(out))
    reader.warn(at.find("type"), "understood, but not served: requests that it is for are answered by 500");
}

void check_filters(Reader& reader, View at, const model::HttpFilters& filters) {
  constexpr std::size_t kMirror = 2, kRedirect = 3, kRewrite = 4, kAuth = 6, kExtension = 7;
  std::array<int, kFilterTypes.size()> count{};
  for (const auto& filter : filters) ++count[filter.index()];
  for (std::size_t type = 0; type < count.size(); ++type)
    if (count[type] > 1 && type != kMirror && type != kExtension && type != kAuth)
      reader.error(at, "one filter of type " + std::string(kFilterTypes[type].first) + " at most");
  if (count[kRedirect] > 0 && count[kRewrite] > 0) reader.error(at, "a RequestRedirect or a URLRewrite, not both");
}

}  // namespace

void read_external_auth(Reader& reader, View at, model::ExternalAuth& out) {
  std::optional<std::size_t> protocol;
  read_mapping(
      reader, at, required("protocol", "HTTP or GRPC", [&](View v) { protocol = reader.one_of(v, {"HTTP", "GRPC"}); }),
      required("backendRef", "a backend", [&](View v) { read_backend_target(reader, v, out.backend); }),
      field("grpc",
            [&](View v) {
              read_mapping(reader, v,
                           field("allowedHeaders", [&](View n) { read_lower_names(reader, n, out.allowed_headers); }));
            }),
      field("http",
            [&](View v) {
              read_mapping(reader, v,
                           field("path",
                                 [&](View n) {
                                   read_text(reader, n, out.path, 1, 1024, is_path_text,
                                             "a path of at most 1024 characters, percent-encoded where needed");
                                 }),
                           field("allowedHeaders", [&](View n) { read_lower_names(reader, n, out.allowed_headers); }),
                           field("allowedResponseHeaders",
                                 [&](View n) { read_lower_names(reader, n, out.allowed_response_headers); }));
            }),
      field("forwardBody", [&](View v) {
        read_mapping(reader, v,
                     field("maxSize", [&](View n) { read_number(reader, n, 0, 65535, out.forward_body_max); }));
      }));
  if (!protocol) return;
  constexpr std::string_view kNames[] = {"http", "grpc"};
  out.protocol = static_cast<model::ExternalAuth::Protocol>(*protocol);
  if (const auto other = at.find(kNames[1 - *protocol]))
    reader.error(other, "only " + std::string(kNames[*protocol]) + ", by the protocol");
  if (!at.find(kNames[*protocol])) reader.missing(at, kNames[*protocol], "a mapping, by the protocol");
}

void read_filters(Reader& reader, View at, bool grpc, model::HttpFilters& out) {
  constexpr std::size_t kMost = 16;
  bool whole = true;
  read_list(reader, at, 0, kMost, out, [&](View item, model::HttpFilter& one) {
    read_filter(reader, item, grpc, one);
    whole = whole && !reader.failed();
  });
  if (whole) check_filters(reader, at, out);
}

void read_header_matches(Reader& reader, View at, bool grpc, std::vector<model::ValueMatch>& out) {
  std::vector<model::ValueMatch> all;
  read_list(reader, at, 0, kMostHeaders, all, [&](View item, model::ValueMatch& one) {
    read_mapping(reader, item,
                 field("type",
                       [&](View v) {
                         if (const auto type = reader.one_of(v, {"Exact", "RegularExpression"}))
                           one.type = static_cast<model::ValueMatchType>(*type);
                       }),
                 required("name", "a header's name", [&](View v) { read_header_name(reader, v, one.name); }),
                 required("value", "a value", [&](View v) {
                   if (grpc) return read_text(reader, v, one.value, 1, 4096);
                   read_text(reader, v, one.value, 1, 4096, is_header_value,
                             "a header's value: visible ASCII, single blanks between");
                 }));
    if (one.type == model::ValueMatchType::kRegularExpression) check_regex(reader, item.find("value"));
  });
  for (auto& match : all)
    if (std::ranges::find(out, match.name, &model::ValueMatch::name) == out.end()) out.push_back(std::move(match));
}

namespace {

/// What becomes a name in Set-Cookie, or a header of its own.
void read_session_name(Reader& reader, View at, std::string& out) {
  read_text(
      reader, at, out, 0, 128, [](std::string_view text) { return text.empty() || is_token(text); },
      "a name of at most 128 letters, digits and !#$%&'*+-.^_`|~");
}

void read_cookie_path(Reader& reader, View at, std::string& out) {
  const auto good = [](std::string_view text) {
    return text.starts_with('/') && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != ';'; });
  };
  read_text(reader, at, out, 1, 1024, good, "a path without spaces and ;");
}

}  // namespace

/// As release 1.6 has it (`sessionName`, `cookieConfig`), and as the release after it does (`cookie`, `header`).
void read_session_persistence(Reader& reader, View at, CountedPtr<model::SessionPersistence>& out) {
  auto& value = made_in(out);
  const auto lifetime = [&](View v) {
    if (const auto found = reader.one_of(v, {"Session", "Permanent"}))
      value.cookie_lifetime = static_cast<model::SessionPersistence::Lifetime>(*found);
  };
  const auto name = [&](View v) { read_session_name(reader, v, value.session_name); };
  read_mapping(reader, at, field("sessionName", name),
               field("type",
                     [&](View v) {
                       if (const auto type = reader.one_of(v, {"Cookie", "Header"}))
                         value.type = static_cast<model::SessionPersistence::Type>(*type);
                     }),
               field("absoluteTimeout", [&](View v) { value.absolute_timeout = read_duration(reader, v); }),
               field("cookieConfig", [&](View v) { read_mapping(reader, v, field("lifetimeType", lifetime)); }),
               field("cookie",
                     [&](View v) {
                       value.cookie_path = "/";
                       read_mapping(reader, v, field("name", name), field("lifetimeType", lifetime),
                                    field("path", [&](View n) { read_cookie_path(reader, n, value.cookie_path); }));
                     }),
               field("header", [&](View v) { read_mapping(reader, v, required("name", "a header's name", name)); }));
  const bool cookie = value.type == model::SessionPersistence::Type::kCookie;
  for (const std::string_view other : {"cookieConfig", "cookie", "header"})
    if (const auto found = at.find(other); found && cookie == (other == "header"))
      reader.error(found, "no " + std::string(other) + ", as the type is " + (cookie ? "Cookie" : "Header"));
  if (!cookie && route::is_protected_field(lower(value.session_name)))
    reader.error(at, "the name of a header that is not of the connection or of framing");
  if (value.cookie_lifetime == model::SessionPersistence::Lifetime::kPermanent && !value.absolute_timeout)
    reader.missing(at, "absoluteTimeout", "a duration, as the cookie is permanent");
}

}  // namespace fairlead::config
