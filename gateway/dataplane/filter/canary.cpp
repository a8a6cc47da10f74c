// SPDX-License-Identifier: Apache-2.0
// Section canary: which requests go to another backend than the rule's own.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/limit/key.hpp"
#include "fairlead/model/request_canary.hpp"
#include "fairlead/route/choice.hpp"
#include "fairlead/upstream/hash.hpp"
#include "fairlead/upstream/persistence.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"
#include "gateway/dataplane/filter/share.hpp"

namespace fairlead::filter {
namespace {

using By = model::CanaryShare::By;

constexpr std::string_view kTo[] = {"canary", "stable"};
constexpr telemetry::CounterFamily kCanariesFamily{"fairlead_gateway_canary_requests",
                                                   "requests by where a canary sent them", "to", kTo};

bool has(const std::vector<std::string>& sorted, std::string_view text) {
  return std::ranges::binary_search(sorted, text, {}, [](const auto& one) -> std::string_view { return one; });
}

/// Which of them the request fits: "header x-canary"; empty: none.
std::string reason_in(const model::CanaryWho& who, Request& request) {
  const auto& fields = request.head().fields;
  for (const auto& [name, value] : who.headers)
    for (const auto& field : fields)
      if (field.name == name && (value.empty() || field.value == value)) return "header " + name;
  for (const auto& [name, value] : who.cookies)
    if (const auto found = upstream::find_cookie(fields, name); !found.empty() && (value.empty() || found == value))
      return "cookie " + name;
  const auto* consumer = request.identity().consumer;
  if (consumer == nullptr) return {};
  if (has(who.consumers, consumer->name())) return "consumer " + std::string(consumer->name());
  for (const auto& group : consumer->groups())
    if (has(who.groups, group)) return "group " + group;
  return {};
}

/// The cookie that the client gets with the response.
class NewCookie final : public State {
 public:
  explicit NewCookie(std::string text) : value(std::move(text)) {}
  const std::string value;
};

class CanaryFilter final : public Filter {
 public:
  CanaryFilter(const model::Canary& settings, const Context& context)
      : settings_(settings), counters_(context.counters(kCanariesFamily)) {
    const auto& salt = settings.share.salt.empty() ? context.policy : settings.share.salt;
    seed_ = upstream::hash64(salt);
    if (sticks_by_cookie()) own_cookie_.cookies = {settings.share.name};
  }

  Verdict on_request(Request& request) const override {
    const bool chosen = decide(request, nullptr) && request.take_canary();
    // Our own cookie is nothing to backends, and nothing that answers differ by.
    if (sticks_by_cookie() && !upstream::find_cookie(request.head().fields, settings_.share.name).empty())
      remove_credential(request, own_cookie_);
    request.count(counters_ + (chosen ? 0 : 1));
    return Verdict::kContinue;
  }

  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    if (const auto* fresh = static_cast<const NewCookie*>(request.state()); fresh != nullptr) {
      const upstream::PersistenceSpec spec{.kind = upstream::Persistence::kCookie,
                                           .name = settings_.share.name,
                                           .path = "/",
                                           .permanent = settings_.share.max_age.count() > 0,
                                           .absolute_timeout = settings_.share.max_age};
      const bool secure = request.record().tls != nullptr;
      const auto text = upstream::session_cookie(spec, fresh->value, 0, 0, secure);
      head.fields.push_back({"set-cookie", request.arena().copy(text)});
    }
    return Verdict::kContinue;
  }

  Preview preview(Probe& probe) const override {
    Preview out;
    std::string why;
    const bool chosen = decide(probe, &why);
    if (probe.state() == nullptr) {
      if (chosen) probe.take_canary();
      out.kind = Preview::Kind::kPasses;
    }
    out.why = std::move(why);
    return out;
  }

 private:
  /// `why`: where it is told; null: nobody asks.
  bool decide(Request& request, std::string* why) const {
    const auto say = [&](std::string text) {
      if (why != nullptr) *why = std::move(text);
    };
    std::string reason = reason_in(settings_.never, request);
    if (!reason.empty()) return say("not to the canary: " + reason), false;
    reason = reason_in(settings_.always, request);
    if (!reason.empty()) return say("to the canary: " + reason), true;
    if (settings_.share.share == 0) return say("not to the canary"), false;
    const auto key = key_of(request);
    if (why != nullptr) *why = told(request, key);
    return key && in_share(*key);
  }
  std::string told(Request& request, const std::optional<std::string>& key) const {
    const auto share = share_text(settings_.share.share);
    const auto by = by_text();
    if (request.state() != nullptr) return share + " of new clients go to the canary, and stay by " + by;
    if (!key) return "not to the canary: no " + by;
    return in_share(*key) ? "to the canary: among " + share + " by " + by
                          : "not to the canary: not among " + share + " by " + by;
  }
  [[nodiscard]] bool sticks_by_cookie() const {
    return settings_.share.by == By::kCookie && !settings_.share.name.empty();
  }
  [[nodiscard]] std::string by_text() const {
    switch (settings_.share.by) {
      case By::kConsumer: return "consumer";
      case By::kCookie: return "cookie " + settings_.share.name;
      case By::kClientIp: return "client address";
      case By::kHeader: return "header " + settings_.share.name;
    }
    return {};
  }

  /// Whoever is in a share is in every larger one, too.
  [[nodiscard]] bool in_share(std::string_view key) const {
    return route::lot(upstream::hash64(key, seed_), kWholeShare) < settings_.share.share;
  }

  /// What tells clients apart; nothing where this one has none.
  [[nodiscard]] std::optional<std::string> key_of(Request& request) const {
    switch (settings_.share.by) {
      case By::kConsumer: {
        const auto& who = request.identity();
        if (who.consumer == nullptr) return std::nullopt;
        return std::string(who.consumer_ns).append("/").append(who.consumer->name());
      }
      case By::kClientIp: return limit::masked(request.client(), 32, 64).text();
      case By::kHeader: {
        const auto* field = http::find(request.head().fields, settings_.share.name);
        return field == nullptr || field->value.empty() ? std::nullopt : std::optional(std::string(field->value));
      }
      case By::kCookie: break;
    }
    if (const auto value = upstream::find_cookie(request.head().fields, settings_.share.name); !value.empty())
      return std::string(value);
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(request.random().next()));
    request.set_state(std::make_unique<NewCookie>(text));
    return std::string(text);
  }

  const model::Canary settings_;
  telemetry::CounterId counters_;
  std::uint64_t seed_ = 0;
  model::CredentialPlaces own_cookie_{.headers = {}, .query = {}, .cookies = {}};
};

}  // namespace

FilterPtr make_canary(const model::Canary& settings, Context& context) {
  return std::make_shared<const CanaryFilter>(settings, context);
}

}  // namespace fairlead::filter
