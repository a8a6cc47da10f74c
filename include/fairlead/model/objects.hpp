// SPDX-License-Identifier: Apache-2.0
#pragma once

// The nouns of a cluster as its users write them: Kubernetes core, discovery and networking objects, and Istio's
// DestinationRule and AuthorizationPolicy as far as L4 reaches; of the latter, and of RequestAuthentication, what a
// gateway serves too. No behaviour beyond lookup; names and defaults are those of the Kubernetes and Istio API
// references.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "fairlead/base/address.hpp"
#include "fairlead/model/gateway_objects.hpp"
#include "fairlead/model/metadata.hpp"
#include "fairlead/model/policy_objects.hpp"
#include "fairlead/model/request_policy.hpp"

namespace fairlead::model {

enum class Protocol : std::uint8_t { kTcp = FL_TCP, kUdp = FL_UDP };

struct Namespace {
  Metadata metadata;
};

struct Node {
  Metadata metadata;
  std::vector<Address> addresses;  ///< status.addresses that are IP addresses
  std::vector<Cidr> pod_cidrs;
  std::string zone;                ///< label topology.kubernetes.io/zone
  std::string region;
};

struct NamedPort {
  std::string name;
  std::uint16_t port;
  Protocol protocol;
};

struct Pod {
  Metadata metadata;
  std::vector<Address> addresses;  ///< status.podIPs, or status.podIP
  Name node;                       ///< spec.nodeName
  Name service_account;            ///< "default" where the object has none
  std::vector<NamedPort> ports;    ///< of its containers, for named target ports
  Name owner_kind;                 ///< controller, e.g. ReplicaSet; empty for a bare pod
  Name owner_name;
  bool host_network = false;
  bool finished = false;           ///< phase Succeeded or Failed: its address may be another's by now
};

struct IntOrName {
  std::uint16_t number = 0;
  std::string name;  ///< set: a name, and number is 0
  bool operator==(const IntOrName&) const = default;
};

/// appProtocol of a port, as far as it says how to speak to its backends (KEP-3726); others count as none.
enum class AppProtocol : std::uint8_t {
  kNone,
  kHttp,   ///< http
  kHttps,  ///< https: TLS without a BackendTLSPolicy is not used for it; only named in messages
  kH2c,    ///< kubernetes.io/h2c: HTTP/2 with prior knowledge
  kWs,     ///< kubernetes.io/ws: WebSocket in clear text
  kWss,    ///< kubernetes.io/wss
  kGrpc,   ///< grpc
  kTcp,    ///< tcp
};

struct ServicePort {
  std::string name;
  std::uint16_t port = 0;
  std::uint16_t node_port = 0;  ///< 0: none
  Protocol protocol = Protocol::kTcp;
  IntOrName target;
  AppProtocol app_protocol = AppProtocol::kNone;
};

enum class TrafficDistribution : std::uint8_t { kNone, kPreferSameZone, kPreferSameNode };

struct Service {
  Metadata metadata;
  std::vector<ServicePort> ports;
  std::vector<Address> cluster_ips;
  std::vector<Address> external_ips;
  std::vector<Address> load_balancer_ips;  ///< status.loadBalancer.ingress[].ip with ipMode VIP
  Labels selector;
  std::uint32_t affinity_seconds = 0;      ///< sessionAffinity: ClientIP; default 10800; 0: none
  bool headless = false;
  bool external_name = false;              ///< type: ExternalName
  Name external_host;                      ///< externalName: a DNS name, for type ExternalName
  bool internal_local = false;             ///< internalTrafficPolicy: Local
  bool external_local = false;             ///< externalTrafficPolicy: Local
  bool publish_not_ready = false;
  TrafficDistribution distribution = TrafficDistribution::kNone;
};

/// hints.forZones and forNodes.
struct EndpointHints {
  std::vector<std::string> zones;
  std::vector<std::string> nodes;
};

struct Endpoint {
  std::vector<Address> addresses;
  std::string node;
  std::string zone;
  std::shared_ptr<const EndpointHints> hints;  ///< null: none, which is the rule, and there are tens of thousands
  bool ready = true;       ///< nil counts as true (discovery/v1)
  bool serving = true;
  bool terminating = false;
  std::uint32_t target = 0;  ///< a hash of targetRef, by which a pod's addresses of both families are known; 0: none
};

struct EndpointPort {
  std::string name;
  std::uint16_t port = 0;
  Protocol protocol = Protocol::kTcp;
};

struct EndpointSlice {
  Metadata metadata;
  std::string service;  ///< label kubernetes.io/service-name
  std::vector<EndpointPort> ports;
  std::vector<Endpoint> endpoints;
  std::vector<std::string> names;  ///< addressType FQDN: of endpoints that are ready; the gateway resolves them
};

/// The annotation fairlead.io/weight of an EndpointSlice: its endpoints' part of what the Service's get, 1 without it.
[[nodiscard]] std::optional<std::uint32_t> weight_of(const EndpointSlice& slice);

// ---- Istio DestinationRule, L4 part ------------------------------------------------------------------------------

enum class Balancing : std::uint8_t { kUnset, kRandom, kRoundRobin, kLeastRequest, kPassthrough, kConsistentHash };

struct OutlierDetection {
  std::uint32_t consecutive_failures = 5;  ///< consecutiveGatewayErrors, consecutive5xxErrors or
                                           ///< consecutiveLocalOriginFailures: at L4 all mean connect failures; 0: off
  std::chrono::milliseconds interval{10000};
  std::chrono::milliseconds base_ejection{30000};
  std::uint8_t max_ejection_percent = 10;
  std::uint8_t min_health_percent = 0;
};

struct LocalityDistribute {
  std::string from;  ///< "region/zone/*"
  std::vector<std::pair<std::string, std::uint32_t>> to;  ///< locality -> percent; sums to 100
};

struct LocalityFailover {
  std::string from;  ///< region
  std::string to;
};

struct TrafficPolicy {
  Balancing balancing = Balancing::kUnset;
  bool hash_by_source_ip = false;
  std::optional<bool> locality_enabled;
  std::vector<LocalityDistribute> distribute;
  std::vector<LocalityFailover> failover;
  std::vector<std::string> failover_priority;  ///< labels
  std::uint32_t max_connections = 0;  ///< connectionPool.tcp; 0: no limit
  std::chrono::milliseconds connect_timeout{0};
  std::chrono::milliseconds warmup{0};  ///< warmupDurationSecs / warmup.duration
  std::optional<OutlierDetection> outlier;
};

struct DestinationRule {
  Metadata metadata;
  std::string host;  ///< as written; short names are relative to metadata.ns
  /// Never null. On the heap, as every Object takes as much room as the largest kind does.
  std::shared_ptr<TrafficPolicy> policy = std::make_shared<TrafficPolicy>();
  std::vector<std::pair<std::uint16_t, TrafficPolicy>> port_policies;
  Labels workload_selector;
  std::vector<std::string> export_to;
};

// ---- Policies -----------------------------------------------------------------------------------------------------

struct IpBlock {
  Cidr cidr;
  std::vector<Cidr> except;
};

struct NetworkPeer {
  std::optional<Selector> pods;
  std::optional<Selector> namespaces;
  std::optional<IpBlock> block;
};

struct NetworkPolicyPort {
  Protocol protocol = Protocol::kTcp;
  bool any_port = false;  ///< no port given: all ports of the protocol
  IntOrName port;
  std::uint16_t end = 0;  ///< endPort; 0: only port
};

struct NetworkRule {
  std::vector<NetworkPeer> peers;  ///< empty: everybody
  std::vector<NetworkPolicyPort> ports;  ///< empty: every port of every protocol
};

struct NetworkPolicy {
  Metadata metadata;
  Selector pods;
  bool ingress = false;  ///< in policyTypes, or by its defaulting rule
  bool egress = false;
  std::vector<NetworkRule> ingress_rules;
  std::vector<NetworkRule> egress_rules;
};

/// One list of an AuthorizationPolicy source or operation; values as written: exact, "prefix*", "*suffix" or "*".
struct AuthorizationSource {
  std::vector<std::string> principals, not_principals;
  std::vector<std::string> namespaces, not_namespaces;
  std::vector<std::string> service_accounts, not_service_accounts;  ///< "ns/sa" or "sa"
  std::vector<Cidr> ip_blocks, not_ip_blocks;
  // Of requests; read at the gateway only:
  std::vector<std::string> request_principals, not_request_principals;  ///< "issuer/subject"
  std::vector<Cidr> remote_ip_blocks, not_remote_ip_blocks;  ///< behind trusted hops
};

struct AuthorizationOperation {
  std::vector<std::uint16_t> ports, not_ports;
  // Of requests; read at the gateway only:
  std::vector<std::string> hosts, not_hosts;
  std::vector<std::string> methods, not_methods;
  std::vector<std::string> paths, not_paths;  ///< or templates, with {*} and {**}
};

/// `when` conditions that L4 can decide.
struct AuthorizationCondition {
  enum class Attribute : std::uint8_t {
    kSourceIp,
    kSourceNamespace,
    kSourcePrincipal,
    kSourceServiceAccount,
    kDestinationIp,
    kDestinationPort,
  };
  Attribute attribute;
  std::vector<std::string> values, not_values;
};

/// `when` conditions on requests; read at the gateway only.
struct RequestCondition {
  enum class Attribute : std::uint8_t { kHeader, kRemoteIp, kPrincipal, kAudiences, kPresenter, kClaim, kSni };
  Attribute attribute;
  std::vector<std::string> names{};  ///< of a header in lower case; of a claim: the way to it
  std::vector<std::string> values{}, not_values{};
};

struct AuthorizationRule {
  std::vector<AuthorizationSource> from;  ///< any of; empty: everybody
  std::vector<AuthorizationOperation> to;  ///< any of; empty: everything
  std::vector<AuthorizationCondition> when;  ///< all of
  std::vector<RequestCondition> when_request{};  ///< all of, too
};

struct AuthorizationPolicy {
  enum class Action : std::uint8_t { kAllow, kDeny, kAudit, kCustom };  ///< kCustom: at the gateway only
  Metadata metadata;
  Selector selector;  ///< matchLabels only; in the root namespace it reaches all namespaces
  Action action = Action::kAllow;
  std::vector<AuthorizationRule> rules;  ///< none: matches nothing (ALLOW then denies all)
  std::vector<PolicyTarget> targets{};  ///< targetRefs, in place of the selector; read at the gateway only
  Name provider{};  ///< with kCustom: an extensionProvider of the mesh (model/istio.hpp)
};

struct JwtRule;

/// Istio's RequestAuthentication: tokens that are sent must be good; none need be sent.
struct RequestAuthentication {
  Metadata metadata;
  Selector selector;  ///< as an AuthorizationPolicy's
  std::vector<PolicyTarget> targets;
  std::shared_ptr<const std::vector<JwtRule>> rules;  ///< never null; model/istio.hpp
};

/// Stands in the place of a policy that could not be taken as written and has no earlier good version: the workloads
/// that it selects are closed in these directions.
struct RefusedPolicy {
  Metadata metadata;
  Kind kind = Kind::kNetworkPolicy;
  Selector pods;  ///< empty: its whole namespace
  bool ingress = true;
  bool egress = false;
  std::string reason;
};

using Object = std::variant<Namespace, Node, Pod, Service, EndpointSlice, DestinationRule, NetworkPolicy,
                            AuthorizationPolicy, RefusedPolicy, GatewayClass, Gateway, ListenerSet, HttpRoute,
                            GrpcRoute, TlsRoute, TcpRoute, UdpRoute, ReferenceGrant, BackendTlsPolicy, Secret,
                            ConfigMap, BackendPolicy, ClientPolicy, RequestPolicy, Consumer, RequestAuthentication>;

}  // namespace fairlead::model
