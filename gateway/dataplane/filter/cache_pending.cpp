// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/cache_pending.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "fairlead/cache/conditional.hpp"
#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::filter {
namespace {

bool is_condition(std::string_view name) {
  return name == "if-none-match" || name == "if-modified-since" || name == "if-range" || name == "range";
}

bool asks_for_part(const http::Fields& fields) { return http::find(fields, "range") != nullptr; }

}  // namespace

Pending::Pending(CorePtr core, Request& request) : request_(request) {
  fetch_.core = std::move(core);
  fetch_.meter = request.meter();
}

Pending::~Pending() { stop_waiting(); }

Verdict Pending::begin(const cache::Key& key) {
  fetch_.key = key;
  fetch_.key.text = request_.arena().copy(key.text);
  auto& asked = fetch_.asked = request_.head().fields;
  const auto& settings = fetch_.core->settings;
  if (settings.honour_request_directives) control_ = cache::control_of(asked, true);
  const auto& who = request_.identity();
  // Of what another server has let pass nobody here knows by what the backend tells callers apart.
  const bool elsewhere = request_.authorized_elsewhere();
  const bool known = who.authenticated && (who.consumer != nullptr || !who.subject.empty());
  // A listener's forwardIdentity, or a trusted hop, tells the backend who calls by the certificate.
  const bool told =
      http::find(asked, "authorization") != nullptr || http::find(asked, "x-forwarded-client-cert") != nullptr;
  fetch_.who = {.get = true,
                .no_store = control_.no_store,
                .authorized = who.authenticated || elsewhere || told,
                .own_key = settings.key.consumer && known && !elsewhere,
                .cookies = has_other_cookies(asked, settings.key)};
  switch (look()) {
    case Step::kAnswered: return Verdict::kAnswered;
    case Step::kWait: return Verdict::kWait;
    default: prepare_forward(); return Verdict::kContinue;
  }
}

void Pending::forward(CacheOutcome outcome, std::string_view url) {
  outcome_ = outcome;
  url_ = url;
  fetch_.core->count(fetch_.meter, outcome);
}

Pending::Step Pending::look() {
  entry_ = nullptr;
  const auto found = fetch_.core->store->find(fetch_.key);
  if (found == nullptr) return fetch(CacheOutcome::kUriMiss);
  auto& values = vary_scratch();
  if (const auto* entry = found->select(fetch_.asked, values); entry != nullptr) return decide(*entry);
  if (found->pass_until > now()) {
    may_wait_ = false;
    return fetch(CacheOutcome::kPass);
  }
  if (found->entries.empty()) return fetch(CacheOutcome::kUriMiss);
  variant_ = std::hash<std::string_view>{}(values);
  if (std::exchange(other_variant_, false)) may_wait_ = true;
  return fetch(CacheOutcome::kVaryMiss);
}

bool Pending::fresh_enough(const cache::Entry& entry) const {
  if (!entry.fresh(now()) || control_.no_cache) return false;
  const auto age = entry.age(now());
  if (control_.max_age && age > std::int64_t{*control_.max_age} * 1000) return false;
  return !control_.min_fresh || age + std::int64_t{*control_.min_fresh} * 1000 < entry.lifetime;
}

/// max-stale of the request, where the response does not forbid it: what must be validated has no such times.
bool Pending::stale_enough(const cache::Entry& entry) const {
  if (!control_.max_stale || control_.no_cache || entry.validate_always || entry.validate_stale) return false;
  const auto age = entry.age(now());
  if (control_.max_age && age > std::int64_t{*control_.max_age} * 1000) return false;
  return age < entry.lifetime + std::int64_t{*control_.max_stale} * 1000;
}

Pending::Step Pending::decide(const cache::EntryPtr& entry) {
  if (fresh_enough(*entry)) return serve(*entry, CacheOutcome::kHit);
  if (stale_enough(*entry)) return serve(*entry, CacheOutcome::kStale);
  entry_ = entry;
  if (control_.no_cache || control_.max_age || control_.min_fresh || !entry->serves_while_revalidating(now())) {
    // Nobody can wait for what is never fresh: whoever came next would have to ask again.
    if (entry->lifetime == 0 || entry->validate_always) may_wait_ = false;
    return fetch(entry->fresh(now()) ? CacheOutcome::kRequest : CacheOutcome::kStaleForward);
  }
  // One revalidates; the others are served meanwhile. A HEAD, which brings nothing to store, leaves that to another.
  flight_ = fetch_.key.hash ^ std::hash<std::string_view>{}(entry->vary_values);
  if (request_.head().method != http::Method::kGet || lead() == Step::kWait) return serve(*entry, CacheOutcome::kStale);
  prepare_fetch();
  if (refetch(request_, fetch_, entry, lead_)) return serve(*entry, CacheOutcome::kStale);
  outcome_ = CacheOutcome::kStaleForward;
  return Step::kForward;
}

bool Pending::coalesces() const {
  // What may be for one caller only is nothing to wait for; nor is a part, or the answer to the client's own condition.
  if (!fetch_.core->settings.coalesce || !may_wait_ || control_.no_cache || control_.no_store) return false;
  if ((fetch_.who.authorized && !fetch_.who.own_key) || fetch_.who.cookies ||
      request_.head().method != http::Method::kGet)
    return false;
  return entry_ != nullptr || !(asks_for_part(fetch_.asked) || cache::is_conditional(fetch_.asked));
}

/// Somebody has to ask the backend: this request, or one that does already.
Pending::Step Pending::fetch(CacheOutcome outcome) {
  outcome_ = outcome;
  if (control_.only_if_cached) return ask_shared() == Step::kWait ? Step::kWait : refuse();
  if (lead_ != nullptr || !coalesces()) return ask_shared();
  flight_ = fetch_.key.hash;
  // Each variant has a flight of its own, as soon as it is known that there are any.
  if (entry_ != nullptr) flight_ ^= std::hash<std::string_view>{}(entry_->vary_values);
  else if (outcome == CacheOutcome::kVaryMiss) flight_ ^= variant_;
  if (waiter_ == nullptr) {
    waiter_ = std::make_shared<cache::Waiter>();
    waiter_->reactor = &request_.reactor();
  }
  waiter_->owner = this;
  if (fetch_.core->flights->join(flight_, waiter_)) {
    waiter_->owner = nullptr;
    lead_ = std::make_unique<cache::Lead>(fetch_.core->flights, flight_);
    // Another one may have landed since the store was asked.
    return std::exchange(looked_again_, true) ? ask_shared() : look();
  }
  waited_ = true;
  if (!armed())
    request_.reactor().timers().arm(
        *this, request_.reactor().now_ms() + static_cast<std::uint64_t>(fetch_.core->settings.max_wait.count()));
  return Step::kWait;
}

/// What is in one caller's key alone stays in memory.
bool Pending::shares() const {
  return fetch_.core->shared != nullptr && !(fetch_.who.authorized && fetch_.who.own_key);
}

/// Once for each request, before the backend is asked.
Pending::Step Pending::ask_shared() {
  if (asked_shared_ || !shares() || control_.no_cache || outcome_ == CacheOutcome::kPass) return Step::kForward;
  asked_shared_ = true;
  const auto& shared = *fetch_.core->shared;
  auto& desk = shared_desk(request_, fetch_.core->shared);
  if (!shared.journal->mark(now())) {
    shared.count(fetch_.meter, SharedRead::kUnsynced);
    return Step::kForward;
  }
  fetch_.epoch = fetch_.core->store->epoch(fetch_.key);
  SharedReader& reader = *this;
  question_ = std::make_unique<SharedQuestion>(reader, shared, request_.reactor(), fetch_.key, fetch_.asked);
  if (desk.client().ask(*question_)) return Step::kWait;
  question_ = nullptr;
  shared.count(fetch_.meter, SharedRead::kNotConnected);
  return Step::kForward;
}

void Pending::on_shared(SharedRead result, cache::EntryPtr entry, std::string_view token) {
  const auto done = std::move(question_);  // whose function calls, and whose text `token` is
  fetch_.core->shared->count(fetch_.meter, result);
  fetch_.ticket.token = token;
  from_shared_ = entry != nullptr && fetch_.core->store->insert(fetch_.key, std::move(entry), fetch_.epoch);
  proceed();
}

/// kWait: another request does what this one would.
Pending::Step Pending::lead() {
  if (lead_ != nullptr) return Step::kForward;
  if (!fetch_.core->flights->join(flight_, nullptr)) return Step::kWait;
  lead_ = std::make_unique<cache::Lead>(fetch_.core->flights, flight_);
  return Step::kForward;
}

Pending::Step Pending::serve(const cache::Entry& entry, CacheOutcome outcome) {
  lead_ = nullptr;
  fetch_.core->count(fetch_.meter, outcome);
  answer_stored(request_, *fetch_.core, entry, fetch_.asked, {.collapsed = waited_, .shared = from_shared_});
  return Step::kAnswered;  // the request may be over, and this object gone
}

/// only-if-cached (RFC 9111 section 5.2.1.7).
Pending::Step Pending::refuse() {
  fetch_.core->count(fetch_.meter, CacheOutcome::kRequest);
  answer_problem(request_, 504, "Gateway Timeout", "nothing stored may be used, and only that was asked for",
                 telemetry::ResponseFlag::kPolicyDenied);
  return Step::kAnswered;
}

void Pending::stop_waiting() {
  if (armed()) request_.reactor().timers().cancel(*this);
  if (waiter_ == nullptr || waiter_->owner == nullptr) return;
  waiter_->owner = nullptr;
  fetch_.core->flights->leave(flight_, waiter_);
}

void Pending::on_landing(cache::Landing how) {
  waiter_->owner = nullptr;
  // Where whoever asked has gone one of those who wait does it instead; else each asks for itself.
  if (how != cache::Landing::kGone) may_wait_ = false;
  other_variant_ = how == cache::Landing::kStored && !std::exchange(landed_, true);
  proceed();
}

void Pending::on_timer() {
  request_.count(fetch_.core->counters.waits);
  stop_waiting();
  may_wait_ = false;
  proceed();
}

/// Nothing may follow a call of the request's here: it may be over then, and this object gone.
void Pending::proceed() {
  if (look() != Step::kForward) return;
  if (armed()) request_.reactor().timers().cancel(*this);
  prepare_forward();
  request_.resume();
}

void Pending::prepare_forward() {
  fetch_.core->count(fetch_.meter, outcome_);
  stores_ = request_.head().method == http::Method::kGet && !control_.no_store;
  prepare_fetch();
}

void Pending::prepare_fetch() {
  fetch_.sent_ms = now();
  fetch_.epoch = fetch_.core->store->epoch(fetch_.key);
  if (shares()) {
    const auto mark = fetch_.core->shared->journal->mark(now());
    fetch_.ticket.desk = mark ? &shared_desk(request_, fetch_.core->shared) : nullptr;
    fetch_.ticket.mark = mark.value_or(cache::JournalMark{});
    fetch_.ticket.sent_ms = fetch_.sent_ms;
  }
  strip_query(request_, fetch_.core->settings.key);
  if (entry_ != nullptr && request_.head().method == http::Method::kGet) validate(*entry_);
}

/// Asks whether the entry still holds (RFC 9111 section 4.3.1), in place of what the client asked: that is answered
/// here.
void Pending::validate(const cache::Entry& entry) {
  const auto& known = entry.validators;
  if (known.etag.empty() && known.last_modified.empty()) return;
  auto& fields = request_.head().fields;
  std::erase_if(fields, [](const http::Field& field) { return is_condition(field.name); });
  auto& arena = request_.arena();
  if (!known.etag.empty()) fields.push_back({"if-none-match", arena.copy(known.etag)});
  if (!known.last_modified.empty()) fields.push_back({"if-modified-since", arena.copy(known.last_modified)});
  validates_ = true;
}

}  // namespace fairlead::filter
