// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "agent/policy/decide.hpp"
#include "bpf/world.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::test {

/// A small cluster whose pods and policies change by chance, and questions about it.
/// Owner: the test. Thread: one.
class PolicyWorld {
 public:
  explicit PolicyWorld(std::uint64_t seed) : dice_(seed) {}

  /// Some objects more, others or fewer.
  [[nodiscard]] model::ChangeSet change();
  [[nodiscard]] policy::Question question();
  [[nodiscard]] static std::set<Address> host_addresses();

 private:
  template <std::size_t N>
  const char* one_of(const char* const (&texts)[N]) {
    return texts[dice_.below(N)];
  }
  std::string list(std::uint32_t most, const std::function<std::string()>& item);
  std::string selector();
  std::string block();
  std::string peer();
  std::string network_port();
  std::string network_rules(const char* peers);
  std::string network_policy();
  std::string source();
  std::string operation();
  std::string condition();
  std::string authorization_policy();
  std::string pod(std::uint32_t number);

  Dice dice_;
  std::map<std::string, model::ObjectKey> standing_;  // by what they are called here
};

}  // namespace fairlead::test
