// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/redis_node.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace fairlead::limit {
namespace {

constexpr std::uint64_t kConnectMs = 1000;   // name, connection, TLS and greeting
constexpr std::uint64_t kLeastRestMs = 20;   // between tries: twice that each time
constexpr std::uint64_t kMostRestMs = 1000;
constexpr std::uint64_t kLeastStallMs = 500;  // a silent connection is given up after that, or 20 time-outs

}  // namespace

std::string_view text_of(NoAnswer reason) {
  switch (reason) {
    case NoAnswer::kTimeout: return "timeout";
    case NoAnswer::kNotConnected: return "not_connected";
    case NoAnswer::kError: return "error";
  }
  return "?";
}

std::optional<HostPort> split_host_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  HostPort out;
  const auto port = text.substr(colon + 1);
  const auto [at, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc{} || at != port.data() + port.size() || out.port == 0) return std::nullopt;
  auto host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  out.host = host;
  return out;
}

RedisQuestion::~RedisQuestion() {
  if (node_ != nullptr) node_->forget(*this, false);
}

void RedisQuestion::on_timer() {
  if (node_ != nullptr) {
    ++node_->counters_.timeouts;
    node_->forget(*this, true);
  }
  on_no_answer(NoAnswer::kTimeout);
}

void RedisAsk::append(std::string& out, std::int64_t redis_us, bool whole) const {
  append_take(out, items_, redis_us, whole);
}

ReplyStatus RedisAsk::read(std::span<const RespValue> reply, std::optional<std::int64_t>& redis_us) {
  std::int64_t time_us = 0;
  const auto status = read_take(reply, items_, time_us);
  if (status == TakeStatus::kBroken) return ReplyStatus::kBroken;
  redis_us = time_us;
  allowed_ = status == TakeStatus::kAllowed;
  return status == TakeStatus::kOtherTime ? ReplyStatus::kOtherTime : ReplyStatus::kComplete;
}

RedisNode::RedisNode(event::Reactor& reactor, std::shared_ptr<const RedisConfig> config, Names* names, NodeOwner& owner,
                     RedisCounters& counters, std::string address)
    : reactor_(reactor),
      config_(std::move(config)),
      names_(names),
      owner_(owner),
      counters_(counters),
      address_(std::move(address)) {}

RedisNode::~RedisNode() {
  for (auto* ask : pending_)
    if (ask != nullptr) ask->node_ = nullptr;
  for (auto* ask : waiting_)
    if (ask != nullptr) ask->node_ = nullptr;
  tell_state(false, false);
}

void RedisNode::tell_state(bool ready, bool failing) {
  if (std::exchange(told_ready_, ready) != ready) ready ? ++counters_.connections : --counters_.connections;
  if (std::exchange(told_failing_, failing) != failing) failing ? ++counters_.failing : --counters_.failing;
}

bool RedisNode::take(RedisQuestion& ask, bool whole, bool asking) {
  if (failing() || pending_.size() + waiting_.size() >= kMostPending || (link_ && link_->full())) return false;
  if (state_ == State::kIdle) start();
  if (failures_ > 0) return false;
  ask.node_ = this;
  if (!ask.armed())
    reactor_.timers().arm(ask, reactor_.now_ms() + static_cast<std::uint64_t>(config_->timeout.count()));
  if (state_ == State::kReady) {
    send(ask, whole, asking);
    return true;
  }
  ask.place_ = 0;
  waiting_.push_back(&ask);
  return true;
}

void RedisNode::send(RedisQuestion& ask, bool whole, bool asking) {
  if (asking) {
    append_command(link_->out(), 1);
    append_argument(link_->out(), "ASKING");
    pending_.push_back(nullptr);
  }
  ask.append(link_->out(), owner_.redis_us(), whole);
  pending_.push_back(&ask);
  ask.place_ = first_ + pending_.size() - 1;
  ask.sent_ns_ = reactor_.now_ns();
  link_->sent();
}

bool RedisNode::tell(const GiveBack& what) {
  if (!ready() || pending_.size() >= kMostPending || link_->full()) return false;
  append_give_back(link_->out(), what);
  pending_.push_back(nullptr);
  link_->sent();
  return true;
}

void RedisNode::flush() {
  if (ready()) link_->flush();
}

/// late: it has waited for too long, so others need not do so too.
void RedisNode::forget(RedisQuestion& ask, bool late) {
  if (ask.place_ != 0) {
    pending_[ask.place_ - first_] = nullptr;
    if (late && !stalled_) {
      stalled_ = true;
      const auto patience = std::max(kLeastStallMs, static_cast<std::uint64_t>(config_->timeout.count()) * 20);
      reactor_.timers().arm(*this, reactor_.now_ms() + patience);
    }
  } else {
    if (const auto found = std::ranges::find(waiting_, &ask); found != waiting_.end()) *found = nullptr;
    if (late && state_ != State::kReady) failures_ = std::max(failures_, 1U);
  }
  ask.node_ = nullptr;
  ask.place_ = 0;
  tell_state();
}

void RedisNode::start() {
  state_ = State::kLocating;
  reactor_.timers().arm(*this, reactor_.now_ms() + kConnectMs);
  if (!owner_.locate(*this)) look_up();
}

void RedisNode::look_up() {
  const auto where = split_host_port(address_);
  if (!where) return fail("no host and port");
  if (const auto address = Address::parse(where->host)) return connect({*address, where->port});
  if (names_ == nullptr) return fail("a name, and nobody to ask for its address");
  query_ = names_->look_up(where->host, [this, port = where->port](std::optional<Address> found) {
    const auto done = std::move(query_);  // may be what calls
    located(found ? std::optional(net::Endpoint{*found, port}) : std::nullopt);
  });
  if (query_ == nullptr) fail("a name that cannot be asked for");
}

void RedisNode::located(std::optional<net::Endpoint> where) {
  if (state_ != State::kLocating) return;
  if (!where) return fail("its address is not known");
  connect(*where);
}

void RedisNode::connect(const net::Endpoint& where) {
  state_ = State::kConnecting;
  LinkOwner& owner = *this;
  link_ = std::make_unique<RedisLink>(reactor_, owner);
  if (!link_->connect(where, *config_) && state_ == State::kConnecting) fail("connecting failed");
}

void RedisNode::on_link_open() {
  ++counters_.connects;
  if (std::exchange(had_connection_, true)) ++counters_.reconnects;
  greet();
}

void RedisNode::greet() {
  state_ = State::kGreeting;
  auto& out = link_->out();
  greetings_ = static_cast<std::uint32_t>(config_->scripts.size());
  if (!config_->password.empty()) {
    ++greetings_;
    append_auth(out, config_->username, config_->password);
  }
  if (config_->database != 0) {
    ++greetings_;
    append_command(out, 2);
    append_argument(out, "SELECT");
    append_argument(out, std::int64_t{config_->database});
  }
  if (!config_->sentinel_master.empty()) {
    ++greetings_;
    append_command(out, 1);
    append_argument(out, "ROLE");
  }
  for (const auto script : config_->scripts) {
    append_command(out, 3);
    append_argument(out, "SCRIPT");
    append_argument(out, "LOAD");
    append_argument(out, script);
  }
  link_->sent();
}

void RedisNode::check_greeting(std::span<const RespValue> reply) {
  // The word alone: what follows may repeat what was sent, a password too.
  if (reply[0].type == RespValue::Type::kError)
    return fail("it says " + std::string(reply[0].text.substr(0, reply[0].text.find(' '))));
  if (reply[0].type == RespValue::Type::kArray && (reply.size() < 2 || reply[1].text != "master"))
    return fail("it is not the master");
  if (--greetings_ == 0) become_ready();
}

void RedisNode::become_ready() {
  state_ = State::kReady;
  failures_ = 0;
  failure_.clear();
  reactor_.timers().cancel(*this);
  tell_state();
  auto waiting = std::exchange(waiting_, {});
  for (auto* ask : waiting)
    if (ask != nullptr) send(*ask, false, false);
}

void RedisNode::on_link_reply(std::span<const RespValue> reply) {
  if (state_ == State::kGreeting) return check_greeting(reply);
  if (state_ != State::kReady || pending_.empty()) return fail("a reply that nobody has asked for");
  auto* ask = pending_.front();
  pending_.pop_front();
  ++first_;
  if (stalled_ && pending_.empty()) {
    stalled_ = false;
    reactor_.timers().cancel(*this);
    tell_state();
  }
  if (ask != nullptr) {
    count_answer(ask->sent_ns_);
    ask->node_ = nullptr;
    ask->place_ = 0;
    owner_.on_node_reply(*this, *ask, reply);
  }
  if (std::exchange(dropped_, false)) fail("it is not the master any more");
}

void RedisNode::count_answer(std::uint64_t sent_ns) {
  const auto us = (reactor_.now_ns() - sent_ns) / 1000;
  const auto* edge = std::ranges::lower_bound(kRoundTripBoundsUs, us);
  ++counters_.round_trips[static_cast<std::size_t>(edge - kRoundTripBoundsUs.begin())];
  counters_.round_trip_us.add(us);
}

/// A connection that nobody was using may go without harm, as where Redis closes idle ones: the next ask makes another.
void RedisNode::on_link_lost(std::string_view why) {
  if (state_ != State::kReady || !pending_.empty()) return fail(why);
  reactor_.retire(std::move(link_));
  state_ = State::kIdle;
  tell_state();
}

void RedisNode::on_timer() {
  if (state_ == State::kResting) return start();
  fail(state_ == State::kReady ? "no answer" : "connecting took too long");
}

/// Everybody who waits is told once the node is at rest, as they may ask again.
void RedisNode::fail(std::string_view why) {
  ++counters_.lost;
  failure_ = why;
  config_->totals->note_failure(address_ + ": " + failure_);
  query_.reset();
  if (link_) {
    link_->close();
    reactor_.retire(std::move(link_));
  }
  state_ = State::kResting;
  stalled_ = false;
  dropped_ = false;
  const auto rest = std::min(kMostRestMs, kLeastRestMs << std::min(failures_, 10U));
  ++failures_;
  tell_state();
  reactor_.timers().arm(*this, reactor_.now_ms() + rest);
  first_ += pending_.size();
  waiting_.insert(waiting_.end(), pending_.begin(), pending_.end());
  pending_.clear();
  for (auto* ask : waiting_)
    if (ask != nullptr) ask->place_ = 0;
  owner_.on_node_failed(*this);
  for (std::size_t i = 0; i < waiting_.size(); ++i) {  // by index: asks that go meanwhile leave nulls
    auto* ask = std::exchange(waiting_[i], nullptr);
    if (ask == nullptr) continue;
    ask->node_ = nullptr;
    reactor_.timers().cancel(*ask);
    ++counters_.not_connected;
    ask->on_no_answer(NoAnswer::kNotConnected);
  }
  waiting_.clear();
}

}  // namespace fairlead::limit
