// SPDX-License-Identifier: Apache-2.0
#include "fairlead/event/worker.hpp"

#include <pthread.h>
#include <sched.h>

#include <cerrno>
#include <csignal>
#include <future>
#include <system_error>

namespace fairlead::event {
namespace {

Result<> prepare_thread(const WorkerOptions& options) {
  pthread_setname_np(pthread_self(), options.name.substr(0, 15).c_str());
  if (!options.cpu) return {};
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(*options.cpu), &set);
  const int error = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  if (error != 0) return fail(system_error(options.name + ": run on CPU " + std::to_string(*options.cpu), error));
  return {};
}

/// While it lives, threads that are made block all signals.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Result<std::unique_ptr<Worker>> Worker::start(const WorkerOptions& options, std::function<Result<>(Reactor&)> begin,
                                              std::function<void()> end) {
  FL_TRY(auto reactor, Reactor::create());
  auto worker = std::unique_ptr<Worker>(new Worker(std::move(reactor)));
  std::promise<Result<>> begun;
  auto result = begun.get_future();
  auto body = [options, begun = std::move(begun), at = worker->reactor_.get(), begin = std::move(begin),
               end = std::move(end)]() mutable {
    Result<> started = prepare_thread(options);
    if (started && begin) started = begin(*at);
    const bool runs = started.has_value();
    begin = nullptr;
    begun.set_value(std::move(started));
    if (!runs) return;
    at->run();
    if (end) end();
  };
  try {
    const SignalsBlocked blocked;
    worker->thread_ = std::thread(std::move(body));
  } catch (const std::system_error& error) {
    return fail(system_error(options.name + ": thread", error.code().value()));
  }
  if (auto started = result.get(); !started) return fail(std::move(started.error()));
  return worker;
}

Worker::~Worker() {
  stop();
  join();
}

void Worker::call(const std::function<void()>& callback) {
  // Shared: the waiting side may be gone before set_value() has returned.
  const auto done = std::make_shared<std::promise<void>>();
  post([&callback, done] {
    callback();
    done->set_value();
  });
  done->get_future().wait();
}

void Worker::stop() { reactor_->stop(); }

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace fairlead::event
