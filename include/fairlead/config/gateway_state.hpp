// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the gateway's objects mean together: listeners with the routes attached to them, backends with their endpoints,
// and the status of each object as a controller would write it. The rules are those of the comments in Gateway API's
// apis/v1 (release 1.6).

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/counted.hpp"
#include "fairlead/config/diagnostic.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::config {

inline constexpr std::string_view kControllerName = "fairlead.io/gateway-controller";

// ---- The compiled view --------------------------------------------------------------------------------------------

/// RequestPolicies that touch one thing, the one that has precedence first: of each section the first that has it
/// counts. Behind them Istio's policies that count for it, which all count together.
using RequestPolicies = std::vector<model::ObjectPtr>;

struct BackendEndpoint {
  Address address;
  std::uint16_t port = 0;
  std::string zone;
  bool ready = true;        ///< gets traffic
  bool terminating = false;  ///< keeps its sessions only
  std::uint32_t weight = 1;  ///< of its slice
  std::uint32_t target = 0;  ///< as model::Endpoint::target
  bool operator==(const BackendEndpoint&) const = default;
};

/// A backend by a host name: of a Service of type ExternalName, or of an EndpointSlice of addressType FQDN.
struct BackendName {
  std::string name;
  std::uint16_t port = 0;
  std::uint32_t weight = 1;  ///< of each of its addresses
  bool operator==(const BackendName&) const = default;
};

/// TLS towards a backend, by a BackendTLSPolicy.
struct BackendTls {
  model::ObjectKey policy;
  std::string hostname;                          ///< SNI, and what is verified unless alt_names says else
  std::vector<model::SubjectAltName> alt_names;
  bool system_ca = false;
  std::vector<std::string> ca_pem;
  bool verifies = true; ///< false: any certificate is believed (option fairlead.io/insecure-skip-verify)
  bool broken = false;  ///< its CA certificates cannot be resolved: no connection may be made (502)
  /// What is shown to these backends, in place of what the Gateway shows (option fairlead.io/client-certificate); null:
  /// the Gateway's. client_secret: its Secret's name, whether it is there or not.
  std::shared_ptr<const model::Secret> client{};
  std::string client_secret{};
};

/// One port of one Service.
struct BackendCluster {
  std::string ns;
  std::string service;
  std::uint16_t port = 0;
  std::string port_name;
  model::Protocol protocol = model::Protocol::kTcp;
  model::AppProtocol app_protocol = model::AppProtocol::kNone;
  std::vector<BackendEndpoint> endpoints;  ///< none: 503
  std::vector<BackendName> names;  ///< to be resolved
  std::optional<BackendTls> tls;
  std::shared_ptr<const model::BackendSettings> settings;  ///< of a BackendPolicy; null: defaults
  RequestPolicies requests;  ///< for the port, then for the Service
  [[nodiscard]] std::string name() const { return ns + "/" + service + ":" + std::to_string(port); }
};
using BackendClusterPtr = std::shared_ptr<const BackendCluster>;

enum class RefFault : std::uint8_t {
  kNone,
  kRefNotPermitted,  ///< another namespace, and no ReferenceGrant
  kInvalidKind,
  kBackendNotFound,  ///< no such Service, or no such port of it
  kUnsupportedProtocol,  ///< the port's protocol cannot carry the route's traffic
};

/// A backend that a rule, a mirror, an external authorization or a policy's canary names.
struct CompiledTarget {
  const model::BackendTarget* target = nullptr;  ///< within CompiledRoute::object
  BackendClusterPtr cluster;  ///< null: its share of the traffic gets 500
  RefFault fault = RefFault::kNone;
};

struct CompiledRoute : Counted {
  bool extension = false;  ///< some rule has an ExtensionRef: such rules answer 500
  model::ObjectKey key;
  model::ObjectPtr object;
  std::vector<CompiledTarget>
      targets;  ///< rule by rule: backends with their filters' targets, then the rule's filters'; then canaries
  /// By the rule's name, with those for all; "": for all rules. Null: none.
  std::unique_ptr<const std::map<std::string, RequestPolicies>> requests;

  /// What became of a target of this route's object.
  [[nodiscard]] const CompiledTarget* find(const model::BackendTarget& target) const;
};
using CompiledRoutePtr = CountedPtr<CompiledRoute>;

/// Older routes first, then by namespace and name: the order in which ties are broken.
struct RouteOrder {
  std::int64_t created = 0;
  model::ObjectKey key;
  bool operator<(const RouteOrder& other) const;
};

enum class ListenerFault : std::uint8_t {
  kNone,
  kUnsupportedProtocol,
  kPortUnavailable,
  kHostnameConflict,
  kProtocolConflict,
  kListenerConflict,
  kNoValidCaCertificate,
};
enum class ListenerRefFault : std::uint8_t {
  kNone,
  kInvalidCertificateRef,
  kInvalidRouteKinds,
  kRefNotPermitted,
  kInvalidCaCertificateRef,
  kInvalidCaCertificateKind,
};

struct ListenerKey {
  model::ObjectKey owner;  ///< a Gateway or a ListenerSet
  Name name;
  auto operator<=>(const ListenerKey&) const = default;
  bool operator==(const ListenerKey&) const = default;
};

/// How clients' certificates are judged.
struct ClientValidation {
  std::vector<std::string> ca_pem;
  bool insecure = false;  ///< a missing or bad one is let through
};

struct CompiledListener {
  ListenerKey key;
  model::ObjectKey gateway;
  model::ObjectPtr object;  ///< of the owner; `spec` points into it
  const model::Listener* spec = nullptr;
  std::vector<Address> addresses;  ///< empty: all of the machine
  std::vector<model::RefKind> kinds;  ///< supportedKinds
  std::vector<std::shared_ptr<const model::Secret>> certificates;  ///< tls.crt and tls.key
  std::optional<ClientValidation> client_validation;  ///< null: no certificate is asked for
  std::shared_ptr<const model::Secret> backend_certificate;  ///< shown to backends (Gateway's tls.backend)
  std::shared_ptr<const model::ClientSettings> settings;  ///< of a ClientPolicy; null: defaults
  RequestPolicies requests;  ///< for the listener, its ListenerSet, its Gateway
  ListenerFault fault = ListenerFault::kNone;
  ListenerRefFault ref_fault = ListenerRefFault::kNone;
  std::string message;  ///< of fault or ref_fault
  bool overlapping = false;  ///< OverlappingTLSConfig
  bool serving = false;  ///< to be opened; else its port gets no traffic by it
  std::map<RouteOrder, CompiledRoutePtr> routes;  ///< that are attached
};

/// Of the listener and a route of its together; empty: every host.
[[nodiscard]] std::vector<std::string> hostnames_of(const CompiledListener& listener, const CompiledRoute& route);

/// What an update touched; what is not named here is as before.
struct GatewayChange {
  bool listeners = false;  ///< some listener came, went, or has another configuration
  std::set<ListenerKey> routed;  ///< listeners whose routes changed
  std::vector<model::ObjectKey> routes;  ///< routes that were compiled anew, or went
  std::vector<BackendClusterPtr> clusters;  ///< made anew
  bool consumers = false;  ///< policies for Consumers
};

// ---- Status -------------------------------------------------------------------------------------------------------

/// metav1.Condition.
struct Condition {
  std::string_view type;
  bool status = false;
  std::string_view reason;
  std::string message;
  std::int64_t generation = 1;  ///< observedGeneration
};

struct ListenerStatus {
  std::string name;
  std::vector<model::RefKind> kinds;
  std::uint64_t attached = 0;
  std::vector<Condition> conditions;
};

/// Of a route towards a parent, or of a policy towards an ancestor.
struct ParentStatus {
  model::ParentReference ref;
  std::vector<Condition> conditions;
};

struct ObjectStatus {
  std::vector<std::string> addresses;
  std::vector<Condition> conditions;
  std::vector<ListenerStatus> listeners;
  std::vector<ParentStatus> parents;  ///< of a policy: ancestors
  std::optional<std::uint64_t> listener_sets;  ///< attachedListenerSets

  [[nodiscard]] const Condition* find(std::string_view type) const;
};

using Endpoints = std::set<std::pair<Address, std::uint16_t>>;

/// A Secret that says it is a certificate, and of which no certificate can be made.
struct BadCertificate {
  std::string why;
  bool replaced = false;  ///< one that was there before is in force

  bool operator==(const BadCertificate&) const = default;
};
using BadCertificates = std::map<std::string, BadCertificate>;  ///< by the Secret's "namespace/name"

/// The state that follows from the objects in force. Updated by their changes, it is the same as if it were made anew.
/// Owner: the gateway's main thread. Thread: its.
class GatewayState {
 public:
  explicit GatewayState(std::string controller = std::string(kControllerName));
  ~GatewayState();
  GatewayState(const GatewayState&) = delete;
  GatewayState& operator=(const GatewayState&) = delete;

  /// `cluster` already has `changes`; they carry what stood before. The first call gives all objects as changes.
  GatewayChange update(const model::Cluster& cluster, const model::ChangeSet& changes);
  /// Objects whose present text was refused, so that an earlier one is in force; by the last reading's remarks.
  void set_refused(const Diagnostics& diagnostics);

  /// Addresses with their ports that could not be opened: Gateways that name them are not programmed.
  void set_unusable(const model::Cluster& cluster, const Endpoints& unusable);
  /// What the listeners' Secrets hold is known to those who use it: references to these are not resolved.
  void set_bad_certificates(const model::Cluster& cluster, const BadCertificates& bad);

  [[nodiscard]] const std::map<ListenerKey, CompiledListener>& listeners() const;
  [[nodiscard]] CompiledRoutePtr route(const model::ObjectKey& key) const;
  /// All clusters that some route uses, by name.
  [[nodiscard]] const std::map<std::string, BackendClusterPtr, std::less<>>& clusters() const;
  /// By "namespace/name" of the consumer: those that policies are attached to.
  [[nodiscard]] std::map<std::string, RequestPolicies> consumer_policies() const;
  /// What a policy of namespace `ns` names: a Service of its own namespace, as it is now. Null: none.
  BackendClusterPtr backend(const model::Cluster& cluster, const std::string& ns, const model::BackendTarget& target);
  /// The same for the Redis of a RequestPolicy, which may be of another namespace that grants it.
  BackendClusterPtr redis_backend(const model::Cluster& cluster, const std::string& ns,
                                  const model::BackendTarget& target);

  /// Nothing where no controller of this name would write one: then the object is not ours. `own`: the machine's
  /// addresses, which a Gateway has that names none.
  [[nodiscard]] std::optional<ObjectStatus> status(const model::Cluster& cluster, const model::ObjectKey& key,
                                                   const std::vector<Address>& own = {}) const;
  /// As `kubectl get -o yaml` shows it, without what was not read: apiVersion, kind, metadata, status.
  [[nodiscard]] std::string status_yaml(const model::Cluster& cluster, const model::ObjectKey& key,
                                        const std::vector<Address>& own = {}) const;

  struct Impl;  ///< opaque

 private:
  std::unique_ptr<Impl> impl_;
};

// ---- Host names ---------------------------------------------------------------------------------------------------

/// Whether `pattern` ("" is every host, "*.example" a suffix) covers `name`, which may be a pattern itself.
[[nodiscard]] bool hostname_covers(std::string_view pattern, std::string_view name);
/// What a listener and a route match together; nothing where that is no host. {} where it is every host.
[[nodiscard]] std::optional<std::vector<std::string>> intersect_hostnames(std::string_view listener,
                                                                          const std::vector<std::string>& route);

}  // namespace fairlead::config
