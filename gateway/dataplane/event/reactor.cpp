// SPDX-License-Identifier: Apache-2.0
#include "fairlead/event/reactor.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <mutex>
#include <utility>
#include <vector>

#include "fairlead/base/fd.hpp"

namespace fairlead::event {

struct Reactor::State final : IoHandler {
  State(Fd epoll_fd, Fd wake_fd) : epoll(std::move(epoll_fd)), wake(std::move(wake_fd)) {}

  void on_io(std::uint32_t) override {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake.get(), &count, sizeof count);
    woken = true;
  }

  Fd epoll;
  Fd wake;
  // The batch under way: what is still to come of it may be dropped.
  std::array<epoll_event, kEventsPerTurn> events{};
  std::size_t next_event = 0;
  std::size_t event_count = 0;
  bool woken = false;

  std::vector<Deferred*> deferred;   // nullptr: forgotten
  std::vector<Deferred*> next_turn;  // the same
  std::vector<std::unique_ptr<Retired>> retired;
  std::vector<std::unique_ptr<Retired>> dying;
  ReactorCounts counts;
  bool stopping = false;

  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // under mutex
  std::vector<std::function<void()>> running;
};

Result<std::unique_ptr<Reactor>> Reactor::create() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail(system_error("epoll_create1", errno));
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail(system_error("eventfd", errno));
  auto reactor = std::unique_ptr<Reactor>(new Reactor(std::make_unique<State>(std::move(epoll), std::move(wake))));
  FL_CHECK(reactor->add_level(reactor->state_->wake.get(), *reactor->state_));
  return reactor;
}

Reactor::Reactor(std::unique_ptr<State> state) : state_(std::move(state)), now_ms_(now_ns() / 1'000'000) {
  timers_.advance(now_ms_);
}

Reactor::~Reactor() { destroy_retired(); }

Result<> Reactor::add(int fd, IoHandler& handler) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &handler;
  if (epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail(system_error("epoll_ctl", errno));
  return {};
}

Result<> Reactor::add_level(int fd, IoHandler& handler) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLEXCLUSIVE;
  event.data.ptr = &handler;
  if (epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail(system_error("epoll_ctl", errno));
  return {};
}

void Reactor::remove(int fd, IoHandler& handler) {
  // Closing alone would do unless another process holds a copy, as between fork and exec.
  epoll_ctl(state_->epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
  for (std::size_t i = state_->next_event; i < state_->event_count; ++i)
    if (state_->events[i].data.ptr == &handler) state_->events[i].data.ptr = nullptr;
}

std::uint64_t Reactor::now_ns() const {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void Reactor::defer(Deferred& work) {
  if (work.place_ != 0) return;
  state_->deferred.push_back(&work);
  work.place_ = static_cast<std::uint32_t>(state_->deferred.size());
}

void Reactor::defer_to_next_turn(Deferred& work) {
  if (work.place_ != 0) return;
  state_->next_turn.push_back(&work);
  work.place_ = static_cast<std::uint32_t>(state_->next_turn.size());
  work.next_turn_ = true;
}

void Reactor::forget(Deferred& work) {
  if (work.place_ == 0) return;
  (work.next_turn_ ? state_->next_turn : state_->deferred)[work.place_ - 1] = nullptr;
  work.place_ = 0;
  work.next_turn_ = false;
}

void Reactor::retire(std::unique_ptr<Retired> object) { state_->retired.push_back(std::move(object)); }

void Reactor::post(std::function<void()> callback) {
  bool first = false;
  {
    const std::scoped_lock lock(state_->mutex);
    first = state_->posted.empty();
    state_->posted.push_back(std::move(callback));
  }
  if (!first) return;  // whoever posted the first has woken it, and it takes all
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the reactor is awake already.
  [[maybe_unused]] const auto written = ::write(state_->wake.get(), &one, sizeof one);
}

void Reactor::stop() {
  post([this] { state_->stopping = true; });
}

void Reactor::run_posted() {
  if (!std::exchange(state_->woken, false)) return;
  {
    const std::scoped_lock lock(state_->mutex);
    state_->running.swap(state_->posted);
  }
  for (auto& callback : state_->running) {
    callback();
    callback = nullptr;  // what it holds goes in the order of the calls
  }
  state_->counts.posted += state_->running.size();
  state_->running.clear();
}

void Reactor::end_turn() {
  auto& deferred = state_->deferred;
  std::size_t done = 0;
  for (int round = 0; round < kDeferRounds && done < deferred.size(); ++round) {
    for (const std::size_t end = deferred.size(); done < end; ++done) {
      Deferred* work = std::exchange(deferred[done], nullptr);
      if (work == nullptr) continue;
      work->place_ = 0;
      work->on_turn_end();
    }
  }
  if (done < deferred.size()) ++state_->counts.overruns;
  deferred.erase(deferred.begin(), deferred.begin() + static_cast<std::ptrdiff_t>(done));
  for (std::size_t i = 0; i < deferred.size(); ++i)
    if (deferred[i] != nullptr) deferred[i]->place_ = static_cast<std::uint32_t>(i + 1);
  destroy_retired();
}

void Reactor::destroy_retired() {
  // What is destroyed may retire more. Two vectors, so that their memory is kept.
  while (!state_->retired.empty()) {
    state_->dying.swap(state_->retired);
    state_->dying.clear();
  }
}

void Reactor::begin_turn() {
  for (Deferred* work : state_->next_turn) {
    if (work == nullptr) continue;
    work->place_ = 0;
    work->next_turn_ = false;
    defer(*work);
  }
  state_->next_turn.clear();
}

void Reactor::turn() {
  begin_turn();
  const int wait = state_->deferred.empty() ? timers_.wait_ms(now_ms_) : 0;
  const int count = epoll_wait(state_->epoll.get(), state_->events.data(), static_cast<int>(kEventsPerTurn), wait);
  now_ms_ = now_ns() / 1'000'000;
  state_->event_count = count > 0 ? static_cast<std::size_t>(count) : 0;
  state_->next_event = 0;
  ++state_->counts.turns;
  state_->counts.events += state_->event_count;
  while (state_->next_event < state_->event_count) {
    const auto event = state_->events[state_->next_event++];
    if (event.data.ptr != nullptr) static_cast<IoHandler*>(event.data.ptr)->on_io(event.events);
  }
  timers_.advance(now_ms_);
  run_posted();
  end_turn();
}

void Reactor::run() {
  while (!std::exchange(state_->stopping, false)) turn();
}

const ReactorCounts& Reactor::counts() const { return state_->counts; }

}  // namespace fairlead::event
