// SPDX-License-Identifier: Apache-2.0
#include "agent/policy/subjects.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace fairlead::policy {
namespace {

Address masked(const Address& address, std::uint32_t prefix) {
  fl_addr raw = address.raw();
  for (std::uint32_t word = 0; word < 4; ++word) {
    const std::uint32_t bits = prefix > word * 32 ? std::min(32U, prefix - word * 32) : 0;
    raw.word[word] &= bits == 0 ? 0 : htonl(~std::uint32_t{0} << (32 - bits));
  }
  return Address(raw);
}

}  // namespace

std::optional<bool> opted_in(const model::Labels& annotations) {
  const auto* value = model::find_label(annotations, "fairlead.io/redirect");
  if (value == nullptr) return std::nullopt;
  return *value == "true" || *value == "on" || *value == "enabled";
}

WorkloadName WorkloadName::from_key(const std::string& key) {
  WorkloadName result;
  std::string* const fields[] = {&result.kind, &result.ns, &result.name, &result.service_account};
  std::size_t begin = 0;
  for (auto* field : fields) {
    const auto end = key.find('/', begin);
    *field = key.substr(begin, end - begin);
    if (end == std::string::npos) break;
    begin = end + 1;
  }
  return result;
}

WorkloadName workload_of(const model::Pod& pod) {
  WorkloadName result{
      .kind = pod.owner_kind, .ns = pod.metadata.ns, .name = pod.owner_name, .service_account = pod.service_account};
  if (result.name.empty()) {
    result.kind = "Pod";
    result.name = pod.metadata.name;
  } else if (const auto* hash = model::find_label(pod.metadata.labels, "pod-template-hash");
             result.kind == "ReplicaSet" && hash != nullptr && result.name.ends_with("-" + *hash)) {
    result.kind = "Deployment";
    result.name.resize(result.name.size() - hash->size() - 1);
  }
  return result;
}

Resident resident_of(const model::ObjectKey& key, const model::Pod& pod, const std::string& node_name) {
  Resident result{.object = key,
                  .workload = workload_of(pod),
                  .traits = {},
                  .local = pod.node == node_name,
                  .redirect = opted_in(pod.metadata.annotations)};
  result.traits = {.pod = true,
                   .ns = pod.metadata.ns,
                   .service_account = pod.service_account,
                   .labels = pod.metadata.labels,
                   .ports = {},
                   .block = std::nullopt};
  for (const auto& port : pod.ports)
    if (!port.name.empty())
      result.traits.ports.emplace_back(port.name, port.port, static_cast<std::uint8_t>(port.protocol));
  std::ranges::sort(result.traits.ports);
  return result;
}

std::vector<Address> own_addresses(const model::Pod& pod) {
  if (pod.host_network || pod.finished) return {};
  return pod.addresses;
}

bool Blocks::remove(const Cidr& block) {
  const auto prefix = prefixes_.find(block.prefix);
  if (prefix != prefixes_.end() && --prefix->second == 0) prefixes_.erase(prefix);
  const auto found = uses_.find(block);
  if (found == uses_.end() || --found->second != 0) return false;
  uses_.erase(found);
  return true;
}

bool Blocks::any_around_v4() const {
  constexpr std::uint32_t kV4Bits = 96;
  const auto v4 = Address::from_v4(0);
  return std::ranges::any_of(prefixes_, [&](const auto& entry) {
    return entry.first < kV4Bits && uses_.contains({masked(v4, entry.first), entry.first});
  });
}

std::optional<Cidr> Blocks::narrowest(const Address& address) const {
  for (const auto& [prefix, unused] : prefixes_) {
    const Cidr block{masked(address, prefix), prefix};
    if (uses_.contains(block) && block.contains(address)) return block;
  }
  return std::nullopt;
}

std::string text_of(const Traits& traits) {
  std::string result = traits.pod ? "pod " + traits.ns + "/" + traits.service_account : "address";
  for (const auto& [key, value] : traits.labels) result += " " + key + "=" + value;
  for (const auto& [name, port, proto] : traits.ports)
    result += " " + name + ":" + std::to_string(port) + "/" + std::to_string(proto);
  if (traits.block) result += " in " + traits.block->text();
  return result;
}

}  // namespace fairlead::policy
