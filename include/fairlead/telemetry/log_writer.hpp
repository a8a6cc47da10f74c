// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/net/stream.hpp"
#include "fairlead/telemetry/byte_ring.hpp"
#include "fairlead/telemetry/doorbell.hpp"

namespace fairlead::telemetry {

/// Where lines go.
struct LogTarget {
  enum class Kind : std::uint8_t {
    kStdout,
    kStderr,
    kFile,    ///< appended to `path`, made with mode 0640; may be a FIFO
    kSyslog,  ///< RFC 5424 over UDP (RFC 5426) to `server`, one datagram a line
  };
  Kind kind = Kind::kStdout;
  std::string path;
  net::Endpoint server;
  std::string program = "fairlead-gateway";  ///< APP-NAME, for syslog
  int facility = 16;                         ///< local0
  bool follow = false;  ///< a file is opened anew where its path has become another's
  bool operator==(const LogTarget& other) const {
    return kind == other.kind && path == other.path && server.address == other.server.address &&
           server.port == other.server.port && program == other.program && facility == other.facility &&
           follow == other.follow;
  }
};

/// Why lines were lost.
enum class LogDrop : std::uint8_t {
  kRingFull,   ///< the target was slower than the worker
  kDiskFull,   ///< ENOSPC, EDQUOT, EFBIG
  kWriteError, ///< the target failed otherwise, or could not be opened
  kAtExit,     ///< the target took nothing more until the end of stop()
  kUnavailable, ///< no try to send them succeeded in time
};
inline constexpr std::size_t kLogDrops = 5;
[[nodiscard]] std::string_view name_of(LogDrop reason);

/// One open target and the rings that feed it. Owner: a LogWriter and its users. Thread: the writer's but for counters.
class LogOutput;

struct LogOutputCounts {
  std::string target;  ///< "stdout", a path, "udp://10.0.0.1:514"
  std::uint64_t lines = 0;
  std::uint64_t bytes = 0;
  std::array<std::uint64_t, kLogDrops> dropped{};
};

/// The thread that writes log lines of all workers. A worker has a ring for each output; it is never blocked: what a
/// slow pipe, a full disk or a dead server does not take is dropped and counted. Owner: the daemon. Thread: main, but
/// for what says otherwise.
class LogWriter {
 public:
  static Result<std::unique_ptr<LogWriter>> create();
  ~LogWriter();  ///< as stop()

  /// The same target twice is the same output. Fails where a file cannot be opened now.
  Result<std::shared_ptr<LogOutput>> open(const LogTarget& target);
  /// A ring of one worker into `output`; given back with release().
  std::shared_ptr<ByteRing> add_ring(LogOutput& output, std::size_t bytes);
  /// What waits in it is still written.
  void release(const std::shared_ptr<ByteRing>& ring);
  /// To be rung after a push(), by any thread.
  Doorbell& doorbell() { return doorbell_; }

  /// Opens files anew by their paths, after rotation; lines under way go to the old one.
  void reopen();
  /// Returns when what was pushed before the call is written or dropped, or after `limit_ms`: then false.
  bool flush(int limit_ms);
  /// Writes what waits, for at most `limit_ms`, and ends the thread.
  void stop(int limit_ms = 2000);

  /// Any thread.
  [[nodiscard]] std::vector<LogOutputCounts> counts() const;

 private:
  struct Feed {
    std::shared_ptr<LogOutput> output;
    std::shared_ptr<ByteRing> ring;
    bool released = false;
  };

  explicit LogWriter(Doorbell doorbell);
  void run();
  bool pass(const std::vector<Feed>& feeds, bool last);
  void forget_released();

  Doorbell doorbell_;
  mutable std::mutex mutex_;  // of what follows; never taken by a worker, never held while writing
  std::condition_variable flushed_;
  std::vector<std::weak_ptr<LogOutput>> outputs_;
  std::vector<Feed> feeds_;
  std::uint64_t flush_asked_ = 0;
  std::uint64_t flush_done_ = 0;

  std::atomic<bool> reopen_{false};
  std::atomic<std::int64_t> stop_by_ns_{0};  // CLOCK_MONOTONIC; 0: not stopping
  std::thread thread_;
};

}  // namespace fairlead::telemetry
