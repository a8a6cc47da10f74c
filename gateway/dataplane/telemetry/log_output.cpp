// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/telemetry/log_output.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "gateway/dataplane/telemetry/text.hpp"

namespace fairlead::telemetry {
namespace {

constexpr std::size_t kPipeChunk = 4096;  // PIPE_BUF: what a pipe that poll() calls writable takes without waiting
constexpr int kInformational = 6;         // severity, RFC 5424 6.2.1

LogDrop reason_of(int error) {
  return error == ENOSPC || error == EDQUOT || error == EFBIG ? LogDrop::kDiskFull : LogDrop::kWriteError;
}

bool busy(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

/// "2026-11-28T11:42:03.123Z"
char* put_now(char* out) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  out += std::strftime(out, 32, "%Y-%m-%dT%H:%M:%S.", &utc);
  out = text::put_padded(out, static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000, 3);
  *out++ = 'Z';
  return out;
}

sockaddr_in6 socket_address(const net::Endpoint& endpoint) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;  // IPv4 is v4-mapped
  address.sin6_port = htons(endpoint.port);
  std::memcpy(&address.sin6_addr, &endpoint.address.raw(), sizeof address.sin6_addr);
  return address;
}

}  // namespace

std::string_view name_of(LogDrop reason) {
  constexpr std::array<std::string_view, kLogDrops> kNames{"ring_full", "disk_full", "write_error", "at_exit",
                                                           "unavailable"};
  return kNames[static_cast<std::size_t>(reason)];
}

Result<std::shared_ptr<LogOutput>> LogOutput::open(const LogTarget& target) {
  std::shared_ptr<LogOutput> output(new LogOutput(target));
  if (target.kind == LogTarget::Kind::kFile) FL_CHECK(output->open_file());
  if (target.kind == LogTarget::Kind::kSyslog) FL_CHECK(output->open_syslog());
  output->look_at_descriptor();
  return output;
}

Result<> LogOutput::open_file() {
  // Non-blocking for the sake of FIFOs; files do not care.
  Fd opened(::open(target_.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640));
  if (!opened) return fail(system_error("opening the log " + target_.path, errno));
  fd_ = std::move(opened);
  return {};
}

Result<> LogOutput::open_syslog() {
  const bool v4 = target_.server.address.is_v4();
  Fd opened(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!opened) return fail(system_error("socket for syslog", errno));
  const int off = 0;
  if (v4) ::setsockopt(opened.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  const auto address = socket_address(target_.server);
  if (::connect(opened.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail(system_error("connecting to syslog at " + target_.server.address.text(), errno));
  fd_ = std::move(opened);
  char host[256] = {};
  hostname_ = ::gethostname(host, sizeof host - 1) == 0 && host[0] != '\0' ? host : "-";
  return {};
}

int LogOutput::descriptor() const {
  if (target_.kind == LogTarget::Kind::kStdout) return STDOUT_FILENO;
  if (target_.kind == LogTarget::Kind::kStderr) return STDERR_FILENO;
  return fd_.get();
}

void LogOutput::look_at_descriptor() {
  struct stat status{};
  regular_ = ::fstat(descriptor(), &status) == 0 && S_ISREG(status.st_mode);
}

/// Whether the path is another's by now, or nobody's.
bool LogOutput::has_moved() const {
  struct stat ours{}, now{};
  if (::fstat(descriptor(), &ours) != 0) return false;
  return ::stat(target_.path.c_str(), &now) != 0 ? errno == ENOENT
                                                 : now.st_ino != ours.st_ino || now.st_dev != ours.st_dev;
}

bool LogOutput::writable_now() const {
  pollfd waiting{.fd = descriptor(), .events = POLLOUT, .revents = 0};
  return ::poll(&waiting, 1, 0) != 0;  // errors are for write() to tell
}

void LogOutput::reopen() {
  if (target_.kind != LogTarget::Kind::kFile) return;
  reopen_later_ = mid_line_ != nullptr;
  if (reopen_later_) return;
  // Where it fails the old file goes on to be written: lines are better there than nowhere.
  if (!open_file()) return;
  look_at_descriptor();
  torn_ = false;
}

void LogOutput::count_written(std::string_view bytes) {
  lines_.fetch_add(text::lines_in(bytes), std::memory_order_relaxed);
  bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
}

void LogOutput::failed(ByteRing& ring, std::string_view chunk, int error) {
  torn_ = torn_ || partly_written_;
  partly_written_ = false;
  // Never leave half a line to be taken for a whole.
  const auto last = chunk.rfind('\n');
  const auto given_up = last == std::string_view::npos ? chunk : chunk.substr(0, last + 1);
  skips_rest_ = last == std::string_view::npos;
  mid_line_ = skips_rest_ ? &ring : nullptr;
  last_error_ = reason_of(error);
  dropped_[static_cast<std::size_t>(last_error_)].fetch_add(text::lines_in(given_up), std::memory_order_relaxed);
  ring.consume(given_up.size());
}

/// The rest of a line whose beginning was given up; returns how much of `chunk` that is.
std::size_t LogOutput::skip_rest(std::string_view chunk) {
  const auto feed = chunk.find('\n');
  if (feed == std::string_view::npos) return chunk.size();
  dropped_[static_cast<std::size_t>(last_error_)].fetch_add(1, std::memory_order_relaxed);
  skips_rest_ = false;
  mid_line_ = nullptr;
  return feed + 1;
}

bool LogOutput::drain_stream(ByteRing& ring) {
  // Not more than waits now, or a fast worker would keep us from the others; it ends with the end of a line.
  const auto end = ring.consumed() + ring.waiting();
  while (ring.consumed() != end) {
    auto chunk = ring.peek().substr(0, end - ring.consumed());
    if (skips_rest_) {
      ring.consume(skip_rest(chunk));
      continue;
    }
    if (!regular_) {
      if (!writable_now()) return false;
      chunk = chunk.substr(0, kPipeChunk);
    }
    if (torn_) {
      if (::write(descriptor(), "\n", 1) == 1) torn_ = false;
      else if (busy(errno)) return false;
    }
    const auto written = ::write(descriptor(), chunk.data(), chunk.size());
    if (written < 0 && busy(errno)) return false;
    if (written < 0) {
      failed(ring, chunk, errno);
      continue;
    }
    const auto done = chunk.substr(0, static_cast<std::size_t>(written));
    count_written(done);
    ring.consume(done.size());
    partly_written_ = !done.empty() && done.back() != '\n';
    mid_line_ = partly_written_ ? &ring : nullptr;
  }
  return true;
}

bool LogOutput::drain_datagrams(ByteRing& ring) {
  const auto stop = ring.consumed() + ring.waiting();
  while (ring.consumed() != stop) {
    auto chunk = ring.peek();
    char head[64];
    char* end = text::put(head, "<");
    end = text::put(end, std::int64_t{target_.facility} * 8 + kInformational);
    end = put_now(text::put(end, ">1 "));
    *end++ = ' ';
    line_.assign(head, end).append(hostname_).append(" ").append(target_.program).append(" ");
    line_.append(std::to_string(::getpid())).append(" access - ");
    const auto prefix = line_.size();
    // A line may go over the end of the ring's memory.
    std::size_t taken = 0;
    for (bool whole = false; !whole && !chunk.empty(); chunk = ring.peek()) {
      const auto feed = chunk.find('\n');
      whole = feed != std::string_view::npos;
      const auto part = chunk.substr(0, whole ? feed : chunk.size());
      line_.append(part);
      taken = part.size() + (whole ? 1 : 0);
      ring.consume(taken);
    }
    if (::send(fd_.get(), line_.data(), line_.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
      lines_.fetch_add(1, std::memory_order_relaxed);
      bytes_.fetch_add(line_.size() - prefix, std::memory_order_relaxed);
    } else {
      // ECONNREFUSED tells of an earlier datagram; this one is lost as well, as nobody listens.
      dropped_[static_cast<std::size_t>(reason_of(errno))].fetch_add(1, std::memory_order_relaxed);
    }
  }
  return true;
}

bool LogOutput::drain(ByteRing& ring) {
  if (mid_line_ != nullptr && mid_line_ != &ring) return false;
  if (target_.follow && mid_line_ == nullptr && ring.waiting() != 0 && has_moved()) reopen();
  const bool all = target_.kind == LogTarget::Kind::kSyslog ? drain_datagrams(ring) : drain_stream(ring);
  if (reopen_later_ && mid_line_ == nullptr) reopen();
  return all;
}

void LogOutput::drop(ByteRing& ring, LogDrop reason) {
  for (auto chunk = ring.peek(); !chunk.empty(); chunk = ring.peek()) {
    dropped_[static_cast<std::size_t>(reason)].fetch_add(text::lines_in(chunk), std::memory_order_relaxed);
    ring.consume(chunk.size());
  }
  if (mid_line_ != &ring) return;
  torn_ = torn_ || partly_written_;
  partly_written_ = skips_rest_ = false;
  mid_line_ = nullptr;
}

LogOutputCounts LogOutput::counts() const {
  LogOutputCounts counts;
  switch (target_.kind) {
    case LogTarget::Kind::kStdout: counts.target = "stdout"; break;
    case LogTarget::Kind::kStderr: counts.target = "stderr"; break;
    case LogTarget::Kind::kFile: counts.target = target_.path; break;
    case LogTarget::Kind::kSyslog:
      char address[text::kMaxAddress];
      counts.target = "udp://" + std::string(address, text::put(address, target_.server));
      break;
  }
  counts.lines = lines_.load(std::memory_order_relaxed);
  counts.bytes = bytes_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < kLogDrops; ++i) counts.dropped[i] = dropped_[i].load(std::memory_order_relaxed);
  counts.dropped[static_cast<std::size_t>(LogDrop::kRingFull)] += retired_drops_.load(std::memory_order_relaxed);
  return counts;
}

}  // namespace fairlead::telemetry
