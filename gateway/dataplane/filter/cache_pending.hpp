// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "fairlead/cache/control.hpp"
#include "fairlead/event/timer_wheel.hpp"
#include "gateway/dataplane/filter/cache_fetch.hpp"

namespace fairlead::filter {

/// A request that the store could not answer at once: it waits for somebody else's response, or for the shared store,
/// or is on its way to the backend. Owner: the request. Thread: the worker's.
class Pending final : public State, cache::WaitOwner, SharedReader, event::Timer {
 public:
  Pending(CorePtr core, Request& request);
  ~Pending() override;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  /// What becomes of a request that may be answered from the store.
  [[nodiscard]] Verdict begin(const cache::Key& key);
  /// It is passed on, and what comes back is not stored; `url`: to be invalidated by the response, in the arena.
  void forward(CacheOutcome outcome, std::string_view url = {});
  [[nodiscard]] Verdict on_response(http::ResponseHead& head);

 private:
  enum class Step : std::uint8_t { kAnswered, kForward, kWait };
  [[nodiscard]] Step look();
  [[nodiscard]] Step decide(const cache::EntryPtr& entry);
  [[nodiscard]] Step fetch(CacheOutcome outcome);
  [[nodiscard]] Step lead();
  [[nodiscard]] bool shares() const;
  [[nodiscard]] Step ask_shared();
  [[nodiscard]] bool coalesces() const;
  [[nodiscard]] bool fresh_enough(const cache::Entry& entry) const;
  [[nodiscard]] bool stale_enough(const cache::Entry& entry) const;
  [[nodiscard]] Step serve(const cache::Entry& entry, CacheOutcome outcome);
  [[nodiscard]] Step refuse();
  [[nodiscard]] std::int64_t now() const { return static_cast<std::int64_t>(request_.reactor().now_ms()); }
  void proceed();
  void stop_waiting();
  void prepare_forward();
  void prepare_fetch();
  void validate(const cache::Entry& entry);

  void on_landing(cache::Landing how) override;
  void on_timer() override;
  void on_shared(SharedRead result, cache::EntryPtr entry, std::string_view token) override;

  // cache_response.cpp
  void invalidate(const http::ResponseHead& head);
  void forget(std::string_view url);
  [[nodiscard]] Verdict validated(const http::ResponseHead& head);
  [[nodiscard]] Verdict serve_after_error(std::uint16_t status);
  [[nodiscard]] bool store(const http::ResponseHead& head, const cache::Terms& terms);
  void land(bool stored) {
    if (lead_ != nullptr) lead_->land(stored ? cache::Landing::kStored : cache::Landing::kNotStored);
  }

  Request& request_;
  CacheFetch fetch_;        // its texts live in the request's arena
  std::string_view url_;    // to be invalidated
  cache::Control control_;  // of the request, where it is listened to
  cache::EntryPtr entry_;   // not fresh, and sent to be validated or kept for an error
  std::shared_ptr<cache::Waiter> waiter_;
  std::unique_ptr<cache::Lead> lead_;
  std::uint64_t flight_ = 0;
  std::uint64_t variant_ = 0;  // hash of what this request has for the fields that others vary by
  std::unique_ptr<SharedQuestion> question_;  // under way
  CacheOutcome outcome_ = CacheOutcome::kUriMiss;
  bool stores_ = false;      // what comes may be stored
  bool validates_ = false;   // entry_'s validators were sent
  bool may_wait_ = true;     // for what others fetch
  bool waited_ = false;
  bool landed_ = false;        // what it waited for is stored
  bool other_variant_ = false; // just now, and may be another variant: its own may be waited for, once
  bool looked_again_ = false;
  bool asked_shared_ = false;
  bool from_shared_ = false;  // the shared store had it
};

}  // namespace fairlead::filter
