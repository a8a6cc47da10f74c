// SPDX-License-Identifier: Apache-2.0
#include "fairlead/config/istio_mesh.hpp"

#include <charconv>

#include "fairlead/base/ascii.hpp"
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

}  // namespace

Result<std::vector<model::ExtensionProvider>> read_extension_providers(const std::string& mesh) {
  Tree tree;
  TreeReader yaml(mesh, false);
  const auto outcome = yaml.next(tree);
  if (outcome == TreeReader::Outcome::kError)
    return fail("line " + std::to_string(yaml.error().line) + " of mesh: " + yaml.error().message);
  std::vector<model::ExtensionProvider> out;
  if (outcome == TreeReader::Outcome::kEnd || tree.empty()) return out;
  Diagnostics wrong;
  const View root(tree, Tree::root());
  Reader reader(root, {}, wrong);
  reader.items(root.find("extensionProviders"), [&](View item) { read_provider(reader, item, out); });
  for (const auto& one : wrong)
    if (one.severity == Severity::kError)
      return fail("line " + std::to_string(one.line) + " of mesh: " + one.field + ": found " + one.found +
                  ", expected " + one.expected);
  return out;
}

}  // namespace fairlead::config
