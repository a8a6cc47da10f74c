// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "agent/datapath/services.hpp"

namespace fairlead::datapath {
namespace {

std::string joined(const std::string& ns, const std::string& name) { return ns + "/" + name; }

template <class T>
std::shared_ptr<const T> as(const model::ObjectPtr& object) {
  if (object == nullptr || !std::holds_alternative<T>(*object)) return nullptr;
  return {object, &std::get<T>(*object)};
}

}  // namespace

void Services::change_slice(const model::Change& change, Names& names) {
  for (const auto& object : {change.before, change.object})
    if (const auto slice = as<model::EndpointSlice>(object)) names.push_back(joined(change.key.ns, slice->service));
}

/// Of several rules for a host one is in force; Istio would join them. Where the host is no Service, none is.
void Services::warn_of_rules(const model::Cluster& cluster, const std::string& ns, const std::string& host) {
  const auto rivals = rules_.of_host(ns, host);
  for (const auto& [name, rule] : rivals) {
    auto remarks = rules_.warnings(*rule);
    if (remarks.empty() && !rules_.is_service(cluster, host))
      remarks.push_back("host " + host + " is no Service that is known: the rule is in force for nobody");
    if (name != rivals.front().first)
      remarks.push_back("host " + host + ": DestinationRule " + joined(ns, rivals.front().first) +
                        " is for it too, and in force: this one is not");
    const auto key = model::ObjectKey{model::Kind::kDestinationRule, ns, name}.text();
    if (remarks.empty()) warnings_.erase(key);
    else warnings_[key] = std::move(remarks);
  }
}

void Services::change_service(const model::Cluster& cluster, const model::ObjectKey& key, Names& names) {
  names.push_back(joined(key.ns, key.name));
  if (first_apply_) return;  // the rules come with it, and are looked at
  const auto host = rules_.fqdn(key.ns, key.name);
  warn_of_rules(cluster, key.ns, host);
  if (key.ns != rules_.root()) warn_of_rules(cluster, rules_.root(), host);
}

void Services::change_rule(const model::Cluster& cluster, const model::Change& change, Names& names) {
  const auto rule = as<model::DestinationRule>(change.object);
  warnings_.erase(change.key.text());
  if (rule != nullptr)
    if (auto remarks = rules_.warnings(*rule); !remarks.empty()) warnings_[change.key.text()] = std::move(remarks);
  const auto hosts = rules_.set(change.key.ns, change.key.name, rule);
  if (hosts.empty()) return;
  for (const auto& host : hosts) warn_of_rules(cluster, change.key.ns, host);
  for (const auto& [key, unused] : cluster.objects(model::Kind::kService)) {
    const auto fqdn = rules_.fqdn(key.ns, key.name);
    if (std::ranges::any_of(hosts, [&](const auto& host) { return host_matches(host, fqdn); }))
      names.push_back(joined(key.ns, key.name));
  }
}

/// Whether zones or regions changed: Nodes change often in ways that do not concern balancing.
bool Services::change_node(const model::Cluster& cluster) {
  Topology now;
  now.node = options_.node_name;
  for (const auto& [key, object] : cluster.objects(model::Kind::kNode)) {
    const auto node = as<model::Node>(object);
    if (node == nullptr) continue;
    if (!node->zone.empty()) now.regions[node->zone] = node->region;
    if (key.name != now.node) continue;
    now.zone = node->zone;
    now.region = node->region;
  }
  if (now == topology_) return false;
  topology_ = std::move(now);
  return true;
}

/// NodePorts are served at the addresses of every node: backends are the same whichever is asked.
Result<> Services::write_node_addresses(const model::Cluster& cluster, const model::ChangeSet& changes,
                                        Applied& applied) {
  const auto of_node = [](const auto& change) { return change.key.kind == model::Kind::kNode; };
  if (!first_apply_ && std::ranges::none_of(changes, of_node)) return {};
  std::set<Address> wanted(options_.node_addresses.begin(), options_.node_addresses.end());
  for (const auto& [unused, object] : cluster.objects(model::Kind::kNode))
    if (const auto node = as<model::Node>(object)) wanted.insert(node->addresses.begin(), node->addresses.end());
  std::vector<fl_addr> fresh, gone;
  for (const auto& address : wanted)
    if (!node_addrs_.contains(address)) fresh.push_back(address.raw());
  for (const auto& address : node_addrs_)
    if (!wanted.contains(address)) gone.push_back(address.raw());
  FL_CHECK(tables_.node_addrs.update(fresh, std::vector<std::uint32_t>(fresh.size(), 1)));
  FL_CHECK(tables_.node_addrs.remove(gone));
  applied.rows_written += fresh.size();
  applied.rows_deleted += gone.size();
  node_addrs_ = std::move(wanted);
  return {};
}

Services::Names Services::affected(const model::Cluster& cluster, const model::ChangeSet& changes) {
  Names names;
  bool nodes = first_apply_;
  for (const auto& change : changes) {
    switch (change.key.kind) {
      case model::Kind::kService: change_service(cluster, change.key, names); break;
      case model::Kind::kEndpointSlice: change_slice(change, names); break;
      case model::Kind::kDestinationRule: change_rule(cluster, change, names); break;
      case model::Kind::kNode: nodes = true; break;
      default: break;
    }
  }
  if (first_apply_) names.clear();  // what is named above is among all, or nothing that is known
  if ((nodes && change_node(cluster)) || first_apply_)
    for (const auto& [key, unused] : cluster.objects(model::Kind::kService)) names.push_back(joined(key.ns, key.name));
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

}  // namespace fairlead::datapath
