// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/auth/directory_store.hpp"
#include "fairlead/config/directory.hpp"
#include "fairlead/config/gateway_state.hpp"
#include "fairlead/filter/filter.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/proxy/snapshot.hpp"
#include "gateway/cluster_plan.hpp"
#include "gateway/redis_services.hpp"
#include "gateway/remarks.hpp"

namespace fairlead::gateway {

/// The filters of RequestPolicies and of Istio's policies, and the chains that they make where they are attached. A
/// policy whose object stays keeps its filters; chains of the same filters are one object. Owner: ConfigPlan. Thread:
/// main.
class FilterPlan {
 public:
  /// `meter`: where requests are counted; null: nowhere. looked_at: nothing of it is put in force.
  FilterPlan(ClusterPlan& clusters, Remarks& remarks, telemetry::Meter* meter, bool looked_at)
      : clusters_(clusters), remarks_(remarks), redis_(remarks), meter_(meter) {
    stores_.lasting = !looked_at;
  }

  /// The beginning of an update, whose state `state` has already. Both are used until finish().
  void begin(const model::Cluster& objects, config::GatewayState& state, const config::Update& update);
  /// Null where no policy has a section. `istio`: where the filter of Istio's policies stands.
  filter::ChainPtr chain(const config::RequestPolicies& policies, filter::Slot istio = filter::Slot::kIstioGateway);
  /// A listener's chain where it authenticates nobody, and some of its routes do: others take off what tells backends
  /// who calls.
  filter::ChainPtr with_identity_guard(const filter::ChainPtr& chain, const std::set<std::string>& headers);
  /// The chain with a rule's own ExternalAuth in its place. `cluster`: of its backend; `route`: whose rule it is.
  filter::ChainPtr with_external_auth(const filter::ChainPtr& chain, const model::ExternalAuth& settings,
                                      std::uint32_t cluster, const std::string& route);
  /// Of consumers with policies; null: none. The same object as before where nothing changed.
  std::shared_ptr<const proxy::ConsumerChains> consumers(const config::GatewayChange& change);
  /// What no policy is left for is let go.
  void finish();

  /// A section of a policy that is in force somewhere, and what it holds now.
  struct Section {
    telemetry::CounterOwner owner;
    std::vector<filter::Held> held;
  };
  [[nodiscard]] std::vector<Section> sections() const;
  /// Of each Redis that some policy uses.
  [[nodiscard]] std::vector<std::shared_ptr<limit::RedisTotals>> redis() const {
    return stores_.all<limit::RedisTotals>("redis-totals/");
  }

 private:
  struct Filters {
    std::array<filter::FilterPtr, filter::kSlots> all;
    std::array<telemetry::CounterId, filter::kSlots> counters{};
  };
  /// A cluster that a policy names.
  struct Named {
    std::string ns;  // of who names it
    model::BackendTarget target;
    bool grpc = false;
    config::BackendClusterPtr from;
    std::uint32_t number = 0;
  };
  struct Entry {
    model::ObjectPtr object;
    Filters filters;
    std::vector<Named> clusters;
    bool faulty = false;  // a section cannot serve: what it lacks may come
  };
  std::optional<std::uint32_t> acquire(Entry& entry, const std::string& ns, const model::BackendTarget& target,
                                       bool grpc);
  void release(Entry& entry);
  void update_consumers(const config::Update& update);
  const Filters& filters_of(const model::ObjectPtr& policy);
  filter::Context context_of(Entry& entry, const std::string& name, const std::string& ns,
                             std::vector<std::string>& faults, std::vector<std::string>& remarks);
  void make(Entry& entry, const model::ObjectPtr& from);
  void add_filters(filter::Chain& out, const model::ObjectPtr& policy);
  std::shared_ptr<const filter::ConsumerOverlay> overlay(const config::RequestPolicies& policies);
  filter::ChainPtr shared(filter::Chain&& made, const config::RequestPolicies& of_some);
  /// Services may have come or gone, or have other endpoints.
  void renew_clusters(Entry& entry);

  // filter_plan_istio.cpp
  /// Policies that count together.
  using IstioSet = std::vector<model::ObjectPtr>;
  /// The filter stands first; behind it that of action CUSTOM, or none.
  static constexpr std::size_t kCustom = 1;
  const Filters& istio_filters(const IstioSet& set);
  void make_istio(Entry& entry, const IstioSet& set);
  [[nodiscard]] const std::string* mesh_config() const;
  [[nodiscard]] Result<IstioSet> translated(IstioSet set) const;
  struct Server {
    std::uint32_t cluster = 0;
    std::string service;  // its name
  };
  std::optional<Server> server_of(Entry& entry, const std::string& ns, const std::string& host, std::uint16_t port,
                                  bool grpc);
  Result<filter::JwksServer> jwks_server(Entry& entry, const std::string& ns, const std::string& uri);
  Result<std::pair<model::ExternalAuth, std::uint32_t>> provider_of(Entry& entry, const IstioSet& custom);
  filter::FilterPtr make_istio_custom(Entry& entry, const IstioSet& set, filter::Context& context);
  void begin_istio(const model::ChangeSet& changes);
  void finish_istio();

  ClusterPlan& clusters_;
  Remarks& remarks_;
  RedisServices redis_;
  telemetry::Meter* meter_;
  filter::Stores stores_;
  std::shared_ptr<auth::DirectoryStore> directory_ = stores_.get<auth::DirectoryStore>(
      auth::DirectoryStore::kName, [] { return std::make_shared<auth::DirectoryStore>(); });
  std::set<std::string> faulty_;  // consumers that were remarked on
  std::map<model::ObjectKey, Entry> entries_;
  std::map<IstioSet, Entry> istio_;
  std::map<std::vector<const void*>, std::weak_ptr<const filter::Chain>> chains_;
  std::shared_ptr<const proxy::ConsumerChains> consumers_;
  const model::Cluster* objects_ = nullptr;
  config::GatewayState* state_ = nullptr;
};

}  // namespace fairlead::gateway
