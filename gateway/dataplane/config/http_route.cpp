// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/model/find_filter.hpp"
#include "gateway/dataplane/config/gateway_filters.hpp"
#include "gateway/dataplane/config/gateway_kinds.hpp"
#include "gateway/dataplane/config/gateway_references.hpp"

namespace fairlead::config {
namespace {

constexpr std::size_t kMostRules = 16;
constexpr std::size_t kMostMatches = 64;
constexpr std::size_t kMostMatchesOfRoute = 128;
constexpr std::size_t kMostBackends = 16;

/// What a literal path may not hold; empty: nothing is wrong.
std::string_view fault_of_path(std::string_view path) {
  if (!path.starts_with('/')) return "a path that begins with /";
  for (const std::string_view part : {"//", "/./", "/../", "%2f", "%2F", "#"})
    if (path.find(part) != std::string_view::npos) return "a path without //, /./, /../, %2f or #";
  if (path.ends_with("/..") || path.ends_with("/.")) return "a path that does not end in /. or /..";
  static constexpr std::string_view kMarks = "-/._~!$&'()*+,;=:@";
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    const bool encoded = c == '%' && i + 2 < path.size() && hex(path[i + 1]) && hex(path[i + 2]);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       kMarks.find(c) != std::string_view::npos;
    if (!encoded && !plain) return "a path of letters, digits, -/._~!$&'()*+,;=:@ and percent-encoded bytes";
  }
  return {};
}

void read_path(Reader& reader, View at, model::PathMatch& out) {
  read_mapping(reader, at,
               field("type",
                     [&](View v) {
                       if (const auto type = reader.one_of(v, {"PathPrefix", "Exact", "RegularExpression"}))
                         out.type = static_cast<model::PathMatchType>(*type);
                     }),
               field("value", [&](View v) { read_text(reader, v, out.value, 0, 1024); }));
  const auto value = at.find("value");
  if (out.type == model::PathMatchType::kRegularExpression) return check_regex(reader, value);
  if (!value || !value.is_string() || out.value != value.text()) return;
  if (const auto fault = fault_of_path(out.value); !fault.empty()) reader.error(value, std::string(fault));
}

void read_query(Reader& reader, View at, std::vector<model::ValueMatch>& out) {
  read_list(reader, at, 0, 16, out, [&](View item, model::ValueMatch& one) {
    read_mapping(reader, item,
                 field("type",
                       [&](View v) {
                         if (const auto type = reader.one_of(v, {"Exact", "RegularExpression"}))
                           one.type = static_cast<model::ValueMatchType>(*type);
                       }),
                 required("name", "a parameter's name",
                          [&](View v) {
                            read_text(reader, v, one.name, 1, 256, is_token,
                                      "a parameter's name: letters, digits and !#$%&'*+-.^_`|~");
                          }),
                 required("value", "a value", [&](View v) { read_text(reader, v, one.value, 1, 1024); }));
    if (one.type == model::ValueMatchType::kRegularExpression) check_regex(reader, item.find("value"));
    for (const auto& other : out)
      if (&other != &one && other.name == one.name && !one.name.empty())
        reader.error(item.find("name"), "each parameter once");
  });
}

void read_match(Reader& reader, View at, model::HttpMatch& out) {
  read_mapping(reader, at, field("path", [&](View v) { read_path(reader, v, out.path); }),
               field("headers", [&](View v) { read_header_matches(reader, v, false, out.headers); }),
               field("queryParams", [&](View v) { read_query(reader, v, out.query); }), field("method", [&](View v) {
                 const auto method =
                     reader.one_of(v, {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"});
                 if (method) out.method = static_cast<model::HttpMethod>(*method + 1);
               }));
}

void read_timeouts(Reader& reader, View at, CountedPtr<model::HttpTimeouts>& out) {
  auto& value = made_in(out);
  read_mapping(reader, at, field("request", [&](View v) { value.request = read_duration(reader, v); }),
               field("backendRequest", [&](View v) { value.backend_request = read_duration(reader, v); }));
  const bool both = value.request && value.backend_request && value.request->count() != 0;
  if (both && *value.backend_request > *value.request)
    reader.error(at.find("backendRequest"), "a duration of at most the one of request");
}

void read_retry(Reader& reader, View at, CountedPtr<model::HttpRetry>& out) {
  auto& value = made_in(out);
  read_mapping(reader, at,
               field("codes",
                     [&](View v) {
                       read_list(reader, v, 0, 200, value.codes,
                                 [&](View item, std::uint16_t& one) { read_number(reader, item, 400, 599, one); });
                     }),
               field("attempts", [&](View v) { read_number(reader, v, 0, 0x7fffffff, value.attempts.emplace(0)); }),
               field("backoff", [&](View v) { value.backoff = read_duration(reader, v); }));
}

bool replaces_prefix(const model::HttpFilters& filters) {
  const auto* redirect = model::find_filter<model::RequestRedirect>(&filters);
  const auto* rewrite = model::find_filter<model::UrlRewrite>(&filters);
  const auto by_prefix = [](const auto* filter) {
    return filter != nullptr && filter->path && filter->path->type == model::PathModifier::Type::kReplacePrefixMatch;
  };
  return by_prefix(redirect) || by_prefix(rewrite);
}

void check_rule(Reader& reader, View at, const model::HttpRule& rule) {
  if (!rule.backends.empty() && model::find_filter<model::RequestRedirect>(&rule.filters) != nullptr)
    reader.error(at.find("backendRefs"), "no backends in a rule that redirects");
  const bool by_prefix = replaces_prefix(rule.filters) ||
                         std::ranges::any_of(rule.backends, replaces_prefix, &model::HttpBackendReference::filters);
  const bool one_prefix = rule.matches.size() == 1 && rule.matches[0].path.type == model::PathMatchType::kPathPrefix;
  // Beyond the API: an expression that begins with a group says by it what is replaced.
  const bool by_groups = std::ranges::all_of(rule.matches, [](const model::HttpMatch& match) {
    const auto& path = match.path;
    return path.type == model::PathMatchType::kRegularExpression && path.value.starts_with('(') &&
           !path.value.starts_with("(?");
  });
  if (by_prefix && !one_prefix && !by_groups)
    reader.error(at, "exactly one match, by PathPrefix, where a prefix is replaced");
}

void read_rule(Reader& reader, View at, model::HttpRule& out) {
  read_mapping(
      reader, at, field("name", [&](View v) { read_section_name(reader, v, out.name); }),
      field("matches",
            [&](View v) {
              read_list(reader, v, 0, kMostMatches, out.matches,
                        [&](View item, model::HttpMatch& one) { read_match(reader, item, one); });
            }),
      field("filters", [&](View v) { read_filters(reader, v, false, out.filters); }),
      field("backendRefs",
            [&](View v) {
              read_list(reader, v, 0, kMostBackends, out.backends, [&](View item, model::HttpBackendReference& one) {
                read_backend(reader, item, one,
                             field("filters", [&](View f) { read_filters(reader, f, false, one.filters); }));
              });
            }),
      field("timeouts", [&](View v) { read_timeouts(reader, v, out.timeouts); }),
      field("retry", [&](View v) { read_retry(reader, v, out.retry); }),
      field("sessionPersistence", [&](View v) { read_session_persistence(reader, v, out.persistence); }));
  if (out.matches.empty()) out.matches.emplace_back();
  if (!reader.failed()) check_rule(reader, at, out);
}

template <class Rule>
void check_rules(Reader& reader, View at, const std::vector<Rule>& rules) {
  std::size_t matches = 0;
  std::size_t index = 0;
  for (auto item = at.first(); item && index < rules.size(); item = item.next(), ++index) {
    const auto& rule = rules[index];
    matches += rule.matches.size();
    const auto same = std::ranges::find(rules, rule.name, &Rule::name);
    if (!rule.name.empty() && &*same != &rule)
      reader.error(item.find("name"), "a name that no other rule of the route has");
  }
  if (matches > kMostMatchesOfRoute)
    reader.error(at, "at most " + std::to_string(kMostMatchesOfRoute) + " matches in all rules");
}

void read_grpc_method(Reader& reader, View at, std::optional<model::GrpcMethodMatch>& out) {
  auto& value = out.emplace();
  read_mapping(reader, at,
               field("type",
                     [&](View v) {
                       if (const auto type = reader.one_of(v, {"Exact", "RegularExpression"}))
                         value.type = static_cast<model::ValueMatchType>(*type);
                     }),
               field("service", [&](View v) { read_text(reader, v, value.service, 0, 1024); }),
               field("method", [&](View v) { read_text(reader, v, value.method, 0, 1024); }));
  const auto service = at.find("service");
  const auto method = at.find("method");
  if (!service && !method) return reader.missing(at, "service", "a service, a method, or both");
  if (value.type == model::ValueMatchType::kRegularExpression) {
    check_regex(reader, service);
    return check_regex(reader, method);
  }
  const auto word = [](std::string_view text) {
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    return !text.empty() && letter(text.front()) &&
           std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
  };
  if (method && !word(value.method)) reader.error(method, "a method's name: letters, digits and _");
  auto rest = std::string_view(value.service);
  if (rest.starts_with('.')) rest.remove_prefix(1);
  bool good = true;
  for (std::size_t from = 0; from <= rest.size();) {
    const auto dot = std::min(rest.find('.', from), rest.size());
    good = good && word(rest.substr(from, dot - from));
    from = dot + 1;
  }
  if (service && !good) reader.error(service, "a service's name such as package.Service");
}

void read_grpc_rule(Reader& reader, View at, model::GrpcRule& out) {
  read_mapping(
      reader, at, field("name", [&](View v) { read_section_name(reader, v, out.name); }),
      field("matches",
            [&](View v) {
              read_list(reader, v, 0, kMostMatches, out.matches, [&](View item, model::GrpcMatch& one) {
                read_mapping(reader, item, field("method", [&](View m) { read_grpc_method(reader, m, one.method); }),
                             field("headers", [&](View m) { read_header_matches(reader, m, true, one.headers); }));
              });
            }),
      field("filters", [&](View v) { read_filters(reader, v, true, out.filters); }),
      field("backendRefs",
            [&](View v) {
              read_list(reader, v, 0, kMostBackends, out.backends, [&](View item, model::HttpBackendReference& one) {
                read_backend(reader, item, one,
                             field("filters", [&](View f) { read_filters(reader, f, true, one.filters); }));
              });
            }),
      field("sessionPersistence", [&](View v) { read_session_persistence(reader, v, out.persistence); }));
}

}  // namespace

model::HttpRoute read_http_route(Reader& reader, View root) {
  model::HttpRoute out;
  out.metadata = read_metadata(reader, root, true);
  read_spec(reader, root, [&](View spec) {
    read_mapping(reader, spec, field("parentRefs", [&](View v) { read_parents(reader, v, out.parents); }),
                 field("hostnames", [&](View v) { read_hostnames(reader, v, 0, 16, out.hostnames); }),
                 field("useDefaultGateways", [&](View v) { read_default_scope(reader, v, out.use_default_gateways); }),
                 field("rules", [&](View v) {
                   read_list(reader, v, 1, kMostRules, out.rules,
                             [&](View item, model::HttpRule& one) { read_rule(reader, item, one); });
                   check_rules(reader, v, out.rules);
                 }));
  });
  if (out.rules.empty()) out.rules.emplace_back().matches.emplace_back();
  return out;
}

model::GrpcRoute read_grpc_route(Reader& reader, View root) {
  model::GrpcRoute out;
  out.metadata = read_metadata(reader, root, true);
  read_spec(reader, root, [&](View spec) {
    read_mapping(reader, spec, field("parentRefs", [&](View v) { read_parents(reader, v, out.parents); }),
                 field("hostnames", [&](View v) { read_hostnames(reader, v, 0, 16, out.hostnames); }),
                 field("useDefaultGateways", [&](View v) { read_default_scope(reader, v, out.use_default_gateways); }),
                 field("rules", [&](View v) {
                   read_list(reader, v, 0, kMostRules, out.rules,
                             [&](View item, model::GrpcRule& one) { read_grpc_rule(reader, item, one); });
                   check_rules(reader, v, out.rules);
                 }));
  });
  return out;
}

}  // namespace fairlead::config
