// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/names.hpp"

#include <initializer_list>

namespace fairlead::telemetry {
WorkloadLabels labels_of(const policy::WorkloadName& workload, const model::Pod* pod) {
  static const model::Labels kNone;
  const auto& given = pod == nullptr ? kNone : pod->metadata.labels;
  const auto first = [&](std::initializer_list<const char*> keys, const std::string& otherwise) {
    for (const char* key : keys)
      if (const auto* value = model::find_label(given, key)) return *value;
    return otherwise;
  };
  WorkloadLabels labels = {.known = true,
                           .kind = workload.kind,
                           .ns = workload.ns,
                           .name = workload.name,
                           .service_account = workload.service_account};
  labels.canonical_service = first({"service.istio.io/canonical-name", "app.kubernetes.io/name", "app"}, workload.name);
  labels.canonical_revision =
      first({"service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"}, "latest");
  labels.app = first({"app.kubernetes.io/name", "app"}, workload.name);
  labels.version = first({"app.kubernetes.io/version", "version"}, "latest");
  return labels;
}

std::uint64_t Names::target(std::uint32_t workload, std::uint16_t port, std::uint8_t proto) {
  return std::uint64_t{workload} << 32 | std::uint64_t{port} << 8 | proto;
}

void Names::invalidate(const model::ChangeSet& changes) {
  for (const auto& change : changes) {
    const auto* before = change.before == nullptr ? nullptr : std::get_if<model::Pod>(change.before.get());
    const auto* now = change.object == nullptr ? nullptr : std::get_if<model::Pod>(change.object.get());
    if (before == nullptr || (now != nullptr && !policy::own_addresses(*now).empty())) continue;
    const auto workload = policy::workload_of(*before);
    gone_pods_.insert_or_assign(workload.key(), labels_of(workload, before));
  }
  for (auto& [id, labels] : workloads_)
    if (labels.known) former_workloads_.insert_or_assign(id, std::move(labels));
  workloads_.clear();
  services_by_id_.clear();
  targets_.clear();
  fresh_ = false;
}

bool Names::is_gone(const fl_pair_key& key) {
  refresh();
  const auto no_workload = [&](std::uint32_t id) { return id != 0 && !policies_.workload(id); };
  return no_workload(key.source_workload) || no_workload(key.destination_workload) ||
         (key.service_id != 0 && !services_by_id_.contains(key.service_id)) ||
         !Address(key.source_addr).is_unspecified();  // addresses that are no workload's come and go
}

void Names::forget(std::span<const Pair> pairs) {
  std::unordered_set<std::uint32_t> workloads;
  std::unordered_set<std::uint32_t> services;
  for (const auto& pair : pairs) {
    workloads.insert({pair.key.source_workload, pair.key.destination_workload});
    services.insert(pair.key.service_id);
  }
  std::unordered_set<std::string> names;
  for (const auto id : workloads)
    if (const auto former = policies_.former_workload(id)) names.insert(former->key());
  std::erase_if(gone_pods_, [&](const auto& entry) { return !names.contains(entry.first); });
  std::erase_if(former_workloads_, [&](const auto& entry) { return !workloads.contains(entry.first); });
  std::erase_if(former_services_, [&](const auto& entry) { return !services.contains(entry.first); });
}

void Names::refresh() {
  if (fresh_) return;
  fresh_ = true;
  pods_.clear();
  for (const auto& [key, object] : cluster_.objects(model::Kind::kPod)) {
    const auto& pod = std::get<model::Pod>(*object);
    pods_.emplace(policy::workload_of(pod).key(), &pod);
  }
  for (const auto& service : services_.services()) {
    services_by_id_[service.id] = {service.id, service.ns, service.name, service.port_name, service.port};
    for (const auto backend : service.backends) {
      const auto info = services_.backend(backend);
      // The lowest service id wins where several have the same endpoint: the same one each time.
      if (info && info->row.workload_id != 0)
        targets_.emplace(target(info->row.workload_id, info->row.port, info->row.proto), service.id);
    }
  }
}

std::optional<WorkloadLabels> Names::former_workload(std::uint32_t id) const {
  if (const auto found = former_workloads_.find(id); found != former_workloads_.end()) return found->second;
  const auto name = policies_.former_workload(id);
  if (!name) return std::nullopt;
  const auto pod = gone_pods_.find(name->key());
  return pod == gone_pods_.end() ? labels_of(*name, nullptr) : pod->second;
}

const WorkloadLabels& Names::workload(std::uint32_t id) {
  refresh();
  const auto [entry, created] = workloads_.try_emplace(id);
  if (!created || id == 0) return entry->second;
  const auto name = policies_.workload(id);
  if (!name) {
    if (auto former = former_workload(id)) entry->second = std::move(*former);
    return entry->second;
  }
  const auto pod = pods_.find(name->key());
  return entry->second = labels_of(*name, pod == pods_.end() ? nullptr : pod->second);
}

const ServiceLabels* Names::service(std::uint32_t id) {
  refresh();
  if (const auto found = services_by_id_.find(id); found != services_by_id_.end()) return &found->second;
  const auto former = services_.former_service(id);
  if (!former) return nullptr;
  return &(former_services_[id] = {id, former->ns, former->name, former->port_name, former->port});
}

const ServiceLabels* Names::service_at(std::uint32_t workload, std::uint16_t port, std::uint8_t proto) {
  refresh();
  if (workload == 0) return nullptr;
  const auto found = targets_.find(target(workload, port, proto));
  return found == targets_.end() ? nullptr : service(found->second);
}

}  // namespace fairlead::telemetry
