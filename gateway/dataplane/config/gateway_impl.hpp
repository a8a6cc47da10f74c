// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <functional>

#include "fairlead/base/result.hpp"
#include "fairlead/config/gateway_state.hpp"
#include "gateway/dataplane/config/gateway_transitions.hpp"

namespace fairlead::config {

using model::Kind;
using model::ObjectKey;
using model::ObjectPtr;
using model::RefKind;

/// Why a parent took a route or not.
enum class Attachment : std::uint8_t {
  kAccepted,
  kNoMatchingParent,
  kNotAllowedByListeners,
  kNoMatchingListenerHostname,
  kOtherRouteKind,  ///< the host names belong to an older route of the other of HTTPRoute and GRPCRoute
};

struct RouteState {
  CompiledRoutePtr compiled;
  const model::RouteBase* base = nullptr;
  struct Parent {
    std::shared_ptr<const model::ParentReference> ref;  ///< as written, or of a default Gateway; never null
    Attachment attachment = Attachment::kAccepted;
  };
  std::vector<Parent> parents;           ///< of ours only
  std::vector<ListenerKey> listeners;    ///< it is attached to
  RefFault fault = RefFault::kNone;      ///< of the first target that has one
  Name fault_message;
  bool abroad = false;                   ///< names something in another namespace
};

struct GatewayEntry {
  ObjectPtr object;
  const model::Gateway* gateway = nullptr;
  bool unsupported_address = false;
  bool bad_parameters = false;
  std::uint64_t listener_sets = 0;  ///< attached
  ListenerRefFault backend_fault = ListenerRefFault::kNone;  ///< of tls.backend.clientCertificateRef
  std::string backend_message;
  [[nodiscard]] bool accepted() const { return !unsupported_address && !bad_parameters; }
};

struct ListenerSetEntry {
  ObjectPtr object;
  const model::ListenerSet* set = nullptr;
  ObjectKey gateway;
  bool allowed = false;
  bool parent_accepted = false;
};

template <class T>
std::shared_ptr<const T> get_object(const model::Cluster& cluster, Kind kind, const std::string& ns,
                                    const std::string& name) {
  auto object = cluster.find({kind, ns, name});
  const T* found = object ? std::get_if<T>(object.get()) : nullptr;
  return found == nullptr ? nullptr : std::shared_ptr<const T>(std::move(object), found);
}

[[nodiscard]] const model::RouteBase* route_base(const model::Object& object);
[[nodiscard]] const std::vector<std::string>* route_hostnames(const model::Object& object);
[[nodiscard]] bool is_route(Kind kind);
/// "HTTPRoute ns/name": what a policy of that namespace names.
[[nodiscard]] std::string target_name(const model::PolicyTarget& target, const std::string& ns);
[[nodiscard]] RefKind ref_of(Kind kind);

/// Whether some ReferenceGrant lets an object of `from` in namespace `from_ns` refer to `to`/`name` in `ns`.
[[nodiscard]] bool is_granted(const model::Cluster& cluster, const model::RefKindName& from, const std::string& from_ns,
                              RefKind to, const std::string& ns, const std::string& name);
[[nodiscard]] inline bool is_granted(const model::Cluster& cluster, RefKind from, const std::string& from_ns,
                                     RefKind to, const std::string& ns, const std::string& name) {
  return is_granted(cluster, model::RefKindName{.kind = from}, from_ns, to, ns, name);
}

/// Whether an object in namespace `ns` may attach to one in `own`.
[[nodiscard]] bool allows(const model::Cluster& cluster, const model::AllowedNamespaces& allowed,
                          const std::string& own, const std::string& ns);

/// The PEM of ca.crt in a ConfigMap or Secret, which holds certificates and nothing that cannot be read. Else an error
/// to stand behind the object's name.
[[nodiscard]] Result<std::string> find_ca(const model::Cluster& cluster, const model::ObjectReference& ref,
                                          const std::string& ns);
/// A Secret that holds tls.crt and tls.key as PEM; null otherwise.
[[nodiscard]] std::shared_ptr<const model::Secret> find_certificate(const model::Cluster& cluster,
                                                                    const model::ObjectReference& ref,
                                                                    const std::string& ns);

/// Where a parent's conditions stand within a route's or a policy's, for Transitions.
[[nodiscard]] std::string place_of(const model::ParentReference& ref);
/// All of a status.
[[nodiscard]] Transitions::All conditions_of(const ObjectStatus& status);

/// Policies that name a target, the one that has precedence first; by "ns/name" of the target.
class PolicyIndex {
 public:
  void rebuild(const model::Cluster& cluster);
  /// Of the policies for that Service's port, the one in force: by port first, then for the whole Service.
  [[nodiscard]] ObjectPtr tls(const std::string& service, const std::string& port_name) const;
  [[nodiscard]] ObjectPtr backend(const std::string& service, const std::string& port_name) const;
  [[nodiscard]] ObjectPtr client(RefKind kind, const std::string& owner, const std::string& listener) const;
  /// For that section of the target, then for the whole of it. `target`: "HTTPRoute ns/name".
  [[nodiscard]] RequestPolicies requests(const std::string& target, const std::string& section) const;
  /// All sections of a target that policies name.
  [[nodiscard]] std::vector<std::string> request_sections(const std::string& target) const;
  [[nodiscard]] std::map<std::string, RequestPolicies> consumers() const;
  /// Whether another policy stands in the place of this one for each of its targets.
  [[nodiscard]] bool is_superseded(const ObjectKey& policy) const { return superseded_.contains(policy); }

 private:
  using Table = std::map<std::pair<std::string, std::string>, ObjectPtr>;  // (target, section)
  template <class T>
  void add_all(const model::Cluster& cluster, Kind kind, Table& table);
  [[nodiscard]] static ObjectPtr find(const Table& table, const std::string& target, const std::string& section);

  Table tls_, backend_, client_;
  std::map<std::pair<std::string, std::string>, RequestPolicies> requests_;  // (target, section)
  void add_requests(const model::Cluster& cluster);
  std::set<ObjectKey> superseded_;
};

// istio_selection.cpp

/// The labels that Istio's selectors see: the Gateway's, those of its infrastructure, and its name.
[[nodiscard]] model::Labels istio_labels(const model::Gateway& gateway);
/// RequestAuthentications, then AuthorizationPolicies, each by name; refused ones among them.
[[nodiscard]] RequestPolicies istio_policies(const model::Cluster& cluster, const ObjectKey& key,
                                             const model::Gateway& gateway);
[[nodiscard]] RequestPolicies istio_policies(const model::Cluster& cluster, const std::string& ns,
                                             const std::string& service);
/// Null: none of the two kinds.
[[nodiscard]] const std::vector<model::PolicyTarget>* istio_targets(const model::Object& object);
[[nodiscard]] const std::string& object_ns(const model::Object& object);

struct GatewayState::Impl {
  std::string controller;
  std::map<ListenerKey, CompiledListener> listeners;
  std::map<ObjectKey, GatewayEntry> gateways;
  std::map<ObjectKey, ListenerSetEntry> sets;
  std::map<ObjectKey, RouteState> routes;
  std::map<std::string, BackendClusterPtr, std::less<>> clusters;
  std::unordered_map<std::string, std::set<ObjectKey>> users;  // routes by "ns/name" of services
  std::map<std::string, std::string> refused;                  // remark by the object's text()
  std::map<std::string, BackendClusterPtr, std::less<>> policy_clusters;  // that only policies name, by the same key
  std::map<std::string, std::size_t> cluster_uses;             // targets of routes, by the key of clusters
  std::map<std::string, std::int64_t> refused_since;           // the same
  PolicyIndex policies;
  Transitions transitions;
  Endpoints unusable;
  BadCertificates bad_certificates;
  std::uint64_t grpc_routes = 0;
  /// While attach_all() runs: host names of HTTPRoutes and GRPCRoutes by listener.
  std::map<ListenerKey, std::array<std::vector<std::vector<std::string>>, 2>> by_kind;

  // gateway_times.cpp
  /// A route's conditions but PartiallyInvalid, without their texts.
  [[nodiscard]] static Transitions::All conditions_of(const RouteState& route);
  /// Notes what became of Gateways, ListenerSets and policies.
  void note_others(const GatewayState& whole, const model::Cluster& cluster, std::int64_t now);
  /// The same of Gateways and ListenerSets, for what `change` makes known beside the objects.
  void take(const GatewayState& whole, const model::Cluster& cluster, const std::function<void(Impl&)>& change);

  // gateway_status.cpp
  /// Whether the Gateway has a port at this address of its own that could not be opened.
  [[nodiscard]] bool is_unusable(const ObjectKey& gateway, const std::string& address) const;

  // gateway_listeners.cpp
  void rebuild_listeners(const model::Cluster& cluster);
  void add_listener(const model::Cluster& cluster, const GatewayEntry& gateway, const ObjectKey& gateway_key,
                    const ObjectKey& owner, const ObjectPtr& object, const model::Listener& spec);
  std::vector<CompiledListener*> listeners_by_precedence();
  void mark_conflicts();

  // gateway_backends.cpp
  void compile_route(const model::Cluster& cluster, const ObjectKey& key, const ObjectPtr& object,
                     std::vector<BackendClusterPtr>& fresh);
  void forget_route(const ObjectKey& key);
  void drop_clusters(const std::string& service);
  CompiledTarget compile_target(const model::Cluster& cluster, const ObjectKey& route,
                                const model::BackendTarget& target, RouteState& state,
                                std::vector<BackendClusterPtr>& fresh);
  BackendClusterPtr make_cluster(const model::Cluster& cluster, const model::Service& service,
                                 const model::ServicePort* port, std::uint16_t number, bool udp) const;
  [[nodiscard]] std::optional<BackendTls> make_tls(const model::Cluster& cluster, const BackendCluster& backend) const;

  // gateway_routes.cpp
  void attach_all(const model::Cluster& cluster);
  void attach(const model::Cluster& cluster, const ObjectKey& key, RouteState& state);
  void detach(RouteState& state, std::set<ListenerKey>* touched);
  void attach_to(const model::Cluster& cluster, const ObjectKey& key, RouteState& state,
                 const std::shared_ptr<const model::ParentReference>& ref, const ObjectKey& parent);
};

}  // namespace fairlead::config
