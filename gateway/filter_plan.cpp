// SPDX-License-Identifier: Apache-2.0
#include "gateway/filter_plan.hpp"

#include <algorithm>
#include <utility>

#include "fairlead/filter/identity_stripper.hpp"
#include "fairlead/filter/probe.hpp"
#include "gateway/filter_plan_parts.hpp"

namespace fairlead::gateway {
namespace {

using filter::Slot;

/// The object, which the cluster keeps; null: none.
template <class T>
const T* held(const model::ObjectPtr& object) {
  return object ? std::get_if<T>(object.get()) : nullptr;
}

}  // namespace

std::optional<std::uint32_t> FilterPlan::acquire(Entry& entry, const std::string& ns,
                                                 const model::BackendTarget& target, bool grpc) {
  auto backend = state_->backend(*objects_, ns, target);
  if (backend == nullptr) return std::nullopt;
  const auto number = clusters_.acquire(backend, grpc);
  entry.clusters.push_back({ns, target, grpc, std::move(backend), number});
  if (clusters_.broken(number)) return std::nullopt;
  return number;
}

void FilterPlan::release(Entry& entry) {
  for (const auto& named : std::exchange(entry.clusters, {})) clusters_.release(named.number);
}

/// What filters of a policy may ask for while they are made. The arguments have to outlive it.
filter::Context FilterPlan::context_of(Entry& entry, const std::string& name, const std::string& ns,
                                       std::vector<std::string>& faults, std::vector<std::string>& remarks) {
  const auto of_kind = [this, &ns](model::Kind kind, const std::string& of) { return objects_->find({kind, ns, of}); };
  return {.policy = name,
          .ns = ns,
          .stores = stores_,
          .cluster = [this, &entry, &ns](const auto& target) { return acquire(entry, ns, target, false); },
          .grpc_cluster = [this, &entry, &ns](const auto& target) { return acquire(entry, ns, target, true); },
          .secret = [of_kind](const std::string& of) { return held<model::Secret>(of_kind(model::Kind::kSecret, of)); },
          .config_map =
              [of_kind](const std::string& of) { return held<model::ConfigMap>(of_kind(model::Kind::kConfigMap, of)); },
          .faults = faults,
          .remarks = remarks,
          .meter = meter_,
          .redis_places = [this, &ns](const auto& target) { return redis_.of(ns, target, *objects_, *state_); }};
}

void FilterPlan::make(Entry& entry, const model::ObjectPtr& from) {
  const auto& policy = std::get<model::RequestPolicy>(*from);
  const auto& ns = policy.metadata.ns;
  const auto name = key_of(*from).text();
  Remarks::Texts texts;
  std::vector<std::string> faults, remarks;
  auto before = std::exchange(entry.clusters, {});
  entry.faulty = false;
  auto context = context_of(entry, name, ns, faults, remarks);
  const auto& s = *policy.settings;
  if (s.refused) texts.emplace_back("it has errors, and no good version: requests get 500");
  const auto add = [&](Slot slot, const auto& section, auto make_filter) {
    auto& filter = entry.filters.all[static_cast<std::size_t>(slot)];
    filter = nullptr;
    if (section == nullptr) return;
    context.section = filter::slot_name(slot);
    entry.filters.counters[static_cast<std::size_t>(slot)] = context.counters(filter::outcome_counters());
    if (!s.refused) filter = make_filter(*section, context);
    for (const auto& fault : faults)
      texts.push_back(std::string(filter::slot_name(slot)) + ": " + fault + ": requests get 500");
    for (const auto& remark : remarks) texts.push_back(std::string(filter::slot_name(slot)) + ": " + remark);
    if (!faults.empty() || filter == nullptr) {
      filter = std::make_shared<Broken>();
      entry.faulty = true;
    }
    faults.clear();
    remarks.clear();
  };
  add(Slot::kCorrelation, s.correlation, filter::make_correlation);
  add(Slot::kCrossOrigin, s.cross_origin, filter::make_cross_origin);
  add(Slot::kAddresses, s.addresses, filter::make_addresses);
  add(Slot::kUserAgents, s.user_agents, filter::make_user_agents);
  add(Slot::kRequestSize, s.request_size, filter::make_request_size);
  add(Slot::kAuthentication, s.authentication, filter::make_authentication);
  add(Slot::kAccess, s.access, filter::make_access);
  add(Slot::kExternalAuth, s.external_auth, filter::make_external_auth);
  add(Slot::kCanary, s.canary, filter::make_canary);
  add(Slot::kRateLimits, s.rate_limits, filter::make_rate_limits);
  add(Slot::kResponseLimits, s.response_limits, filter::make_response_limits);
  add(Slot::kConcurrency, s.concurrency, filter::make_concurrency);
  add(Slot::kFault, s.fault, filter::make_fault);
  add(Slot::kValidation, s.validation, filter::make_validation);
  add(Slot::kCompression, s.compression, filter::make_compression);
  add(Slot::kTransform, s.transform, filter::make_transform);
  add(Slot::kAnswer, s.answer, filter::make_answer);
  add(Slot::kCache, s.cache, filter::make_cache);
  add(Slot::kAggregate, s.aggregate, filter::make_aggregate);
  for (const auto& named : before) clusters_.release(named.number);  // after, so that what both name stays
  remarks_.set(name, std::move(texts));
}

/// Before filters are made: what they find then is what workers will see.
void FilterPlan::update_consumers(const config::Update& update) {
  std::vector<auth::ConsumerPtr> changed;
  std::vector<auth::DirectoryStore::Name> removed, secrets;
  for (const auto& change : update.changes)
    if (change.key.kind == model::Kind::kSecret) secrets.emplace_back(change.key.ns, change.key.name);
  for (const auto& [consumer, gone] : update.consumers) {
    if (gone) removed.emplace_back(consumer->ns(), consumer->name());
    else changed.push_back(consumer);
  }
  if (changed.empty() && removed.empty() && secrets.empty()) return;
  directory_->update(changed, removed, secrets, [&](const std::string& ns, const std::string& name) {
    const auto object = objects_->find({model::Kind::kSecret, ns, name});
    return object ? std::get_if<model::Secret>(object.get()) : nullptr;
  });
  std::map<std::string, Remarks::Texts> faults;
  for (const auto& fault : directory_->faults())
    faults["Consumer " + fault.consumer.first + "/" + fault.consumer.second].push_back(fault.text);
  for (const auto& before : std::exchange(faulty_, {}))
    if (!faults.contains(before)) remarks_.forget(before);
  for (auto& [consumer, texts] : faults) {
    faulty_.insert(consumer);
    remarks_.set(consumer, std::move(texts));
  }
}

void FilterPlan::begin(const model::Cluster& objects, config::GatewayState& state, const config::Update& update) {
  objects_ = &objects;
  state_ = &state;
  update_consumers(update);
  for (const auto& change : update.changes) {
    const bool text = change.key.kind == model::Kind::kSecret || change.key.kind == model::Kind::kConfigMap;
    if (!text && change.key.kind != model::Kind::kService) continue;
    for (auto& [key, entry] : entries_)
      if (key.ns == change.key.ns && (text || entry.faulty)) entry.object = nullptr;  // made anew where it is asked for
  }
  for (auto& [key, entry] : entries_) renew_clusters(entry);
  redis_.renew(objects, state);
  begin_istio(update.changes);
}

void FilterPlan::renew_clusters(Entry& entry) {
  for (auto& named : entry.clusters) {
    auto now = state_->backend(*objects_, named.ns, named.target);
    if (now == named.from) continue;
    if (now == nullptr) {
      entry.object = nullptr;
      continue;
    }
    const auto number = clusters_.acquire(now, named.grpc);
    clusters_.release(std::exchange(named.number, number));
    named.from = std::move(now);
  }
}

const FilterPlan::Filters& FilterPlan::filters_of(const model::ObjectPtr& object) {
  auto& entry = entries_[key_of(*object)];
  if (entry.object != object) {
    make(entry, object);
    entry.object = object;
  }
  return entry.filters;
}

/// Slots that a policy before has stay, but what was refused closes whatever stands before it.
void FilterPlan::add_filters(filter::Chain& out, const model::ObjectPtr& policy) {
  const auto& filters = filters_of(policy);
  const bool refused = std::get<model::RequestPolicy>(*policy).settings->refused;
  for (std::size_t i = 0; i < filter::kSlots; ++i)
    if (filters.all[i] != nullptr && (refused || out.filters[i] == nullptr))
      out.set(static_cast<Slot>(i), filters.all[i], key_of(*policy).text(), filters.counters[i]);
}

/// Of policies that are for some consumers only; null: there are none.
std::shared_ptr<const filter::ConsumerOverlay> FilterPlan::overlay(const config::RequestPolicies& policies) {
  if (policies.empty()) return nullptr;
  std::map<std::string, filter::Chain> made;
  auto out = std::make_shared<filter::ConsumerOverlay>();
  for (const auto& policy : policies) {
    const auto& own = std::get<model::RequestPolicy>(*policy);
    for (const auto& consumer : own.consumers) add_filters(made[own.metadata.ns + "/" + consumer], policy);
    out->from.push_back(policy);
  }
  for (auto& [name, chain] : made) out->chains.emplace(name, shared(std::move(chain), {}));
  return out;
}

/// The one of the same filters that stands already, or this one.
filter::ChainPtr FilterPlan::shared(filter::Chain&& made, const config::RequestPolicies& of_some) {
  std::vector<const void*> key;
  for (const auto& filter : made.filters) key.push_back(filter.get());
  for (const auto& policy : of_some) key.push_back(policy.get());
  if (made.overlay != nullptr)
    for (const auto& [name, of] : std::map(made.overlay->chains.begin(), made.overlay->chains.end()))
      key.push_back(of.get());
  auto& standing = chains_[std::move(key)];
  if (auto same = standing.lock()) return same;
  auto out = std::make_shared<const filter::Chain>(std::move(made));
  standing = out;
  return out;
}

filter::ChainPtr FilterPlan::chain(const config::RequestPolicies& policies, Slot istio) {
  if (policies.empty()) return nullptr;
  filter::Chain made;
  IstioSet set;
  config::RequestPolicies of_some;
  for (const auto& policy : policies) {
    const auto* own = std::get_if<model::RequestPolicy>(policy.get());
    if (own == nullptr) set.push_back(policy);
    else if (own->consumers.empty()) add_filters(made, policy);
    else of_some.push_back(policy);
  }
  made.overlay = overlay(of_some);
  if (!set.empty()) {
    const auto& filters = istio_filters(set);
    made.set(istio, filters.all.front(), text_of(set), filters.counters.front());
    if (const auto& custom = filters.all[kCustom]; custom != nullptr)
      made.set(istio == Slot::kIstioGateway ? Slot::kIstioGatewayCustom : Slot::kIstioServiceCustom, custom,
               text_of(set), filters.counters[kCustom]);
  }
  if (made.mask == 0 && made.overlay == nullptr) return nullptr;
  return shared(std::move(made), of_some);
}

filter::ChainPtr FilterPlan::with_identity_guard(const filter::ChainPtr& chain, const std::set<std::string>& headers) {
  auto made = chain != nullptr ? std::make_shared<filter::Chain>(*chain) : std::make_shared<filter::Chain>();
  constexpr auto kPlace = static_cast<std::size_t>(Slot::kAuthentication);
  if (const auto own = made->filters[kPlace]; own != nullptr)
    made->set(Slot::kAuthentication, filter::make_identity_guard(headers, own), made->origins[kPlace],
              made->counters[kPlace]);
  else made->set(Slot::kAuthentication, filter::make_identity_guard(headers), "other routes of the listener");
  return made;
}

filter::ChainPtr FilterPlan::with_external_auth(const filter::ChainPtr& chain, const model::ExternalAuth& settings,
                                                std::uint32_t cluster, const std::string& route) {
  std::vector<std::string> faults, remarks;
  const auto known = [&](const model::BackendTarget&) { return std::optional(cluster); };
  filter::Context context{.policy = route,
                          .ns = {},
                          .stores = stores_,
                          .cluster = known,
                          .grpc_cluster = known,
                          .secret = {},
                          .config_map = {},
                          .faults = faults,
                          .remarks = remarks,
                          .meter = meter_,
                          .section = std::string(filter::slot_name(Slot::kExternalAuth))};
  auto made = chain != nullptr ? std::make_shared<filter::Chain>(*chain) : std::make_shared<filter::Chain>();
  made->set(Slot::kExternalAuth, filter::make_external_auth(settings, context), "the rule's ExternalAuth",
            context.counters(filter::outcome_counters()));
  return made;
}

std::shared_ptr<const proxy::ConsumerChains> FilterPlan::consumers(const config::GatewayChange& change) {
  if (!change.consumers && consumers_ == nullptr) return nullptr;
  auto now = std::make_shared<proxy::ConsumerChains>();
  for (const auto& [name, policies] : state_->consumer_policies())
    if (auto of = chain(policies)) now->emplace(name, std::move(of));
  if (now->empty()) now = nullptr;
  if (now == nullptr || consumers_ == nullptr || *now != *consumers_) consumers_ = std::move(now);
  return consumers_;
}

std::vector<FilterPlan::Section> FilterPlan::sections() const {
  std::vector<Section> out;
  for (const auto& [key, entry] : entries_)
    for (std::size_t i = 0; i < filter::kSlots; ++i)
      if (const auto& filter = entry.filters.all[i]; filter != nullptr)
        out.push_back({{key.text(), std::string(filter::slot_name(static_cast<Slot>(i)))}, filter->held()});
  return out;
}

void FilterPlan::finish() {
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (objects_->find(it->first) != nullptr) {
      ++it;
      continue;
    }
    release(it->second);
    remarks_.forget(it->first.text());
    it = entries_.erase(it);
  }
  finish_istio();
  std::erase_if(chains_, [](const auto& entry) { return entry.second.expired(); });
  stores_.prune();
}

}  // namespace fairlead::gateway
