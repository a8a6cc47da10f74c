// SPDX-License-Identifier: Apache-2.0
// ReferenceGrant and BackendTLSPolicy.
#include <algorithm>

#include "gateway/dataplane/config/gateway_kinds.hpp"
#include "gateway/dataplane/config/gateway_references.hpp"

namespace fairlead::config {
namespace {

constexpr std::string_view kGroupExpected = "an API group, \"\" for the core group";

void read_from(Reader& reader, View at, model::ReferenceGrant::From& out) {
  GroupKind kind;
  read_mapping(reader, at, required("group", kGroupExpected, [&](View v) { kind.read_group(reader, v); }),
               required("kind", "a kind such as HTTPRoute", [&](View v) { kind.read_kind(reader, v); }),
               required("namespace", "a namespace", [&](View v) { read_namespace_name(reader, v, out.ns); }));
  out.kind = kind.name();
}

void read_to(Reader& reader, View at, model::ReferenceGrant::To& out) {
  GroupKind kind;
  read_mapping(reader, at, required("group", kGroupExpected, [&](View v) { kind.read_group(reader, v); }),
               required("kind", "a kind such as Service", [&](View v) { kind.read_kind(reader, v); }),
               field("name", [&](View v) { read_object_name(reader, v, out.name); }));
  out.kind = kind.name();
}

/// scheme:rest, as the pattern of apis/v1 has it.
bool is_absolute_uri(std::string_view text) {
  const auto colon = text.find_first_of(":/?#");
  return colon != std::string_view::npos && colon > 0 && text[colon] == ':';
}

void read_alt_name(Reader& reader, View at, model::SubjectAltName& out) {
  constexpr std::string_view kFields[] = {"hostname", "uri"};
  std::optional<std::size_t> type;
  std::string values[2];
  read_mapping(reader, at,
               required("type", "Hostname or URI", [&](View v) { type = reader.one_of(v, {"Hostname", "URI"}); }),
               field("hostname", [&](View v) { read_hostname(reader, v, values[0], true); }), field("uri", [&](View v) {
                 read_text(reader, v, values[1], 1, 253, is_absolute_uri, "a URI with a scheme such as spiffe://a/b");
               }));
  if (!type) return;
  if (const auto other = at.find(kFields[1 - *type]))
    reader.error(other, "only " + std::string(kFields[*type]) + ", by the type");
  if (!at.find(kFields[*type])) reader.missing(at, kFields[*type], "a value, by the type");
  out.type = static_cast<model::SubjectAltName::Type>(*type);
  out.value = std::move(values[*type]);
}

/// "System", or domain/name of another implementation.
bool is_well_known(std::string_view text) {
  const auto slash = text.find('/');
  return text == "System" || (slash != std::string_view::npos && is_dns_subdomain(text.substr(0, slash)) &&
                              slash + 1 < text.size() && text.size() - slash <= 64);
}

void read_tls_validation(Reader& reader, View at, model::BackendTlsPolicy& out) {
  std::string well_known;
  read_mapping(reader, at,
               required("hostname", "the name that certificates are checked for",
                        [&](View v) { read_hostname(reader, v, out.hostname, false); }),
               field("caCertificateRefs",
                     [&](View v) {
                       read_list(reader, v, 0, 8, out.ca_certificates, [&](View item, model::ObjectReference& one) {
                         read_full_ref(reader, item, one, false);
                       });
                     }),
               field("wellKnownCACertificates",
                     [&](View v) { read_text(reader, v, well_known, 1, 253, is_well_known, "System"); }),
               field("subjectAltNames", [&](View v) {
                 read_list(reader, v, 0, 5, out.alt_names,
                           [&](View item, model::SubjectAltName& one) { read_alt_name(reader, item, one); });
               }));
  if (!at.is_mapping()) return;
  if (!out.ca_certificates.empty() && !well_known.empty())
    reader.error(at.find("wellKnownCACertificates"), "caCertificateRefs or wellKnownCACertificates, not both");
  if (out.ca_certificates.empty() && well_known.empty() && !reader.failed())
    reader.missing(at, "caCertificateRefs", "caCertificateRefs or wellKnownCACertificates");
  out.system_ca = well_known == "System";
  if (!out.system_ca) out.other_well_known = well_known;
}

void read_tls_options(Reader& reader, View at, model::Labels& out) {
  read_options(reader, at, 16, out);
  if (const auto own = at.find("fairlead.io/insecure-skip-verify")) (void)reader.one_of(own, {"true", "false"});
  if (const auto own = at.find(model::kClientCertificateOption); own && !is_dns_subdomain(own.text()))
    reader.error(own, "the name of a Secret");
}

}  // namespace

model::ReferenceGrant read_reference_grant(Reader& reader, View root) {
  constexpr std::size_t kMost = 16;
  model::ReferenceGrant out;
  out.metadata = read_metadata(reader, root, true);
  read_spec(reader, root, [&](View spec) {
    read_mapping(reader, spec,
                 required("from", "at least one entry",
                          [&](View v) {
                            read_list(reader, v, 1, kMost, out.from,
                                      [&](View item, auto& one) { read_from(reader, item, one); });
                          }),
                 required("to", "at least one entry", [&](View v) {
                   read_list(reader, v, 1, kMost, out.to, [&](View item, auto& one) { read_to(reader, item, one); });
                 }));
  });
  return out;
}

model::BackendTlsPolicy read_backend_tls_policy(Reader& reader, View root) {
  model::BackendTlsPolicy out;
  out.metadata = read_metadata(reader, root, true);
  read_spec(reader, root, [&](View spec) {
    read_mapping(reader, spec,
                 required("targetRefs", "at least one Service", [&](View v) { read_targets(reader, v, out.targets); }),
                 required("validation", "a mapping with hostname and certificates",
                          [&](View v) { read_tls_validation(reader, v, out); }),
                 field("options", [&](View v) { read_tls_options(reader, v, out.options); }));
  });
  return out;
}

}  // namespace fairlead::config
