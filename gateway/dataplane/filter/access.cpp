// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include "fairlead/auth/jwt.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_access.hpp"
#include "fairlead/route/path.hpp"
#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::filter {
namespace {

/// A request's claims, read where a rule asks for them. They were strict JSON when the token was verified.
class Claims {
 public:
  explicit Claims(std::string_view text) : text_(text) {}
  const auth::Json* get() {
    if (!json_ && !text_.empty()) json_ = auth::Json::parse(text_);
    if (!json_) text_ = {};
    return json_ ? &*json_ : nullptr;
  }

 private:
  std::string_view text_;
  std::optional<auth::Json> json_;
};

bool has(const std::vector<std::string>& sorted, std::string_view text) {
  return std::ranges::binary_search(sorted, text, {}, [](const auto& one) -> std::string_view { return one; });
}

class Access final : public Filter {
 public:
  explicit Access(const model::AccessRules& settings) : settings_(settings) {}

  Verdict on_request(Request& request) const override {
    const auto& identity = request.identity();
    if (settings_.hides_groups)
      std::erase_if(request.head().fields, [](const http::Field& field) { return field.name == "x-consumer-groups"; });
    if (settings_.challenges && identity.consumer == nullptr && !identity.authenticated) return challenge(request);
    Claims claims(identity.claims);
    bool allow = settings_.otherwise_allow;
    for (const auto& rule : settings_.rules) {
      if (!holds(rule, request, claims)) continue;
      allow = rule.allow;
      break;
    }
    if (allow) return Verdict::kContinue;
    if (settings_.challenges && !identity.authenticated && identity.consumer->groups().empty())
      return challenge(request);
    answer_problem(request, 403, "Forbidden", "the caller may not do this", telemetry::ResponseFlag::kPolicyDenied, {},
                   "access_denied");
    return Verdict::kAnswered;
  }
  Preview preview(Probe& probe) const override { return probe.ask(*this); }

 private:
  /// Of somebody who might be allowed, were he known.
  static Verdict challenge(Request& request) {
    answer_problem(request, 401, "Unauthorized", "the caller is not known", telemetry::ResponseFlag::kPolicyDenied, {},
                   "caller_unknown");
    return Verdict::kAnswered;
  }
  /// What costs least is asked first.
  static bool holds(const model::AccessRule& rule, Request& request, Claims& claims) {
    const auto& identity = request.identity();
    if (rule.authenticated && *rule.authenticated != identity.authenticated) return false;
    if (!rule.methods.empty() && std::ranges::find(rule.methods, request.head().method_text) == rule.methods.end())
      return false;
    if (!rule.consumers.empty() && (identity.consumer == nullptr || !has(rule.consumers, identity.consumer->name())))
      return false;
    if (!rule.groups.empty() && (identity.consumer == nullptr || !in_group(rule, *identity.consumer))) return false;
    if (!rule.addresses.empty() &&
        std::ranges::none_of(rule.addresses, [&](const Cidr& block) { return block.contains(request.client()); }))
      return false;
    if (!rule.paths.empty() && !on_path(rule, request.target().path)) return false;
    return (rule.claims.empty() && rule.scopes.empty()) || says(rule, claims.get());
  }
  static bool in_group(const model::AccessRule& rule, const auth::Consumer& consumer) {
    return std::ranges::any_of(consumer.groups(), [&](const auto& group) { return has(rule.groups, group); });
  }
  static bool on_path(const model::AccessRule& rule, std::string_view path) {
    return std::ranges::any_of(rule.paths, [&](const model::AccessPath& one) {
      return one.prefix ? route::has_path_prefix(path, one.value) : path == one.value;
    });
  }
  static bool says(const model::AccessRule& rule, const auth::Json* claims) {
    if (claims == nullptr) return false;
    for (const auto& one : rule.claims)
      if (!auth::claim_matches(*claims, one.claim, one.values)) return false;
    return std::ranges::all_of(rule.scopes, [&](const auto& scope) { return auth::has_scope(*claims, scope); });
  }

  const model::AccessRules settings_;
};

}  // namespace

FilterPtr make_access(const model::AccessRules& settings, Context&) { return std::make_shared<Access>(settings); }

}  // namespace fairlead::filter
