// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/shared_places.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace fairlead::limit {
namespace {

constexpr std::uint64_t kTick = 250;  // ms between looks at what is to be made longer

// KEYS: one, a set of places by the time, in milliseconds, at which their leases end. ARGV: E (enter), R (renew) or L
// (leave), the place's name, the most there may be, its lease in milliseconds. A place that is made longer and was
// forgotten stands there again: its request is still under way. Answer: 1 where the place is taken, 0 where none is
// free; how many are taken.
constexpr std::string_view kPlacesScript = R"(local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local wish, name, lease = ARGV[1], ARGV[2], tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if wish == 'L' then
  redis.call('ZREM', KEYS[1], name)
  return {0, redis.call('ZCARD', KEYS[1])}
end
local taken = redis.call('ZCARD', KEYS[1])
if wish == 'E' and taken >= tonumber(ARGV[3]) then return {0, taken} end
redis.call('ZADD', KEYS[1], now + lease, name)
if redis.call('PTTL', KEYS[1]) < lease then redis.call('PEXPIRE', KEYS[1], lease + 1000) end
return {1, taken + 1}
)";

std::string random_name() {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::random_device device;
  std::string out;
  for (int i = 0; i < 4; ++i)
    for (auto word = device(), k = 0U; k < 8; ++k, word >>= 4) out += kHex[word & 15];
  return out;
}

}  // namespace

std::string_view places_script() { return kPlacesScript; }

struct SharedPlaces::Place {
  Terms terms;
  std::string name;
  PlaceWaiter* waiter = nullptr;  // null: it has its answer, or has gone
  bool left = false;
  std::uint64_t renew_at = 0;  // ms of the reactor
  std::uint64_t until = 0;     // the same: the lease's end in Redis, as far as is known
  std::size_t at = kNowhere;   // in held_
  static constexpr std::size_t kNowhere = ~std::size_t{0};
};

class SharedPlaces::Question final : public RedisQuestion {
 public:
  Question(SharedPlaces& owner, Wish wish, std::shared_ptr<Place> of)
      : place(std::move(of)), wish_(wish), owner_(owner) {}

  [[nodiscard]] std::string_view key() const override { return place->terms.key; }
  void append(std::string& out, std::int64_t, bool whole) const override {
    static const std::string kSha = script_sha(kPlacesScript);
    constexpr std::string_view kWishes[] = {"E", "R", "L"};
    append_command(out, 8);
    append_argument(out, whole ? "EVAL" : "EVALSHA");
    append_argument(out, whole ? kPlacesScript : std::string_view(kSha));
    append_argument(out, std::int64_t{1});
    append_argument(out, place->terms.key);
    append_argument(out, kWishes[static_cast<std::size_t>(wish_)]);
    append_argument(out, place->name);
    append_argument(out, static_cast<std::int64_t>(place->terms.most));
    append_argument(out, place->terms.lease_ms);
  }
  [[nodiscard]] ReplyStatus read(std::span<const RespValue> reply, std::optional<std::int64_t>&) override {
    using Type = RespValue::Type;
    if (reply.size() != 3 || reply[0].type != Type::kArray || reply[1].type != Type::kInteger)
      return ReplyStatus::kBroken;
    taken_ = reply[1].integer == 1;
    return ReplyStatus::kComplete;
  }
  void on_reply() override { owner_.on_answer(*this, taken_); }
  void on_no_answer(NoAnswer reason) override { owner_.on_no_answer(*this, reason); }
  [[nodiscard]] bool enters() const { return wish_ == Wish::kEnter; }
  [[nodiscard]] bool leaves() const { return wish_ == Wish::kLeave; }

  const std::shared_ptr<Place> place;
  std::size_t at = 0;  // in under_way_

 private:
  const Wish wish_;
  SharedPlaces& owner_;
  bool taken_ = false;
};

SharedPlaces::SharedPlaces(event::Reactor& reactor, RedisClient& client)
    : reactor_(reactor), client_(client), name_(random_name()) {}

SharedPlaces::~SharedPlaces() = default;

std::shared_ptr<SharedPlaces::Place> SharedPlaces::enter(Terms terms, PlaceWaiter& waiter) {
  auto place = std::make_shared<Place>();
  place->terms = std::move(terms);
  place->name = name_ + ":" + std::to_string(++last_);
  place->waiter = &waiter;
  return ask(Wish::kEnter, place) ? place : nullptr;
}

bool SharedPlaces::ask(Wish wish, const std::shared_ptr<Place>& place) {
  if (wish != Wish::kLeave) place->until = reactor_.now_ms() + static_cast<std::uint64_t>(place->terms.lease_ms);
  auto& question = *under_way_.emplace_back(std::make_unique<Question>(*this, wish, place));
  question.at = under_way_.size() - 1;
  if (client_.ask(question)) return true;
  forget(question);
  return false;
}

void SharedPlaces::forget(Question& question) {
  const auto at = question.at;
  std::swap(under_way_[at], under_way_.back());
  under_way_[at]->at = at;
  under_way_.pop_back();
}

void SharedPlaces::leave(const std::shared_ptr<Place>& place) {
  place->left = true;
  // One whose answer is on its way is given back by it.
  if (std::exchange(place->waiter, nullptr) != nullptr || place->at == Place::kNowhere) return;
  const auto at = std::exchange(place->at, Place::kNowhere);
  std::swap(held_[at], held_.back());
  held_[at]->at = held_[at] == place ? Place::kNowhere : at;
  held_.pop_back();
  give_back(place);
}

void SharedPlaces::give_back(const std::shared_ptr<Place>& place) {
  if (ask(Wish::kLeave, place)) return;
  leaving_.push_back(place);
  arm();
}

void SharedPlaces::on_answer(Question& question, bool taken) {
  const auto place = question.place;
  const bool enters = question.enters();
  forget(question);
  if (!enters) return;
  if (place->left) {
    if (taken) give_back(place);
    return;
  }
  if (taken) {
    place->renew_at = reactor_.now_ms() + static_cast<std::uint64_t>(place->terms.lease_ms) / 3;
    place->at = held_.size();
    held_.push_back(place);
    arm();
  }
  std::exchange(place->waiter, nullptr)
      ->on_place(taken ? PlaceWaiter::Outcome::kGot : PlaceWaiter::Outcome::kNoneFree, {});
}

/// Redis may have done, or do yet, what it was asked: where nobody knows of the place it must not be taken.
void SharedPlaces::on_no_answer(Question& question, NoAnswer reason) {
  const auto place = question.place;
  const bool enters = question.enters(), leaves = question.leaves();
  forget(question);
  if (leaves || enters) leaving_.push_back(place);
  else place->renew_at = reactor_.now_ms();
  arm();
  if (!enters || place->left) return;
  std::exchange(place->waiter, nullptr)->on_place(PlaceWaiter::Outcome::kNoAnswer, reason);
}

void SharedPlaces::arm() {
  if (!armed() && (!held_.empty() || !leaving_.empty())) reactor_.timers().arm(*this, reactor_.now_ms() + kTick);
}

void SharedPlaces::on_timer() {
  const auto now = reactor_.now_ms();
  for (const auto& place : held_) {
    if (place->renew_at > now) continue;
    if (!ask(Wish::kRenew, place)) break;  // Redis is away: all of them again at the next tick
    place->renew_at = now + static_cast<std::uint64_t>(place->terms.lease_ms) / 3;
  }
  for (auto left = leaving_.size(); left > 0; --left) {
    const auto place = std::move(leaving_.front());
    leaving_.pop_front();
    if (place->until > now && !ask(Wish::kLeave, place)) {
      leaving_.push_front(place);
      break;
    }
  }
  arm();
}

}  // namespace fairlead::limit
