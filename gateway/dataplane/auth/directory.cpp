// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/directory.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>
#include <map>

namespace fairlead::auth {
namespace {

__extension__ using Wide = unsigned __int128;

std::size_t shard_of(const Digest& digest) { return (std::size_t{digest[0]} << 8 | digest[1]) % Directory::kShards; }
std::uint64_t tag_of(const Digest& digest) {
  std::uint64_t out = 0;
  std::memcpy(&out, digest.data() + 2, sizeof out);
  return out;
}
/// `tag` spread over `size` places, of which there need be no power of two.
std::size_t place_of(std::uint64_t tag, std::size_t size) {
  return static_cast<std::size_t>(static_cast<Wide>(tag) * size >> 64);
}
std::size_t shard_of(std::string_view name) { return std::hash<std::string_view>{}(name) % Directory::kShards; }

bool same(const Digest& a, const Digest& b) { return equal_constant_time(bytes_of(a), bytes_of(b)); }

std::string_view consumer_name(const ConsumerPtr& consumer) { return consumer->name(); }
std::string_view username(const ConsumerPtr& consumer) { return consumer->username(); }
bool has_username(const Consumer& consumer) { return consumer.more() != nullptr && !consumer.more()->username.empty(); }

}  // namespace

/// What becomes of each shard of credentials, and of usernames.
struct Directory::Changes {
  struct One {
    std::vector<const Credential*> removed;
    std::vector<std::pair<const Credential*, ConsumerPtr>> added;
  };
  struct Usernames {
    std::vector<const Consumer*> removed;
    std::vector<ConsumerPtr> added;
  };
  std::vector<std::unique_ptr<One>> shards = std::vector<std::unique_ptr<One>>(kShards);
  std::map<std::size_t, Usernames> usernames;

  One& at(const Credential& credential) {
    auto& one = shards[shard_of(credential.lookup)];
    if (one == nullptr) one = std::make_unique<One>();
    return *one;
  }
  void remove(const Consumer& consumer) {
    for (const auto& credential : consumer.credentials()) at(credential).removed.push_back(&credential);
    if (has_username(consumer)) usernames[shard_of(consumer.username())].removed.push_back(&consumer);
  }
  void add(const ConsumerPtr& consumer) {
    for (const auto& credential : consumer->credentials()) at(credential).added.emplace_back(&credential, consumer);
    if (has_username(*consumer)) usernames[shard_of(consumer->username())].added.push_back(consumer);
  }
};

std::string credential_name(const Credential& credential) {
  static constexpr std::string_view kKinds[] = {"apikey", "basic", "jwt", "hmac", "signature"};
  auto out = std::string(credential.consumer().name()) + '/';
  if (const auto* details = details_of(credential); details != nullptr && !details->name.empty())
    return out + details->name;
  out += kKinds[static_cast<std::size_t>(credential.kind)];
  return out + '-' + std::to_string(credential.number);
}

const Credential* Directory::CredentialShard::find(CredentialKind kind, const Digest& lookup) const {
  const auto tag = tag_of(lookup);
  for (auto at = place_of(tag, slots.size()); slots[at].credential != nullptr;
       at = at + 1 == slots.size() ? 0 : at + 1) {
    if (slots[at].tag != tag) continue;
    const auto* found = slots[at].credential;
    if (found->kind == kind && same(found->lookup, lookup)) return found;
  }
  return nullptr;
}

void Directory::CredentialShard::put(const Slot& slot) {
  auto at = place_of(slot.tag, slots.size());
  while (slots[at].credential != nullptr) at = at + 1 == slots.size() ? 0 : at + 1;
  slots[at] = slot;
}

const Credential* Directory::CredentialShard::insert(const Credential& credential) {
  const auto tag = tag_of(credential.lookup);
  auto at = place_of(tag, slots.size());
  for (; slots[at].credential != nullptr; at = at + 1 == slots.size() ? 0 : at + 1) {
    const auto* standing = slots[at].credential;
    if (slots[at].tag == tag && standing->kind == credential.kind && standing->lookup == credential.lookup)
      return standing;
  }
  slots[at] = {tag, &credential};
  return nullptr;
}

const Credential* Directory::find(CredentialKind kind, const Digest& lookup) const {
  const auto& shard = credentials_[shard_of(lookup)];
  return shard == nullptr ? nullptr : shard->find(kind, lookup);
}

const ConsumerPtr* Directory::find_consumer(std::string_view name) const {
  const auto& shard = names_[shard_of(name)];
  if (shard == nullptr) return nullptr;
  const auto at = std::ranges::lower_bound(*shard, name, {}, consumer_name);
  return at == shard->end() || (*at)->name() != name ? nullptr : &*at;
}

const Consumer* Directory::consumer(std::string_view name) const {
  const auto* found = find_consumer(name);
  return found == nullptr ? nullptr : found->get();
}

const Consumer* Directory::called(std::string_view text) const {
  if (const auto* named = consumer(text)) return named;
  const auto& shard = usernames_[shard_of(text)];
  if (shard == nullptr) return nullptr;
  const auto found = std::ranges::equal_range(*shard, text, {}, username);
  return found.size() == 1 ? found.front().get() : nullptr;
}

std::size_t Directory::bytes() const {
  std::size_t out = sizeof *this;
  for (const auto& shard : credentials_)
    if (shard) out += sizeof *shard + shard->slots.capacity() * sizeof(Slot);
  for (const auto* shards : {&names_, &usernames_})
    for (const auto& shard : *shards)
      if (shard)  // NOLINTNEXTLINE(bugprone-sizeof-container): itself, and what it holds
        out += sizeof *shard + shard->capacity() * sizeof(ConsumerPtr);
  return out;
}

std::shared_ptr<const Directory> Directory::with(const Edit& edit, std::vector<Conflict>& conflicts) const {
  auto out = std::make_shared<Directory>(*this);
  out->version_ = next_version();
  Changes changes;
  out->change_names(edit, changes);
  for (const auto& consumer : edit.again) {
    changes.remove(*consumer);
    changes.add(consumer);
  }
  out->change_usernames(changes);
  for (std::size_t shard = 0; shard < kShards; ++shard)
    if (changes.shards[shard] != nullptr) out->change_credentials(changes, shard, conflicts);
  return out;
}

void Directory::change_names(const Edit& edit, Changes& changes) {
  struct One {
    std::vector<ConsumerPtr> added;
    std::vector<std::string_view> gone;
  };
  std::map<std::size_t, One> shards;
  for (const auto& consumer : edit.added) {
    auto& one = shards[shard_of(consumer->name())];
    one.added.push_back(consumer);
    one.gone.push_back(consumer->name());
    changes.add(consumer);
  }
  for (const auto& name : edit.removed) shards[shard_of(name)].gone.push_back(name);
  for (auto& [number, one] : shards) {
    auto made = std::make_shared<NameShard>();
    if (names_[number] != nullptr) {
      made->reserve(names_[number]->size() + one.added.size());
      *made = *names_[number];
      consumers_ -= made->size();
    }
    for (const auto name : one.gone) {
      const auto at = std::ranges::lower_bound(*made, name, {}, consumer_name);
      if (at == made->end() || (*at)->name() != name) continue;
      changes.remove(**at);
      made->erase(at);
    }
    std::ranges::sort(one.added, {}, consumer_name);
    const auto middle = static_cast<std::ptrdiff_t>(made->size());
    made->insert(made->end(), one.added.begin(), one.added.end());
    // One newcomer among a thousand is put in its place; a rush is merged.
    std::ranges::inplace_merge(*made, made->begin() + middle, {}, consumer_name);
    consumers_ += made->size();
    made->shrink_to_fit();
    names_[number] = std::move(made);
  }
}

void Directory::change_usernames(Changes& changes) {
  for (auto& [number, change] : changes.usernames) {
    std::ranges::sort(change.removed);
    NameShard made;
    if (const auto& standing = usernames_[number]; standing != nullptr) {
      made.reserve(standing->size() + change.added.size());
      std::ranges::remove_copy_if(*standing, std::back_inserter(made), [&](const ConsumerPtr& consumer) {
        return std::ranges::binary_search(change.removed, consumer.get());
      });
    }
    const auto middle = static_cast<std::ptrdiff_t>(made.size());
    std::ranges::sort(change.added, {}, username);
    std::ranges::move(change.added, std::back_inserter(made));
    std::ranges::inplace_merge(made, made.begin() + middle, {}, username);
    made.shrink_to_fit();
    usernames_[number] = std::make_shared<const NameShard>(std::move(made));
  }
}

void Directory::change_credentials(const Changes& changes, std::size_t shard, std::vector<Conflict>& conflicts) {
  auto& change = *changes.shards[shard];
  std::ranges::sort(change.removed);
  std::vector<Slot> kept;
  if (credentials_[shard] != nullptr)
    for (const auto& slot : credentials_[shard]->slots)
      if (slot.credential != nullptr && !std::ranges::binary_search(change.removed, slot.credential))
        kept.push_back(slot);
  auto made = std::make_shared<CredentialShard>();
  made->slots.resize((kept.size() + change.added.size()) * 4 / 3 + 1);
  for (const auto& slot : kept) made->put(slot);
  for (const auto& [credential, consumer] : change.added) {
    const auto* standing = made->insert(*credential);
    if (standing != nullptr) conflicts.push_back({consumer, credential, &standing->consumer()});
  }
  credentials_[shard] = std::move(made);
}

}  // namespace fairlead::auth
