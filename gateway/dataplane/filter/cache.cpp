// SPDX-License-Identifier: Apache-2.0
// Section `cache`: answers from what backends have said before (RFC 9111, as a shared cache).
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "fairlead/cache/registry.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "gateway/dataplane/filter/cache_pending.hpp"

namespace fairlead::filter {
namespace {

std::uint32_t seconds_of(std::chrono::milliseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 0, cache::kMostSeconds));
}

constexpr std::string_view kOutcomeNames[kCacheOutcomes] = {"hit",           "stale",     "uri_miss",   "vary_miss",
                                                            "stale_forward", "pass",      "method",     "bypass",
                                                            "request",       "validated", "after_error"};
constexpr telemetry::CounterFamily kOutcomeFamily{"fairlead_gateway_cache_requests",
                                                  "requests by how the cache has served them", "result", kOutcomeNames};
constexpr std::string_view kWaitNames[] = {"timeout"};
constexpr telemetry::CounterFamily kWaitFamily{"fairlead_gateway_cache_waits",
                                               "requests that waited for another one's response, and no longer",
                                               "result", kWaitNames};

/// Why responses are not stored, in the words of the store.
const telemetry::CounterFamily& response_family() {
  static const auto kNames = [] {
    std::array<std::string_view, cache::kReasons> out;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = name_of(static_cast<cache::Reason>(i));
    return out;
  }();
  static const telemetry::CounterFamily kFamily{"fairlead_gateway_cache_responses",
                                                "responses by whether they were stored, and why not", "result", kNames};
  return kFamily;
}

class Cache final : public Filter {
 public:
  explicit Cache(std::shared_ptr<CacheCore> core) : core_(std::move(core)) {}

  Verdict on_request(Request& request) const override;
  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    auto* state = static_cast<Pending*>(request.state());
    return state == nullptr ? Verdict::kContinue : state->on_response(head);
  }
  std::vector<Held> held() const override;
  Preview preview(Probe& probe) const override;

 private:
  [[nodiscard]] bool is_served(http::Method method) const {
    return (method == http::Method::kGet && core_->settings.get) ||
           (method == http::Method::kHead && core_->settings.head);
  }
  [[nodiscard]] bool bypasses(const http::RequestHead& head) const;
  [[nodiscard]] bool answered(Request& request, const cache::Key& key) const;
  Verdict forward(Request& request, CacheOutcome outcome, std::string_view url = {}) const;

  CorePtr core_;
};

std::vector<Held> Cache::held() const {
  const auto counts = core_->store->counts();
  std::vector<Held> out = {
      {"fairlead_gateway_cache_bytes", "bytes of stored responses", metrics::Type::kGauge, counts.bytes},
      {"fairlead_gateway_cache_keys", "keys with stored responses", metrics::Type::kGauge, counts.entries},
      {"fairlead_gateway_cache_evictions", "keys that went for want of room", metrics::Type::kCounter,
       counts.evictions},
      {"fairlead_gateway_cache_purged", "keys that were purged or invalidated", metrics::Type::kCounter,
       counts.purged}};
  if (core_->shared)
    out.push_back({"fairlead_gateway_cache_shared_purges_waiting", "purges that other gateways have not been told of",
                   metrics::Type::kGauge, core_->shared->journal->waiting_count()});
  return out;
}

Preview Cache::preview(Probe& probe) const {
  Preview out{.kind = Preview::Kind::kPasses};
  if (!is_served(probe.head().method)) {
    out.why = "its method is none that is stored";
    return out;
  }
  if (bypasses(probe.head())) {
    out.why = "its headers or its body ask for the origin";
    return out;
  }
  const auto found = core_->store->find(make_key(probe, *core_, key_scratch()));
  const auto* entry = found == nullptr ? nullptr : found->select(probe.head().fields, vary_scratch());
  const auto now = static_cast<std::int64_t>(probe.reactor().now_ms());
  if (entry == nullptr) {
    out.why = found != nullptr && found->pass_until > now ? "nothing is stored: the last response may not be"
                                                          : "nothing is stored";
    if (core_->shared) out.why += " in memory; Redis is asked";
    return out;
  }
  const auto left = ((*entry)->lifetime - (*entry)->age(now)) / 1000;
  if (!(*entry)->fresh(now)) {
    out.kind = Preview::Kind::kDepends;
    out.why = "what is stored is not fresh since " + std::to_string(-left) + " s: it is validated, or served meanwhile";
    return out;
  }
  out.kind = core_->settings.honour_request_directives ? Preview::Kind::kDepends : Preview::Kind::kAnswers;
  out.status = (*entry)->status;
  out.why = "what is stored is fresh for another " + std::to_string(left) + " s";
  return out;
}

Verdict Cache::forward(Request& request, CacheOutcome outcome, std::string_view url) const {
  auto pending = std::make_unique<Pending>(core_, request);
  pending->forward(outcome, url);
  request.set_state(std::move(pending));
  return Verdict::kContinue;
}

bool Cache::bypasses(const http::RequestHead& head) const {
  // A body is no part of any key, and backends may answer by it.
  if (head.body != http::Body::kNone || cache::is_for_origin(head.fields)) return true;
  const auto& names = core_->settings.bypass_headers;
  if (names.empty()) return false;
  return std::ranges::any_of(
      head.fields, [&](const http::Field& field) { return std::ranges::find(names, field.name) != names.end(); });
}

/// The common case, without anything kept of the request.
bool Cache::answered(Request& request, const cache::Key& key) const {
  if (core_->settings.honour_request_directives) return false;
  const auto found = core_->store->find(key);
  if (found == nullptr) return false;
  const auto& fields = request.head().fields;
  const auto* entry = found->select(fields, vary_scratch());
  if (entry == nullptr || !(*entry)->fresh(static_cast<std::int64_t>(request.reactor().now_ms()))) return false;
  core_->count(request.meter(), CacheOutcome::kHit);
  answer_stored(request, *core_, **entry, fields, {});
  return true;
}

Verdict Cache::on_request(Request& request) const {
  const auto& head = request.head();
  if (cache::is_unsafe(head.method)) {
    auto& url = key_scratch();
    append_url(request, core_->settings.key, url);
    return forward(request, CacheOutcome::kMethod, request.arena().copy(url));
  }
  if (!is_served(head.method)) return forward(request, CacheOutcome::kMethod);
  if (bypasses(head)) return forward(request, CacheOutcome::kBypass);
  const auto key = make_key(request, *core_, key_scratch());
  if (answered(request, key)) return Verdict::kAnswered;
  auto pending = std::make_unique<Pending>(core_, request);
  auto& state = *pending;
  request.set_state(std::move(pending));
  return state.begin(key);
}

}  // namespace

FilterPtr make_cache(const model::ResponseCache& settings, Context& context) {
  auto core = std::make_shared<CacheCore>();
  core->settings = settings;
  for (const auto& [status, ttl] : settings.statuses) core->statuses.push_back({status, seconds_of(ttl)});
  core->defaults.statuses = core->statuses;
  if (settings.default_ttl) core->defaults.ttl = seconds_of(*settings.default_ttl);
  core->defaults.stale_while_revalidate = seconds_of(settings.stale_while_revalidate);
  core->defaults.stale_if_error = seconds_of(settings.stale_if_error);
  // Responses outlive a change of the policy, unless that changes how much room there is.
  const auto name = "cache of " + context.policy + " " + std::to_string(settings.max_bytes) + " " +
                    std::to_string(settings.max_object_bytes);
  core->store = context.stores.get<cache::Store>(name, [&] {
    auto store = std::make_shared<cache::Store>(settings.max_bytes, settings.max_object_bytes);
    cache::Registry::of_process().add(store);
    return store;
  });
  if (settings.redis != nullptr && (core->shared = make_shared_cache(settings, context, core->store)) == nullptr)
    return nullptr;
  core->counters = {.outcomes = context.counters(kOutcomeFamily),
                    .responses = context.counters(response_family()),
                    .waits = context.counters(kWaitFamily)};
  if (settings.by_settings) return make_settings_cache(std::move(core));
  core->flights =
      context.stores.get<cache::Flights>("flights of " + name, [] { return std::make_shared<cache::Flights>(); });
  return std::make_shared<Cache>(std::move(core));
}

}  // namespace fairlead::filter
