// SPDX-License-Identifier: Apache-2.0
#include "fairlead/config/istio_mesh.hpp"

#include <algorithm>
#include <charconv>

#include "fairlead/base/ascii.hpp"
#include "fairlead/model/mesh.hpp"
#include "gateway/dataplane/config/fields.hpp"

namespace fairlead::config {
namespace {

constexpr std::chrono::milliseconds kPatience{600'000};  // MeshConfig's default
constexpr std::size_t kMostNames = 256;

/// "host", or "namespace/host" where the namespace of the Service is to be that one.
void read_service_host(Reader& reader, View at, model::ExtensionProvider& out) {
  std::string text;
  read_text(reader, at, text, 1, 512);
  const auto slash = text.find('/');
  if (slash != std::string::npos) out.ns = text.substr(0, slash);
  out.host = lower_ascii(std::string_view(text).substr(slash == std::string::npos ? 0 : slash + 1));
  if (!is_hostname(out.host, false)) reader.error(at, "a host name, or a namespace, '/' and a host name");
}

auto name_patterns_field(Reader& reader, std::string_view name, std::vector<std::string>& out) {
  return field(name, [&reader, &out](View v) {
    read_list(reader, v, 0, kMostNames, out, [&](View item, std::string& one) {
      read_text(reader, item, one, 1, 256, is_token, "a header's name, prefix* or *suffix");  // '*' is of a token
      one = lower_ascii(one);
    });
  });
}

auto extra_headers_field(Reader& reader, model::ExternalAuth& out) {
  return field("includeAdditionalHeadersInCheck", [&](View v) {
    reader.fields(v, [&](View header) {
      auto& [name, value] = out.extra_headers.emplace_back(lower_ascii(header.key()), "");
      if (!is_token(name)) reader.error(header, "a header's name");
      read_text(reader, header, value, 0, 4096, is_header_value, "a header's value");
    });
  });
}

auto body_field(Reader& reader, model::ExternalAuth& out) {
  return field("includeRequestBodyInCheck", [&](View v) {
    bool partial = false, packed = false;
    read_mapping(reader, v,
                 required("maxRequestBytes", "a number of bytes",
                          [&](View n) { read_number(reader, n, 1, 1024 * 1024, out.forward_body_max); }),
                 bool_field(reader, "allowPartialMessage", partial), bool_field(reader, "packAsBytes", packed));
    out.whole_body = !partial;
    if (packed) reader.error(v.find("packAsBytes"), "false: the body is sent as text");
  });
}

auto status_field(Reader& reader, model::ExternalAuth& out) {
  return field("statusOnError", [&](View v) {
    std::uint16_t status = 0;
    const auto text = v.text();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
    if (error != std::errc{} || end != text.data() + text.size() || status < 200 || status > 599)
      return reader.error(v, "a status from 200 to 599");
    out.status_on_error = status;
  });
}

/// envoyExtAuthzHttp or envoyExtAuthzGrpc.
void read_check(Reader& reader, View at, bool grpc, model::ExtensionProvider& out) {
  auto& check = out.check;
  check.protocol = grpc ? model::ExternalAuth::Protocol::kGrpc : model::ExternalAuth::Protocol::kHttp;
  check.timeout = kPatience;
  check.errors_fail = true;
  const auto service =
      required("service", "a host name of the mesh", [&](View v) { read_service_host(reader, v, out); });
  const auto port = required("port", "a port", [&](View v) { reader.read_port(v, check.backend.port); });
  const auto timeout = field("timeout", [&](View v) {
    if (const auto time = reader.duration(v, std::chrono::milliseconds(1))) check.timeout = *time;
  });
  const auto open = bool_field(reader, "failOpen", check.fail_open);
  const auto status = status_field(reader, check);
  const auto body = body_field(reader, check);
  if (grpc) return read_mapping(reader, at, service, port, timeout, open, status, body);
  read_mapping(reader, at, service, port, timeout, open, status, body,
               field("pathPrefix", [&](View v) { read_text(reader, v, check.path, 1, 1024); }),
               name_patterns_field(reader, "includeRequestHeadersInCheck", check.allowed_headers),
               name_patterns_field(reader, "includeHeadersInCheck", check.allowed_headers),
               extra_headers_field(reader, check),
               name_patterns_field(reader, "headersToUpstreamOnAllow", check.allowed_response_headers),
               name_patterns_field(reader, "headersToDownstreamOnDeny", check.denied_headers),
               name_patterns_field(reader, "headersToDownstreamOnAllow", check.passed_headers));
}

void read_provider(Reader& reader, View at, std::vector<model::ExtensionProvider>& out) {
  const auto http = at.find("envoyExtAuthzHttp"), grpc = at.find("envoyExtAuthzGrpc");
  if (!http && !grpc) return;
  auto& one = out.emplace_back();
  if (const auto name = at.find("name")) read_text(reader, name, one.name, 1, 256);
  else reader.missing(at, "name", "a name");
  read_check(reader, http ? http : grpc, !http, one);
}

/// What `read` reads of a MeshConfig without an error; nothing is read of an empty one.
template <class Read>
Result<> read_mesh(const std::string& mesh, Read read) {
  Tree tree;
  TreeReader yaml(mesh, false);
  const auto outcome = yaml.next(tree);
  if (outcome == TreeReader::Outcome::kError)
    return fail("line " + std::to_string(yaml.error().line) + " of mesh: " + yaml.error().message);
  if (outcome == TreeReader::Outcome::kEnd || tree.empty()) return {};
  Diagnostics wrong;
  const View root(tree, Tree::root());
  Reader reader(root, {}, wrong);
  read(reader, root);
  for (const auto& one : wrong)
    if (one.severity == Severity::kError)
      return fail("line " + std::to_string(one.line) + " of mesh: " + one.field + ": found " + one.found +
                  ", expected " + one.expected);
  return {};
}

void read_trust_domain(Reader& reader, View at, std::string& out) {
  read_text(reader, at, out, 1, 255);
  if (out.find('/') != std::string::npos) reader.error(at, "a name without slashes");
}

/// A domain of a principal may begin with a wildcard.
bool is_domain(std::string_view pattern, std::string_view domain) {
  return pattern.starts_with('*') ? domain.ends_with(pattern.substr(1)) : pattern == domain;
}

void translate(const std::vector<std::string>& domains, std::vector<std::string>& principals) {
  constexpr int kSlashes = 4;  // DOMAIN/ns/NAMESPACE/sa/ACCOUNT
  std::vector<std::string> out;
  for (auto& principal : principals) {
    const auto slash = principal.find('/');
    const auto domain = std::string_view(principal).substr(0, slash);
    const auto is_own = [&](const std::string& one) { return is_domain(domain, one); };
    if (std::ranges::count(principal, '/') != kSlashes ||
        (domain != "cluster.local" && std::ranges::none_of(domains, is_own))) {
      out.push_back(std::move(principal));
      continue;
    }
    for (const auto& one : domains) out.push_back(is_own(one) ? principal : one + principal.substr(slash));
  }
  principals = std::move(out);
}

}  // namespace

Result<std::vector<model::ExtensionProvider>> read_extension_providers(const std::string& mesh) {
  std::vector<model::ExtensionProvider> out;
  FL_CHECK(read_mesh(mesh, [&](Reader& reader, View root) {
    reader.items(root.find("extensionProviders"), [&](View item) { read_provider(reader, item, out); });
  }));
  return out;
}

Result<std::vector<std::string>> read_trust_domains(const std::string& mesh) {
  std::vector<std::string> out{model::Mesh{}.trust_domain};
  FL_CHECK(read_mesh(mesh, [&](Reader& reader, View root) {
    if (const auto own = root.find("trustDomain"); own && !own.text().empty())
      read_trust_domain(reader, own, out.front());
    reader.items(root.find("trustDomainAliases"),
                 [&](View item) { read_trust_domain(reader, item, out.emplace_back()); });
  }));
  return out;
}

void translate_principals(const std::vector<std::string>& domains, model::AuthorizationPolicy& policy) {
  for (auto& rule : policy.rules) {
    for (auto& source : rule.from) {
      translate(domains, source.principals);
      translate(domains, source.not_principals);
    }
    for (auto& when : rule.when) {
      if (when.attribute != model::AuthorizationCondition::Attribute::kSourcePrincipal) continue;
      translate(domains, when.values);
      translate(domains, when.not_values);
    }
  }
}

}  // namespace fairlead::config
