// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "fairlead/cache/journal.hpp"
#include "fairlead/event/worker.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/limit/redis_config.hpp"

namespace fairlead::filter {

/// Reads the journal of purges of one Redis, four times a second, and writes there what is purged here, on a thread of
/// its own, which begins when it is first needed: no worker has to be awake for a purge to go out, or to come in.
/// Owner: filters, by shared_ptr. Thread: any.
class JournalKeeper {
 public:
  static constexpr std::uint64_t kPauseMs = 250;

  /// The one for that Redis and beginning of keys ("fairlead:cache:"). Thread: main.
  static std::shared_ptr<JournalKeeper> of(const std::shared_ptr<const limit::RedisConfig>& config,
                                           const std::string& prefix, Context& context);
  JournalKeeper(std::shared_ptr<const limit::RedisConfig> config, const std::string& prefix);
  ~JournalKeeper();
  JournalKeeper(const JournalKeeper&) = delete;
  JournalKeeper& operator=(const JournalKeeper&) = delete;

  /// Begins, where it has not yet.
  void start();
  [[nodiscard]] const std::shared_ptr<cache::Journal>& journal() const { return journal_; }

 private:
  class Round;
  void wake();

  std::shared_ptr<const limit::RedisConfig> config_;
  std::string key_;
  std::shared_ptr<cache::Journal> journal_ = std::make_shared<cache::Journal>();
  std::once_flag started_;
  std::unique_ptr<Round> round_;           // the thread's
  std::unique_ptr<event::Worker> thread_;  // null: it could not begin
};

}  // namespace fairlead::filter
