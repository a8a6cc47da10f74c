// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/consumer.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <set>

#include "fairlead/model/request_policy.hpp"

namespace fairlead::model {
namespace {

/// Namespaces are few; each that ever had a consumer is kept.
const std::string* interned(std::string_view ns) {
  static std::mutex mutex;
  static std::set<std::string, std::less<>> known;
  const std::lock_guard lock(mutex);
  const auto found = known.find(ns);
  return found != known.end() ? &*found : &*known.emplace(ns).first;
}

/// The same for the same groups, for as long as somebody has it.
ConsumerMorePtr shared_groups(const std::vector<std::string>& groups) {
  static std::mutex mutex;
  static std::map<std::vector<std::string>, ConsumerMorePtr> known;
  static std::size_t most = 64;
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(groups); found != known.end()) return found->second;
  if (known.size() >= most) {
    std::erase_if(known, [](const auto& entry) { return entry.second->is_sole(); });
    most = known.size() * 2 + 64;
  }
  auto* made = new ConsumerMore;
  made->groups = groups;
  return known.emplace(groups, ConsumerMorePtr(made)).first->second;
}

}  // namespace

const void* ConsumerMore::detail(std::size_t /*place*/) const { return nullptr; }

const PackedConsumer::Credential* PackedConsumer::first() const {
  static_assert(sizeof(PackedConsumer) % alignof(Credential) == 0);
  return reinterpret_cast<const Credential*>(this + 1);
}

const PackedConsumer& PackedConsumer::Credential::consumer() const {
  const void* begin = this - place;
  return static_cast<const PackedConsumer*>(begin)[-1];
}

const void* PackedConsumer::Credential::detail() const {
  const auto* more = consumer().more();
  return more == nullptr ? nullptr : more->detail(place);
}

PackedConsumer::PackedConsumer(const Parts& parts)
    : custom_id_size_(static_cast<std::uint16_t>(
          std::min<std::size_t>(parts.custom_id.size(), std::numeric_limits<std::uint16_t>::max()))),
      name_size_(static_cast<std::uint8_t>(std::min(parts.name.size(), kMostName))),
      credentials_(static_cast<std::uint8_t>(parts.credentials.size())),
      ns_(interned(parts.ns)),
      more_(parts.more) {}

PackedConsumerPtr PackedConsumer::make(const Parts& parts) {
  const auto size = sizeof(PackedConsumer) + parts.credentials.size() * sizeof(Credential) +
                    std::min(parts.name.size(), kMostName) + parts.custom_id.size();
  auto* made = new (::operator new(size)) PackedConsumer(parts);
  auto* credential = reinterpret_cast<Credential*>(made + 1);
  std::uint8_t place = 0;
  for (const auto& from : parts.credentials) {
    new (credential) Credential(from);
    credential++->place = place++;
  }
  auto* text = reinterpret_cast<char*>(credential);
  std::ranges::copy(parts.name.substr(0, made->name_size_), text);
  std::ranges::copy(parts.custom_id.substr(0, made->custom_id_size_), text + made->name_size_);
  return PackedConsumerPtr(made);
}

void PackedConsumerDelete::operator()(const PackedConsumer* of) const {
  of->~PackedConsumer();
  ::operator delete(const_cast<PackedConsumer*>(of));
}

std::size_t PackedConsumer::bytes() const {
  return sizeof *this + credentials_ * sizeof(Credential) + name_size_ + custom_id_size_;
}

std::string PackedConsumer::text_key() const {
  std::string out = "Consumer ";
  if (!ns().empty()) out.append(ns()).append("/");
  return out.append(name());
}

PackedConsumerPtr pack(const Consumer& consumer) {
  const auto& settings = *consumer.settings;
  PackedConsumer::Parts parts{
      .ns = consumer.metadata.ns, .name = consumer.metadata.name, .custom_id = settings.custom_id};
  const bool told = !settings.id.empty() || !settings.username.empty();
  std::vector<PackedConsumer::Credential> keys;
  if (std::ranges::all_of(settings.credentials, [](const auto& one) { return one.text == nullptr; })) {
    for (const auto& one : settings.credentials)
      keys.push_back({.lookup = one.sha256, .number = static_cast<std::uint16_t>(keys.size() + 1)});
    parts.credentials = keys;
    if (!settings.groups.empty() && !told) parts.more = shared_groups(settings.groups);
  }
  const bool whole = keys.size() == settings.credentials.size();
  if (!whole || told) {
    auto* more = new ConsumerMore;
    parts.more = ConsumerMorePtr(more);
    more->groups = settings.groups;
    more->id = settings.id;
    more->username = settings.username;
    if (!whole) more->settings = consumer.settings;
  }
  return PackedConsumer::make(parts);
}

std::size_t consumer_hash(std::string_view ns, std::string_view name) {
  const std::hash<std::string_view> hash;
  // As many namespaces may have the same names, both count for the high bits, which choose the place.
  return (hash(name) ^ (hash(ns) >> 1)) * 0x9e3779b97f4a7c15;
}

}  // namespace fairlead::model
