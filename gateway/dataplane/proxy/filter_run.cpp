// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/filter_run.hpp"

#include <algorithm>
#include <bit>

#include "fairlead/filter/identity_stripper.hpp"
#include "gateway/dataplane/proxy/exchange.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {
namespace {

constexpr std::uint32_t bit(std::size_t slot) { return std::uint32_t{1} << slot; }
constexpr std::size_t kMostHeld = 64 * 1024;  // bytes of a body that waits for filters
constexpr auto kAuthentication = static_cast<std::size_t>(filter::Slot::kAuthentication);
constexpr std::uint32_t kBehindAuthentication = ~(bit(kAuthentication + 1) - 1);
constexpr auto kCanary = static_cast<std::size_t>(filter::Slot::kCanary);
constexpr std::uint32_t kBehindCanary = ~(bit(kCanary + 1) - 1);

filter::Outcome outcome_of(const filter::Answer& answer) {
  using enum telemetry::ResponseFlag;
  if (!answer.flagged) return filter::Outcome::kAnswered;
  const bool refused = answer.flag == kPolicyDenied || answer.flag == kRateLimited || answer.flag == kTooLarge ||
                       answer.flag == kUnauthorizedExternal || answer.flag == kFaultInjected;
  return refused ? filter::Outcome::kRefused : filter::Outcome::kFailed;
}

}  // namespace

void FilterRun::lay_over(const filter::Chain& chain, std::uint32_t slots) {
  const auto mask = chain.mask & slots;
  // What a more general level's authentication tells, and this one's may not: the client says it in neither.
  if ((mask & to_call_ & bit(kAuthentication)) != 0)
    if (const auto* before = dynamic_cast<const filter::IdentityStripper*>(filters_[kAuthentication]))
      before->strip_identity(exchange_.head_.fields);
  for (auto rest = mask; rest != 0; rest &= rest - 1) {
    const auto slot = static_cast<std::size_t>(std::countr_zero(rest));
    filters_[slot] = chain.filters[slot].get();
    counters_[slot] = chain.counters[slot];
  }
  to_call_ |= mask;
}

void FilterRun::lay_over_for_consumer(std::uint32_t slots) {
  if (identity_.consumer == nullptr) return;
  const auto* backend = exchange_.target_backend_ != nullptr ? exchange_.target_backend_->chain.get() : nullptr;
  for (const auto* level : {exchange_.route_->chain.get(), exchange_.action_->chain.get(), backend})
    if (const auto* own = level != nullptr ? filter::overlay_of(*level, identity_) : nullptr) lay_over(*own, slots);
  if (const auto* chain = exchange_.consumer_chain(identity_)) lay_over(*chain, slots);
}

bool FilterRun::begin(std::initializer_list<const filter::Chain*> levels) {
  to_call_ = called_ = passed_ = 0;
  waits_ = needs_body_ = body_follows_ = responds_ = false;
  for (const auto* level : levels)
    if (level != nullptr) lay_over(*level, ~std::uint32_t{0});
  active_ = holds_ = to_call_ != 0;
  return active_;
}

bool FilterRun::run() {
  while (to_call_ != 0) {
    slot_ = static_cast<std::size_t>(std::countr_zero(to_call_));
    to_call_ &= to_call_ - 1;
    called_ |= bit(slot_);
    if (!take(filters_[slot_]->on_request(*this))) return false;
  }
  holds_ = false;
  return true;
}

bool FilterRun::take(filter::Verdict verdict) {
  switch (verdict) {
    case filter::Verdict::kContinue: break;
    case filter::Verdict::kWait: waits_ = true; return false;
    case filter::Verdict::kNeedBody:
      needs_body_ = true;
      exchange_.ask_for_body();
      return take_body();
    case filter::Verdict::kAnswered: return false;
  }
  passed_ |= bit(slot_);
  note(filter::Outcome::kPassed);
  // Of a consumer only what follows his being known can count.
  if (slot_ != kAuthentication) return true;
  if (identity_.consumer != nullptr) {
    exchange_.record_.consumer = identity_.consumer->username();
    exchange_.record_.consumer_custom_id = identity_.consumer->custom_id();
  }
  exchange_.record_.credential = identity_.credential;
  lay_over_for_consumer(kBehindAuthentication);
  return true;
}

/// Once it is whole, or enough of it is there. Another filter may need it, too: then it is there already.
bool FilterRun::take_body() {
  auto& body = exchange_.kept_;
  const auto most = filters_[slot_]->most_body();
  const auto enough = filters_[slot_]->enough_body();
  if (!exchange_.request_ended_ && body.size() >= enough) {
    needs_body_ = false;
    return take(filters_[slot_]->on_request_body(*this, body));
  }
  if (body.size() > most || (exchange_.head_.body == http::Body::kLength && exchange_.head_.content_length > most)) {
    needs_body_ = false;
    note(filter::Outcome::kRefused);
    exchange_.reply(413, Flag::kTooLarge, "the request's body is too large");
    return false;
  }
  if (!exchange_.request_ended_) return false;
  needs_body_ = false;
  const auto verdict = filters_[slot_]->on_request_body(*this, body);
  if (verdict == filter::Verdict::kContinue) exchange_.measure_body();
  return take(verdict);
}

std::size_t FilterRun::most_held() const {
  if (!needs_body_) return kMostHeld;
  return std::max(kMostHeld, std::min(filters_[slot_]->most_body(), filters_[slot_]->enough_body()));
}

bool FilterRun::on_body() {
  if (!needs_body_) return false;
  return take_body() && run();
}

/// Behind what the filter in slot_ has waited for.
void FilterRun::go_on(filter::Verdict verdict) {
  waits_ = false;
  if (take(verdict) && run()) exchange_.forward();
}

void FilterRun::answer(const filter::Answer& answer) {
  note(responds_ ? filter::Outcome::kReplaced : outcome_of(answer));
  ask_no_more();
  exchange_.answer_whole(answer);
}

void FilterRun::answer_part(const filter::AnswerPart& part) {
  if (part.head != nullptr) {
    note(outcome_of(*part.head));
    ask_no_more();
  }
  if (!part.kept)
    for (const auto& filter : bodies_) filter->not_to_be_kept();
  exchange_.answer_part(part);
}

void FilterRun::ask_no_more() {
  waits_ = needs_body_ = holds_ = false;
  to_call_ = 0;
}

void FilterRun::note_abandoned() {
  if (waits_ || needs_body_) note(filter::Outcome::kAbandoned);
}

void FilterRun::stop() {
  note_abandoned();
  needs_body_ = holds_ = false;
  to_call_ = 0;
  if (std::exchange(waits_, false)) std::erase_if(states_, [&](const auto& entry) { return entry.first == slot_; });
}

bool FilterRun::on_response(http::ResponseHead& head, bool body_follows) {
  body_follows_ = body_follows && head.body != http::Body::kTunnel;
  responds_ = true;
  bodies_.clear();  // of a response that this one takes the place of
  while (passed_ != 0) {
    slot_ = static_cast<std::size_t>(std::bit_width(passed_) - 1);
    passed_ &= ~bit(slot_);
    if (filters_[slot_]->on_response(*this, head) == filter::Verdict::kAnswered) return false;
  }
  return true;
}

std::optional<std::string_view> FilterRun::on_data(std::string_view data, bool end) {
  for (const auto& filter : bodies_) {
    const auto passed = filter->on_data(data, end);
    if (!passed) return std::nullopt;
    data = *passed;
  }
  return data;
}

void FilterRun::end() {
  if (!std::exchange(active_, false)) return;
  note_abandoned();
  holds_ = waits_ = needs_body_ = false;
  for (; called_ != 0; called_ &= called_ - 1) {
    slot_ = static_cast<std::size_t>(std::countr_zero(called_));
    filters_[slot_]->on_end(*this);
  }
  states_.clear();
  bodies_.clear();
  identity_ = {};
  set_authorized_elsewhere(false);
}

void FilterRun::strip_identity(http::Fields& trailers) const {
  for (auto rest = called_ | to_call_; rest != 0; rest &= rest - 1) {
    const auto* filter = filters_[static_cast<std::size_t>(std::countr_zero(rest))];
    if (const auto* stripper = dynamic_cast<const filter::IdentityStripper*>(filter))
      stripper->strip_identity(trailers);
  }
}

http::RequestHead& FilterRun::head() { return exchange_.head_; }
std::string_view FilterRun::host() const { return exchange_.host_; }
route::Target& FilterRun::target() { return exchange_.target_; }
std::optional<std::string_view> FilterRun::capture(std::string_view name) {
  return route::capture(exchange_.match_, exchange_.matched_path_, name);
}
const Address& FilterRun::client() const { return exchange_.client_addr_.address; }
std::string_view FilterRun::route_name() const { return exchange_.route_->name; }
std::string_view FilterRun::rule_name() const { return exchange_.action_->name; }
const telemetry::RequestRecord& FilterRun::record() const { return exchange_.record_; }
Arena& FilterRun::arena() { return exchange_.arena_; }
event::Reactor& FilterRun::reactor() { return exchange_.worker_.reactor(); }
telemetry::WorkerMeter* FilterRun::meter() { return &exchange_.worker_.meter(); }
upstream::Random& FilterRun::random() { return exchange_.worker_.random(); }

filter::State* FilterRun::state() {
  const auto found = std::ranges::find(states_, slot_, [](const auto& entry) { return entry.first; });
  return found == states_.end() ? nullptr : found->second.get();
}

void FilterRun::set_state(std::unique_ptr<filter::State> state) {
  const auto found = std::ranges::find(states_, slot_, [](const auto& entry) { return entry.first; });
  if (found != states_.end()) found->second = std::move(state);
  else states_.emplace_back(slot_, std::move(state));
}

void FilterRun::pass_body(std::unique_ptr<filter::BodyFilter> filter) {
  if (body_follows_) bodies_.push_back(std::move(filter));
}

bool FilterRun::canary() const {
  return exchange_.action_->extras->canary != nullptr &&
         exchange_.target_backend_ == exchange_.action_->extras->canary.get();
}

/// Behind it its Service's sections take the place of the other's. Those in front of it that its Service has are asked
/// now: who may not ask the Service does not reach it by this way.
bool FilterRun::take_canary() {
  if (!exchange_.choose_canary()) return false;
  to_call_ &= ~kBehindCanary;
  for (const auto* level : {exchange_.route_->chain.get(), exchange_.action_->chain.get()})
    if (level != nullptr) lay_over(*level, kBehindCanary);
  if (const auto* own = exchange_.target_backend_->chain.get(); own != nullptr) {
    std::erase_if(states_, [&](const auto& entry) { return (own->mask & bit(entry.first)) != 0; });
    lay_over(*own, ~bit(kCanary));
  }
  lay_over_for_consumer(kBehindCanary);
  return true;
}

std::unique_ptr<filter::Call> FilterRun::call(const filter::CallSpec& spec, filter::CallHandler& handler) {
  auto& worker = exchange_.worker_;
  return worker.calls().begin(worker.cluster(exchange_.generation_, spec.cluster), spec, handler);
}

std::unique_ptr<filter::Call> FilterRun::call_backend(filter::CallHandler& handler, std::chrono::milliseconds timeout,
                                                      std::size_t most_answer) {
  const auto* target = exchange_.target_backend_;
  if (target == nullptr || target->cluster == WeightedBackend::kInvalid) return nullptr;
  const auto kept = exchange_.head_;
  exchange_.prepare_head(exchange_.prefix_);
  auto made = call(
      {.cluster = target->cluster, .head = &exchange_.head_, .timeout = timeout, .most_answer = most_answer}, handler);
  exchange_.head_ = kept;
  return made;
}

std::unique_ptr<filter::Local>& FilterRun::local_slot(const std::shared_ptr<const void>& key) {
  return exchange_.worker_.local(key);
}

}  // namespace fairlead::proxy
