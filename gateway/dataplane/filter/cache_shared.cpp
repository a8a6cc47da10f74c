// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/cache_shared.hpp"

#include <algorithm>
#include <utility>

#include "fairlead/auth/digest.hpp"
#include "fairlead/limit/clocks.hpp"
#include "fairlead/limit/key.hpp"
#include "gateway/dataplane/filter/cache_journal.hpp"
#include "gateway/dataplane/filter/cache_scripts.hpp"
#include "gateway/dataplane/filter/redis_store.hpp"

namespace fairlead::filter {
namespace {

using limit::append_argument;
using limit::RespValue;

constexpr std::size_t kMostHeaders = 64;      // of a request, that a response may vary by here
constexpr std::int64_t kMostTtl = 7 * 86400;  // seconds that Redis keeps a response
constexpr std::int64_t kToValidate = 60;      // seconds beyond its time, for what can be validated

constexpr std::string_view kReadNames[kSharedReads] = {"hit",      "stale",   "miss",          "purged", "corrupt",
                                                       "unsynced", "timeout", "not_connected", "error"};
constexpr telemetry::CounterFamily kReadFamily{"fairlead_gateway_cache_shared",
                                               "what the shared store had for requests that memory had nothing for",
                                               "result", kReadNames};
constexpr std::string_view kWriteNames[kSharedWrites] = {"stored", "refused", "too_large", "busy", "failed"};
constexpr telemetry::CounterFamily kWriteFamily{"fairlead_gateway_cache_shared_writes",
                                                "responses for the shared store", "result", kWriteNames};

cache::Moment moment(event::Reactor& reactor) {
  return {.monotonic = static_cast<std::int64_t>(reactor.now_ms()), .wall = limit::unix_us() / 1000};
}

/// Of a field's values, as append_vary() has them with the line's end: short, and not to be read by who reads Redis.
std::string value_name(std::string_view line) {
  std::string out;
  limit::shared_key(line, out);
  out.resize(16);
  return out;
}

std::string key_name(const cache::Key& key) {
  std::string out;
  limit::shared_key(key.text, out);
  return out;
}

/// Whose answer it is: nobody finds two that are alike.
auth::Digest digest_of(const cache::Key& key, const std::vector<std::string_view>& vary, std::string_view values) {
  std::string names;
  for (const auto name : vary) names.append(name).append("\n");
  return auth::sha256({key.text, std::string_view("\0", 1), names, std::string_view("\0", 1), values});
}

/// The name of a variant, as the script that reads composes it.
std::string variant_name(const cache::Key& key, const cache::Entry& entry) {
  auto out = key_name(key);
  std::string_view lines = entry.vary_values;
  for (std::size_t i = 0; i < entry.vary.size(); ++i) {
    const auto end = lines.find('\n') + 1;
    const auto line = lines.substr(0, end);
    lines.remove_prefix(end);
    out.append(",").append(line == "\n" ? "-" : value_name(line));
  }
  return out;
}

std::int64_t ttl_of(const cache::Entry& entry, std::int64_t now) {
  const auto stale = entry.validate_always ? 0 : std::max(entry.stale_while_revalidate, entry.stale_if_error);
  const auto left = (entry.lifetime + stale - entry.age(now)) / 1000;
  const bool validated = !entry.validators.etag.empty() || !entry.validators.last_modified.empty();
  return std::min(std::max<std::int64_t>(left, 0) + (validated ? kToValidate : 0), kMostTtl);
}

}  // namespace

std::string SharedCache::index_of(std::string_view url) const {
  std::string name;
  limit::shared_key(url, name);
  return prefix + "{" + name + "}";
}

std::shared_ptr<SharedCache> make_shared_cache(const model::ResponseCache& settings, Context& context,
                                               const std::shared_ptr<cache::Store>& store) {
  if (settings.redis == nullptr) return nullptr;
  auto config = make_redis_config(*settings.redis, context, cache_scripts());
  if (config == nullptr) return nullptr;
  auto out = std::make_shared<SharedCache>();
  const auto begin = settings.redis->prefix + ":cache:";
  out->prefix = begin + context.policy.substr(context.policy.find(' ') + 1) + ":";
  out->most_bytes = settings.max_shared_bytes;
  out->tag_headers = settings.tag_headers;
  out->keeper = JournalKeeper::of(config, begin, context);
  out->journal = out->keeper->journal();
  out->journal->add(store);
  out->config = std::move(config);
  out->reads = context.counters(kReadFamily);
  out->writes = context.counters(kWriteFamily);
  return out;
}

SharedQuestion::SharedQuestion(SharedReader& reader, const SharedCache& shared, event::Reactor& reactor,
                               const cache::Key& key, const http::Fields& asked)
    : reader_(reader),
      shared_(shared),
      reactor_(reactor),
      key_(key),
      asked_(asked),
      index_(shared.index_of(key.url())) {}

void SharedQuestion::append(std::string& out, std::int64_t, bool whole) const {
  std::vector<std::string_view> names;
  for (const auto& field : asked_) {
    if (names.size() == kMostHeaders) break;
    if (std::ranges::find(names, field.name) == names.end()) names.push_back(field.name);
  }
  append_script(out, cache_read_script(), whole, 3 + 2 * names.size());
  append_argument(out, std::int64_t{1});
  append_argument(out, index_);
  append_argument(out, key_name(key_));
  append_argument(out, static_cast<std::int64_t>(cache::kMostEncoded));
  std::string line;
  for (const auto name : names) {
    line.clear();
    cache::append_vary({name}, asked_, line);
    append_argument(out, name);
    append_argument(out, value_name(line));
  }
}

limit::ReplyStatus SharedQuestion::read(std::span<const RespValue> reply, std::optional<std::int64_t>&) {
  using Type = RespValue::Type;
  if (reply.size() != 3 || reply[0].type != Type::kArray || reply[1].type != Type::kText)
    return limit::ReplyStatus::kBroken;
  token_ = reply[1].text;
  if (reply[2].type == Type::kText) result_ = take(reply[2].text);
  else if (reply[2].type != Type::kNil) result_ = SharedRead::kCorrupt;
  if (result_ != SharedRead::kHit && result_ != SharedRead::kStale) entry_ = nullptr;
  return limit::ReplyStatus::kComplete;
}

SharedRead SharedQuestion::take(std::string_view value) {
  const auto now = moment(reactor_);
  cache::Stamp stamp;
  entry_ = cache::decode(value, shared_.tag_headers, now, stamp);
  if (entry_ == nullptr) return SharedRead::kCorrupt;
  cache::append_vary(entry_->vary, asked_, entry_->vary_values);
  if (digest_of(key_, entry_->vary, entry_->vary_values) != stamp.digest) return SharedRead::kCorrupt;
  const cache::JournalMark since{.journal = stamp.journal, .purge = stamp.purge};
  if (shared_.journal->purged(since, key_.url(), entry_->tags)) return SharedRead::kPurged;
  return entry_->fresh(now.monotonic) ? SharedRead::kHit : SharedRead::kStale;
}

void SharedQuestion::on_no_answer(limit::NoAnswer reason) {
  using enum limit::NoAnswer;
  const auto result = reason == kTimeout        ? SharedRead::kTimeout
                      : reason == kNotConnected ? SharedRead::kNotConnected
                                                : SharedRead::kError;
  reader_.on_shared(result, nullptr, {});
}

/// Something that Redis is told in nobody's name.
class SharedDesk::Task : public limit::RedisQuestion {
 public:
  Task(SharedDesk& owner, std::string index) : owner_(owner), index_(std::move(index)) {}
  [[nodiscard]] std::string_view key() const override { return index_; }
  limit::ReplyStatus read(std::span<const RespValue> reply, std::optional<std::int64_t>&) override {
    if (reply[0].type != RespValue::Type::kInteger) return limit::ReplyStatus::kBroken;
    done_ = reply[0].integer == 1;
    return limit::ReplyStatus::kComplete;
  }
  void on_reply() override { finish(); }
  void on_no_answer(limit::NoAnswer) override { finish(); }
  /// Says what has become of it; not called twice.
  virtual void tell() = 0;
  [[nodiscard]] virtual std::size_t bytes() const { return index_.size(); }

 protected:
  SharedDesk& owner_;
  std::string index_;
  std::optional<bool> done_;  // nothing: no answer

 private:
  void finish() {
    tell();
    owner_.end(*this);
  }
};

class SharedDesk::Write final : public Task {
 public:
  Write(SharedDesk& owner, std::string index, const SharedTicket& ticket, const cache::Key& key,
        const cache::Entry& entry, std::int64_t ttl, std::string value)
      : Task(owner, std::move(index)),
        name_(key_name(key)),
        token_(ticket.token),
        variant_(variant_name(key, entry)),
        ttl_(ttl),
        value_(std::move(value)) {
    for (const auto name : entry.vary) vary_.append(vary_.empty() ? "" : ",").append(name);
  }

  void append(std::string& out, std::int64_t, bool whole) const override {
    append_script(out, cache_write_script(), whole, 7);
    append_argument(out, std::int64_t{1});
    for (const std::string_view text : {index_, name_, token_, vary_, variant_}) append_argument(out, text);
    append_argument(out, ttl_);
    append_argument(out, value_);
  }
  void tell() override {
    owner_.count(!done_ ? SharedWrite::kFailed : *done_ ? SharedWrite::kStored : SharedWrite::kRefused);
  }
  [[nodiscard]] std::size_t bytes() const override { return value_.size(); }

 private:
  std::string name_, token_, vary_, variant_;
  std::int64_t ttl_;  // seconds
  std::string value_;
};

class SharedDesk::Invalidation final : public Task {
 public:
  Invalidation(SharedDesk& owner, std::string index, std::string_view url) : Task(owner, std::move(index)), url_(url) {}
  void append(std::string& out, std::int64_t, bool whole) const override {
    append_script(out, cache_invalidate_script(), whole, 1);
    append_argument(out, std::int64_t{1});
    append_argument(out, index_);
  }
  void tell() override {
    if (!done_) owner_.shared_->journal->publish(cache::PurgeKind::kUrl, url_);
  }

 private:
  std::string url_;
};

SharedDesk::SharedDesk(SharedPtr shared, event::Reactor& reactor, limit::RedisClient& client,
                       telemetry::WorkerMeter* meter)
    : shared_(std::move(shared)), reactor_(reactor), client_(client), meter_(meter) {
  shared_->keeper->start();
}

SharedDesk::~SharedDesk() = default;

bool SharedDesk::begin(std::unique_ptr<Task> task) {
  if (under_way_.size() >= kMostUnderWay || !client_.ask(*task)) return false;
  bytes_ += task->bytes();
  under_way_.push_back(std::move(task));
  return true;
}

void SharedDesk::end(const Task& task) {
  bytes_ -= task.bytes();
  std::erase_if(under_way_, [&](const auto& one) { return one.get() == &task; });
}

void SharedDesk::write(const SharedTicket& ticket, const cache::Key& key, const cache::Entry& entry) {
  const auto now = moment(reactor_);
  const auto ttl = ttl_of(entry, now.monotonic);
  if (ttl <= 0 || now.monotonic - ticket.sent_ms > kMostFetch) return;
  if (!cache::may_be_shared(entry.fields)) return count(SharedWrite::kRefused);
  const auto size = entry.body->size();
  if (size > shared_->most_bytes) return count(SharedWrite::kTooLarge);
  if (bytes_ + size > kMostBytes) return count(SharedWrite::kBusy);
  const cache::Stamp stamp{.digest = digest_of(key, entry.vary, entry.vary_values),
                           .journal = ticket.mark.journal,
                           .purge = ticket.mark.purge};
  auto value = cache::encode(entry, stamp, now, shared_->most_bytes);
  if (value.empty()) return count(SharedWrite::kTooLarge);
  auto task = std::make_unique<Write>(*this, shared_->index_of(key.url()), ticket, key, entry, ttl, std::move(value));
  if (!begin(std::move(task))) count(SharedWrite::kFailed);
}

void SharedDesk::invalidate(std::string_view url) {
  if (!begin(std::make_unique<Invalidation>(*this, shared_->index_of(url), url)))
    shared_->journal->publish(cache::PurgeKind::kUrl, url);
}

SharedDesk& shared_desk(Request& request, const SharedPtr& shared) {
  auto& client = redis_client(request, shared->config);
  return request.local<SharedDesk>(
      shared, [&] { return std::make_unique<SharedDesk>(shared, request.reactor(), client, request.meter()); });
}

}  // namespace fairlead::filter
