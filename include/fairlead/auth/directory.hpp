// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/auth/consumer.hpp"
#include "fairlead/auth/digest.hpp"
#include "fairlead/auth/verify_key.hpp"

namespace fairlead::auth {

using CredentialKind = model::ConsumerCredential::Kind;

/// What only some credentials have.
struct CredentialDetails {
  std::string name;               ///< as configured; may be empty
  std::string id;                 ///< user name, iss, keyId
  std::string material;           ///< Basic: the hash (password.hpp); HMAC: the secret
  std::optional<VerifyKey> key;   ///< JWT, message signatures
};

/// One credential in a directory: part of its consumer. `lookup` is of an API key, or of an id: lookup_of().
using Credential = model::PackedConsumer::Credential;
/// Null: an API key without a name.
[[nodiscard]] inline const CredentialDetails* details_of(const Credential& credential) {
  return static_cast<const CredentialDetails*>(credential.detail());
}
/// "alice/apikey-1", or "alice/" and its name: unique in a namespace, and no secret.
[[nodiscard]] std::string credential_name(const Credential& credential);
/// A user name, iss or keyId; of an API key its name alone, or nothing. It lives as long as the credential.
[[nodiscard]] inline std::string_view credential_id(const Credential& credential) {
  const auto* details = details_of(credential);
  if (details == nullptr) return {};
  return details->id.empty() ? std::string_view(details->name) : std::string_view(details->id);
}
/// Under what an id is found; an API key's is SHA-256 of the key itself, as it may be configured by that alone.
[[nodiscard]] inline Digest lookup_of(std::string_view id) { return sha256(id); }

/// All consumers of a namespace, by credential and by name. Immutable; a changed one shares all but the shards that
/// changed. What is compared with a caller's secret is its digest, in constant time: the time of a lookup says nothing
/// of keys that exist. Thread: any, several at a time.
class Directory {
 public:
  static constexpr std::size_t kShards = 1024;

  [[nodiscard]] const Credential* find(CredentialKind kind, const Digest& lookup) const;
  [[nodiscard]] const Consumer* consumer(std::string_view name) const;
  /// The one of that name; else the one whose username that is. Null: nobody, or several have that username.
  [[nodiscard]] const Consumer* called(std::string_view text) const;
  [[nodiscard]] const ConsumerPtr* find_consumer(std::string_view name) const;
  [[nodiscard]] std::size_t size() const { return consumers_; }
  [[nodiscard]] std::uint64_t version() const { return version_; }
  [[nodiscard]] std::size_t bytes() const;  ///< of tables, without what they point to

  /// A change of some consumers.
  struct Edit {
    std::vector<ConsumerPtr> added;    ///< in place of those of the same name
    std::vector<std::string> removed;  ///< names; not known: nothing happens
    std::vector<ConsumerPtr> again;    ///< standing ones some of whose credentials were not taken before
  };
  struct Conflict {
    ConsumerPtr consumer;  ///< whose credential is not taken
    const Credential* credential = nullptr;
    const Consumer* holder = nullptr;  ///< who has it
  };
  /// `this` with the edit. Costs in proportion to the shards that it reaches: one consumer of a million, about 100 us.
  [[nodiscard]] std::shared_ptr<const Directory> with(const Edit& edit, std::vector<Conflict>& conflicts) const;

 private:
  struct Slot {
    std::uint64_t tag = 0;
    const Credential* credential = nullptr;
  };
  struct CredentialShard {
    std::vector<Slot> slots;  // open addressing, at most three quarters full

    [[nodiscard]] const Credential* find(CredentialKind kind, const Digest& lookup) const;
    void put(const Slot& slot);  // one that is not there
    const Credential* insert(const Credential& credential);  // who stands there already, or null
  };
  using NameShard = std::vector<ConsumerPtr>;  // sorted by name, or by username
  using NameShards = std::array<std::shared_ptr<const NameShard>, kShards>;
  struct Changes;

  void change_names(const Edit& edit, Changes& changes);
  void change_usernames(Changes& changes);
  void change_credentials(const Changes& changes, std::size_t shard, std::vector<Conflict>& conflicts);

  std::array<std::shared_ptr<const CredentialShard>, kShards> credentials_;
  NameShards names_;
  NameShards usernames_;  // of those that have one beside their name
  std::size_t consumers_ = 0;
  std::uint64_t version_ = 0;
};
using DirectoryPtr = std::shared_ptr<const Directory>;

}  // namespace fairlead::auth
