// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/log_writer.hpp"

#include <csignal>
#include <ctime>

#include "gateway/dataplane/telemetry/log_output.hpp"

namespace fairlead::telemetry {
namespace {

constexpr int kBatchMs = 5;     // lines of this time are written together
constexpr int kBusyMs = 20;     // until a target that took nothing is tried again
constexpr std::int64_t kMillisecond = 1'000'000;

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Result<std::unique_ptr<LogWriter>> LogWriter::create() {
  FL_TRY(auto doorbell, Doorbell::create());
  std::unique_ptr<LogWriter> writer(new LogWriter(std::move(doorbell)));
  writer->thread_ = std::thread([self = writer.get()] { self->run(); });
  return writer;
}

LogWriter::LogWriter(Doorbell doorbell) : doorbell_(std::move(doorbell)) {}

LogWriter::~LogWriter() { stop(); }

Result<std::shared_ptr<LogOutput>> LogWriter::open(const LogTarget& target) {
  const std::lock_guard lock(mutex_);
  for (const auto& known : outputs_)
    if (auto output = known.lock(); output && output->target() == target) return output;
  FL_TRY(auto output, LogOutput::open(target));
  std::erase_if(outputs_, [](const auto& known) { return known.expired(); });
  outputs_.push_back(output);
  return output;
}

std::shared_ptr<ByteRing> LogWriter::add_ring(LogOutput& output, std::size_t bytes) {
  auto ring = std::make_shared<ByteRing>(bytes);
  const std::lock_guard lock(mutex_);
  for (const auto& known : outputs_)
    if (auto owned = known.lock(); owned.get() == &output) feeds_.push_back({std::move(owned), ring});
  return ring;
}

void LogWriter::release(const std::shared_ptr<ByteRing>& ring) {
  {
    const std::lock_guard lock(mutex_);
    for (auto& feed : feeds_) feed.released = feed.released || feed.ring == ring;
  }
  doorbell_.signal();
}

void LogWriter::reopen() {
  reopen_.store(true, std::memory_order_release);
  doorbell_.signal();
}

bool LogWriter::flush(int limit_ms) {
  std::unique_lock lock(mutex_);
  const auto ticket = ++flush_asked_;
  doorbell_.signal();
  return flushed_.wait_for(lock, std::chrono::milliseconds(limit_ms), [&] { return flush_done_ >= ticket; });
}

void LogWriter::stop(int limit_ms) {
  if (!thread_.joinable()) return;
  stop_by_ns_.store(now_ns() + limit_ms * kMillisecond, std::memory_order_release);
  doorbell_.signal();
  thread_.join();
}

bool LogWriter::pass(const std::vector<Feed>& feeds, bool last) {
  bool all_taken = true;
  for (const auto& feed : feeds) {
    if (feed.output->drain(*feed.ring)) continue;
    all_taken = false;
    if (last) feed.output->drop(*feed.ring, LogDrop::kAtExit);
  }
  return all_taken;
}

void LogWriter::forget_released() {
  std::erase_if(feeds_, [](const Feed& feed) {
    const bool over = feed.released && feed.ring->waiting() == 0;
    if (over) feed.output->retire(*feed.ring);
    return over;
  });
}

void LogWriter::run() {
  // Signals are for the main thread, and a pipe without a reader is an error of write() here.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  for (;;) {
    std::vector<Feed> feeds;
    std::vector<std::shared_ptr<LogOutput>> reopened;
    std::uint64_t asked = 0;
    {
      const std::lock_guard lock(mutex_);
      feeds = feeds_;
      asked = flush_asked_;
      if (reopen_.exchange(false, std::memory_order_acq_rel))
        for (const auto& known : outputs_) reopened.push_back(known.lock());
    }
    for (const auto& output : reopened)
      if (output) output->reopen();
    const auto stop_by = stop_by_ns_.load(std::memory_order_acquire);
    bool work = false;
    for (const auto& feed : feeds) work = work || feed.ring->waiting() != 0;
    const bool last = stop_by != 0 && now_ns() >= stop_by;
    const bool all_taken = pass(feeds, last);
    {
      const std::lock_guard lock(mutex_);
      if (all_taken) flush_done_ = asked;
      forget_released();
    }
    if (all_taken) flushed_.notify_all();
    if (stop_by != 0 && (all_taken || last)) return;
    if (!all_taken) doorbell_.sleep(kBusyMs, false);
    else doorbell_.sleep(work ? kBatchMs : kIdleMs, !work);
  }
}

std::vector<LogOutputCounts> LogWriter::counts() const {
  std::vector<LogOutputCounts> result;
  const std::lock_guard lock(mutex_);
  for (const auto& known : outputs_) {
    const auto output = known.lock();
    if (!output) continue;
    auto counts = output->counts();
    for (const auto& feed : feeds_)
      if (feed.output == output) counts.dropped[static_cast<std::size_t>(LogDrop::kRingFull)] += feed.ring->dropped();
    result.push_back(std::move(counts));
  }
  return result;
}

}  // namespace fairlead::telemetry
