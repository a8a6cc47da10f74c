// SPDX-License-Identifier: Apache-2.0
// What comes back from the backend: stored, or not, or answered otherwise.
#include <string>
#include <utility>

#include "gateway/dataplane/filter/cache_located.hpp"
#include "gateway/dataplane/filter/cache_pending.hpp"

namespace fairlead::filter {
namespace {

bool is_error(std::uint16_t status) { return status == 500 || (status >= 502 && status <= 504); }  // RFC 5861 section 4

/// Keeps a copy of a body as it passes, and stores it once it is whole.
class Capture final : public BodyFilter {
 public:
  Capture(const CacheFetch& fetch, std::shared_ptr<cache::Entry> entry, std::int64_t pass_until,
          std::unique_ptr<cache::Lead> lead)
      : core_(fetch.core),
        meter_(fetch.meter),
        text_(fetch.key.text),
        key_(fetch.key),
        entry_(std::move(entry)),
        epoch_(fetch.epoch),
        ticket_(fetch.ticket),
        pass_until_(pass_until),
        lead_(std::move(lead)) {
    key_.text = text_;
  }

  void expect(std::uint64_t bytes) { body_.reserve(bytes); }

  std::optional<std::string_view> on_data(std::string_view data, bool end) override {
    if (entry_ != nullptr) take(data, end);
    return data;
  }

  void not_to_be_kept() override {
    if (entry_ != nullptr) give_up();
  }

 private:
  void take(std::string_view data, bool end) {
    if (data.size() > core_->settings.max_object_bytes - body_.size()) {
      core_->count(meter_, cache::Reason::kTooLarge);
      core_->store->pass(key_, pass_until_);
      return give_up();
    }
    body_ += data;
    if (!end) return;
    body_.shrink_to_fit();
    entry_->body = std::make_shared<const std::string>(std::move(body_));
    const bool stored = store_entry(*core_, key_, std::exchange(entry_, nullptr), epoch_, ticket_);
    land(stored ? cache::Landing::kStored : cache::Landing::kNotStored);
  }
  void give_up() {
    entry_ = nullptr;
    body_ = {};
    land(cache::Landing::kNotStored);
  }
  void land(cache::Landing how) {
    if (lead_ != nullptr) lead_->land(how);
  }

  CorePtr core_;
  telemetry::WorkerMeter* meter_;
  std::string text_;
  cache::Key key_;
  std::shared_ptr<cache::Entry> entry_;  // null: given up
  std::uint64_t epoch_;
  SharedTicket ticket_;
  std::int64_t pass_until_;
  std::unique_ptr<cache::Lead> lead_;
  std::string body_;
};

bool has_body(const http::ResponseHead& head) {
  return head.body == http::Body::kStream || (head.body == http::Body::kLength && head.content_length > 0);
}

}  // namespace

Verdict Pending::on_response(http::ResponseHead& head) {
  if (!url_.empty()) invalidate(head);
  if (entry_ != nullptr && is_error(head.status) && entry_->serves_after_error(now()))
    return serve_after_error(head.status);
  bool stored = false;
  if (stores_) {
    if (validates_ && head.status == 304) return validated(head);
    const auto terms = fetch_.judge(head, !request_.record().flags.empty(), now());
    fetch_.core->count(fetch_.meter, terms.reason);
    if (terms.reason == cache::Reason::kStorable) {
      stored = store(head, terms);
    } else {
      if (lead_ != nullptr || entry_ != nullptr) fetch_.not_stored(head.status, terms.reason, now());
      land(false);
    }
  }
  if (fetch_.core->settings.cache_status_header)
    head.fields.push_back({"cache-status", forward_status(outcome_, stored)});
  return Verdict::kContinue;
}

/// RFC 9111 section 4.4: what an unsafe request has changed, and what its response names beside, on the same origin.
void Pending::invalidate(const http::ResponseHead& head) {
  if (head.status < 200 || head.status >= 400) return;
  forget(url_);
  for (const auto& field : head.fields) {
    if (field.name != "location" && field.name != "content-location") continue;
    const auto url = located_url(url_, field.value, fetch_.core->settings.key, request_.arena());
    if (!url.empty()) forget(url);
  }
}

void Pending::forget(std::string_view url) {
  fetch_.core->store->invalidate(url);
  if (const auto& shared = fetch_.core->shared) shared_desk(request_, shared).invalidate(url);
}

Verdict Pending::validated(const http::ResponseHead& head) {
  bool stored = false;
  const auto entry = fetch_.freshen(*entry_, head.fields, now(), stored);
  land(stored);
  fetch_.core->count(fetch_.meter, CacheOutcome::kValidated);
  answer_stored(request_, *fetch_.core, *entry, fetch_.asked,
                {.status = 304, .by_request = outcome_ == CacheOutcome::kRequest});
  return Verdict::kAnswered;
}

Verdict Pending::serve_after_error(std::uint16_t status) {
  land(false);
  fetch_.core->count(fetch_.meter, CacheOutcome::kAfterError);
  const auto entry = entry_;
  answer_stored(request_, *fetch_.core, *entry, fetch_.asked,
                {.status = status, .by_request = outcome_ == CacheOutcome::kRequest});
  return Verdict::kAnswered;
}

/// Whether it will be, as far as is known now: a body of unknown length may grow too long.
bool Pending::store(const http::ResponseHead& head, const cache::Terms& terms) {
  auto entry = fetch_.make_entry(head.fields, terms, now());
  entry->status = head.status;
  if (!has_body(head)) {
    entry->body = std::make_shared<const std::string>();
    const bool stored = fetch_.store(entry);
    land(stored);
    return stored;
  }
  auto capture = std::make_unique<Capture>(fetch_, std::move(entry), now() + kPassMs, std::move(lead_));
  const bool known = head.body == http::Body::kLength;
  if (known) capture->expect(head.content_length);
  request_.pass_body(std::move(capture));
  return known;
}

}  // namespace fairlead::filter
