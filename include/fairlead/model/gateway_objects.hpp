// SPDX-License-Identifier: Apache-2.0
#pragma once

// The nouns of Gateway API v1 (release 1.6, experimental channel), and Secret and ConfigMap as far as it refers to
// them. Names, defaults and units are those of its apis/v1; "group" and "kind" of a reference are one RefKind. No
// behaviour: what objects mean together is config/gateway_state.hpp.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "fairlead/model/gateway_route_parts.hpp"
#include "fairlead/model/metadata.hpp"

namespace fairlead::model {

// ---- GatewayClass, Gateway, ListenerSet ---------------------------------------------------------------------------

struct GatewayClass {
  Metadata metadata;
  std::string controller_name;  ///< "domain/path"
  std::string description;
  std::optional<ObjectReference> parameters;
};

enum class ListenerProtocol : std::uint8_t { kHttp, kHttps, kTls, kTcp, kUdp, kOther };

enum class TlsMode : std::uint8_t { kTerminate, kPassthrough };

struct ListenerTls {
  TlsMode mode = TlsMode::kTerminate;
  std::vector<ObjectReference> certificates;  ///< certificateRefs
  Labels options;                             ///< as written; ours begin with "fairlead.io/"
};

/// allowedRoutes.namespaces, and allowedListeners.namespaces.
struct AllowedNamespaces {
  enum class From : std::uint8_t { kSame, kAll, kSelector, kNone };
  From from = From::kSame;
  std::shared_ptr<Selector> selector{};  ///< with kSelector; null: nothing is selected
};

struct Listener {
  std::string name;
  std::string hostname;  ///< "" all, "a.example", "*.example"
  std::uint16_t port = 0;
  ListenerProtocol protocol = ListenerProtocol::kHttp;
  std::string other_protocol;  ///< as written, with kOther
  std::optional<ListenerTls> tls;
  AllowedNamespaces namespaces;
  std::vector<RefKindName> kinds;  ///< allowedRoutes.kinds; empty: all that the protocol can carry
};

struct GatewayAddress {
  enum class Type : std::uint8_t { kIpAddress, kHostname, kNamed, kOther };
  Type type = Type::kIpAddress;
  std::string other_type;  ///< as written, with kOther
  std::string value;       ///< empty: any of the type
};

/// spec.tls.frontend: how certificates of clients are checked.
struct FrontendValidation {
  enum class Mode : std::uint8_t { kAllowValidOnly, kAllowInsecureFallback };
  Mode mode = Mode::kAllowValidOnly;
  std::vector<ObjectReference> ca_certificates;  ///< caCertificateRefs: ConfigMap (core) or Secret; never empty
};

struct FrontendTls {
  std::optional<FrontendValidation> by_default;
  /// By port, in place of by_default as a whole; nothing: no client certificates on that port.
  std::vector<std::pair<std::uint16_t, std::optional<FrontendValidation>>> per_port;
};

struct GatewayTls {
  std::optional<ObjectReference> client_certificate;  ///< backend.clientCertificateRef
  std::optional<FrontendTls> frontend;
};

struct GatewayInfrastructure {
  Labels labels;
  Labels annotations;
  std::optional<ObjectReference> parameters;
};

struct Gateway {
  Metadata metadata;
  Name class_name;
  std::vector<Listener> listeners;
  std::vector<GatewayAddress> addresses;
  AllowedNamespaces allowed_listeners{.from = AllowedNamespaces::From::kNone};
  /// Null where the field is not given: rare, and every Object takes the room of the largest.
  std::shared_ptr<GatewayTls> tls;
  std::shared_ptr<GatewayInfrastructure> infrastructure;
  bool default_scope = false;  ///< defaultScope: All
};

struct ListenerSet {
  Metadata metadata;
  ParentReference parent;  ///< a Gateway; no sectionName, no port
  std::vector<Listener> listeners;
};

// ---- Routes -------------------------------------------------------------------------------------------------------

/// What all routes share.
struct RouteBase {
  Metadata metadata;
  std::vector<ParentReference> parents;
  bool use_default_gateways = false;  ///< useDefaultGateways: All
};

struct HttpRoute : RouteBase {
  std::vector<std::string> hostnames;  ///< empty: those of the listener
  std::vector<HttpRule> rules;         ///< as written or by default one that matches everything; at least one
};

struct GrpcRoute : RouteBase {
  std::vector<std::string> hostnames;
  std::vector<GrpcRule> rules;
};

/// The one rule of a TLSRoute, TCPRoute or UDPRoute.
struct StreamRule {
  std::string name;
  std::vector<BackendReference> backends;
};

struct TlsRoute : RouteBase {
  std::vector<std::string> hostnames;  ///< server names; at least one
  std::vector<StreamRule> rules;       ///< one
};

struct TcpRoute : RouteBase {
  std::vector<StreamRule> rules;  ///< one
};

struct UdpRoute : RouteBase {
  std::vector<StreamRule> rules;  ///< one
};

// ---- Grants and policies ------------------------------------------------------------------------------------------

/// Objects of its namespace may be referred to from the namespaces in `from`.
struct ReferenceGrant {
  struct From {
    RefKindName kind;
    std::string ns;
  };
  struct To {
    RefKindName kind;
    std::string name;  ///< empty: all of the kind
  };
  Metadata metadata;
  std::vector<From> from;
  std::vector<To> to;
};

struct SubjectAltName {
  enum class Type : std::uint8_t { kHostname, kUri };
  Type type = Type::kHostname;
  std::string value;
};

/// TLS towards the backends of Services.
/// Of BackendTLSPolicy's options: a Secret of its namespace with what backends are shown.
inline constexpr std::string_view kClientCertificateOption = "fairlead.io/client-certificate";

struct BackendTlsPolicy {
  Metadata metadata;
  std::vector<PolicyTarget> targets;
  std::vector<ObjectReference> ca_certificates;  ///< caCertificateRefs: ConfigMap (core) or Secret, same namespace
  bool system_ca = false;                        ///< wellKnownCACertificates: System
  Name other_well_known;                         ///< any other value of wellKnownCACertificates: not served
  Name hostname;  ///< SNI, and what the certificate must name unless alt_names says else
  std::vector<SubjectAltName> alt_names;
  Labels options;
};

// ---- Secret, ConfigMap --------------------------------------------------------------------------------------------

/// Bytes by key, sorted; data is decoded and stringData laid over it. Never printed.
struct Secret {
  Metadata metadata;
  std::string type;  ///< "kubernetes.io/tls"; "Opaque" where not given
  Labels data;
};

struct ConfigMap {
  Metadata metadata;
  Labels data;  ///< data and binaryData (decoded), sorted by key
};

}  // namespace fairlead::model
