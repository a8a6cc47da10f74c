// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/cache_fetch.hpp"

#include <ctime>
#include <utility>
#include <vector>

#include "gateway/dataplane/filter/cache_target.hpp"

namespace fairlead::filter {
namespace {

constexpr std::size_t kMostRefetches = 64;  // of a worker and a policy at a time
constexpr std::chrono::milliseconds kRefetchTime{30'000};

class Refetch;

/// Those of one worker for one policy. Thread: the worker's.
class Refetches final : public Local {
 public:
  ~Refetches() override;
  std::vector<std::unique_ptr<Refetch>> standing;
  void erase(const Refetch& one);
};

/// Reasons that hold for the next request of the same key too, whoever sends it.
bool is_lasting(std::uint16_t status, cache::Reason reason) {
  using enum cache::Reason;
  if (status >= 500) return false;
  return reason != kFailure && reason != kStatus && reason != kAuthorization && reason != kCookie && reason != kMethod;
}

/// A question to the backend of which no client hears. Owner: Refetches.
class Refetch final : public CallHandler {
 public:
  Refetch(Refetches& owner, event::Reactor& reactor, const CacheFetch& fetch, cache::EntryPtr stale)
      : owner_(owner), reactor_(reactor), fetch_(fetch), stale_(std::move(stale)) {
    fetch_.key.text = arena_.copy(fetch_.key.text);
    http::keep(fetch_.asked, arena_);
  }

  [[nodiscard]] bool begin(Request& request, std::unique_ptr<cache::Lead>& lead) {
    call_ = request.call_backend(*this, kRefetchTime, fetch_.core->settings.max_object_bytes);
    if (call_ != nullptr) lead_ = std::move(lead);
    return call_ != nullptr;
  }

  void on_call_answer(CallAnswer& answer) override {
    land(take(answer));
    owner_.erase(*this);
  }
  void on_call_failure(std::string_view) override {
    land(false);
    owner_.erase(*this);
  }

 private:
  void land(bool stored) { lead_->land(stored ? cache::Landing::kStored : cache::Landing::kNotStored); }
  bool take(CallAnswer& answer) {
    const auto now = static_cast<std::int64_t>(reactor_.now_ms());
    bool stored = false;
    if (answer.head.status == 304) {
      (void)fetch_.freshen(*stale_, answer.head.fields, now, stored);
      return stored;
    }
    const auto terms = fetch_.judge(answer.head, false, now);
    fetch_.core->count(fetch_.meter, terms.reason);
    if (terms.reason != cache::Reason::kStorable) {
      fetch_.not_stored(answer.head.status, terms.reason, now);
      return false;
    }
    auto entry = fetch_.make_entry(answer.head.fields, terms, now);
    entry->status = answer.head.status;
    entry->body = std::make_shared<const std::string>(std::move(answer.body));
    return fetch_.store(entry);
  }

  Refetches& owner_;
  event::Reactor& reactor_;
  Arena arena_;
  CacheFetch fetch_;
  cache::EntryPtr stale_;
  std::unique_ptr<cache::Lead> lead_;
  std::unique_ptr<Call> call_;
};

Refetches::~Refetches() = default;

void Refetches::erase(const Refetch& one) {
  std::erase_if(standing, [&](const auto& other) { return other.get() == &one; });
}

}  // namespace

bool store_entry(const CacheCore& core, const cache::Key& key, const cache::EntryPtr& entry, std::uint64_t epoch,
                 const SharedTicket& ticket) {
  if (!core.store->insert(key, entry, epoch)) return false;
  if (ticket.desk != nullptr) ticket.desk->write(ticket, key, *entry);
  return true;
}

cache::Terms CacheFetch::judge(const http::ResponseHead& head, bool failed, std::int64_t now_ms) const {
  auto terms = cache::judge(head, who, core->defaults, std::time(nullptr), now_ms - sent_ms,
                            targeted_control(head.fields, core->settings.control_headers));
  if (failed) terms.reason = cache::Reason::kFailure;
  else if (head.body == http::Body::kTunnel) terms.reason = cache::Reason::kMethod;
  else if (terms.reason == cache::Reason::kStorable && head.body == http::Body::kLength &&
           head.content_length > core->settings.max_object_bytes)
    terms.reason = cache::Reason::kTooLarge;
  return terms;
}

std::shared_ptr<cache::Entry> CacheFetch::make_entry(const http::Fields& fields, const cache::Terms& terms,
                                                     std::int64_t now_ms) const {
  auto entry = std::make_shared<cache::Entry>();
  entry->assign(fields, core->settings.tag_headers, std::time(nullptr));
  entry->set_terms(terms, now_ms);
  cache::append_vary(entry->vary, asked, entry->vary_values);
  return entry;
}

cache::EntryPtr CacheFetch::freshen(const cache::Entry& stale, const http::Fields& update, std::int64_t now_ms,
                                    bool& stored) const {
  http::ResponseHead whole;
  whole.status = stale.status;
  whole.fields = cache::freshened_fields(stale, update);
  const auto terms = judge(whole, false, now_ms);
  core->count(meter, terms.reason);
  auto entry = make_entry(whole.fields, terms, now_ms);
  entry->status = stale.status;
  entry->body = stale.body;
  stored = terms.reason == cache::Reason::kStorable && store(entry);
  if (terms.reason != cache::Reason::kStorable) not_stored(stale.status, terms.reason, now_ms);
  return entry;
}

void CacheFetch::not_stored(std::uint16_t status, cache::Reason reason, std::int64_t now_ms) const {
  if (is_lasting(status, reason)) core->store->pass(key, now_ms + kPassMs);
}

bool refetch(Request& request, const CacheFetch& fetch, const cache::EntryPtr& stale,
             std::unique_ptr<cache::Lead>& lead) {
  auto& owner = request.local<Refetches>(fetch.core, [] { return std::make_unique<Refetches>(); });
  if (owner.standing.size() >= kMostRefetches) return false;
  auto made = std::make_unique<Refetch>(owner, request.reactor(), fetch, stale);
  if (!made->begin(request, lead)) return false;
  owner.standing.push_back(std::move(made));
  return true;
}

}  // namespace fairlead::filter
