// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the sections of a RequestPolicy to filters. Main thread only.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/filter/chain.hpp"
#include "fairlead/model/cluster.hpp"
#include "fairlead/model/gateway_objects.hpp"
#include "fairlead/model/request_policy.hpp"
#include "fairlead/telemetry/meter.hpp"

namespace fairlead::limit {
class RedisPlaces;
}
namespace fairlead::filter {

/// What filters count or keep beyond a change of the configuration: by name, for as long as somebody holds it.
/// Owner: the daemon. Thread: main; what is kept says its own.
class Stores {
 public:
  /// The object of that name, made where there is none. A name has one type, always.
  template <class T, class Make>
  std::shared_ptr<T> get(const std::string& name, Make&& make) {
    auto& entry = entries_[name];
    if (auto standing = std::static_pointer_cast<T>(entry.lock())) return standing;
    std::shared_ptr<T> made = make();
    entry = made;
    return made;
  }
  /// Those whose names begin so, which have one type.
  template <class T>
  [[nodiscard]] std::vector<std::shared_ptr<T>> all(std::string_view beginning) const {
    std::vector<std::shared_ptr<T>> out;
    for (auto it = entries_.lower_bound(std::string(beginning));
         it != entries_.end() && it->first.starts_with(beginning); ++it)
      if (auto standing = std::static_pointer_cast<T>(it->second.lock())) out.push_back(std::move(standing));
    return out;
  }
  /// Whether what counts for long is to outlive the process (limit::LastingCounts): not of plans that are only looked
  /// at.
  bool lasting = false;
  /// Forgets what nobody holds.
  void prune() {
    std::erase_if(entries_, [](const auto& entry) { return entry.second.expired(); });
  }

 private:
  std::map<std::string, std::weak_ptr<void>> entries_;
};

/// What a factory has to go by. A section that cannot serve as it is written says so in `fault` and makes a filter that
/// answers 500, or nullptr, which then does the same: a policy is never half enforced.
struct Context {
  std::string policy;  ///< "RequestPolicy default/limits": for messages, and to name stores by
  std::string ns;  ///< of the policy: references are relative to it
  Stores& stores;
  /// The number of the cluster of a Service; nothing where there is none, or where it may not be named from here.
  std::function<std::optional<std::uint32_t>(const model::BackendTarget&)> cluster;
  /// The same, spoken to by HTTP/2 where nothing says otherwise.
  std::function<std::optional<std::uint32_t>(const model::BackendTarget&)> grpc_cluster;
  /// A Secret of the policy's namespace; null: none.
  std::function<const model::Secret*(const std::string& name)> secret;
  std::function<const model::ConfigMap*(const std::string& name)> config_map;  ///< the same
  std::vector<std::string>& faults;  ///< why it does not serve; for status and log
  std::vector<std::string>& remarks;  ///< what is served otherwise than one may think
  telemetry::Meter* meter = nullptr;  ///< null: nobody reads what is counted
  std::string section{};  ///< that is made now, as it is called in YAML
  /// Where the Redis of that Service is; null: nobody can say.
  std::function<std::shared_ptr<const limit::RedisPlaces>(const model::BackendTarget&)> redis_places{};

  /// The number of the first of these counters, for Request::count(); a change of the policy goes on with them.
  [[nodiscard]] telemetry::CounterId counters(const telemetry::CounterFamily& family,
                                              const telemetry::CounterPart& part = {}) const {
    return meter == nullptr ? 0 : meter->counters(family, {policy, section}, part);
  }
};

/// Where the keys of an issuer are fetched.
struct JwksServer {
  std::uint32_t cluster = 0;
  std::string host;
  std::string path;
};
/// The Istio objects that count for one Gateway or Service.
struct IstioObjects {
  std::vector<model::ObjectPtr> objects;  ///< RequestAuthentications, AuthorizationPolicies, RefusedPolicies
  /// By the namespace of a RequestAuthentication and its jwksUri.
  std::function<Result<JwksServer>(const std::string& ns, const std::string& uri)> jwks_server;
};

FilterPtr make_correlation(const model::Correlation& settings, Context& context);
FilterPtr make_cross_origin(const model::CrossOrigin& settings, Context& context);
FilterPtr make_addresses(const model::AddressRules& settings, Context& context);
FilterPtr make_user_agents(const model::UserAgentRules& settings, Context& context);
FilterPtr make_request_size(const model::RequestSize& settings, Context& context);
FilterPtr make_authentication(const model::Authentication& settings, Context& context);
/// Headers by which the section tells a backend who calls, in lower case: those that are always its own, and those that
/// its settings name.
[[nodiscard]] std::set<std::string> identity_headers(const model::Authentication& settings);
/// Where nobody authenticates: takes these headers off, as clients might have made them up.
FilterPtr make_identity_guard(const std::set<std::string>& headers);
FilterPtr make_istio(const IstioObjects& settings, Context& context);
/// Of policies of action CUSTOM, which have one provider: asked where one of their rules matches.
FilterPtr make_istio_custom(const std::vector<model::ObjectPtr>& policies, const model::ExternalAuth& provider,
                            Context& context);
FilterPtr make_access(const model::AccessRules& settings, Context& context);
FilterPtr make_external_auth(const model::ExternalAuth& settings, Context& context);
FilterPtr make_canary(const model::Canary& settings, Context& context);
FilterPtr make_rate_limits(const model::RateLimits& settings, Context& context);
FilterPtr make_response_limits(const model::ResponseLimits& settings, Context& context);
FilterPtr make_concurrency(const model::Concurrency& settings, Context& context);
FilterPtr make_fault(const model::Fault& settings, Context& context);
FilterPtr make_validation(const model::Validation& settings, Context& context);
FilterPtr make_compression(const model::Compression& settings, Context& context);
FilterPtr make_transform(const model::Transform& settings, Context& context);
FilterPtr make_answer(const model::FixedAnswer& settings, Context& context);
FilterPtr make_cache(const model::ResponseCache& settings, Context& context);
FilterPtr make_aggregate(const model::Aggregate& settings, Context& context);

}  // namespace fairlead::filter
