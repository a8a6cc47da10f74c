// SPDX-License-Identifier: Apache-2.0
// Section `cache` with storeBy: Settings: statuses, types and times are those of the settings, as Kong 3's plugin
// proxy-cache has it.
#include <algorithm>
#include <ctime>
#include <utility>

#include "fairlead/auth/digest.hpp"
#include "fairlead/base/ascii.hpp"
#include "fairlead/cache/control.hpp"
#include "fairlead/filter/probe.hpp"
#include "gateway/dataplane/filter/cache_core.hpp"
#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::filter {
namespace {

std::int64_t now_of(Request& request) { return static_cast<std::int64_t>(request.reactor().now_ms()); }

std::string hex_of(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const auto byte : auth::sha256(text)) {
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

/// "text/html; charset=utf-8" without blanks around its parts, in lower case.
struct MediaType {
  explicit MediaType(std::string_view text) {
    for (bool first = true; !text.empty(); first = false) {
      auto part = text.substr(0, text.find(';'));
      text.remove_prefix(std::min(text.size(), part.size() + 1));
      while (part.starts_with(' ')) part.remove_prefix(1);
      while (part.ends_with(' ')) part.remove_suffix(1);
      auto lower = lower_ascii(part);
      if (!first) {
        parameters.push_back(std::move(lower));
        continue;
      }
      const auto slash = std::min(lower.find('/'), lower.size());
      type = lower.substr(0, slash);
      subtype = lower.substr(std::min(slash + 1, lower.size()));
    }
    std::ranges::sort(parameters);
  }
  [[nodiscard]] bool takes(const MediaType& other) const {
    return (type == "*" || type == other.type) && (subtype == "*" || subtype == other.subtype) &&
           parameters == other.parameters;
  }
  std::string type, subtype;
  std::vector<std::string> parameters;
};

/// Of a request whose response may be stored.
struct Asked final : State {
  std::string key_text;
  cache::Key key;
  std::uint64_t epoch = 0;
  CacheOutcome outcome = CacheOutcome::kUriMiss;
};

/// Keeps a copy of a body as it passes.
class Copy final : public BodyFilter {
 public:
  Copy(CorePtr core, const Asked& asked, std::shared_ptr<cache::Entry> entry)
      : core_(std::move(core)), text_(asked.key_text), key_(asked.key), epoch_(asked.epoch), entry_(std::move(entry)) {
    key_.text = text_;
  }
  std::optional<std::string_view> on_data(std::string_view data, bool end) override {
    if (entry_ == nullptr) return data;
    if (data.size() > core_->settings.max_object_bytes - body_.size()) {
      entry_ = nullptr;
      body_ = {};
      return data;
    }
    body_ += data;
    if (!end) return data;
    entry_->body = std::make_shared<const std::string>(std::move(body_));
    core_->store->insert(key_, std::exchange(entry_, nullptr), epoch_);
    return data;
  }

 private:
  CorePtr core_;
  std::string text_;
  cache::Key key_;
  std::uint64_t epoch_;
  std::shared_ptr<cache::Entry> entry_;  // null: given up
  std::string body_;
};

class SettingsCache final : public Filter {
 public:
  explicit SettingsCache(CorePtr core) : core_(std::move(core)) {
    for (const auto& type : core_->settings.content_types) types_.emplace_back(type);
  }

  Verdict on_request(Request& request) const override;
  Verdict on_response(Request& request, http::ResponseHead& head) const override;
  Preview preview(Probe&) const override { return {.why = "what is stored is told once there is a request"}; }
  std::vector<Held> held() const override {
    const auto counts = core_->store->counts();
    return {{"fairlead_gateway_cache_bytes", "bytes of stored responses", metrics::Type::kGauge, counts.bytes},
            {"fairlead_gateway_cache_keys", "keys with stored responses", metrics::Type::kGauge, counts.entries},
            {"fairlead_gateway_cache_evictions", "keys that went for want of room", metrics::Type::kCounter,
             counts.evictions},
            {"fairlead_gateway_cache_purged", "keys that were purged or invalidated", metrics::Type::kCounter,
             counts.purged}};
  }

 private:
  [[nodiscard]] bool bypasses(const http::RequestHead& head, const cache::Control& control) const;
  [[nodiscard]] bool serves(const cache::Entry& entry, const cache::Control& control, std::int64_t now) const;
  /// Milliseconds; 0: it is not stored.
  [[nodiscard]] std::int64_t lifetime_of(Request& request, const http::ResponseHead& head) const;
  [[nodiscard]] std::string_view told_key(Request& request, std::string_view text) const {
    return core_->settings.key_header ? request.arena().copy(hex_of(text)) : std::string_view();
  }
  void tell(http::ResponseHead& head, CacheOutcome outcome, bool stored) const {
    if (core_->settings.cache_status_header) head.fields.push_back({"cache-status", forward_status(outcome, stored)});
  }

  CorePtr core_;
  std::vector<MediaType> types_;
};

bool SettingsCache::bypasses(const http::RequestHead& head, const cache::Control& control) const {
  const auto& settings = core_->settings;
  if (std::ranges::find(settings.methods, head.method_text) == settings.methods.end()) return true;
  if (head.body == http::Body::kTunnel || control.no_store || control.no_cache) return true;
  return std::ranges::any_of(head.fields, [&](const http::Field& field) {
    return std::ranges::find(settings.bypass_headers, field.name) != settings.bypass_headers.end();
  });
}

bool SettingsCache::serves(const cache::Entry& entry, const cache::Control& control, std::int64_t now) const {
  const auto age = entry.age(now);
  if (!core_->settings.honour_request_directives) return entry.fresh(now);
  if (control.max_age && age > std::int64_t{*control.max_age} * 1000) return false;
  if (control.max_stale && age - entry.lifetime > std::int64_t{*control.max_stale} * 1000) return false;
  if (control.min_fresh && entry.lifetime - age < std::int64_t{*control.min_fresh} * 1000) return false;
  return control.max_stale || entry.fresh(now);
}

Verdict SettingsCache::on_request(Request& request) const {
  const auto& head = request.head();
  const auto& settings = core_->settings;
  const auto control = settings.honour_request_directives ? cache::control_of(head.fields, true) : cache::Control{};
  if (bypasses(head, control)) {
    core_->count(request.meter(), CacheOutcome::kBypass);
    return Verdict::kContinue;
  }
  const auto key = make_settings_key(request, *core_, key_scratch());
  const auto now = now_of(request);
  const auto found = core_->store->find(key);
  const auto* entry = found == nullptr ? nullptr : found->select(head.fields, vary_scratch());
  const auto kept = std::max(settings.keep_for.count(), entry == nullptr ? 0 : (*entry)->lifetime);
  if (entry != nullptr && settings.keep_for.count() != 0 && (*entry)->age(now) >= kept) entry = nullptr;
  if (entry != nullptr && serves(**entry, control, now)) {
    core_->count(request.meter(), CacheOutcome::kHit);
    answer_stored(request, *core_, **entry, head.fields, {.key = told_key(request, key.text)});
    return Verdict::kAnswered;
  }
  const bool refresh = entry != nullptr && (settings.keep_for.count() != 0 || (*entry)->fresh(now));
  if (entry == nullptr && control.only_if_cached) {
    core_->count(request.meter(), CacheOutcome::kRequest);
    answer_problem(request, 504, "Gateway Timeout", "nothing stored may be used, and only that was asked for",
                   telemetry::ResponseFlag::kPolicyDenied);
    return Verdict::kAnswered;
  }
  auto asked = std::make_unique<Asked>();
  asked->key = key;
  asked->key_text = key.text;
  asked->key.text = asked->key_text;
  asked->epoch = core_->store->epoch(key);
  asked->outcome = refresh ? CacheOutcome::kStaleForward : CacheOutcome::kUriMiss;
  core_->count(request.meter(), asked->outcome);
  request.set_state(std::move(asked));
  return Verdict::kContinue;
}

std::int64_t SettingsCache::lifetime_of(Request& request, const http::ResponseHead& head) const {
  const auto found = std::ranges::find(core_->statuses, head.status, &cache::StatusTtl::status);
  if (found == core_->statuses.end() || !request.record().flags.empty() || head.body == http::Body::kTunnel) return 0;
  if (head.body == http::Body::kLength && head.content_length > core_->settings.max_object_bytes) return 0;
  const auto* type = http::find(head.fields, "content-type");
  if (!types_.empty()) {
    if (type == nullptr) return 0;
    const MediaType said(type->value);
    if (std::ranges::none_of(types_, [&](const MediaType& one) { return one.takes(said); })) return 0;
  }
  if (!core_->settings.honour_request_directives) return std::int64_t{found->seconds} * 1000;
  const auto control = cache::control_of(head.fields, false);
  if (control.no_store || control.is_private || control.no_cache) return 0;
  const cache::Asked who{.own_key = true};
  const auto terms = cache::judge(head, who, {}, std::time(nullptr), 0);
  return terms.reason == cache::Reason::kStorable ? std::max<std::int64_t>(0, terms.lifetime - terms.age) : 0;
}

Verdict SettingsCache::on_response(Request& request, http::ResponseHead& head) const {
  const auto* asked = static_cast<const Asked*>(request.state());
  if (asked == nullptr) {
    tell(head, CacheOutcome::kBypass, false);
    return Verdict::kContinue;
  }
  const auto lifetime = lifetime_of(request, head);
  core_->count(request.meter(), lifetime > 0 ? cache::Reason::kStorable : cache::Reason::kNotFresh);
  if (const auto key = told_key(request, asked->key_text); !key.empty()) head.fields.push_back({"x-cache-key", key});
  if (lifetime <= 0) {
    tell(head, CacheOutcome::kBypass, false);
    return Verdict::kContinue;
  }
  auto stored = head.fields;
  // Nobody is given another one's cookies, nor what was told to that one alone.
  std::erase_if(stored, [](const http::Field& field) {
    return field.name == "set-cookie" || field.name == "x-cache-key" ||
           field.name.find("ratelimit-remaining") != std::string_view::npos;
  });
  auto entry = std::make_shared<cache::Entry>();
  entry->assign(stored, core_->settings.tag_headers, std::time(nullptr));
  entry->vary.clear();
  entry->set_terms({.lifetime = lifetime}, now_of(request));
  entry->status = head.status;
  const bool follows =
      head.body == http::Body::kStream || (head.body == http::Body::kLength && head.content_length > 0);
  if (follows) {
    request.pass_body(std::make_unique<Copy>(core_, *asked, std::move(entry)));
  } else {
    entry->body = std::make_shared<const std::string>();
    core_->store->insert(asked->key, std::move(entry), asked->epoch);
  }
  tell(head, asked->outcome, true);
  return Verdict::kContinue;
}

}  // namespace

FilterPtr make_settings_cache(CorePtr core) { return std::make_shared<const SettingsCache>(std::move(core)); }

}  // namespace fairlead::filter
