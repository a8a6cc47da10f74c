// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::gateway {

/// What local quotas have counted, in the file `quotas` of a directory: read at the start, written every five seconds
/// where it has changed, and at the end. A file that is torn or somebody else's is named, put aside, and not used.
/// Owner: Gateway. Thread: main; it writes on a thread of its own.
class QuotaKeeper {
 public:
  static constexpr std::chrono::seconds kInterval{5};

  /// The secret of the file's keys is this process' from now on, so no key may have been hashed before. successor: a
  /// gateway counts on in this file until take_over(); lock: the one that it shares (state_lock.hpp), or none. An error
  /// where another gateway counts there.
  static Result<std::unique_ptr<QuotaKeeper>> open(const std::string& directory, bool successor, Fd lock);
  ~QuotaKeeper() { stop(); }
  QuotaKeeper(const QuotaKeeper&) = delete;
  QuotaKeeper& operator=(const QuotaKeeper&) = delete;

  /// The predecessor writes no more: its counts are added to those that were made meanwhile.
  void take_over();
  /// Begins to write at intervals.
  void start();
  /// Writes now, on the caller's thread.
  void write();
  /// Ends the writing at intervals.
  void stop();

  /// To be shared with a successor.
  [[nodiscard]] const Fd& lock() const { return lock_; }

  struct State {
    std::string directory;
    std::uint64_t limits = 0;  ///< that are written
    std::uint64_t writes = 0;
    std::uint64_t failures = 0;  ///< to write, or to use what was there
    std::string failure;  ///< the last one; empty: all is well
  };
  [[nodiscard]] State state() const;

 private:
  explicit QuotaKeeper(std::string directory) : directory_(std::move(directory)) {}
  void load();
  void run();
  void note(const std::string& failure);
  [[nodiscard]] std::string path() const { return directory_ + "/quotas"; }

  Fd lock_;
  std::string directory_;
  std::mutex writing_;
  std::string written_;  // the digest of what was written last
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::uint64_t writes_ = 0;
  std::uint64_t failures_ = 0;
  std::string failure_;
  std::thread thread_;
};

/// Where state is kept: `argument`, else systemd's STATE_DIRECTORY, else nowhere (empty).
[[nodiscard]] std::string state_directory(const std::string& argument);

}  // namespace fairlead::gateway
