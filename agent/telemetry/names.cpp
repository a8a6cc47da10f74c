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

void Names::invalidate() {
  for (auto& [id, labels] : workloads_)
    if (labels.known) former_workloads_.insert_or_assign(id, std::move(labels));
  for (const auto id : asked_services_)
    if (const auto found = services_by_id_.find(id); found != services_by_id_.end())
      former_services_.insert_or_assign(id, std::move(found->second));
  workloads_.clear();
  services_by_id_.clear();
  asked_services_.clear();
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

const WorkloadLabels& Names::workload(std::uint32_t id) {
  refresh();
  const auto [entry, created] = workloads_.try_emplace(id);
  if (!created || id == 0) return entry->second;
  const auto name = policies_.workload(id);
  if (!name) {
    const auto former = former_workloads_.find(id);
    if (former != former_workloads_.end()) entry->second = former->second;
    return entry->second;
  }
  const auto pod = pods_.find(name->key());
  return entry->second = labels_of(*name, pod == pods_.end() ? nullptr : pod->second);
}

const ServiceLabels* Names::service(std::uint32_t id) {
  refresh();
  if (const auto found = services_by_id_.find(id); found != services_by_id_.end()) {
    asked_services_.insert(id);
    return &found->second;
  }
  const auto former = former_services_.find(id);
  return former == former_services_.end() ? nullptr : &former->second;
}

const ServiceLabels* Names::service_at(std::uint32_t workload, std::uint16_t port, std::uint8_t proto) {
  refresh();
  if (workload == 0) return nullptr;
  const auto found = targets_.find(target(workload, port, proto));
  return found == targets_.end() ? nullptr : service(found->second);
}

}  // namespace fairlead::telemetry
