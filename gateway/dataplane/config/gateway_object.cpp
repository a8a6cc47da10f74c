// SPDX-License-Identifier: Apache-2.0
// GatewayClass, Gateway and ListenerSet.
#include <algorithm>

#include "gateway/dataplane/config/gateway_kinds.hpp"
#include "gateway/dataplane/config/gateway_references.hpp"

namespace fairlead::config {
namespace {

using model::ListenerProtocol;

bool is_url_path_text(std::string_view text) {
  static constexpr std::string_view kMarks = "/-._~%!$&'()*+,;=:";
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

/// "domain/path"
bool is_controller_name(std::string_view text) {
  const auto slash = text.find('/');
  return slash != std::string_view::npos && is_dns_subdomain(text.substr(0, slash)) &&
         is_url_path_text(text.substr(slash + 1));
}

bool is_protocol_name(std::string_view text) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  const auto slash = text.find('/');
  if (slash != std::string_view::npos)
    return is_dns_subdomain(text.substr(0, slash)) && slash + 1 < text.size() &&
           std::ranges::all_of(text.substr(slash + 1), alnum);
  return !text.empty() && alnum(text.front()) && alnum(text.back()) &&
         std::ranges::all_of(text, [&](char c) { return alnum(c) || c == '-'; });
}

void read_protocol_of(Reader& reader, View at, model::Listener& out) {
  constexpr std::string_view kNames[] = {"HTTP", "HTTPS", "TLS", "TCP", "UDP"};
  std::string name;
  if (!read_text(reader, at, name, 1, 255, is_protocol_name, "HTTP, HTTPS, TLS, TCP or UDP")) return;
  const auto* found = std::ranges::find(kNames, name);
  out.protocol = static_cast<ListenerProtocol>(found - std::begin(kNames));
  if (out.protocol == ListenerProtocol::kOther) out.other_protocol = name;
}

void read_tls(Reader& reader, View at, std::optional<model::ListenerTls>& out) {
  auto& tls = out.emplace();
  read_mapping(reader, at,
               field("mode",
                     [&](View v) {
                       if (const auto mode = reader.one_of(v, {"Terminate", "Passthrough"}))
                         tls.mode = static_cast<model::TlsMode>(*mode);
                     }),
               field("certificateRefs",
                     [&](View v) {
                       read_list(reader, v, 0, 64, tls.certificates,
                                 [&](View item, model::ObjectReference& one) { read_secret_ref(reader, item, one); });
                     }),
               field("options", [&](View v) { read_options(reader, v, 16, tls.options); }));
  if (tls.mode == model::TlsMode::kTerminate && tls.certificates.empty() && tls.options.empty())
    reader.missing(at, "certificateRefs", "at least one certificate (or options), as the mode is Terminate");
}

/// listeners: whether None may stand, as of allowedListeners.
void read_allowed_namespaces(Reader& reader, View at, bool listeners, model::AllowedNamespaces& out) {
  using enum model::AllowedNamespaces::From;
  constexpr model::AllowedNamespaces::From kFrom[] = {kSame, kAll, kSelector, kNone};
  read_mapping(
      reader, at,
      field("from",
            [&](View v) {
              const auto from = listeners ? reader.one_of(v, {"Same", "All", "Selector", "None"})
                                          : reader.one_of(v, {"Same", "All", "Selector"});
              if (from) out.from = kFrom[*from];
            }),
      field("selector", [&](View v) { out.selector = std::make_shared<model::Selector>(read_selector(reader, v)); }));
}

void read_allowed_routes(Reader& reader, View at, model::Listener& out) {
  read_mapping(reader, at,
               field("namespaces", [&](View v) { read_allowed_namespaces(reader, v, false, out.namespaces); }),
               field("kinds", [&](View v) {
                 read_list(reader, v, 0, 8, out.kinds, [&](View item, model::RefKindName& one) {
                   GroupKind kind{.group = "gateway.networking.k8s.io", .kind = {}};
                   read_mapping(reader, item, field("group", [&](View g) { kind.read_group(reader, g); }),
                                required("kind", "a kind of route", [&](View k) { kind.read_kind(reader, k); }));
                   one = kind.name();
                 });
               }));
}

void check_listener(Reader& reader, View at, const model::Listener& listener) {
  using enum ListenerProtocol;
  const auto protocol = listener.protocol;
  const auto tls = at.find("tls");
  const bool plain = protocol == kHttp || protocol == kTcp || protocol == kUdp;
  if (tls && plain) reader.error(tls, "no tls with protocol HTTP, TCP or UDP");
  if (protocol == kHttps && listener.tls && listener.tls->mode != model::TlsMode::kTerminate)
    reader.error(tls.find("mode"), "Terminate, as the protocol is HTTPS");
  if (protocol == kTls && !tls) reader.missing(at, "tls", "a mapping with mode, as the protocol is TLS");
  if ((protocol == kTcp || protocol == kUdp) && at.find("hostname"))
    reader.error(at.find("hostname"), "no hostname with protocol TCP or UDP");
}

void check_distinct(Reader& reader, View at, const model::Listener& one, const std::vector<model::Listener>& all) {
  for (const auto& other : all) {
    if (&other == &one) return;
    if (other.name == one.name && !one.name.empty()) reader.error(at.find("name"), "a name that no other listener has");
    const bool same = other.port == one.port && other.protocol == one.protocol &&
                      other.other_protocol == one.other_protocol && other.hostname == one.hostname;
    if (same && one.port != 0) reader.error(at, "a port, protocol and hostname that no other listener has together");
  }
}

void read_listeners(Reader& reader, View at, std::vector<model::Listener>& out) {
  constexpr std::size_t kMost = 64;
  read_list(reader, at, 1, kMost, out, [&](View item, model::Listener& one) {
    read_mapping(
        reader, item, required("name", "a name", [&](View v) { read_section_name(reader, v, one.name); }),
        field("hostname", [&](View v) { read_hostname(reader, v, one.hostname, true); }),
        required("port", "a number from 1 to 65535", [&](View v) { reader.read_port(v, one.port); }),
        required("protocol", "HTTP, HTTPS, TLS, TCP or UDP", [&](View v) { read_protocol_of(reader, v, one); }),
        field("tls", [&](View v) { read_tls(reader, v, one.tls); }),
        field("allowedRoutes", [&](View v) { read_allowed_routes(reader, v, one); }));
    if (!item.is_mapping()) return;
    check_listener(reader, item, one);
    check_distinct(reader, item, one, out);
  });
}

void read_address(Reader& reader, View at, model::GatewayAddress& out) {
  constexpr std::string_view kTypes[] = {"IPAddress", "Hostname", "NamedAddress"};
  read_mapping(
      reader, at,
      field("type",
            [&](View v) {
              std::string type;
              const auto good = [&](std::string_view text) {
                return std::ranges::find(kTypes, text) != std::end(kTypes) || is_controller_name(text);
              };
              if (!read_text(reader, v, type, 1, 253, good, "IPAddress, Hostname or a domain/type")) return;
              out.type = static_cast<model::GatewayAddress::Type>(std::ranges::find(kTypes, type) - std::begin(kTypes));
              if (out.type == model::GatewayAddress::Type::kOther) out.other_type = type;
            }),
      field("value", [&](View v) { read_text(reader, v, out.value, 0, 253); }));
  if (out.value.empty()) return;
  if (out.type == model::GatewayAddress::Type::kIpAddress && !Address::parse(out.value))
    reader.error(at.find("value"), "an IPv4 or IPv6 address");
  if (out.type == model::GatewayAddress::Type::kHostname && !is_hostname(out.value, true))
    reader.error(at.find("value"), "a host name in lower case");
}

void read_addresses_of(Reader& reader, View at, std::vector<model::GatewayAddress>& out) {
  read_list(reader, at, 0, 16, out, [&](View item, model::GatewayAddress& one) {
    read_address(reader, item, one);
    const bool unique =
        one.type == model::GatewayAddress::Type::kIpAddress || one.type == model::GatewayAddress::Type::kHostname;
    for (const auto& other : out)
      if (&other != &one && unique && !one.value.empty() && other.type == one.type && other.value == one.value)
        reader.error(item, "each address once");
  });
}

void read_validation(Reader& reader, View at, std::optional<model::FrontendValidation>& out) {
  read_mapping(reader, at, field("validation", [&](View v) {
                 auto& value = out.emplace();
                 read_mapping(reader, v,
                              required("caCertificateRefs", "at least one reference",
                                       [&](View refs) {
                                         read_list(reader, refs, 1, 16, value.ca_certificates,
                                                   [&](View item, model::ObjectReference& one) {
                                                     read_full_ref(reader, item, one, true);
                                                   });
                                       }),
                              field("mode", [&](View mode) {
                                if (const auto found = reader.one_of(mode, {"AllowValidOnly", "AllowInsecureFallback"}))
                                  value.mode = static_cast<model::FrontendValidation::Mode>(*found);
                              }));
               }));
}

void read_frontend(Reader& reader, View at, model::FrontendTls& out) {
  read_mapping(
      reader, at, required("default", "a mapping", [&](View v) { read_validation(reader, v, out.by_default); }),
      field("perPort", [&](View v) {
        read_list(reader, v, 0, 64, out.per_port, [&](View item, auto& one) {
          read_mapping(reader, item, required("port", "a port", [&](View p) { reader.read_port(p, one.first); }),
                       required("tls", "a mapping", [&](View t) { read_validation(reader, t, one.second); }));
          for (const auto& other : out.per_port)
            if (&other != &one && other.first == one.first && one.first != 0)
              reader.error(item.find("port"), "each port once");
        });
      }));
}

void read_gateway_tls(Reader& reader, View at, model::GatewayTls& out) {
  read_mapping(reader, at,
               field("backend",
                     [&](View v) {
                       read_mapping(reader, v, field("clientCertificateRef", [&](View ref) {
                                      read_secret_ref(reader, ref, out.client_certificate.emplace());
                                    }));
                     }),
               field("frontend", [&](View v) { read_frontend(reader, v, out.frontend.emplace()); }));
}

void read_infrastructure(Reader& reader, View at, model::GatewayInfrastructure& out) {
  read_mapping(reader, at,
               field("labels",
                     [&](View v) {
                       out.labels = read_labels(reader, v);
                       if (out.labels.size() > 8) reader.error(v, "at most 8 entries");
                     }),
               field("annotations", [&](View v) { read_options(reader, v, 16, out.annotations); }),
               field("parametersRef", [&](View v) { read_full_ref(reader, v, out.parameters.emplace(), false); }));
}

}  // namespace

model::GatewayClass read_gateway_class(Reader& reader, View root) {
  model::GatewayClass out;
  out.metadata = read_metadata(reader, root, false);
  read_spec(reader, root, [&](View spec) {
    read_mapping(reader, spec,
                 required("controllerName", "a name such as fairlead.io/gateway-controller",
                          [&](View v) {
                            read_text(reader, v, out.controller_name, 1, 253, is_controller_name,
                                      "a name such as fairlead.io/gateway-controller");
                          }),
                 field("description", [&](View v) { read_text(reader, v, out.description, 0, 64); }),
                 field("parametersRef", [&](View v) { read_full_ref(reader, v, out.parameters.emplace(), true); }));
  });
  return out;
}

model::Gateway read_gateway(Reader& reader, View root) {
  model::Gateway out;
  out.metadata = read_metadata(reader, root, true);
  read_spec(reader, root, [&](View spec) {
    read_mapping(
        reader, spec,
        required("gatewayClassName", "the name of a GatewayClass",
                 [&](View v) { read_object_name(reader, v, out.class_name); }),
        required("listeners", "at least one listener", [&](View v) { read_listeners(reader, v, out.listeners); }),
        field("addresses", [&](View v) { read_addresses_of(reader, v, out.addresses); }),
        field("allowedListeners",
              [&](View v) {
                read_mapping(reader, v, field("namespaces", [&](View n) {
                               read_allowed_namespaces(reader, n, true, out.allowed_listeners);
                             }));
              }),
        field("tls", [&](View v) { read_gateway_tls(reader, v, *(out.tls = std::make_shared<model::GatewayTls>())); }),
        field("infrastructure",
              [&](View v) {
                read_infrastructure(reader, v,
                                    *(out.infrastructure = std::make_shared<model::GatewayInfrastructure>()));
              }),
        field("defaultScope", [&](View v) { read_default_scope(reader, v, out.default_scope); }));
  });
  return out;
}

model::ListenerSet read_listener_set(Reader& reader, View root) {
  model::ListenerSet out;
  out.metadata = read_metadata(reader, root, true);
  read_spec(reader, root, [&](View spec) {
    read_mapping(
        reader, spec, required("parentRef", "a Gateway", [&](View v) { read_parent_gateway(reader, v, out.parent); }),
        required("listeners", "at least one listener", [&](View v) { read_listeners(reader, v, out.listeners); }));
  });
  return out;
}

}  // namespace fairlead::config
