// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/directory_store.hpp"

#include <algorithm>
#include <array>

#include "fairlead/auth/http_signature.hpp"
#include "fairlead/auth/password.hpp"
#include "fairlead/model/request_auth.hpp"

namespace fairlead::auth {
namespace {

using Kind = model::ConsumerCredential::Kind;

struct Cached {
  std::uint64_t version = 0;
  DirectoryPtr directory;
};

/// The value that a credential takes from a Secret; trailing line ends are no part of it, as editors add them.
Result<std::string> from_secret(const std::string& ns, const model::SecretKey& ref,
                                const DirectoryStore::Secrets& secrets) {
  const auto* secret = secrets(ns, ref.name);
  if (secret == nullptr) return fail("there is no Secret " + ns + "/" + ref.name);
  const auto* value = model::find_label(secret->data, ref.key);
  if (value == nullptr) return fail("Secret " + ns + "/" + ref.name + " has no key \"" + ref.key + "\"");
  auto out = *value;
  while (out.ends_with('\n') || out.ends_with('\r')) out.pop_back();
  if (out.empty()) return fail("the value in Secret " + ns + "/" + ref.name + " is empty");
  return out;
}

Result<> fill_jwt(const model::CredentialText& text, const std::string& material, CredentialDetails& out) {
  const auto algorithm = algorithm_of(text.algorithm);
  if (!algorithm) return fail("the algorithm is not known");
  const bool is_mac = *algorithm <= Algorithm::kHs512;
  auto key =
      is_mac ? VerifyKey::from_secret(material, bit(*algorithm)) : VerifyKey::from_pem(material, bit(*algorithm));
  if (!key) return fail(std::move(key.error()));
  out.key = std::move(*key);
  return {};
}

/// A Secret holds a public key where what it has is PEM.
Result<> fill_signature(const model::CredentialText& text, const std::string& material, CredentialDetails& out) {
  const bool is_public = text.is_public_key || material.starts_with("-----BEGIN ");
  FL_TRY(out.key, signature_key(material, is_public, text.algorithm));
  return {};
}

using DetailsPtr = std::unique_ptr<const CredentialDetails>;

/// Of credentials that are more than the digest of a key, by their places.
struct Resolved : model::ConsumerMore {
  std::vector<DetailsPtr> details;
  [[nodiscard]] const void* detail(std::size_t place) const override { return details[place].get(); }
};

Result<> fill(const std::string& ns, const model::ConsumerCredential& from, const DirectoryStore::Secrets& secrets,
              Credential& out, DetailsPtr& out_details) {
  out.kind = from.kind;
  if (from.text == nullptr) {
    out.lookup = from.sha256;
    return {};
  }
  const auto& text = *from.text;
  auto details = std::make_unique<CredentialDetails>();
  details->name = text.name;
  details->id = text.id;
  std::string material = text.material;
  if (text.secret) {
    FL_TRY(material, from_secret(ns, *text.secret, secrets));
  }
  if (from.kind == Kind::kApiKey) {
    out.lookup = text.secret ? sha256(material) : from.sha256;
    if (text.name.empty()) return {};
  } else {
    out.lookup = lookup_of(text.id);
    // What a Secret holds for Basic is a hash, or else the password.
    const bool plain = from.kind == Kind::kBasic && text.secret && !is_password_hash(material);
    if (from.kind == Kind::kJwt) FL_CHECK(fill_jwt(text, material, *details));
    else if (from.kind == Kind::kSignature) FL_CHECK(fill_signature(text, material, *details));
    else details->material = plain ? hash_password(material) : std::move(material);
  }
  out_details = std::move(details);
  return {};
}

/// The names of Secrets that its credentials refer to.
template <class Each>
void each_secret(const Consumer& consumer, Each&& each) {
  if (consumer.more() == nullptr || consumer.more()->settings == nullptr) return;
  for (const auto& credential : consumer.more()->settings->credentials)
    if (credential.text != nullptr && credential.text->secret) each(credential.text->secret->name);
}

}  // namespace

ConsumerPtr resolve_consumer(const ConsumerPtr& consumer, const DirectoryStore::Secrets& secrets,
                             std::vector<std::string>& faults) {
  if (consumer->more() == nullptr || consumer->more()->settings == nullptr) return consumer;
  const auto& settings = *consumer->more()->settings;
  auto resolved = std::make_unique<Resolved>();
  resolved->groups = settings.groups;
  resolved->id = settings.id;
  resolved->username = settings.username;
  std::vector<Credential> credentials;
  std::array<std::uint16_t, 5> numbers{};
  for (std::size_t i = 0; i < settings.credentials.size(); ++i) {
    const auto& from = settings.credentials[i];
    Credential made;
    DetailsPtr details;
    made.number = ++numbers[static_cast<std::size_t>(from.kind)];
    if (const auto filled = fill(consumer->ns(), from, secrets, made, details); !filled) {
      faults.push_back("credentials[" + std::to_string(i) + "]: " + filled.error().message);
      continue;
    }
    credentials.push_back(made);
    resolved->details.push_back(std::move(details));
  }
  return Consumer::make({.ns = consumer->ns(),
                         .name = consumer->name(),
                         .custom_id = consumer->custom_id(),
                         .credentials = credentials,
                         .more = model::ConsumerMorePtr(resolved.release())});
}

Directories::Directories()
    : place_([] {
        static std::atomic<std::size_t> next{0};
        return next.fetch_add(1, std::memory_order_relaxed);
      }()),
      directory_(std::make_shared<Directory>()) {}

DirectoryPtr Directories::current() const {
  thread_local std::vector<Cached> cached;
  if (cached.size() <= place_) cached.resize(place_ + 1);
  auto& mine = cached[place_];
  // No directory has version 0 in a slot that is empty, and no two Directories share a place.
  if (mine.directory != nullptr && mine.version == version_.load(std::memory_order_acquire)) return mine.directory;
  const std::lock_guard lock(mutex_);
  mine.version = version_.load(std::memory_order_relaxed);
  // A count of its own: the directory's is written by all threads.
  auto holder = std::make_shared<DirectoryPtr>(directory_);
  mine.directory = DirectoryPtr(holder, holder->get());
  return mine.directory;
}

void Directories::publish(DirectoryPtr directory) {
  const std::lock_guard lock(mutex_);
  directory_.swap(directory);
  version_.fetch_add(1, std::memory_order_release);
}

void DirectoryStore::forget(Space& space, const std::string& name) {
  space.faults.erase(name);
  space.conflicts.erase(name);
  const auto found = space.with_secrets.find(name);
  if (found == space.with_secrets.end()) return;
  each_secret(*found->second, [&](const std::string& secret) {
    const auto entry = space.by_secret.find(secret);
    if (entry == space.by_secret.end()) return;
    entry->second.erase(name);
    if (entry->second.empty()) space.by_secret.erase(entry);
  });
  space.with_secrets.erase(found);
}

void DirectoryStore::add(Space& space, const ConsumerPtr& consumer, const Secrets& secrets, Directory::Edit& edit) {
  std::vector<std::string> faults;
  edit.added.push_back(resolve_consumer(consumer, secrets, faults));
  if (!faults.empty()) space.faults[std::string(consumer->name())] = std::move(faults);
  each_secret(*consumer, [&](const std::string& secret) {
    const std::string name(consumer->name());
    space.by_secret[secret].insert(name);
    space.with_secrets[name] = consumer;
  });
}

void DirectoryStore::publish(Space& space, Directory::Edit& edit) {
  for (const auto& [name, unused] : space.conflicts)
    if (const auto* consumer = space.directory->find_consumer(name)) edit.again.push_back(*consumer);
  space.conflicts.clear();
  std::vector<Directory::Conflict> conflicts;
  space.directory = space.directory->with(edit, conflicts);
  for (const auto& one : conflicts)
    space.conflicts[std::string(one.consumer->name())].push_back(
        "its credential " + std::to_string(one.credential->place) + " is that of consumer " +
        std::string(one.holder->name()) + " already");
  space.published->publish(space.directory);
}

void DirectoryStore::update(std::span<const ConsumerPtr> changed, std::span<const Name> removed,
                            std::span<const Name> changed_secrets, const Secrets& secrets) {
  std::map<std::string, Directory::Edit> edits;
  std::map<std::string, std::set<std::string>> touched;
  for (const auto& [ns, name] : removed) {
    forget(spaces_[ns], name);
    edits[ns].removed.push_back(name);
  }
  for (const auto& consumer : changed) {
    const auto& ns = consumer->ns();
    auto& space = spaces_[ns];
    const std::string name(consumer->name());
    if (!space.with_secrets.empty() || !space.faults.empty() || !space.conflicts.empty()) forget(space, name);
    add(space, consumer, secrets, edits[ns]);
    if (!changed_secrets.empty()) touched[ns].insert(name);
  }
  for (const auto& [ns, secret] : changed_secrets) {
    const auto space = spaces_.find(ns);
    if (space == spaces_.end()) continue;
    const auto users = space->second.by_secret.find(secret);
    if (users == space->second.by_secret.end()) continue;
    for (const auto& name : std::set<std::string>(users->second)) {
      if (!touched[ns].insert(name).second) continue;
      const auto consumer = space->second.with_secrets.at(name);
      forget(space->second, name);
      add(space->second, consumer, secrets, edits[ns]);
    }
  }
  for (auto& [ns, edit] : edits) publish(spaces_[ns], edit);
}

std::vector<DirectoryStore::Fault> DirectoryStore::faults() const {
  std::vector<Fault> out;
  for (const auto& [ns, space] : spaces_)
    for (const auto* list : {&space.faults, &space.conflicts})
      for (const auto& [name, texts] : *list)
        for (const auto& text : texts) out.push_back({{ns, name}, text});
  return out;
}

std::shared_ptr<const Directories> DirectoryStore::directories(const std::string& ns) { return spaces_[ns].published; }

}  // namespace fairlead::auth
