// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "fairlead/base/fd.hpp"
#include "fairlead/telemetry/log_writer.hpp"

namespace fairlead::telemetry {

class LogOutput {
 public:
  static Result<std::shared_ptr<LogOutput>> open(const LogTarget& target);

  [[nodiscard]] const LogTarget& target() const { return target_; }

  /// Writes what waits in `ring` as far as the target takes it. False: the target is busy, come again.
  bool drain(ByteRing& ring);
  void reopen();
  /// Gives up what waits.
  void drop(ByteRing& ring, LogDrop reason);
  /// A ring that has been given back: its drops stay counted.
  void retire(const ByteRing& ring) { retired_drops_.fetch_add(ring.dropped(), std::memory_order_relaxed); }
  /// Drops of living rings are to be added.
  [[nodiscard]] LogOutputCounts counts() const;

 private:
  explicit LogOutput(LogTarget target) : target_(std::move(target)) {}
  Result<> open_file();
  Result<> open_syslog();
  [[nodiscard]] int descriptor() const;
  void look_at_descriptor();
  [[nodiscard]] bool has_moved() const;
  [[nodiscard]] bool writable_now() const;
  std::size_t skip_rest(std::string_view chunk);
  bool drain_stream(ByteRing& ring);
  bool drain_datagrams(ByteRing& ring);
  void failed(ByteRing& ring, std::string_view chunk, int error);
  void count_written(std::string_view bytes);

  LogTarget target_;
  Fd fd_;                              // of a file or socket; stdout and stderr are not ours
  bool regular_ = false;               // a write never waits for a reader
  const ByteRing* mid_line_ = nullptr;  // whose line has begun: no other may come between
  bool partly_written_ = false;        // its beginning is written
  bool skips_rest_ = false;            // its beginning was given up, so is what follows
  bool torn_ = false;                  // a line was given up in its middle: end it before the next
  bool reopen_later_ = false;          // when no line is in its middle
  LogDrop last_error_ = LogDrop::kWriteError;
  std::string line_;                  // one datagram
  std::string hostname_;

  std::atomic<std::uint64_t> lines_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> retired_drops_{0};
  std::array<std::atomic<std::uint64_t>, kLogDrops> dropped_{};
};

}  // namespace fairlead::telemetry
