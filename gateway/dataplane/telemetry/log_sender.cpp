// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/log_sender.hpp"

#include <algorithm>
#include <csignal>

#include "gateway/dataplane/telemetry/http_post.hpp"
#include "gateway/dataplane/telemetry/text.hpp"
#include "gateway/dataplane/telemetry/udp_post.hpp"

namespace fairlead::telemetry {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kGlance{20};  // while a batch waits for more: whether it is full
constexpr std::size_t kBodyBytes = 8 * 1024 * 1024;
constexpr std::size_t kDatagramLines = 1024;  // taken at a time

std::string body_of(const std::deque<std::string>& lines, bool list) {
  if (!list) return lines.front();
  std::string out = "[";
  for (const auto& line : lines) {
    if (out.size() > 1) out += ',';
    out += line;
  }
  return out + "]";
}

}  // namespace

std::string SendTarget::text() const {
  if (kind == Kind::kHttp) return url.substr(0, url.find('?'));
  const bool bare_v6 = host.find(':') != std::string::npos;
  return "udp://" + (bare_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<std::shared_ptr<LogSender>> LogSender::create(const SendTarget& target) {
  FL_TRY(auto doorbell, Doorbell::create());
  std::unique_ptr<HttpPost> http;
  std::unique_ptr<UdpPost> udp;
  if (target.kind == SendTarget::Kind::kUdp) {
    udp = std::make_unique<UdpPost>(target.host, target.port);
  } else {
    FL_TRY(http, HttpPost::create({.url = target.url,
                                   .default_path = "/",
                                   .method = target.method,
                                   .content_type = target.content_type,
                                   .headers = target.headers,
                                   .timeout_ms = static_cast<int>(target.timeout.count())}));
  }
  std::shared_ptr<LogSender> sender(new LogSender(target, std::move(doorbell), std::move(http), std::move(udp)));
  sender->thread_ = std::thread([self = sender.get()] { self->run(); });
  return sender;
}

LogSender::LogSender(SendTarget target, Doorbell doorbell, std::unique_ptr<HttpPost> http, std::unique_ptr<UdpPost> udp)
    : target_(std::move(target)), doorbell_(std::move(doorbell)), http_(std::move(http)), udp_(std::move(udp)) {}

LogSender::~LogSender() { stop(); }

std::shared_ptr<ByteRing> LogSender::add_ring(std::size_t bytes) {
  auto ring = std::make_shared<ByteRing>(bytes);
  const std::lock_guard lock(mutex_);
  feeds_.push_back({.ring = ring});
  return ring;
}

void LogSender::release(const std::shared_ptr<ByteRing>& ring) {
  {
    const std::lock_guard lock(mutex_);
    for (auto& feed : feeds_) feed.released = feed.released || feed.ring == ring;
  }
  doorbell_.signal();
}

void LogSender::offer(ByteRing& ring, std::string_view lines) {
  const auto count = text::lines_in(lines);
  if (count == 0) return;
  // Counted before they can be seen, so that what is taken never exceeds what waits.
  const auto before = waiting_.fetch_add(count, std::memory_order_relaxed);
  if (before + count <= target_.most_waiting && ring.push(lines)) return doorbell_.ring();
  waiting_.fetch_sub(count, std::memory_order_relaxed);
  dropped_[static_cast<std::size_t>(LogDrop::kRingFull)].fetch_add(count, std::memory_order_relaxed);
}

void LogSender::finish() {
  finishing_.store(true, std::memory_order_release);
  doorbell_.signal();
}

void LogSender::stop(int limit_ms) {
  if (!thread_.joinable()) return;
  hurried_.store(true, std::memory_order_release);
  doorbell_.signal();
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, milliseconds(limit_ms), [&] { return ended() || waiting_.load() == 0; });
  stopping_.store(true, std::memory_order_release);
  doorbell_.signal();
  // A server that does not answer would hold us until its time-out.
  for (; !ended(); changed_.wait_for(lock, milliseconds(10)))
    if (http_ != nullptr) http_->interrupt();
  lock.unlock();
  thread_.join();
}

LogOutputCounts LogSender::counts() const {
  LogOutputCounts out;
  out.target = target_.text();
  out.lines = count_.load(std::memory_order_relaxed);
  out.bytes = bytes_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < kLogDrops; ++i) out.dropped[i] = dropped_[i].load(std::memory_order_relaxed);
  return out;
}

void LogSender::drop(LogDrop reason, std::size_t lines) {
  dropped_[static_cast<std::size_t>(reason)].fetch_add(lines, std::memory_order_relaxed);
  waiting_.fetch_sub(lines, std::memory_order_relaxed);
}

void LogSender::sent(const Lines& lines) {
  std::uint64_t bytes = 0;
  for (const auto& line : lines) bytes += line.size();
  count_.fetch_add(lines.size(), std::memory_order_relaxed);
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  waiting_.fetch_sub(lines.size(), std::memory_order_relaxed);
}

/// Takes a batch at most out of rings. False: all rings are given back, and nothing waits in them.
bool LogSender::collect() {
  const auto most = target_.kind == SendTarget::Kind::kUdp ? kDatagramLines : target_.batch;
  std::size_t bytes = 0;
  for (const auto& line : lines_) bytes += line.size();
  const std::lock_guard lock(mutex_);
  for (auto& feed : feeds_)
    while (lines_.size() < most && bytes < kBodyBytes) {
      const auto chunk = feed.ring->peek();
      if (chunk.empty()) break;
      const auto feed_at = chunk.find('\n');
      partly_.append(chunk.substr(0, feed_at));
      feed.ring->consume(feed_at == std::string_view::npos ? chunk.size() : feed_at + 1);
      if (feed_at == std::string_view::npos) continue;  // the rest is at the beginning of the ring's memory
      bytes += partly_.size();
      lines_.push_back(std::move(partly_));
      partly_.clear();
    }
  std::erase_if(feeds_, [](const Feed& feed) { return feed.released && feed.ring->waiting() == 0; });
  return !feeds_.empty();
}

bool LogSender::is_batch_due(Clock::time_point since) const {
  return target_.kind == SendTarget::Kind::kUdp || lines_.size() >= target_.batch || hurried_ || stopping_ ||
         finishing_ || Clock::now() - since >= target_.delay;
}

/// Waits, but not when stopping; false then.
bool LogSender::pause(milliseconds time) {
  const auto end = Clock::now() + time;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    if (stopping_.load(std::memory_order_acquire)) return false;
    if (left.count() <= 0) return true;
    doorbell_.sleep(static_cast<int>(std::min<std::int64_t>(left.count(), kIdleMs)), false);
  }
}

void LogSender::send_requests(const Lines& lines) {
  const auto body = body_of(lines, target_.batch > 1);
  const auto give_up = Clock::now() + target_.retry_time;
  auto wait = target_.first_retry;
  for (;;) {
    const auto status = http_->post(body).status;
    if (status != 0 && status < 300) return sent(lines);
    if (stopping_.load(std::memory_order_acquire)) return drop(LogDrop::kAtExit, lines.size());
    if (Clock::now() + wait >= give_up) return drop(LogDrop::kUnavailable, lines.size());
    if (!pause(wait)) return drop(LogDrop::kAtExit, lines.size());
    wait = std::min(2 * wait, target_.last_retry);
  }
}

void LogSender::send_datagrams(Lines lines) {
  if (!udp_->ready()) return drop(LogDrop::kUnavailable, lines.size());
  while (!lines.empty()) {
    Lines together;
    std::string datagram;
    do {
      if (!datagram.empty()) datagram += '\n';
      datagram += lines.front();
      together.push_back(std::move(lines.front()));
      lines.pop_front();
    } while (!lines.empty() && datagram.size() + 1 + lines.front().size() <= target_.datagram);
    if (udp_->send(datagram)) sent(together);
    else drop(LogDrop::kWriteError, together.size());
  }
}

void LogSender::send_batch() {
  auto lines = std::exchange(lines_, {});
  if (stopping_.load(std::memory_order_acquire)) return drop(LogDrop::kAtExit, lines.size());
  if (http_ != nullptr) send_requests(std::move(lines));
  else send_datagrams(std::move(lines));
}

/// To stop(): behind the lock, so that nobody has looked already and does not wait yet.
void LogSender::tell() {
  {
    const std::lock_guard lock(mutex_);
  }
  changed_.notify_all();
}

void LogSender::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  Clock::time_point since;  // the first line of the batch was taken
  for (;;) {
    const bool empty = lines_.empty();
    const bool stopping = stopping_.load(std::memory_order_acquire);
    const bool feeds = collect();
    if (empty && !lines_.empty()) since = Clock::now();
    if (!lines_.empty() && is_batch_due(since)) {
      send_batch();
      if (waiting_.load(std::memory_order_relaxed) == 0) tell();
    } else if (!lines_.empty()) {
      doorbell_.sleep(static_cast<int>(std::min(kGlance, target_.delay).count()), false);
    } else if (stopping || (finishing_.load(std::memory_order_acquire) && !feeds)) {
      break;
    } else {
      doorbell_.sleep(kIdleMs, true);
    }
  }
  ended_.store(true, std::memory_order_release);
  tell();
}

}  // namespace fairlead::telemetry
