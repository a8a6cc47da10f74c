// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/cache/encoded.hpp"
#include "fairlead/cache/journal.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/limit/redis_client.hpp"
#include "fairlead/model/request_cache.hpp"

// The second level of a cache: what gateways share in Redis. Of each URL an index (a hash: which token is in its
// values' keys, and what each key varies by) and the values, encoded; whoever invalidates a URL gives it another token.
// docs/decisions/0028-shared-cache.md has the reasons.
namespace fairlead::filter {

class JournalKeeper;
class SharedDesk;

/// What came of a question to Redis; counted.
enum class SharedRead : std::uint8_t {
  kHit,
  kStale,  ///< stored, but not fresh
  kMiss,
  kPurged,  ///< stored, and purged since
  kCorrupt,  ///< what stands there is no response of ours
  kUnsynced,  ///< not asked: which purges there were is not known
  kTimeout,  ///< as limit::NoAnswer has them
  kNotConnected,
  kError,
};
inline constexpr std::size_t kSharedReads = static_cast<std::size_t>(SharedRead::kError) + 1;

/// What came of a response that was to be written; counted.
enum class SharedWrite : std::uint8_t {
  kStored,
  kRefused,  ///< its URL was invalidated meanwhile, or Redis had forgotten it
  kTooLarge,
  kBusy,  ///< too much waits to be written
  kFailed,  ///< Redis is away, slow or full
};
inline constexpr std::size_t kSharedWrites = static_cast<std::size_t>(SharedWrite::kFailed) + 1;

/// Owner: the filter, and what is under way for it. Thread: any.
struct SharedCache {
  std::shared_ptr<const limit::RedisConfig> config;
  std::shared_ptr<cache::Journal> journal;
  std::shared_ptr<JournalKeeper> keeper;
  std::string prefix;  ///< of keys: "fairlead:cache:default/cached:"
  std::size_t most_bytes = 0;  ///< of an encoded response
  std::vector<std::string> tag_headers;
  telemetry::CounterId reads = 0;  ///< by SharedRead
  telemetry::CounterId writes = 0;  ///< by SharedWrite

  void count(telemetry::WorkerMeter* meter, SharedRead result) const {
    if (meter != nullptr) meter->add(reads + static_cast<telemetry::CounterId>(result));
  }
  void count(telemetry::WorkerMeter* meter, SharedWrite result) const {
    if (meter != nullptr) meter->add(writes + static_cast<telemetry::CounterId>(result));
  }
  /// Of a URL's index.
  [[nodiscard]] std::string index_of(std::string_view url) const;
};
using SharedPtr = std::shared_ptr<const SharedCache>;

/// Null: the settings name no Redis, or a fault is noted. Thread: main.
[[nodiscard]] std::shared_ptr<SharedCache> make_shared_cache(const model::ResponseCache& settings, Context& context,
                                                             const std::shared_ptr<cache::Store>& store);

/// What a request holds of the shared store while its response comes.
struct SharedTicket {
  SharedDesk* desk = nullptr;  ///< null: the response is not written
  cache::JournalMark mark{};  ///< when the backend was asked
  std::string token{};  ///< of the URL's index then; empty: not known, or there was none
  std::int64_t sent_ms = 0;  ///< CLOCK_MONOTONIC
};

/// Waits for Redis' answer. Thread: the worker's.
class SharedReader {
 public:
  /// `entry` with kHit and kStale.
  virtual void on_shared(SharedRead result, std::shared_ptr<const cache::Entry> entry, std::string_view token) = 0;

 protected:
  ~SharedReader() = default;
};

/// One question for a response. Texts have to live as long as it does. Destroying it gives it up.
/// Owner: the request. Thread: the worker's.
class SharedQuestion final : public limit::RedisQuestion {
 public:
  SharedQuestion(SharedReader& reader, const SharedCache& shared, event::Reactor& reactor, const cache::Key& key,
                 const http::Fields& asked);

  [[nodiscard]] std::string_view key() const override { return index_; }
  void append(std::string& out, std::int64_t redis_us, bool whole) const override;
  limit::ReplyStatus read(std::span<const limit::RespValue> reply, std::optional<std::int64_t>& redis_us) override;
  void on_reply() override { reader_.on_shared(result_, std::move(entry_), token_); }
  void on_no_answer(limit::NoAnswer reason) override;

 private:
  [[nodiscard]] SharedRead take(std::string_view value);

  SharedReader& reader_;
  const SharedCache& shared_;
  event::Reactor& reactor_;
  const cache::Key key_;
  const http::Fields& asked_;
  std::string index_;
  SharedRead result_ = SharedRead::kMiss;
  std::shared_ptr<cache::Entry> entry_;
  std::string token_;
};

/// A worker's hand in the shared store: writes in nobody's name, so that a client that goes takes nothing with it.
/// Owner: the worker, by Request::local(). Thread: the worker's.
class SharedDesk final : public Local {
 public:
  static constexpr std::size_t kMostBytes = 2 << 20;  ///< that wait for Redis' answer
  static constexpr std::size_t kMostUnderWay = 1024;
  static constexpr std::int64_t kMostFetch = 300'000;  ///< ms; what took longer to come is not written

  SharedDesk(SharedPtr shared, event::Reactor& reactor, limit::RedisClient& client, telemetry::WorkerMeter* meter);
  ~SharedDesk() override;

  [[nodiscard]] limit::RedisClient& client() { return client_; }
  /// Writes what was stored in memory.
  void write(const SharedTicket& ticket, const cache::Key& key, const cache::Entry& entry);
  /// The URL was changed by an unsafe request; told by the journal where Redis is not there.
  void invalidate(std::string_view url);

 private:
  class Task;
  class Write;
  class Invalidation;
  bool begin(std::unique_ptr<Task> task);
  void end(const Task& task);
  void count(SharedWrite result) const { shared_->count(meter_, result); }

  SharedPtr shared_;
  event::Reactor& reactor_;
  limit::RedisClient& client_;
  telemetry::WorkerMeter* meter_;
  std::vector<std::unique_ptr<Task>> under_way_;
  std::size_t bytes_ = 0;
};

[[nodiscard]] SharedDesk& shared_desk(Request& request, const SharedPtr& shared);

}  // namespace fairlead::filter
