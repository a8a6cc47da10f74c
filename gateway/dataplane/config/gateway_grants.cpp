// SPDX-License-Identifier: Apache-2.0
// What references may name, and what they lead to.
#include <algorithm>

#include "fairlead/tls/certificate.hpp"
#include "gateway/dataplane/config/gateway_impl.hpp"

namespace fairlead::config {
namespace {

bool is_pem(const std::string* text) { return text != nullptr && text->find("-----BEGIN ") != std::string::npos; }

bool permits(const model::ReferenceGrant& grant, const model::RefKindName& from, const std::string& from_ns, RefKind to,
             const std::string& name) {
  const bool source =
      std::ranges::any_of(grant.from, [&](const auto& entry) { return entry.kind == from && entry.ns == from_ns; });
  return source && std::ranges::any_of(grant.to, [&](const auto& entry) {
           return entry.kind.kind == to && (entry.name.empty() || entry.name == name);
         });
}

/// By (creationTimestamp, namespace, name).
bool comes_before(const ObjectPtr& a, const ObjectPtr& b) {
  const auto of = [](const ObjectPtr& object) -> const model::Metadata& {
    return std::visit([](const auto& one) -> const model::Metadata& { return one.metadata; }, *object);
  };
  const auto& left = of(a);
  const auto& right = of(b);
  return std::tie(left.created, left.ns, left.name) < std::tie(right.created, right.ns, right.name);
}

/// Bits of the sections that a policy has.
std::uint32_t sections_of(const model::RequestSettings& s) {
  const bool has[] = {
      s.addresses != nullptr,       s.request_size != nullptr, s.authentication != nullptr, s.access != nullptr,
      s.external_auth != nullptr,   s.rate_limits != nullptr,  s.concurrency != nullptr,    s.fault != nullptr,
      s.validation != nullptr,      s.compression != nullptr,  s.transform != nullptr,      s.answer != nullptr,
      s.cache != nullptr,           s.aggregate != nullptr,    s.canary != nullptr,         s.user_agents != nullptr,
      s.response_limits != nullptr, s.correlation != nullptr,  s.cross_origin != nullptr};
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < std::size(has); ++i)
    if (has[i]) bits |= std::uint32_t{1} << i;
  return bits;
}

/// Whether policies for these consumers count before all of one for those; empty: for everybody, whom others go before.
bool covers(const std::vector<std::string>& consumers, const std::vector<std::string>& others) {
  return consumers.empty() ? others.empty() : !others.empty() && std::ranges::includes(consumers, others);
}

}  // namespace

std::string target_name(const model::PolicyTarget& target, const std::string& ns) {
  return std::string(model::ref_kind_name(target.kind)) + " " + ns + "/" + target.name;
}

bool is_granted(const model::Cluster& cluster, const model::RefKindName& from, const std::string& from_ns, RefKind to,
                const std::string& ns, const std::string& name) {
  const auto& grants = cluster.objects(Kind::kReferenceGrant);
  for (auto it = grants.lower_bound({Kind::kReferenceGrant, ns, ""}); it != grants.end() && it->first.ns == ns; ++it)
    if (permits(std::get<model::ReferenceGrant>(*it->second), from, from_ns, to, name)) return true;
  return false;
}

Result<std::string> find_ca(const model::Cluster& cluster, const model::ObjectReference& ref, const std::string& ns) {
  const std::string* found = nullptr;
  const auto map = get_object<model::ConfigMap>(cluster, Kind::kConfigMap, ns, ref.name);
  const auto secret = get_object<model::Secret>(cluster, Kind::kSecret, ns, ref.name);
  if (ref.kind.kind == RefKind::kConfigMap && map) found = model::find_label(map->data, "ca.crt");
  if (ref.kind.kind == RefKind::kSecret && secret) found = model::find_label(secret->data, "ca.crt");
  if (found == nullptr) return fail("has no ca.crt");
  if (auto checked = tls::check_authorities(*found); !checked) return fail("ca.crt: " + checked.error().message);
  return *found;
}

std::shared_ptr<const model::Secret> find_certificate(const model::Cluster& cluster, const model::ObjectReference& ref,
                                                      const std::string& ns) {
  if (ref.kind.kind != RefKind::kSecret) return nullptr;
  auto secret = get_object<model::Secret>(cluster, Kind::kSecret, ns, ref.name);
  if (!secret || !is_pem(model::find_label(secret->data, "tls.crt")) ||
      !is_pem(model::find_label(secret->data, "tls.key")))
    return nullptr;
  return secret;
}

template <class T>
void PolicyIndex::add_all(const model::Cluster& cluster, Kind kind, Table& table) {
  std::vector<ObjectPtr> all;
  for (const auto& [key, object] : cluster.objects(kind)) all.push_back(object);
  std::ranges::stable_sort(all, comes_before);
  for (const auto& object : all) {
    const auto& policy = std::get<T>(*object);
    bool won = false;
    for (const auto& target : policy.targets) {
      auto name = policy.metadata.ns + "/" + target.name;
      if (kind == Kind::kClientPolicy)
        name.insert(0, target.kind.kind == RefKind::kGateway ? "Gateway " : "ListenerSet ");
      else if (target.kind.kind != RefKind::kService) continue;
      won = table.try_emplace({std::move(name), target.section}, object).second || won;
    }
    if (!won) superseded_.insert({kind, policy.metadata.ns, policy.metadata.name});
  }
}

void PolicyIndex::rebuild(const model::Cluster& cluster) {
  tls_.clear();
  backend_.clear();
  client_.clear();
  requests_.clear();
  superseded_.clear();
  add_all<model::BackendTlsPolicy>(cluster, Kind::kBackendTlsPolicy, tls_);
  add_all<model::BackendPolicy>(cluster, Kind::kBackendPolicy, backend_);
  add_all<model::ClientPolicy>(cluster, Kind::kClientPolicy, client_);
  add_requests(cluster);
}

/// A policy of which no section counts anywhere, as older ones have them all, is superseded.
void PolicyIndex::add_requests(const model::Cluster& cluster) {
  std::vector<ObjectPtr> all;
  for (const auto& [key, object] : cluster.objects(Kind::kRequestPolicy)) all.push_back(object);
  std::ranges::stable_sort(all, comes_before);
  for (const auto& object : all) {
    const auto& policy = std::get<model::RequestPolicy>(*object);
    const auto own = sections_of(*policy.settings);
    bool counts = own == 0;
    for (const auto& target : policy.targets) {
      auto& list = requests_[{target_name(target, policy.metadata.ns), target.section}];
      std::uint32_t taken = 0;
      for (const auto& older : list)
        if (const auto& one = std::get<model::RequestPolicy>(*older); covers(one.consumers, policy.consumers))
          taken |= sections_of(*one.settings);
      counts = counts || (own & ~taken) != 0;
      list.push_back(object);
    }
    if (!counts) superseded_.insert({Kind::kRequestPolicy, policy.metadata.ns, policy.metadata.name});
  }
}

RequestPolicies PolicyIndex::requests(const std::string& target, const std::string& section) const {
  RequestPolicies out;
  if (requests_.empty()) return out;
  const auto add = [&](const std::string& of) {
    const auto found = requests_.find({target, of});
    if (found != requests_.end()) out.insert(out.end(), found->second.begin(), found->second.end());
  };
  if (!section.empty()) add(section);
  add("");
  return out;
}

std::vector<std::string> PolicyIndex::request_sections(const std::string& target) const {
  std::vector<std::string> out;
  for (auto it = requests_.lower_bound({target, ""}); it != requests_.end() && it->first.first == target; ++it)
    out.push_back(it->first.second);
  return out;
}

std::map<std::string, RequestPolicies> PolicyIndex::consumers() const {
  constexpr std::string_view kPrefix = "Consumer ";
  std::map<std::string, RequestPolicies> out;
  for (const auto& [target, policies] : requests_)
    if (target.first.starts_with(kPrefix)) out[target.first.substr(kPrefix.size())] = policies;
  return out;
}

ObjectPtr PolicyIndex::find(const Table& table, const std::string& target, const std::string& section) {
  if (table.empty()) return nullptr;
  if (!section.empty())
    if (const auto found = table.find({target, section}); found != table.end()) return found->second;
  const auto found = table.find({target, ""});
  return found == table.end() ? nullptr : found->second;
}

ObjectPtr PolicyIndex::tls(const std::string& service, const std::string& port_name) const {
  return find(tls_, service, port_name);
}
ObjectPtr PolicyIndex::backend(const std::string& service, const std::string& port_name) const {
  return find(backend_, service, port_name);
}
ObjectPtr PolicyIndex::client(RefKind kind, const std::string& owner, const std::string& listener) const {
  return find(client_, (kind == RefKind::kGateway ? "Gateway " : "ListenerSet ") + owner, listener);
}

}  // namespace fairlead::config
