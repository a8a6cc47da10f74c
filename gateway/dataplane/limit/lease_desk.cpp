// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/lease_desk.hpp"

#include <algorithm>
#include <utility>

#include "fairlead/limit/clocks.hpp"

namespace fairlead::limit {
namespace {

constexpr std::int64_t kMostRepeated = 1'000'000;  // microseconds for which a refusal is repeated

}  // namespace

class LeaseDesk::Ask final : public RedisAsk {
 public:
  Ask(LeaseDesk& desk, std::vector<DeskItem> all, DeskWaiter* waits)
      : RedisAsk({}), items(std::move(all)), waiter(waits), sent_us(boot_us()), desk_(desk) {
    asked.reserve(items.size());
    for (const auto& item : items)
      asked.push_back({.rule = &item.rule, .key = item.key, .cost = item.cost, .more = item.more});
    set_items(asked);
  }
  void on_answer(bool allowed) override {
    desk_.finish(*this, allowed ? DeskWaiter::Outcome::kAllowed : DeskWaiter::Outcome::kRefused);
  }
  void on_no_answer(NoAnswer) override { desk_.finish(*this, DeskWaiter::Outcome::kNoAnswer); }

  std::vector<DeskItem> items;
  std::vector<SharedItem> asked;
  DeskWaiter* waiter;
  std::int64_t sent_us;  // Redis counts later: by this time leases end, and not too late
  std::size_t place = 0;

 private:
  LeaseDesk& desk_;
};

LeaseDesk::LeaseDesk(event::Reactor& reactor, RedisClient& client, std::int64_t patience_us)
    : reactor_(reactor), client_(client), patience_us_(patience_us) {}

LeaseDesk::~LeaseDesk() {
  reactor_.timers().cancel(*this);
  for (const auto& held : held_) end(held);
  client_.flush();
}

LeaseDesk::Ask* LeaseDesk::ask(std::vector<DeskItem> items, DeskWaiter* waiter) {
  if (under_way_.size() >= kMostUnderWay) return nullptr;
  auto made = std::make_unique<Ask>(*this, std::move(items), waiter);
  auto& ask = *made;
  if (!client_.ask(ask)) {
    for (const auto& item : ask.items)
      if (item.leases && item.more > 0) item.leases->failed(item.hash);
    return nullptr;
  }
  ask.place = under_way_.size();
  under_way_.push_back(std::move(made));
  return &ask;
}

void LeaseDesk::leave(Ask& ask) { ask.waiter = nullptr; }

void LeaseDesk::finish(Ask& ask, DeskWaiter::Outcome outcome) {
  std::swap(under_way_[ask.place], under_way_.back());
  under_way_[ask.place]->place = ask.place;
  const auto done = std::move(under_way_.back());
  under_way_.pop_back();
  for (std::size_t i = 0; i < done->items.size(); ++i) {
    const auto& item = done->items[i];
    if (!item.leases) continue;
    const auto& level = done->asked[i].level;
    if (outcome == DeskWaiter::Outcome::kRefused && !level.allowed)
      item.leases->refused(item.hash, item.cost, level, std::min(item.time_us / 4, kMostRepeated), boot_us());
    else if (item.more <= 0) continue;
    else if (outcome == DeskWaiter::Outcome::kAllowed) keep(item, done->asked[i], done->sent_us);
    else item.leases->failed(item.hash);
  }
  if (done->waiter != nullptr) done->waiter->on_desk(outcome, done->asked);
}

void LeaseDesk::keep(const DeskItem& item, const SharedItem& answer, std::int64_t sent_us) {
  auto lasts_us = item.time_us;
  if (item.rule.algorithm == Algorithm::kFixedWindow) lasts_us = std::min(lasts_us, answer.level.reset_us);
  const Leases::Lease lease{
      .count = answer.leased, .until_us = sent_us + lasts_us, .window = window_number(item.rule, client_.redis_us())};
  if (lease.count > 0) client_.note_lease(lease.count);
  const auto free = answer.level.remaining - std::min(answer.level.remaining, answer.leased);
  const auto over = item.leases->grant(item.hash, lease, free, answer.level.reset_us, boot_us());
  if (over.count > 0) give_back(item, over.count, over.window);
  if (lease.count == 0 || held_.size() >= kMostWatched) return;
  held_.push_back({item, lease.until_us, lease.window});
  if (!armed()) arm();
}

void LeaseDesk::give_back(const DeskItem& item, std::uint64_t count, std::int64_t window) {
  client_.give_back({.rule = &item.rule, .key = item.key, .count = count, .window = window});
}

void LeaseDesk::end(const Held& held) {
  if (const auto left = held.item.leases->end(held.item.hash, held.until_us); left > 0)
    give_back(held.item, left, held.window);
}

/// For the first of them: others may end before it, and are late then by what limits differ in their times.
void LeaseDesk::arm() {
  const auto wait_us = std::max<std::int64_t>(0, held_.front().until_us - boot_us());
  reactor_.timers().arm(*this, reactor_.now_ms() + static_cast<std::uint64_t>(wait_us) / 1000 + 1);
}

void LeaseDesk::on_timer() {
  const auto now = boot_us();
  while (!held_.empty() && held_.front().until_us <= now) {
    end(held_.front());
    held_.pop_front();
  }
  if (!held_.empty()) arm();
}

}  // namespace fairlead::limit
