// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/events.hpp"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/telemetry/flow.hpp"

namespace fairlead::telemetry {
namespace {

constexpr std::size_t kRecent = 4096;
/// Programs wake the reader only when much waits (FL_EVENTS_WAKE_BYTES); the timer takes the rest.
constexpr std::chrono::milliseconds kPeriod{200};
constexpr std::size_t kLogChunk = 256 * 1024;

}  // namespace

bool Follower::put(const std::string& line) {
  const std::lock_guard lock(mutex_);
  if (lines_.size() + line.size() > kMostBytes) return false;
  lines_.append(line).append("\n");
  more_.notify_one();
  return true;
}

std::string Follower::take() {
  std::unique_lock lock(mutex_);
  more_.wait_for(lock, std::chrono::seconds(1), [this] { return !lines_.empty(); });
  return std::exchange(lines_, {});
}

Result<std::unique_ptr<Events>> Events::open(const Fd& map, Names& names, event::Loop& loop) {
  std::unique_ptr<Events> self(new Events(names, loop));
  self->ring_ = ring_buffer__new(map.get(), take, self.get(), nullptr);
  if (self->ring_ == nullptr) return fail(system_error("opening fl_events", errno));
  FL_CHECK(
      loop.watch(ring_buffer__epoll_fd(self->ring_), EPOLLIN, [raw = self.get()](std::uint32_t) { raw->drain(); }));
  loop.every(kPeriod, [raw = self.get()] { raw->drain(); });
  return self;
}

Events::~Events() {
  if (ring_ == nullptr) return;
  loop_.unwatch(ring_buffer__epoll_fd(ring_));
  ring_buffer__free(ring_);
}

Result<> Events::log_to(const std::string& path) {
  log_path_ = path;
  return reopen_log();
}

Result<> Events::reopen_log() {
  if (log_path_.empty()) return {};
  Fd file(::open(log_path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!file) return fail(system_error("opening the flow log " + log_path_, errno));
  log_ = std::move(file);
  return {};
}

std::shared_ptr<Follower> Events::follow() {
  auto follower = std::make_shared<Follower>();
  loop_.post([this, follower] {
    followers_.push_back(follower);
    update_followed();
  });
  return follower;
}

void Events::unfollow(const std::shared_ptr<Follower>& follower) {
  loop_.post([this, follower] {
    std::erase(followers_, follower);
    update_followed();
  });
}

void Events::update_followed() {
  if (followed_) followed_(!followers_.empty());
}

std::vector<std::string> Events::recent(std::size_t most) {
  drain();
  const auto offset = wall_offset();
  const std::size_t count = std::min(most, recent_.size());
  std::vector<std::string> lines;
  for (auto event = recent_.end() - static_cast<std::ptrdiff_t>(count); event != recent_.end(); ++event)
    lines.push_back(flow_json(*event, names_, offset));
  return lines;
}

void Events::drain() {
  wall_offset_ = wall_offset();
  ring_buffer__consume(ring_);
  if (!log_lines_.empty()) write_log();
}

int Events::take(void* self, void* data, std::size_t size) {
  if (size < sizeof(fl_event)) return 0;
  fl_event event{};
  std::memcpy(&event, data, sizeof event);
  static_cast<Events*>(self)->take_event(event);
  return 0;
}

void Events::take_event(const fl_event& event) {
  ++seen_;
  if (event.type == FL_EVENT_NETNS) return;
  if (event.type != FL_EVENT_OPEN) {
    recent_.push_back(event);
    if (recent_.size() > kRecent) recent_.pop_front();
  }
  if (followers_.empty() && !log_) return;
  const std::string line = flow_json(event, names_, wall_offset_);
  for (const auto& follower : followers_)
    if (!follower->put(line)) ++lost_lines_;
  if (!log_ || event.type == FL_EVENT_OPEN) return;
  log_lines_.append(line).append("\n");
  if (log_lines_.size() >= kLogChunk) write_log();
}

void Events::write_log() {
  const ssize_t written = ::write(log_.get(), log_lines_.data(), log_lines_.size());
  if (written != static_cast<ssize_t>(log_lines_.size())) {
    const auto tail = log_lines_.begin() + (written > 0 ? written : 0);
    lost_lines_ += static_cast<std::uint64_t>(std::count(tail, log_lines_.end(), '\n'));
    spdlog::error("flow log {}: {}", log_path_, written < 0 ? std::strerror(errno) : "the disk is full");
  }
  log_lines_.clear();
}

}  // namespace fairlead::telemetry
