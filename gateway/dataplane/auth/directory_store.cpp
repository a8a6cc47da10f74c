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

Result<> fill(const std::string& ns, const model::ConsumerCredential& from, const DirectoryStore::Secrets& secrets,
              Credential& out) {
  out.kind = static_cast<CredentialKind>(from.kind);
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
  out.details = std::move(details);
  return {};
}

}  // namespace

MemberPtr make_member(const std::string& ns, const std::string& name, const model::ConsumerSettings& settings,
                      const DirectoryStore::Secrets& secrets, std::vector<std::string>& faults) {
  auto out = std::make_shared<Member>();
  out->consumer = {.name = name, .custom_id = settings.custom_id, .groups = settings.groups, .id = settings.id};
  out->credentials.reserve(settings.credentials.size());
  std::array<std::uint16_t, 5> numbers{};
  for (std::size_t i = 0; i < settings.credentials.size(); ++i) {
    Credential made;
    made.number = ++numbers[static_cast<std::size_t>(settings.credentials[i].kind)];
    if (const auto filled = fill(ns, settings.credentials[i], secrets, made); !filled) {
      faults.push_back("credentials[" + std::to_string(i) + "]: " + filled.error().message);
      continue;
    }
    made.consumer = &out->consumer;
    out->credentials.push_back(std::move(made));
  }
  return out;
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
  for (const auto& credential : found->second->credentials) {
    if (credential.text == nullptr || !credential.text->secret) continue;
    const auto entry = space.by_secret.find(credential.text->secret->name);
    if (entry == space.by_secret.end()) continue;
    entry->second.erase(name);
    if (entry->second.empty()) space.by_secret.erase(entry);
  }
  space.with_secrets.erase(found);
}

void DirectoryStore::add(Space& space, const std::string& ns, const std::string& name,
                         const std::shared_ptr<const model::ConsumerSettings>& settings, const Secrets& secrets,
                         Directory::Edit& edit) {
  std::vector<std::string> faults;
  edit.added.push_back(make_member(ns, name, *settings, secrets, faults));
  if (!faults.empty()) space.faults[name] = std::move(faults);
  for (const auto& credential : settings->credentials) {
    if (credential.text == nullptr || !credential.text->secret) continue;
    space.by_secret[credential.text->secret->name].insert(name);
    space.with_secrets[name] = settings;
  }
}

void DirectoryStore::publish(Space& space, Directory::Edit& edit) {
  for (const auto& [name, unused] : space.conflicts)
    if (const auto* member = space.directory->member(name)) edit.again.push_back(*member);
  space.conflicts.clear();
  std::vector<Directory::Conflict> conflicts;
  space.directory = space.directory->with(edit, conflicts);
  for (const auto& one : conflicts) {
    const auto place = static_cast<std::size_t>(one.credential - one.member->credentials.data());
    space.conflicts[one.member->consumer.name].push_back("its credential " + std::to_string(place) +
                                                         " is that of consumer " + one.holder->name + " already");
  }
  space.published->publish(space.directory);
}

void DirectoryStore::update(std::span<const model::Consumer* const> changed, std::span<const Name> removed,
                            std::span<const Name> changed_secrets, const Secrets& secrets) {
  std::map<std::string, Directory::Edit> edits;
  std::map<std::string, std::set<std::string>> touched;
  for (const auto& [ns, name] : removed) {
    forget(spaces_[ns], name);
    edits[ns].removed.push_back(name);
  }
  for (const auto* consumer : changed) {
    const auto& metadata = consumer->metadata;
    auto& space = spaces_[metadata.ns];
    if (!space.with_secrets.empty() || !space.faults.empty() || !space.conflicts.empty()) forget(space, metadata.name);
    add(space, metadata.ns, metadata.name, consumer->settings, secrets, edits[metadata.ns]);
    if (!changed_secrets.empty()) touched[metadata.ns].insert(metadata.name);
  }
  for (const auto& [ns, secret] : changed_secrets) {
    const auto space = spaces_.find(ns);
    if (space == spaces_.end()) continue;
    const auto users = space->second.by_secret.find(secret);
    if (users == space->second.by_secret.end()) continue;
    for (const auto& name : std::set<std::string>(users->second)) {
      if (!touched[ns].insert(name).second) continue;
      const auto settings = space->second.with_secrets.at(name);
      forget(space->second, name);
      add(space->second, ns, name, settings, secrets, edits[ns]);
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
