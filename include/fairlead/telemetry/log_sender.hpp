// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/telemetry/byte_ring.hpp"
#include "fairlead/telemetry/doorbell.hpp"
#include "fairlead/telemetry/log_writer.hpp"

namespace fairlead::telemetry {

/// A server that gets lines, and how long they wait for it.
struct SendTarget {
  enum class Kind : std::uint8_t {
    kHttp,  ///< a line, or a JSON array of several, as a request's body; below 300 is success, the rest is tried again
    kUdp,  ///< datagrams; what cannot be sent is lost
  };
  Kind kind = Kind::kHttp;
  std::string url, method = "POST", content_type = "application/json";  // of kHttp
  std::vector<std::pair<std::string, std::string>> headers;  // of kHttp; never shown
  std::chrono::milliseconds timeout{10'000};  // of one request
  std::string host;  // of kUdp
  std::uint16_t port = 0;
  std::size_t datagram = 0;  ///< bytes that lines share; 0: each line has its own
  std::size_t batch = 1;  ///< lines in one request
  std::size_t most_waiting = 10'000;  ///< lines; what comes beyond is dropped
  std::chrono::milliseconds delay{1000};  ///< the longest that a line waits for others, with a batch of several
  std::chrono::milliseconds retry_time{60'000};
  std::chrono::milliseconds first_retry{10}, last_retry{60'000};  ///< doubled in between
  bool operator==(const SendTarget&) const = default;
  /// Without what may be secret: "http://log.example:80/path", "udp://10.0.0.1:8125".
  [[nodiscard]] std::string text() const;
};

class HttpPost;
class UdpPost;

/// The thread that sends the lines of all workers to one server. A worker has a ring; it is never blocked.
/// Owner: the daemon, and logs that go to it. Thread: main, but for what says otherwise.
class LogSender {
 public:
  static Result<std::shared_ptr<LogSender>> create(const SendTarget& target);
  ~LogSender();  ///< as stop()

  [[nodiscard]] const SendTarget& target() const { return target_; }
  [[nodiscard]] std::shared_ptr<ByteRing> add_ring(std::size_t bytes);
  /// What waits in it is still sent.
  void release(const std::shared_ptr<ByteRing>& ring);
  /// A worker's; the doorbell rings where it is needed. Whole lines.
  void offer(ByteRing& ring, std::string_view lines);

  /// Ends the thread once all rings are given back and what waited in them is sent or dropped.
  void finish();
  [[nodiscard]] bool ended() const { return ended_.load(std::memory_order_acquire); }
  /// Sends what waits, for at most `limit_ms`, and ends the thread.
  void stop(int limit_ms = 2000);
  /// Any thread.
  [[nodiscard]] LogOutputCounts counts() const;

 private:
  struct Feed {
    std::shared_ptr<ByteRing> ring;
    bool released = false;
  };
  using Lines = std::deque<std::string>;

  LogSender(SendTarget target, Doorbell doorbell, std::unique_ptr<HttpPost> http, std::unique_ptr<UdpPost> udp);
  void run();
  void tell();
  bool collect();
  bool is_batch_due(std::chrono::steady_clock::time_point since) const;
  void send_batch();
  void send_requests(const Lines& lines);
  void send_datagrams(Lines lines);
  bool pause(std::chrono::milliseconds time);
  void sent(const Lines& lines);
  void drop(LogDrop reason, std::size_t lines);

  const SendTarget target_;
  Doorbell doorbell_;
  const std::unique_ptr<HttpPost> http_;
  const std::unique_ptr<UdpPost> udp_;
  Lines lines_;  // the thread's: taken from rings, the last one perhaps not whole
  std::string partly_;

  mutable std::mutex mutex_;  // of feeds_; never taken by a worker's request
  std::vector<Feed> feeds_;
  std::condition_variable changed_;

  std::atomic<std::size_t> waiting_{0};  // lines in rings and in lines_
  std::atomic<std::uint64_t> count_{0}, bytes_{0};
  std::array<std::atomic<std::uint64_t>, kLogDrops> dropped_{};
  std::atomic<bool> finishing_{false}, hurried_{false}, stopping_{false}, ended_{false};
  std::thread thread_;
};

}  // namespace fairlead::telemetry
