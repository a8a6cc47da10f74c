// SPDX-License-Identifier: Apache-2.0
#include "agent/policy/compiler.hpp"

#include <algorithm>

namespace fairlead::policy {
namespace {

template <class T>
const T* as(const model::ObjectPtr& object) {
  return object == nullptr ? nullptr : std::get_if<T>(object.get());
}

std::string rule_text(const model::ObjectKey& policy, std::uint8_t direction, int rule) {
  const std::string where = direction == FL_INGRESS ? "ingress" : "egress";
  return policy.text() + ", " +
         (rule < 0 ? "no " + where + " rule matches" : where + " rule " + std::to_string(rule + 1));
}

Traits traits_of(const Cidr& block) {
  Traits traits;
  traits.block = block;
  return traits;
}

}  // namespace

Compiler::Compiler(CompilerOptions options) : options_(std::move(options)) {
  context_.mesh = &options_.mesh;
  context_.namespace_labels = [this](const std::string& ns) -> const model::Labels& {
    auto& labels = namespace_labels_[ns];
    // Set by the API server on every namespace; ours may be known by its pods only.
    if (labels.empty()) labels = {{"kubernetes.io/metadata.name", ns}};
    return labels;
  };
}

void Compiler::touch_all() {
  for (const auto& [address, unused] : claimants_) touched_.insert(address);
}

void Compiler::touch_namespace(const std::string& ns) {
  for (const auto& [key, addresses] : claims_)
    if (key.ns == ns) touched_.insert(addresses.begin(), addresses.end());
}

/// An address may be claimed twice for a while: by a pod that goes and one that comes.
void Compiler::claim(const model::ObjectKey& key, std::vector<Address> addresses, const Resident* resident) {
  auto& claimed = claims_[key];
  for (const auto& address : claimed) {
    claimants_[address].erase(key);
    if (claimants_[address].empty()) claimants_.erase(address);
    touched_.insert(address);
  }
  if (resident != nullptr) residents_[key] = std::make_shared<const Resident>(*resident);
  else residents_.erase(key);
  claimed = std::move(addresses);
  for (const auto& address : claimed) {
    claimants_[address].insert(key);
    touched_.insert(address);
  }
  if (claimed.empty()) claims_.erase(key);
}

void Compiler::change_pod(const model::Change& change) {
  const auto* pod = as<model::Pod>(change.object);
  if (pod == nullptr) return claim(change.key, {}, nullptr);
  const auto resident = resident_of(change.key, *pod, options_.node_name);
  claim(change.key, own_addresses(*pod), &resident);
}

void Compiler::change_node(const model::Change& change) {
  const auto* node = as<model::Node>(change.object);
  if (node == nullptr) return claim(change.key, {}, nullptr);
  Resident resident{.object = change.key,
                    .workload = {.kind = "Node", .ns = {}, .name = change.key.name, .service_account = {}},
                    .traits = {},
                    .local = change.key.name == options_.node_name};
  claim(change.key, node->addresses, &resident);
}

void Compiler::change_namespace(const model::Change& change) {
  const auto& name = change.key.name;
  const auto* ns = as<model::Namespace>(change.object);
  model::Labels labels = ns == nullptr ? model::Labels{} : ns->metadata.labels;
  if (model::find_label(labels, "kubernetes.io/metadata.name") == nullptr) {
    labels.emplace_back("kubernetes.io/metadata.name", name);
    std::ranges::sort(labels);
  }
  const bool redirect = ns != nullptr && opted_in(ns->metadata.annotations).value_or(false);
  if (context_.namespace_labels(name) != labels) {
    namespace_labels_[name] = std::move(labels);
    for (const auto& [set, unused] : sets_) stale_sets_.insert(set);
  }
  if (redirected_namespaces_.contains(name) == redirect) return;
  if (redirect) redirected_namespaces_.insert(name);
  else redirected_namespaces_.erase(name);
  touch_namespace(name);
}

void Compiler::change_policy(const model::Change& change) {
  auto& here = policies_[change.key.ns];
  if (const auto old = here.find(change.key); old != here.end()) {
    for (const auto& block : blocks_of(*old->second)) blocks_changed_ |= blocks_.remove(block);
    here.erase(old);
  }
  if (change.object != nullptr) {
    here[change.key] = change.object;
    for (const auto& block : blocks_of(*change.object)) {
      blocks_changed_ |= !blocks_.all().contains(block);
      blocks_.add(block);
    }
  }
  warnings_.erase(change.key.text());
  if (const auto* authorization = as<model::AuthorizationPolicy>(change.object))
    if (auto remarks = principals_of_others(options_.mesh, *authorization); !remarks.empty())
      warnings_[change.key.text()] = std::move(remarks);
  for (const auto& [name, set] : sets_)
    if (std::ranges::find(set.keys, change.key) != set.keys.end()) stale_sets_.insert(name);
  const bool everywhere =
      change.key.kind == model::Kind::kAuthorizationPolicy && change.key.ns == options_.mesh.root_namespace;
  everywhere ? touch_all() : touch_namespace(change.key.ns);
}

Compiler::Selection Compiler::select(const Resident& resident, const Address& address) const {
  Selection result;
  const Subject subject{address, resident.traits.ports};
  std::vector<std::string> namespaces{resident.traits.ns};
  if (options_.mesh.root_namespace != resident.traits.ns) namespaces.push_back(options_.mesh.root_namespace);
  for (const auto& ns : namespaces) {
    const auto here = policies_.find(ns);
    if (here == policies_.end()) continue;
    for (const auto& [key, object] : here->second) {
      if (!selects(*object, options_.mesh.root_namespace, resident.traits.ns, resident.traits.labels)) continue;
      result.keys.push_back(key);
      if (const auto* refused = as<model::RefusedPolicy>(object)) {
        if (refused->ingress) result.flags |= FL_WORKLOAD_CLOSED;
        if (refused->egress) result.flags |= FL_WORKLOAD_CLOSED_EGRESS;
        continue;
      }
      result.name += key.text() + subject_difference(*object, subject) + "\n";
    }
  }
  return result;
}

/// Statements anew from the objects; what they say is compiled later.
void Compiler::rebuild(Set& set) {
  for (const auto id : set.policy_ids) policy_ids_.give_back(id);
  set.policy_ids.clear();
  set.objects.clear();
  for (auto& side : set.sides) side = {};
  bool selected = false;
  for (const auto& key : set.keys) {
    const auto& object = policies_[key.ns][key];
    const auto id_of = [&](const model::ObjectKey& policy, std::uint8_t direction, int rule) {
      return set.policy_ids.emplace_back(policy_ids_.take(rule_text(policy, direction, rule)));
    };
    set.objects.push_back(object);
    add_statements(key, *object, set.subject, id_of, set.sides);
    const auto* authorization = as<model::AuthorizationPolicy>(object);
    selected |= authorization == nullptr || authorization->action == model::AuthorizationPolicy::Action::kAllow;
  }
  if (options_.default_closed && !selected)
    for (auto& side : set.sides) side.isolated_by = 0;
}

std::uint32_t Compiler::join_set(const Selection& selection, const Resident& resident, const Address& address) {
  auto [found, fresh] = sets_.try_emplace(selection.name);
  Set& set = found->second;
  if (fresh) {
    set.id = set_ids_.take(selection.name);
    set.subject = {address, resident.traits.ports};
    for (const auto& key : selection.keys)
      if (as<model::RefusedPolicy>(policies_[key.ns][key]) == nullptr) set.keys.push_back(key);
    rebuild(set);
    new_sets_.insert(selection.name);
  }
  set.users.insert(address);
  return set.id;
}

std::uint32_t Compiler::take_identity(const Traits& traits, std::string& text) {
  text = text_of(traits);
  auto& [id, users] = identities_[text];
  if (users++ == 0) {
    id = identity_ids_.take(text);
    peers_.add(id, traits);
    delta_.gone.erase(id);
    delta_.fresh.insert(id);
  }
  return id;
}

void Compiler::give_identity(const std::string& text) {
  const auto found = identities_.find(text);
  if (found == identities_.end() || --found->second.second != 0) return;
  const auto id = found->second.first;
  identity_ids_.give_back(id);
  peers_.remove(id);
  delta_.fresh.erase(id);
  delta_.gone.insert(id);
  identities_.erase(found);
}

void Compiler::leave(const Address& address, const Entry& entry) {
  if ((entry.row.flags & FL_WORKLOAD_REDIRECT) != 0) --redirected_;
  if (entry.row.workload_id != 0) workload_ids_.give_back(entry.row.workload_id);
  if (!entry.identity_text.empty()) give_identity(entry.identity_text);
  const auto set = sets_.find(entry.set_name);
  if (entry.set_name.empty() || set == sets_.end()) return;
  set->second.users.erase(address);
}

void Compiler::fill_pod(const Address& address, const Resident& resident, Entry& entry) {
  Traits traits = resident.traits;
  traits.block = blocks_.narrowest(address);
  entry.row.identity = take_identity(traits, entry.identity_text);
  const auto selection = select(resident, address);
  entry.row.flags = selection.flags;
  if (resident.local) entry.row.flags |= FL_WORKLOAD_LOCAL;
  if (resident.redirect.value_or(redirected_namespaces_.contains(resident.traits.ns))) {
    entry.row.flags |= FL_WORKLOAD_REDIRECT;
    ++redirected_;
  }
  if (guarded_.contains(address)) entry.row.flags |= FL_WORKLOAD_GUARDED;
  entry.set_name = selection.name;
  if (selection.name.empty()) return;
  entry.row.policy_set = join_set(selection, resident, address);
}

/// The row of an address anew. What it had is given back last, so that numbers in use stay.
void Compiler::resolve(const Address& address) {
  const auto before = entries_.find(address);
  const Entry old = before == entries_.end() ? Entry{} : before->second;
  const bool host = host_addresses_.contains(address);
  const auto claimants = claimants_.find(address);
  if (!host && claimants == claimants_.end()) {
    entries_.erase(address);
    return leave(address, old);
  }
  Entry entry;
  const model::ObjectKey own_node{model::Kind::kNode, "", options_.node_name};
  // Of two claimants the one whose name comes last: with generated names as good as any, and always the same one.
  const auto& key = host ? own_node : *claimants->second.rbegin();
  const auto found = residents_.find(key);
  const WorkloadName node{.kind = "Node", .ns = {}, .name = key.name, .service_account = {}};
  entry.row.workload_id = workload_ids_.take((found == residents_.end() ? node : found->second->workload).key());
  if (host || key == own_node) {
    entry.row.identity = FL_IDENTITY_HOST;
    entry.row.flags = FL_WORKLOAD_HOST | FL_WORKLOAD_LOCAL;
  } else if (key.kind == model::Kind::kNode) {
    const auto block = blocks_.narrowest(address);
    entry.row.flags = FL_WORKLOAD_HOST;
    entry.row.identity = FL_IDENTITY_WORLD;
    if (block) entry.row.identity = take_identity(traits_of(*block), entry.identity_text);
  } else {
    fill_pod(address, *found->second, entry);
  }
  entries_[address] = entry;
  // The same set: joined above, so leaving the old entry must not take the address out of it again.
  Entry given_back = old;
  if (given_back.set_name == entry.set_name) given_back.set_name.clear();
  leave(address, given_back);
}

bool Compiler::drop_unused(Set& set, const std::string& name) {
  if (!set.users.empty()) return false;
  for (const auto id : set.policy_ids) policy_ids_.give_back(id);
  set_ids_.give_back(set.id);
  delta_.sets.insert(set.id);
  new_sets_.erase(name);
  stale_sets_.erase(name);
  return true;
}

/// Rows of the sets that changed as a whole, and of new peers in all others.
void Compiler::compile_sets() {
  constexpr std::size_t kFew = 32;  // peers that are cheaper one by one than by what rules name
  for (auto each = sets_.begin(); each != sets_.end();)
    each = drop_unused(each->second, each->first) ? sets_.erase(each) : std::next(each);
  for (auto& [name, set] : sets_) {
    const bool stale = stale_sets_.contains(name);
    if (stale) {
      rebuild(set);
      touched_.insert(set.users.begin(), set.users.end());  // their flags may be others
    }
    const bool whole = stale || new_sets_.contains(name) || delta_.fresh.size() > kFew;
    if (whole || !delta_.fresh.empty() || !delta_.gone.empty()) delta_.sets.insert(set.id);
    if (whole) {
      set.rows = compile_rows(context_, peers_, set.sides);
      continue;
    }
    for (const auto id : delta_.gone)
      for (const auto direction : {FL_INGRESS, FL_EGRESS})
        for (const auto proto : {FL_TCP, FL_UDP})
          set.rows.erase({id, static_cast<std::uint8_t>(direction), static_cast<std::uint8_t>(proto)});
    for (const auto id : delta_.fresh) compile_peer(context_, id, *peers_.find(id), set.sides, set.rows);
  }
}

void Compiler::set_flags() {
  for (const auto& address : touched_) {
    const auto found = entries_.find(address);
    if (found == entries_.end() || found->second.set_name.empty()) continue;
    auto& flags = found->second.row.flags;
    const auto& sides = sets_.at(found->second.set_name).sides;
    flags &= ~static_cast<std::uint32_t>(FL_WORKLOAD_INGRESS | FL_WORKLOAD_EGRESS);
    if (sides[FL_INGRESS].restricts()) flags |= FL_WORKLOAD_INGRESS;
    if (sides[FL_EGRESS].restricts()) flags |= FL_WORKLOAD_EGRESS;
  }
}

void Compiler::change(const model::ChangeSet& changes) {
  for (const auto& change : changes)  // what namespaces say before the pods and policies that go by it
    if (change.key.kind == model::Kind::kNamespace) change_namespace(change);
  for (const auto& change : changes) {
    switch (change.key.kind) {
      case model::Kind::kPod: change_pod(change); break;
      case model::Kind::kNode: change_node(change); break;
      case model::Kind::kNetworkPolicy:
      case model::Kind::kAuthorizationPolicy: change_policy(change); break;
      default: break;
    }
  }
}

void Compiler::set_host_addresses(std::set<Address> addresses) {
  std::ranges::set_symmetric_difference(addresses, host_addresses_, std::inserter(touched_, touched_.end()));
  host_addresses_ = std::move(addresses);
}

void Compiler::set_guarded(std::set<Address> addresses) {
  std::ranges::set_symmetric_difference(addresses, guarded_, std::inserter(touched_, touched_.end()));
  guarded_ = std::move(addresses);
}

void Compiler::touch_everything() {
  for (const auto& [address, unused] : entries_) delta_.addresses.insert(address);
  for (const auto& [name, set] : sets_) delta_.sets.insert(set.id);
  delta_.blocks = true;
}

void Compiler::change_blocks() {
  if (!std::exchange(blocks_changed_, false)) return;
  delta_.blocks = true;
  touch_all();
  std::map<Cidr, std::uint32_t> wanted;
  std::string text;
  for (const auto& [block, unused] : blocks_.all()) wanted[block] = take_identity(traits_of(block), text);
  for (const auto& [block, identity] : cidrs_)
    if (identity != FL_IDENTITY_WORLD) give_identity(text_of(traits_of(block)));
  // The kernel's table would find such a block for every address of IPv4 that is in no other.
  if (blocks_.any_around_v4()) wanted.try_emplace(*Cidr::parse("0.0.0.0/0"), FL_IDENTITY_WORLD);
  cidrs_ = std::move(wanted);
}

const Delta& Compiler::compile() {
  change_blocks();
  for (const auto& address : touched_) resolve(address);
  compile_sets();
  set_flags();
  delta_.addresses.merge(touched_);
  touched_.clear();
  stale_sets_.clear();
  new_sets_.clear();
  return delta_;
}

void Compiler::done() { delta_ = {}; }

const fl_workload* Compiler::row(const Address& address) const {
  const auto found = entries_.find(address);
  return found == entries_.end() ? nullptr : &found->second.row;
}

std::map<std::uint32_t, const Rows*> Compiler::sets() const {
  std::map<std::uint32_t, const Rows*> result;
  for (const auto& [name, set] : sets_) result[set.id] = &set.rows;
  return result;
}

std::vector<Address> Compiler::unguarded() const {
  constexpr std::uint32_t kRestricted = FL_WORKLOAD_INGRESS | FL_WORKLOAD_CLOSED;
  std::vector<Address> result;
  for (const auto& [address, entry] : entries_) {
    const auto flags = entry.row.flags;
    if ((flags & FL_WORKLOAD_LOCAL) == 0 || (flags & (FL_WORKLOAD_HOST | FL_WORKLOAD_GUARDED)) != 0) continue;
    if ((flags & kRestricted) != 0 || options_.default_closed) result.push_back(address);
  }
  return result;
}

bool Compiler::is_pod(const Address& address) const {
  const auto found = entries_.find(address);
  return found != entries_.end() && (found->second.row.flags & FL_WORKLOAD_HOST) == 0;
}

bool Compiler::is_local(const Address& address) const {
  const auto found = entries_.find(address);
  return found != entries_.end() && (found->second.row.flags & FL_WORKLOAD_LOCAL) != 0;
}

std::optional<WorkloadName> Compiler::workload(std::uint32_t id) const {
  const auto* key = workload_ids_.name(id);
  return key == nullptr ? std::nullopt : std::optional(WorkloadName::from_key(*key));
}

std::optional<WorkloadName> Compiler::former_workload(std::uint32_t id) const {
  const auto* key = workload_ids_.former(id);
  return key == nullptr ? std::nullopt : std::optional(WorkloadName::from_key(*key));
}

std::string Compiler::rule_name(std::uint32_t policy_id) const {
  const auto* text = policy_ids_.name(policy_id);
  if (text == nullptr) text = policy_ids_.former(policy_id);
  return text == nullptr ? "" : *text;
}

std::optional<AddressInfo> Compiler::find(const Address& address) const {
  const auto found = entries_.find(address);
  if (found == entries_.end()) return std::nullopt;
  AddressInfo info{.address = address,
                   .object = {model::Kind::kNode, "", options_.node_name},
                   .workload = {},
                   .row = found->second.row,
                   .policies = {}};
  if (const auto claimants = claimants_.find(address);
      !host_addresses_.contains(address) && claimants != claimants_.end())
    info.object = *claimants->second.rbegin();
  if (auto name = workload(info.row.workload_id)) info.workload = std::move(*name);
  const auto resident = residents_.find(info.object);
  if (resident != residents_.end() && resident->second->traits.pod)
    info.policies = select(*resident->second, address).keys;
  return info;
}

std::vector<AddressInfo> Compiler::all() const {
  std::vector<AddressInfo> result;
  for (const auto& [address, unused] : entries_)
    if (auto info = find(address)) result.push_back(std::move(*info));
  std::ranges::sort(result, {}, &AddressInfo::address);
  return result;
}

}  // namespace fairlead::policy
