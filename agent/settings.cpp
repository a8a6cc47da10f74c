// SPDX-License-Identifier: Apache-2.0
#include "agent/settings.hpp"

#include <libfyaml.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <ranges>
#include <set>
#include <string_view>

namespace fairlead::agent {
namespace {

template <class Number>
bool take_number(Number& target, std::string_view value) {
  const char* const end = value.data() + value.size();
  const auto result = std::from_chars(value.data(), end, target);
  return result.ec == std::errc{} && result.ptr == end;
}

bool take_switch(bool& target, std::string_view value) {
  target = value == "on" || value == "true";
  return target || value == "off" || value == "false";
}

template <std::string Settings::* Field>
bool text(Settings& settings, const std::string& value) {
  settings.*Field = value;
  return !value.empty();
}

template <std::string Settings::* Field>
bool absolute_path(Settings& settings, const std::string& value) {
  settings.*Field = value;
  return value.starts_with('/');
}

template <bool Settings::* Field>
bool on_off(Settings& settings, const std::string& value) {
  return take_switch(settings.*Field, value);
}

/// Of a domain or a namespace; Istio takes capitals and underscores in trust domains, too.
bool is_name(std::string_view value) {
  return !value.empty() && std::ranges::all_of(value, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  });
}

bool take_redirect(Settings& settings, const std::string& value) {
  if (value == "off" || value == "false") settings.redirect = FL_REDIRECT_OFF;  // YAML 1.1 habits write off as false
  else if (value == "opted-in") settings.redirect = FL_REDIRECT_OPTED_IN;
  else if (value == "all") settings.redirect = FL_REDIRECT_ALL;
  else return false;
  return true;
}

/// Command names as /proc/PID/comm has them.
bool take_programs(Settings& settings, const std::string& value) {
  constexpr std::size_t kLongest = 15;
  settings.redirect_programs.clear();
  for (const auto part : std::views::split(value, ',')) {
    const std::string name(part.begin(), part.end());
    if (name.empty() || name.size() > kLongest) return false;
    settings.redirect_programs.push_back(name);
  }
  return !settings.redirect_programs.empty();
}

template <std::string model::Mesh::* Field>
bool take_name(Settings& settings, const std::string& value) {
  settings.mesh.*Field = value;
  return is_name(value);
}

bool take_aliases(Settings& settings, const std::string& value) {
  settings.mesh.trust_domain_aliases.clear();
  for (const auto part : std::views::split(value, ',')) {
    const auto& name = settings.mesh.trust_domain_aliases.emplace_back(part.begin(), part.end());
    if (!is_name(name)) return false;
  }
  return !settings.mesh.trust_domain_aliases.empty();
}

bool take_default(Settings& settings, const std::string& value) {
  settings.default_deny = value == "closed";
  return settings.default_deny || value == "open";
}

bool take_ports(Settings& settings, const std::string& value) {
  const auto dash = value.find('-');
  if (dash == std::string::npos) return false;
  const std::string_view all(value);
  return take_number(settings.node_port_low, all.substr(0, dash)) &&
         take_number(settings.node_port_high, all.substr(dash + 1)) && settings.node_port_low > 0 &&
         settings.node_port_low <= settings.node_port_high;
}

bool take_series(Settings& settings, const std::string& value) {
  return take_number(settings.max_series, value) && settings.max_series >= 16 && settings.max_series <= 1'000'000;
}

bool take_keep(Settings& settings, const std::string& value) {
  return take_number(settings.keep_series, value) && settings.keep_series >= 1 && settings.keep_series <= 600;
}

bool take_metrics(Settings& settings, const std::string& value) {
  settings.metrics = value == "off" || value == "false" ? "" : value;
  const auto colon = value.rfind(':');
  std::uint16_t port = 0;
  return settings.metrics.empty() ||
         (colon != std::string::npos && colon != 0 && take_number(port, std::string_view(value).substr(colon + 1)));
}

bool take_level(Settings& settings, const std::string& value) {
  settings.log_level = value;
  return value == "debug" || value == "info" || value == "warning" || value == "error";
}

constexpr SettingKind kKinds[] = {
    {"config", "PATH", "/etc/fairlead/config", "a path",
     "directory (or file) of YAML and JSON objects, followed by inotify", text<&Settings::config>},
    {"cgroup", "PATH", "the root of the cgroup2 mount", "an absolute path", "cgroup2 directory to attach to",
     absolute_path<&Settings::cgroup>},
    {"pin-dir", "PATH", FL_PIN_DIR, "an absolute path", "directory in bpffs for maps and links",
     absolute_path<&Settings::pin_dir>},
    {"run-dir", "PATH", "/run/fairlead", "an absolute path", "directory for the lock and the configuration in force",
     absolute_path<&Settings::run_dir>},
    {"socket", "PATH", "/run/fairlead/agent.sock", "an absolute path", "unix socket for fairctl",
     absolute_path<&Settings::socket>},
    {"metrics", "ADDRESS:PORT|off", "127.0.0.1:9464", "ADDRESS:PORT or off", "where Prometheus scrapes", take_metrics},
    {"node", "NAME", "the host's name", "a name", "this node's name in the configuration", text<&Settings::node>},
    {"flow-log", "PATH", "none", "an absolute path", "file for flows as JSON lines",
     absolute_path<&Settings::flow_log>},
    {"log-level", "debug|info|warning|error", "info", "debug, info, warning or error", "what is logged to stderr",
     take_level},
    {"redirect", "off|opted-in|all", "opted-in", "off, opted-in or all", "same-node redirection", take_redirect},
    {"redirect-programs", "NAME,...", "none", "command names of at most 15 characters, separated by commas",
     "programs that never splice from a socket: redirected by \"all\" also where the kernel cannot see splice",
     take_programs},
    {"balance", "on|off", "on", "on or off", "service addresses are balanced", on_off<&Settings::balance>},
    {"policy", "on|off", "on", "on or off", "NetworkPolicy and AuthorizationPolicy are enforced",
     on_off<&Settings::policy>},
    {"default-policy", "open|closed", "open", "open or closed", "for workloads that no policy selects", take_default},
    {"trust-domain", "NAME", "cluster.local", "a name without slashes",
     "Istio's trustDomain: what principals begin with", take_name<&model::Mesh::trust_domain>},
    {"trust-domain-aliases", "NAME,...", "none", "names without slashes, separated by commas",
     "Istio's trustDomainAliases: other names of the trust domain in principals", take_aliases},
    {"root-namespace", "NAME", "istio-system", "a name",
     "Istio's rootNamespace: its AuthorizationPolicies and DestinationRules count for all namespaces",
     take_name<&model::Mesh::root_namespace>},
    {"cluster-domain", "NAME", "cluster.local", "a name", "what services' names end with: NAME.NAMESPACE.svc.DOMAIN",
     take_name<&model::Mesh::cluster_domain>},
    {"series", "on|off", "on", "on or off", "metrics per workload pair", on_off<&Settings::series>},
    {"flows", "on|off", "on", "on or off", "flow events", on_off<&Settings::flows>},
    {"label-unknown", "on|off", "off", "on or off", "series of peers that are no workload carry their address",
     on_off<&Settings::label_unknown>},
    {"end-tcp", "on|off", "off", "on or off", "TCP sockets to a removed endpoint are ended (UDP always are)",
     on_off<&Settings::end_tcp>},
    {"max-series", "COUNT", "16384", "a number from 16 to 1000000", "cap on metrics series in the kernel", take_series},
    {"keep-series", "SECONDS", "300", "seconds from 1 to 600",
     "how long series of workloads and services that are gone are shown after their last change", take_keep},
    {"node-ports", "FROM-TO", "30000-32767", "FROM-TO", "range of NodePorts", take_ports},
};

struct DocumentDeleter {
  void operator()(fy_document* document) const { fy_document_destroy(document); }
};
using Document = std::unique_ptr<fy_document, DocumentDeleter>;
struct DiagnosticsDeleter {
  void operator()(fy_diag* diagnostics) const { fy_diag_destroy(diagnostics); }
};

struct ParserDeleter {
  void operator()(fy_parser* parser) const { fy_parser_destroy(parser); }
};

Error unreadable(const std::string& file, fy_diag* diagnostics) {
  void* cursor = nullptr;
  const auto* error = fy_diag_errors_iterate(diagnostics, &cursor);
  if (error == nullptr || error->msg == nullptr) return {file + ": cannot be read as YAML"};
  std::string message = error->msg;
  while (message.ends_with('\n')) message.pop_back();
  return {file + ":" + std::to_string(std::max(error->line, 1)) + ": cannot be read as YAML: " + message};
}

bool is_empty(fy_document* document) {
  fy_node* root = fy_document_root(document);
  return root == nullptr || fy_node_is_null(root);
}

int line_of(fy_document* document) {
  const auto* mark = fy_document_state_start_mark(fy_document_get_document_state(document));
  return mark == nullptr ? 0 : mark->line + 1;
}

/// The one document that says something; none where all are empty, as "---" alone. Keys that are given twice are let
/// through: take_pair() says where.
Result<Document> parse(const std::string& file, const std::string& text) {
  fy_diag_cfg how{};
  fy_diag_cfg_default(&how);
  const std::unique_ptr<fy_diag, DiagnosticsDeleter> diagnostics(fy_diag_create(&how));
  fy_diag_set_collect_errors(diagnostics.get(), true);
  fy_parse_cfg config{};
  config.diag = diagnostics.get();
  config.flags = static_cast<fy_parse_cfg_flags>(FYPCF_QUIET | FYPCF_ALLOW_DUPLICATE_KEYS);
  const std::unique_ptr<fy_parser, ParserDeleter> parser(fy_parser_create(&config));
  if (!parser || fy_parser_set_string(parser.get(), text.data(), text.size()) != 0)
    return fail(unreadable(file, diagnostics.get()));
  Document found;
  while (Document next{fy_parse_load_document(parser.get())}) {
    if (is_empty(next.get())) continue;
    if (found)
      return fail(file + ":" + std::to_string(line_of(next.get())) + ": found a second document, expected one");
    found = std::move(next);
  }
  if (fy_parser_get_stream_error(parser.get())) return fail(unreadable(file, diagnostics.get()));
  return found;
}

Result<> take_pair(Settings& settings, std::set<std::string>& seen, const std::string& file, fy_node_pair* pair) {
  fy_node* key = fy_node_pair_key(pair);
  fy_node* value = fy_node_pair_value(pair);
  const char* name = key == nullptr ? nullptr : fy_node_get_scalar0(key);
  if (name == nullptr) return fail(file + ": found a key that is no name, expected names of settings");
  const fy_mark* mark = fy_token_start_mark(fy_node_get_scalar_token(key));
  const std::string where = file + ":" + std::to_string(mark == nullptr ? 0 : mark->line + 1);
  if (!seen.insert(name).second) return fail(where + ": " + name + ": found a second time, expected once");
  const char* scalar = value == nullptr ? nullptr : fy_node_get_scalar0(value);
  if (scalar == nullptr && value != nullptr && !fy_node_is_scalar(value))
    return fail(where + ": " + name + ": found a list or mapping, expected a single value");
  return take_setting(settings, where + ": " + name, name, scalar == nullptr ? "" : scalar);
}

/// libfyaml 0.7.12 never comes back from some unfinished directives ("%27l" and no line end): none is let through to
/// it, after whatever YAML 1.1 or 1.2 takes for the end of a line.
bool has_directive(std::string_view text) {
  constexpr std::string_view kBefore[] = {"\n", "\r", "\xef\xbb\xbf", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};
  for (auto at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1))
    if (at == 0 || std::ranges::any_of(kBefore, [&](auto end) { return text.substr(0, at).ends_with(end); }))
      return true;
  return false;
}

/// Blank lines and comments: settings as a package ships them, all commented out. libfyaml has no document for that.
bool says_nothing(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return std::ranges::all_of(text | std::views::split('\n'), [](const auto& line) {
    const auto first = std::ranges::find_if_not(line, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
    return first == std::ranges::end(line) || *first == '#';
  });
}

}  // namespace

std::span<const SettingKind> setting_kinds() { return kKinds; }

Result<> take_setting(Settings& settings, const std::string& where, const std::string& name, const std::string& value) {
  const auto kind =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const SettingKind& k) { return name == k.name; });
  if (kind == std::end(kKinds)) return fail(where + ": found an unknown setting, expected one that --help lists");
  if (!kind->take(settings, value)) return fail(where + ": found \"" + value + "\", expected " + kind->expected);
  return {};
}

Result<> read_settings(Settings& settings, const std::string& file) {
  if (::access(file.c_str(), R_OK) != 0) return fail(system_error(file, errno));
  if (std::error_code unused; std::filesystem::is_directory(file, unused))
    return fail(file + ": found a directory, expected a file of settings");
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (says_nothing(text)) return {};
  if (has_directive(text))
    return fail(file + ": found a line that begins with '%', expected no directives (%YAML, %TAG)");
  FL_TRY(const auto document, parse(file, text));
  if (!document) return {};
  fy_node* root = fy_document_root(document.get());
  if (!fy_node_is_mapping(root)) return fail(file + ": found no mapping, expected settings as \"name: value\"");
  std::set<std::string> seen;
  void* cursor = nullptr;
  while (fy_node_pair* pair = fy_node_mapping_iterate(root, &cursor)) FL_CHECK(take_pair(settings, seen, file, pair));
  return {};
}

}  // namespace fairlead::agent
