// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/pool.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "gateway/dataplane/upstream/pool_session.hpp"

namespace fairlead::upstream {

namespace {

constexpr auto kAll = std::numeric_limits<std::uint64_t>::max();

std::uint64_t count_of(milliseconds time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
}

/// Until a connection has said how many streams it takes. With kAuto one connection is tried first: HTTP/2 may need no
/// second, and HTTP/1 waits one handshake longer, once.
std::uint64_t expected_streams(const PoolSpec& spec) {
  if (spec.protocol == Protocol::kHttp1) return 1;
  if (spec.protocol == Protocol::kHttp2) return std::max(spec.max_concurrent_streams, 1u);
  return std::numeric_limits<std::uint32_t>::max();
}

}  // namespace

std::string_view pool_failure_name(PoolFailure failure) {
  constexpr std::string_view kNames[] = {"connect-failure",  "connect-timeout",     "pending-timeout",
                                         "pending-overflow", "connection-overflow", "draining"};
  return kNames[static_cast<std::size_t>(failure)];
}

PoolWaiterNode::~PoolWaiterNode() { Pool::cancel(*this); }

Pool::Pool(ClusterContext& context, BackendContext& backend, const EndpointSpec& endpoint, PoolKeeper* keeper)
    : context_(context),
      backend_(backend),
      endpoint_(endpoint),
      keeper_(keeper),
      lists_(std::make_unique<Lists>()),
      alarm_(*this),
      expected_streams_(expected_streams(spec())),
      protocol_(spec().protocol),
      tls_(context.spec->tls.get()),
      header_(spec().proxy_protocol) {}

Pool::~Pool() {
  keeper_ = nullptr;
  if (sessions_ == 0 && pending_count_ == 0) return;
  drain();
  for (auto* list : {&lists_->connecting, &lists_->ready, &lists_->busy})
    while (auto* session = list->front()) close_session(*session, nullptr);
}

void Pool::let_go() {
  if (--holds_ > 0) return;
  settle();
  if ((leaving_ || ending_) && !draining_ && pending_count_ == 0) return drain();
  if (keeper_ == nullptr) return;
  if (sessions_ == 0 && pending_count_ == 0) keeper_->on_unused();
}

void Pool::leave() {
  const Hold hold(*this);
  leaving_ = true;
}

void Pool::end() {
  const Hold hold(*this);
  ending_ = true;
}

void Pool::one_idle() {
  ++idle_count_;
  if (keeper_ != nullptr) keeper_->on_idle();
}

void Pool::one_busy() {
  --idle_count_;
  if (keeper_ != nullptr) keeper_->on_busy();
}

void Pool::close_oldest_idle() {
  const Hold hold(*this);
  if (auto* session = lists_->idle.back()) close_session(*session, &ClusterCounters::closed_full);
}

void Pool::on_spec() {
  const Hold hold(*this);
  if (protocol_ != spec().protocol) expected_streams_ = expected_streams(spec());
  protocol_ = spec().protocol;
  const bool other_tls = std::exchange(tls_, context_.spec->tls.get()) != tls_;
  const bool other_header = std::exchange(header_, spec().proxy_protocol) != header_;
  if (other_tls || other_header) retire_standing();
}

void Pool::retire_standing() {
  while (auto* session = lists_->idle.front()) close_session(*session, nullptr);
  while (auto* session = lists_->ready.front()) place(*session);  // to those that take nothing new
}

Pool::Acquired Pool::acquire(PoolWaiter& waiter, http::ClientHandler& handler) {
  const Hold hold(*this);
  if (draining_ || ending_) return {.refused = PoolFailure::kDraining};
  // Nobody overtakes those who wait already.
  if (pending_count_ == 0)
    if (auto* stream = open_on_standing(handler)) {
      ++context_.counters.pool_hits;
      return {.stream = stream};
    }
  if (!try_enter(backend_.breakers, context_.breakers, Breaker::kPending)) {
    ++context_.counters.overflow_pending;
    return {.refused = PoolFailure::kPending};
  }
  if (pending_count_ + 1 > connecting_count_ * expected_streams_) {
    if (const auto refused = connect_or_wait()) {
      leave_both(Breaker::kPending);
      return {.refused = refused};
    }
  }
  ++context_.counters.pool_waits;
  ++pending_count_;
  waiter.pool_ = this;
  waiter.handler_ = &handler;
  const auto wait = count_of(spec().pending_timeout.count() > 0 ? spec().pending_timeout : spec().connect_timeout);
  waiter.deadline_ms_ = wait == 0 ? std::numeric_limits<std::uint64_t>::max() : context_.clock.now_ms() + wait;
  lists_->waiting.push_back(waiter);
  set_alarm();
  return {};
}

void Pool::cancel(PoolWaiterNode& waiter) {
  if (auto* pool = waiter.pool_) {
    const Hold hold(*pool);
    pool->pop_waiter(waiter);
  }
  waiter.unlink();
}

void Pool::pop_waiter(PoolWaiterNode& waiter) {
  waiter.unlink();
  waiter.pool_ = nullptr;
  --pending_count_;
  leave_both(Breaker::kPending);
}

Pool::Session* Pool::usable() {
  const auto now = context_.clock.now_ms();
  for (;;) {
    auto* session = lists_->ready.front();
    if (session == nullptr) session = lists_->idle.front();
    if (session == nullptr || !session->worn_out(spec(), now)) return session;
    session->draining = true;
    place(*session);
  }
}

http::ClientStream* Pool::open_on_standing(http::ClientHandler& handler) {
  while (auto* session = usable()) {
    auto* stream = session->session->open(handler);
    if (session->state == Session::State::kGone) return stream;  // closed within; the handler is told
    if (stream != nullptr) ++session->requests;
    place(*session);
    if (stream != nullptr) return stream;
    // It said that it had room and has none: not asked again before it says so anew.
    if (session->state == Session::State::kIdle || session->state == Session::State::kReady)
      close_session(*session, nullptr);
  }
  return nullptr;
}

bool Pool::may_connect() const {
  return context_.breakers.allows(Breaker::kConnections) && backend_.breakers.allows(Breaker::kConnections);
}

/// On other workers, or for other clients.
bool Pool::others_connected() const {
  return context_.shared->workers() > 1 && backend_.shared->connections.load() > sessions_;
}

/// To those of other workers who have none: else who gives one up for them would take it again.
bool Pool::gives_way() const { return !starves_ && backend_.shared->starving.load() > 0; }

/// Where a connection stands or is under way, on whatever worker, there is something to wait for. Else why not.
std::optional<PoolFailure> Pool::connect_or_wait() {
  for (;;) {
    const auto refused = connect_one(nullptr);
    if (!refused || sessions_ > 0) return std::nullopt;
    if (*refused != PoolFailure::kConnections || context_.shared->workers() == 1) return refused;
    if (others_connected() || gives_way()) return std::nullopt;
    // One may have come or gone between the looks.
    if (!may_connect() && !others_connected()) return refused;
  }
}

/// Counted before it has its tokens, so that who is refused for them sees it.
bool Pool::enter_connection() {
  auto& connections = backend_.shared->connections;
  connections.fetch_add(1);
  if (try_enter(backend_.breakers, context_.breakers, Breaker::kConnections)) return true;
  connections.fetch_sub(1);
  return false;
}

void Pool::leave_connection() {
  leave_both(Breaker::kConnections);
  backend_.shared->connections.fetch_sub(1);
  context_.shared->tell_room();
}

void Pool::leave_both(Breaker breaker) { upstream::leave(backend_.breakers, context_.breakers, breaker); }

std::optional<PoolFailure> Pool::connect_one(std::string_view* text) {
  held_back_ =
      gives_way() || (!enter_connection() && (keeper_ == nullptr || !keeper_->make_room() || !enter_connection()));
  if (held_back_) {
    ++context_.counters.overflow_connections;
    return PoolFailure::kConnections;
  }
  auto entry = std::make_unique<Session>(*this);
  ++context_.counters.connects;
  const auto* client = keeper_ != nullptr ? &keeper_->ends() : nullptr;
  auto session = context_.factory.connect(*context_.spec, endpoint_, client, *entry);
  if (!session) {
    leave_connection();
    ++context_.counters.connect_failures;
    if (text != nullptr) *text = "connect failed";
    return PoolFailure::kConnect;
  }
  const auto limit = count_of(spec().connect_timeout);
  entry->session = std::move(*session);
  entry->tls = tls_;
  entry->header = header_;
  entry->born_ms = context_.clock.now_ms();
  entry->deadline_ms = limit == 0 ? std::numeric_limits<std::uint64_t>::max() : entry->born_ms + limit;
  ++sessions_;
  ++connecting_count_;
  lists_->connecting.push_back(*entry.release());
  set_alarm();
  return std::nullopt;
}

void Pool::grow() {
  while (!draining_ && uncovered())
    if (connect_one(nullptr)) return;
}

/// Whether others are to know that a limit holds it back. Those who wait are served by what it has itself, too.
void Pool::settle() {
  if (!held_back_ && !wants_) return;
  held_back_ = held_back_ && uncovered() && !draining_ && context_.shared->workers() > 1;
  const bool wanted = std::exchange(wants_, held_back_);
  const bool starved = std::exchange(starves_, held_back_ && sessions_ == 0);
  if (starves_ != starved) backend_.shared->starving.fetch_add(starves_ ? 1u : ~0u);
  if (wants_ != wanted) {
    backend_.shared->wanting.fetch_add(wants_ ? 1u : ~0u);
    context_.shared->want(context_.worker, wants_ ? 1 : -1);
    wants_ ? context_.wanting.push_back(*this) : unlink();
  }
  if (starved && !starves_) context_.shared->tell_room();  // to those who gave way to it
  if (wanted >= wants_ && starved >= starves_) return;
  context_.shared->tell_wanted(context_.worker, EndpointKey::of(endpoint_));
  // Who left before it was counted among those who want has told nobody.
  if (may_connect()) context_.shared->tell_room(context_.worker);
}

void Pool::on_room(ClusterContext& context) {
  List<WantingNode> now;
  while (auto* node = context.wanting.front()) now.push_back(*node);
  while (auto* node = now.front()) {
    context.wanting.push_back(*node);
    static_cast<Pool*>(node)->retry();
  }
}

void Pool::retry() {
  const Hold hold(*this);
  if (may_connect()) grow();
  // Somebody else took it, or it was not enough.
  if (held_back_ && uncovered()) context_.shared->tell_wanted(context_.worker, EndpointKey::of(endpoint_));
}

void Pool::on_wanted() {
  const Hold hold(*this);
  yield();
}

/// Gives up what others want, as far as no connection is free: what is idle; for one who has none at all, what is in
/// use, too, after its requests.
void Pool::yield() {
  const auto& shared = *backend_.shared;
  if (shared.wanting.load() <= (wants_ ? 1u : 0u) || may_connect()) return;
  if (auto* session = lists_->idle.back()) return close_session(*session, &ClusterCounters::closed_for_others);
  if (shared.starving.load() <= (starves_ ? 1u : 0u) + backend_.yielding) return;
  auto* session = lists_->ready.front();
  if (session == nullptr) session = lists_->busy.back();
  if (session == nullptr || session->yields) return;
  ++backend_.yielding;
  session->yields = session->draining = true;
  place(*session);
}

/// Puts a session into the list that says what can be done with it; ends it where nothing can.
void Pool::place(Session& session) {
  using State = Session::State;
  if (session.state == State::kGone || session.state == State::kConnecting) return;
  if (session.state == State::kIdle) one_busy();
  session.state = State::kBusy;
  const auto now = context_.clock.now_ms();
  if (session.worn_out(spec(), now) || session.tls != tls_ || session.header != header_) session.draining = true;
  const bool idle = session.session->idle();
  if (session.draining || draining_) {
    lists_->busy.push_front(session);
    if (!idle) return;
    if (session.yields) return close_session(session, &ClusterCounters::closed_for_others);
    close_session(session, session.worn_out(spec(), now) ? &ClusterCounters::closed_used_up : nullptr);
    return;
  }
  if (session.session->capacity() == 0) return lists_->busy.push_front(session);
  if (!idle) {
    session.state = State::kReady;
    return lists_->ready.push_front(session);
  }
  session.state = State::kIdle;
  const auto limit = count_of(spec().idle_timeout);
  session.deadline_ms = limit == 0 ? std::numeric_limits<std::uint64_t>::max() : now + limit;
  lists_->idle.push_front(session);
  one_idle();
  if (idle_count_ > std::max(spec().max_idle, 1u)) close_session(*lists_->idle.back(), &ClusterCounters::closed_full);
}

/// Gives streams to those who wait, the oldest first.
void Pool::dispatch() {
  if (dispatching_) return;  // a waiter's call led here; the loop below goes on
  dispatching_ = true;
  while (auto* waiter = lists_->waiting.front()) {
    auto* stream = open_on_standing(*waiter->handler_);
    if (stream == nullptr) break;
    if (waiter->pool_ != this) continue;  // its handler ended the wait within open()
    pop_waiter(*waiter);
    waiter->on_stream(*stream);
  }
  dispatching_ = false;
  grow();
  yield();
  set_alarm();
}

void Pool::end_session(Session& session) {
  if (session.state == Session::State::kConnecting) --connecting_count_;
  const bool was_idle = session.state == Session::State::kIdle;
  session.state = Session::State::kGone;
  session.unlink();
  if (was_idle) one_busy();
  if (session.yields) --backend_.yielding;
  --sessions_;
  leave_connection();
  context_.clock.retire(std::unique_ptr<event::Retired>(&session));
}

void Pool::close_session(Session& session, std::uint64_t ClusterCounters::* reason) {
  if (reason != nullptr) ++(context_.counters.*reason);
  end_session(session);  // first, so that what it says while it closes finds it gone
  session.session->close();
}

/// Of those for whom no connection is under way any more the `most` oldest: they may go to another backend.
void Pool::fail_uncovered(std::uint64_t most, PoolFailure why, std::string_view text) {
  List<PoolWaiter> failed;
  for (; most > 0 && uncovered(); --most) {
    auto& waiter = *lists_->waiting.front();
    pop_waiter(waiter);
    failed.push_back(waiter);
  }
  while (auto* waiter = failed.front()) {
    waiter->unlink();
    waiter->on_pool_failure(why, text);
  }
}

void Pool::drain() {
  const Hold hold(*this);
  draining_ = true;
  while (auto* session = lists_->idle.front()) close_session(*session, nullptr);
  while (auto* session = lists_->connecting.front()) close_session(*session, nullptr);
  fail_uncovered(kAll, PoolFailure::kDraining, "the backend has been removed");
  context_.clock.timers().cancel(alarm_);
}

void Pool::warm_up() {
  while (!draining_ && idle_count_ + connecting_count_ < spec().min_idle && sessions_ < spec().min_idle)
    if (connect_one(nullptr)) return;
}

void Pool::on_ready(Session& session) {
  const Hold hold(*this);
  if (session.state != Session::State::kConnecting) return;
  --connecting_count_;
  session.state = Session::State::kBusy;
  expected_streams_ =
      std::clamp<std::uint64_t>(session.session->capacity(), 1, std::max(spec().max_concurrent_streams, 1u));
  place(session);
  dispatch();
}

void Pool::on_capacity(Session& session) {
  const Hold hold(*this);
  if (session.state == Session::State::kConnecting) return;
  place(session);
  dispatch();
}

void Pool::on_draining(Session& session) {
  const Hold hold(*this);
  session.draining = true;
  place(session);
  dispatch();
}

void Pool::on_closed(Session& session, std::string_view why) {
  const Hold hold(*this);
  const bool connecting = session.state == Session::State::kConnecting;
  if (connecting) ++context_.counters.connect_failures;
  if (session.state == Session::State::kIdle) ++context_.counters.closed_idle;
  end_session(session);
  // With no connection left nobody has anything to wait for; else only those whom this one was for fail.
  if (connecting) fail_uncovered(sessions_ == 0 ? kAll : expected_streams_, PoolFailure::kConnect, why);
  dispatch();
}

void Pool::expire_connecting(std::uint64_t now) {
  while (auto* session = lists_->connecting.front()) {
    if (session->deadline_ms > now) return;
    ++context_.counters.connect_timeouts;
    close_session(*session, &ClusterCounters::connect_failures);
    fail_uncovered(sessions_ == 0 ? kAll : expected_streams_, PoolFailure::kConnectTimeout, "connect timed out");
  }
}

void Pool::tick() {
  const Hold hold(*this);
  const auto now = context_.clock.now_ms();
  expire_connecting(now);
  for (auto* session = lists_->idle.back(); session != nullptr && session->deadline_ms <= now;
       session = lists_->idle.back())
    close_session(*session, &ClusterCounters::idle_timeouts);
  while (auto* waiter = lists_->waiting.front()) {
    if (waiter->deadline_ms_ > now) break;
    pop_waiter(*waiter);
    ++context_.counters.pending_timeouts;
    waiter->on_pool_failure(PoolFailure::kPendingTimeout, "no connection became free in time");
  }
  set_alarm();
}

/// Each list is in the order of its deadlines, but where a time-out was changed meanwhile: those come with the next.
void Pool::set_alarm() {
  auto next = std::numeric_limits<std::uint64_t>::max();
  if (const auto* session = lists_->connecting.front()) next = std::min(next, session->deadline_ms);
  if (const auto* session = lists_->idle.back()) next = std::min(next, session->deadline_ms);
  if (const auto* waiter = lists_->waiting.front()) next = std::min(next, waiter->deadline_ms_);
  if (next == std::numeric_limits<std::uint64_t>::max()) return context_.clock.timers().cancel(alarm_);
  // An alarm that comes too early costs less than moving it at each request: the idle deadline always moves away.
  if (!alarm_.armed() || alarm_.deadline_ms() > next) context_.clock.timers().arm(alarm_, next);
}

void Pool::Alarm::on_timer() { pool_.tick(); }

}  // namespace fairlead::upstream
