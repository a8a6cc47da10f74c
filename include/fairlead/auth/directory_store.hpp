// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fairlead/auth/directory.hpp"
#include "fairlead/model/gateway_objects.hpp"
#include "fairlead/model/request_policy.hpp"

namespace fairlead::auth {

/// The consumers of one namespace as filters see them: always the newest, at the price of one comparison.
/// Owner: shared by DirectoryStore and filters. Thread: current() any; publish() main.
class Directories {
 public:
  Directories();

  /// The newest. Each thread keeps its own reference, so that workers write to no line that they share; it lives until
  /// the thread asks again after a change.
  [[nodiscard]] DirectoryPtr current() const;
  void publish(DirectoryPtr directory);

 private:
  const std::size_t place_;  // in each thread's list
  std::atomic<std::uint64_t> version_{0};
  mutable std::mutex mutex_;
  DirectoryPtr directory_;
};

/// All consumers, by namespace: a policy knows those of its own. Filters get it as
///   context.stores.get<auth::DirectoryStore>(auth::DirectoryStore::kName, [] { return ...make_shared...; })
/// and so does the daemon, which holds it for good and calls update() at each change before it makes filters.
/// Owner: the daemon. Thread: main.
class DirectoryStore {
 public:
  static constexpr const char* kName = "auth/consumers";

  using Name = std::pair<std::string, std::string>;  ///< namespace, name
  /// A Secret, or null.
  using Secrets = std::function<const model::Secret*(const std::string& ns, const std::string& name)>;
  struct Fault {
    Name consumer;
    std::string text;  ///< "credentials[1]: Secret default/x has no key \"y\""; never a secret
  };

  /// Takes what has changed: consumers that are new or other than before, names of those that are gone, and Secrets
  /// that are new, other or gone (those that no consumer refers to are passed over, so that all may be given). Workers
  /// see all of it or nothing. A credential that cannot serve, or that another consumer has already, is left out and
  /// said in faults(); it is taken as soon as it can.
  void update(std::span<const ConsumerPtr> changed, std::span<const Name> removed,
              std::span<const Name> changed_secrets, const Secrets& secrets);

  /// Of credentials that are left out, as of the last update.
  [[nodiscard]] std::vector<Fault> faults() const;

  /// The consumers of a namespace, also where there are none yet.
  [[nodiscard]] std::shared_ptr<const Directories> directories(const std::string& ns);

 private:
  struct Space {
    std::shared_ptr<Directories> published = std::make_shared<Directories>();
    DirectoryPtr directory = std::make_shared<Directory>();
    std::map<std::string, ConsumerPtr> with_secrets;  // as configured
    std::map<std::string, std::set<std::string>> by_secret;  // the consumers that refer to it
    std::map<std::string, std::vector<std::string>> faults;  // by consumer, of what cannot be resolved
    std::map<std::string, std::vector<std::string>> conflicts;
  };

  static void add(Space& space, const ConsumerPtr& consumer, const Secrets& secrets, Directory::Edit& edit);
  static void forget(Space& space, const std::string& name);
  static void publish(Space& space, Directory::Edit& edit);

  std::map<std::string, Space> spaces_;
};

/// A consumer ready for a directory: itself, where it is whole; else what cannot serve is left out and said in
/// `faults`.
[[nodiscard]] ConsumerPtr resolve_consumer(const ConsumerPtr& consumer, const DirectoryStore::Secrets& secrets,
                                           std::vector<std::string>& faults);

}  // namespace fairlead::auth
