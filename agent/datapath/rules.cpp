// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/rules.hpp"

namespace fairlead::datapath {

std::string resolved_host(std::string_view host, std::string_view ns, std::string_view domain) {
  std::string result(host);
  if (host.find('.') == std::string_view::npos && host.find('*') == std::string_view::npos)
    result.append(".").append(ns).append(".svc.").append(domain);
  return result;
}

bool host_matches(std::string_view host, std::string_view fqdn) {
  if (host == "*") return true;
  if (!host.starts_with("*.")) return host == fqdn;
  return fqdn.size() > host.size() - 1 && fqdn.ends_with(host.substr(1));
}

std::vector<std::string> RuleIndex::set(const std::string& ns, const std::string& name, const RulePtr& rule) {
  std::vector<std::string> hosts;
  auto& rules = rules_[ns];
  if (const auto old = rules.find(name); old != rules.end()) {
    hosts.push_back(std::move(old->second.host));
    rules.erase(old);
  }
  // A rule for some clients only cannot stand for all of the node's.
  if (rule != nullptr && rule->workload_selector.empty()) {
    const auto& entry = rules[name] = {.host = resolved_host(rule->host, ns, domain_), .rule = rule};
    hosts.push_back(entry.host);
  }
  if (rules.empty()) rules_.erase(ns);
  return hosts;
}

RuleIndex::RulePtr RuleIndex::find_in(const std::string& ns, const std::string& fqdn) const {
  const auto rules = rules_.find(ns);
  if (rules == rules_.end()) return nullptr;
  const Entry* best = nullptr;
  for (const auto& [unused, entry] : rules->second) {
    if (!host_matches(entry.host, fqdn)) continue;
    if (entry.host == fqdn) return entry.rule;
    if (best == nullptr || entry.host.size() > best->host.size()) best = &entry;
  }
  return best == nullptr ? nullptr : best->rule;
}

std::vector<std::pair<std::string, RuleIndex::RulePtr>> RuleIndex::of_host(const std::string& ns,
                                                                           const std::string& host) const {
  std::vector<std::pair<std::string, RulePtr>> result;
  const auto rules = rules_.find(ns);
  if (rules == rules_.end()) return result;
  for (const auto& [name, entry] : rules->second)
    if (entry.host == host) result.emplace_back(name, entry.rule);
  return result;
}

RuleIndex::RulePtr RuleIndex::find(const std::string& ns, const std::string& service) const {
  if (rules_.empty()) return nullptr;
  const auto name = fqdn(ns, service);
  if (auto rule = find_in(ns, name)) return rule;
  return ns == root_ ? nullptr : find_in(root_, name);
}

std::string RuleIndex::fqdn(const std::string& ns, const std::string& service) const {
  return service + "." + ns + ".svc." + domain_;
}

bool RuleIndex::is_service(const model::Cluster& cluster, const std::string& host) const {
  if (host.starts_with('*')) return true;
  const auto end = ".svc." + domain_;
  const auto dot = host.find('.');
  if (!host.ends_with(end) || dot + end.size() >= host.size()) return false;
  const auto ns = host.substr(dot + 1, host.size() - end.size() - dot - 1);
  return cluster.find({model::Kind::kService, ns, host.substr(0, dot)}) != nullptr;
}

std::vector<std::string> RuleIndex::warnings(const model::DestinationRule& rule) const {
  std::vector<std::string> result;
  const auto host = resolved_host(rule.host, rule.metadata.ns, domain_);
  const auto own = "." + rule.metadata.ns + ".svc." + domain_;
  if (!host.starts_with("*") && !host.ends_with(".svc." + domain_))
    result.push_back("host " + host + " is no Service's name, expected NAME, or NAME.NAMESPACE.svc." + domain_ +
                     ": the rule is in force for nobody");
  else if (rule.metadata.ns != root_ && !host.ends_with(own) && !host.starts_with("*"))
    result.push_back("host " + host + " is of another namespace, expected " + rule.metadata.ns + " or a rule in " +
                     root_ + ": the rule is not in force");
  return result;
}

}  // namespace fairlead::datapath
