// SPDX-License-Identifier: Apache-2.0
#include "gateway/route_plan.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "fairlead/model/request_canary.hpp"
#include "fairlead/upstream/hash.hpp"
#include "gateway/kong_names.hpp"

namespace fairlead::gateway {
namespace {

using proxy::RuleAction;
using proxy::RuleExtras;
using proxy::WeightedBackend;

constexpr std::uint32_t kDefaultAttempts = 2;

bool same(const std::shared_ptr<const upstream::RetrySpec>& a, const std::shared_ptr<const upstream::RetrySpec>& b) {
  return a == b || (a != nullptr && b != nullptr && *a == *b);
}

bool same(const std::shared_ptr<const proxy::SessionRule>& a, const std::shared_ptr<const proxy::SessionRule>& b) {
  return a == b || (a != nullptr && b != nullptr && a->spec == b->spec && a->scope == b->scope);
}

bool same(const WeightedBackend& a, const WeightedBackend& b) {
  return a.cluster == b.cluster && a.weight == b.weight && a.filters == b.filters && a.mirrors == b.mirrors &&
         a.chain == b.chain;
}

bool same(const std::shared_ptr<const WeightedBackend>& a, const std::shared_ptr<const WeightedBackend>& b) {
  return a == b || (a != nullptr && b != nullptr && same(*a, *b));
}

bool same(const RuleExtras& a, const RuleExtras& b) {
  return a.request_timeout == b.request_timeout && a.backend_timeout == b.backend_timeout &&
         a.says_request_timeout == b.says_request_timeout && a.mirrors == b.mirrors && same(a.retry, b.retry) &&
         same(a.session, b.session) && same(a.canary, b.canary);
}

/// Of actions of one object: what filters point to is the same then.
bool same_rule(const RuleAction& a, const RuleAction& b) {
  return std::ranges::equal(a.backends, b.backends, [](const auto& x, const auto& y) { return same(x, y); }) &&
         a.name == b.name && a.filters == b.filters && a.total_weight == b.total_weight && a.chain == b.chain &&
         a.unserved == b.unserved && same(*a.extras, *b.extras);
}

void note_filters(const model::HttpFilters& filters, const std::string& where, Remarks::Texts& texts) {
  for (const auto& filter : filters) {
    if (std::holds_alternative<model::ExtensionRef>(filter))
      texts.push_back(where + ".filters: ExtensionRef names a filter that nobody serves: the rule answers 500");
  }
}

bool has_extension(const model::HttpFilters& filters) {
  return std::ranges::any_of(filters, [](const auto& one) { return std::holds_alternative<model::ExtensionRef>(one); });
}

/// The backend's own filters that take effect are the header modifiers and the rewrite.
bool answers_500(const model::HttpFilters& filters) {
  return std::ranges::any_of(filters, [](const auto& filter) {
    return std::holds_alternative<model::ExternalAuth>(filter) || std::holds_alternative<model::ExtensionRef>(filter) ||
           std::holds_alternative<model::RequestRedirect>(filter) || std::holds_alternative<model::Cors>(filter);
  });
}

template <class Rule>
void take_timeouts(const Rule& rule, RuleExtras& extras) {
  if constexpr (requires { rule.timeouts; }) {
    if (!rule.timeouts) return;
    extras.says_request_timeout = rule.timeouts->request.has_value();
    extras.request_timeout = rule.timeouts->request.value_or(proxy::milliseconds{0});
    extras.backend_timeout = rule.timeouts->backend_request.value_or(proxy::milliseconds{0});
  }
}

/// What a rule leaves open: attempts as of a backend without a policy; codes that say that nobody answered.
std::shared_ptr<const upstream::RetrySpec> retry_of(const model::HttpRetry& from) {
  auto out = std::make_shared<upstream::RetrySpec>();
  out->on |= upstream::kRetryReset | upstream::kRetryPerTryTimeout;
  out->on |= from.codes.empty() ? upstream::kRetryGatewayError : upstream::kRetryStatusCodes;
  out->status_codes = from.codes;
  out->attempts = from.attempts.value_or(kDefaultAttempts);
  out->backoff_least = from.backoff.value_or(upstream::milliseconds{0});
  return out;
}

/// The path that a rule matches, where it is one; else every path.
template <class Rule>
std::string cookie_path(const Rule& rule) {
  if constexpr (requires { rule.matches[0].path; })
    if (rule.matches.size() == 1 && rule.matches[0].path.type != model::PathMatchType::kRegularExpression)
      return rule.matches[0].path.value;
  return "/";
}

template <class Rule>
std::shared_ptr<const proxy::SessionRule> session_of(const Rule& rule, const std::string& scope) {
  const auto& from = *rule.persistence;
  auto out = std::make_shared<proxy::SessionRule>();
  out->scope = scope;
  const bool cookie = from.type == model::SessionPersistence::Type::kCookie;
  out->spec.kind = cookie ? upstream::Persistence::kCookie : upstream::Persistence::kHeader;
  out->spec.name = from.session_name;
  if (out->spec.name.empty()) out->spec.name = "fairlead-session-" + std::to_string(upstream::hash64(scope));
  if (!cookie)
    for (auto& c : out->spec.name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  out->spec.path = from.cookie_path.empty() ? cookie_path(rule) : from.cookie_path;
  out->spec.permanent = from.cookie_lifetime == model::SessionPersistence::Lifetime::kPermanent;
  out->spec.absolute_timeout = from.absolute_timeout.value_or(upstream::milliseconds{0});
  return out;
}

template <class Rule>
void take_rule(const Rule& rule, const std::string& scope, RuleExtras& extras) {
  take_timeouts(rule, extras);
  if (rule.persistence) extras.session = session_of(rule, scope);
  if constexpr (requires { rule.retry; })
    if (rule.retry) extras.retry = retry_of(*rule.retry);
}

/// The path of session cookies that the route's annotation says.
void take_cookie_path(const model::Labels& annotations, std::vector<RuleAction>& rules, Remarks::Texts& texts) {
  const auto* path = model::find_label(annotations, "fairlead.io/session-cookie-path");
  if (path == nullptr) return;
  const bool good =
      path->starts_with('/') && std::ranges::all_of(*path, [](char c) { return c > ' ' && c <= '~' && c != ';'; });
  if (!good) return texts.push_back("annotation fairlead.io/session-cookie-path: expected a path without spaces and ;");
  for (auto& rule : rules) {
    if (rule.extras->session == nullptr) continue;
    auto session = std::make_shared<proxy::SessionRule>(*rule.extras->session);
    session->spec.path = *path;
    auto extras = std::make_shared<RuleExtras>(*rule.extras);
    extras->session = std::move(session);
    rule.extras = std::move(extras);
  }
}

/// Null: none.
const config::RequestPolicies* policies_of(const config::CompiledRoute& route, const std::string& rule) {
  if (route.requests == nullptr) return nullptr;
  auto found = route.requests->find(rule);
  if (found == route.requests->end()) found = route.requests->find("");
  return found == route.requests->end() ? nullptr : &found->second;
}

/// The first that has the section, as in chains; null: none.
const model::RequestPolicy* canary_policy(const config::RequestPolicies& policies) {
  for (const auto& object : policies)
    if (const auto* policy = std::get_if<model::RequestPolicy>(object.get());
        policy != nullptr && policy->settings->canary != nullptr)
      return policy;
  return nullptr;
}

std::string_view fault_text(config::RefFault fault) {
  switch (fault) {
    case config::RefFault::kRefNotPermitted: return "no ReferenceGrant permits this Service";
    case config::RefFault::kInvalidKind: return "the backend is no Service";
    case config::RefFault::kUnsupportedProtocol: return "the Service's port has another protocol";
    default: return "there is no such Service, or no such port of it";
  }
}

/// Makes one action out of a route, and notes the clusters that it uses and what is wrong with it.
class ActionMaker {
 public:
  ActionMaker(const config::CompiledRoute& route, const RoutePlan::Credential& credential, ClusterPlan& clusters,
              FilterPlan& filters)
      : route_(route), credential_(credential), clusters_(clusters), filters_(filters) {
    action->name = route.key.text();
    action->object = route.object;
  }

  template <class Rule>
  void take_rules(const std::vector<Rule>& rules) {
    for (std::size_t i = 0; i < rules.size(); ++i) take(rules[i], i);
  }

  std::shared_ptr<proxy::RouteAction> action = std::make_shared<proxy::RouteAction>();
  std::vector<std::uint32_t> used;  // one for each use
  Remarks::Texts texts;

 private:
  template <class Rule>
  void take(const Rule& rule, std::size_t index) {
    const auto where = "rules[" + std::to_string(index) + "]";
    auto& out = action->rules.emplace_back();
    out.name = rule.name.empty() ? Name(std::to_string(index)) : Name(rule.name);
    if (!rule.filters.empty()) out.filters = &rule.filters;
    RuleExtras extras;
    extras.mirrors = mirrors_of(rule.filters);
    for (std::size_t k = 0; k < rule.backends.size(); ++k) {
      out.backends.push_back(backend_of(rule.backends[k], where + ".backendRefs[" + std::to_string(k) + "]"));
      out.total_weight += out.backends.back().weight;
    }
    if (const auto* policies = policies_of(route_, rule.name); policies != nullptr) {
      out.chain = filters_.chain(*policies);
      if (const auto* policy = canary_policy(*policies)) extras.canary = canary_of(*policy, where);
    }
    out.unserved = has_extension(rule.filters);
    authorize(rule.filters, where, out);
    take_rule(rule, route_.key.text() + " " + where, extras);
    if (extras != RuleExtras{}) out.extras = std::make_shared<const RuleExtras>(std::move(extras));
    note_filters(rule.filters, where, texts);
  }

  std::uint32_t acquire(const config::BackendClusterPtr& cluster, bool grpc) {
    return used.emplace_back(clusters_.acquire(cluster, grpc, credential_));
  }

  std::vector<proxy::MirrorTarget> mirrors_of(const model::HttpFilters& filters) {
    std::vector<proxy::MirrorTarget> out;
    for (const auto& filter : filters) {
      const auto* mirror = std::get_if<model::RequestMirror>(&filter);
      const auto* target = mirror != nullptr ? route_.find(mirror->backend) : nullptr;
      if (target == nullptr || target->cluster == nullptr) continue;  // its status says why
      const auto number = acquire(target->cluster, grpc_);
      if (!clusters_.broken(number)) out.push_back({number, mirror->numerator, mirror->denominator});
    }
    return out;
  }

  void point_to(const config::BackendClusterPtr& cluster, WeightedBackend& out) {
    const auto number = acquire(cluster, grpc_);
    if (!clusters_.broken(number)) out.cluster = number;
    out.chain = filters_.chain(cluster->requests, filter::Slot::kIstioService);
  }

  WeightedBackend backend_of(const model::HttpBackendReference& from, const std::string& where) {
    WeightedBackend out{.cluster = WeightedBackend::kInvalid, .weight = from.weight, .filters = nullptr};
    out.mirrors = mirrors_of(from.filters);
    if (!from.filters.empty()) out.filters = &from.filters;
    note_filters(from.filters, where, texts);
    const auto* target = route_.find(from);
    if (target != nullptr && target->cluster != nullptr && !answers_500(from.filters)) point_to(target->cluster, out);
    return out;
  }

  std::shared_ptr<const WeightedBackend> canary_of(const model::RequestPolicy& policy, const std::string& where) {
    auto out = std::make_shared<WeightedBackend>();
    const auto* target = route_.find(policy.settings->canary->backend);
    if (target != nullptr && target->cluster != nullptr) {
      point_to(target->cluster, *out);
      return out;
    }
    const auto fault = target == nullptr ? config::RefFault::kNone : target->fault;
    texts.push_back(where + ": canary of RequestPolicy " + policy.metadata.ns + "/" + policy.metadata.name + ": " +
                    std::string(fault_text(fault)) + ": its requests get 500");
    return out;
  }

  /// Of a rule's own ExternalAuth: before what policies ask for in that place.
  void authorize(const model::HttpFilters& filters, const std::string& where, RuleAction& out) {
    std::size_t count = 0;
    for (const auto& filter : filters) {
      const auto* auth = std::get_if<model::ExternalAuth>(&filter);
      if (auth == nullptr) continue;
      if (++count > 1)
        texts.push_back(where + ".filters: more than one ExternalAuth is not served: the rule answers 500");
      const auto* target = route_.find(auth->backend);
      const bool known = target != nullptr && target->cluster != nullptr;
      if (count > 1 || !known) {
        out.unserved = true;
        continue;
      }
      const auto number = acquire(target->cluster, auth->protocol == model::ExternalAuth::Protocol::kGrpc);
      out.chain = filters_.with_external_auth(out.chain, *auth, number, action->name);
    }
  }

  const config::CompiledRoute& route_;
  const RoutePlan::Credential& credential_;
  ClusterPlan& clusters_;
  FilterPlan& filters_;
  const bool grpc_ = route_.key.kind == model::Kind::kGrpcRoute;
};

}  // namespace

void RoutePlan::plan(Entry& entry, const config::CompiledRoutePtr& route, const Credential& credential) {
  ActionMaker made(*route, credential, clusters_, filters_);
  if (const auto* http = std::get_if<model::HttpRoute>(route->object.get())) {
    made.take_rules(http->rules);
    take_cookie_path(http->metadata.annotations, made.action->rules, made.texts);
    made.action->kong = kong_names(http->metadata.annotations, made.texts);
  }
  if (const auto* of_grpc = std::get_if<model::GrpcRoute>(route->object.get())) made.take_rules(of_grpc->rules);
  for (const auto number : std::exchange(entry.clusters, std::move(made.used))) clusters_.release(number);
  const bool same = entry.action != nullptr && entry.action->object == made.action->object &&
                    std::ranges::equal(entry.action->rules, made.action->rules, same_rule);
  if (!same) {
    entry.action = std::move(made.action);
    entry.at_listeners.clear();
  }
  entry.from = route;
  remarks_.set(route->key.text(), std::move(made.texts));
}

RoutePlan::ActionPtr RoutePlan::use(const config::CompiledRoutePtr& route, const filter::ChainPtr& listener,
                                    const Credential& credential) {
  auto& entry = routes_[{route->key, credential}];
  ++entry.uses;
  if (entry.from != route) plan(entry, route, credential);
  if (listener == nullptr) return entry.action;
  const auto known = std::ranges::find(entry.at_listeners, listener, &std::pair<filter::ChainPtr, ActionPtr>::first);
  if (known != entry.at_listeners.end()) return known->second;
  std::erase_if(entry.at_listeners, [](const auto& one) { return one.second.use_count() == 1; });
  auto action = std::make_shared<proxy::RouteAction>(*entry.action);
  action->chain = listener;
  return entry.at_listeners.emplace_back(listener, std::move(action)).second;
}

void RoutePlan::release(const model::ObjectKey& key, const Credential& credential) {
  const auto at = routes_.find({key, credential});
  if (at == routes_.end() || --at->second.uses > 0) return;
  for (const auto number : at->second.clusters) clusters_.release(number);
  routes_.erase(at);
  const auto other = routes_.lower_bound({key, nullptr});
  if (other == routes_.end() || other->first.first != key) remarks_.forget(key.text());
}

}  // namespace fairlead::gateway
