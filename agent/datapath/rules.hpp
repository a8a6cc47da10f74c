// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fairlead/model/cluster.hpp"

namespace fairlead::datapath {

/// Resolves DestinationRule.host to what it stands for: a name without dots is one of the rule's namespace, others
/// are fully qualified or wildcards already (Istio's rule).
[[nodiscard]] std::string resolved_host(std::string_view host, std::string_view ns, std::string_view domain);

/// Whether a resolved host ("web.default.svc.cluster.local", "*.default.svc.cluster.local", "*") names an fqdn.
[[nodiscard]] bool host_matches(std::string_view host, std::string_view fqdn);

/// Which DestinationRule is in force for a service: that of the service's namespace before that of the root
/// namespace; there the exact host, else the longest wildcard, else by name.
/// Owner: Services. Thread: its.
class RuleIndex {
 public:
  RuleIndex(std::string domain, std::string root) : domain_(std::move(domain)), root_(std::move(root)) {}

  using RulePtr = std::shared_ptr<const model::DestinationRule>;
  /// Puts, replaces or (null) removes a rule; gives the resolved hosts that it concerned before and concerns now.
  std::vector<std::string> set(const std::string& ns, const std::string& name, const RulePtr& rule);
  [[nodiscard]] RulePtr find(const std::string& ns, const std::string& service) const;
  [[nodiscard]] std::string fqdn(const std::string& ns, const std::string& service) const;
  /// Whether a resolved host names a Service of the cluster; a wildcard may name some at any time.
  [[nodiscard]] bool is_service(const model::Cluster& cluster, const std::string& host) const;
  [[nodiscard]] const std::string& root() const { return root_; }
  /// The names of a namespace's rules for exactly that resolved host; only the first is in force.
  [[nodiscard]] std::vector<std::pair<std::string, RulePtr>> of_host(const std::string& ns,
                                                                     const std::string& host) const;
  /// What of a rule is not served; empty: all is.
  [[nodiscard]] std::vector<std::string> warnings(const model::DestinationRule& rule) const;

 private:
  struct Entry {
    std::string host;
    RulePtr rule;
  };
  [[nodiscard]] RulePtr find_in(const std::string& ns, const std::string& fqdn) const;

  std::string domain_;
  std::string root_;
  std::map<std::string, std::map<std::string, Entry>> rules_;  // by namespace, by name
};

}  // namespace fairlead::datapath
