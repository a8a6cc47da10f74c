// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/cache_journal.hpp"

#include <charconv>
#include <utility>

#include "fairlead/cache/registry.hpp"
#include "fairlead/limit/key.hpp"
#include "fairlead/limit/redis_client.hpp"
#include "gateway/dataplane/filter/cache_scripts.hpp"
#include "gateway/dataplane/filter/redis_store.hpp"

namespace fairlead::filter {
namespace {

using limit::append_argument;
using limit::ReplyStatus;
using limit::RespValue;

constexpr std::size_t kPage = 100;  // purges; with the longest texts a reply stays below what the client takes
constexpr std::size_t kWrites = 64;

std::optional<std::uint64_t> number_of(const RespValue& value) {
  std::uint64_t out = 0;
  const auto* const end = value.text.data() + value.text.size();
  const auto [at, error] = std::from_chars(value.text.data(), end, out);
  if (value.type != RespValue::Type::kText || error != std::errc{} || at != end) return std::nullopt;
  return out;
}

/// Which journal it is and its last purge, as both scripts answer.
bool read_end(std::span<const RespValue> reply, cache::JournalMark& out) {
  if (reply.size() < 3 || reply[0].type != RespValue::Type::kArray) return false;
  const auto journal = number_of(reply[1]), purge = number_of(reply[2]);
  if (!journal || !purge) return false;
  out = {.journal = *journal, .purge = *purge};
  return true;
}

}  // namespace

/// One question after the other: what waits is written, then what is new is read, then there is a pause.
/// Owner: the keeper. Thread: its.
class JournalKeeper::Round final : event::Timer {
 public:
  Round(event::Reactor& reactor, const std::shared_ptr<const limit::RedisConfig>& config, std::string key,
        cache::Journal& journal)
      : reactor_(reactor),
        client_(reactor, config, make_redis_names(reactor, *config)),
        journal_(journal),
        key_(std::move(key)),
        purges_(key_ + ":purges") {}
  ~Round() {
    question_ = nullptr;
    reactor_.timers().cancel(*this);
  }
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;

  void go() {
    if (question_ != nullptr) return;
    if (armed()) reactor_.timers().cancel(*this);
    auto items = journal_.waiting(kWrites);
    if (items.empty()) question_ = std::make_unique<Read>(*this);
    else question_ = std::make_unique<Write>(*this, std::move(items));
    if (!client_.ask(*question_)) finish(false);
  }

 private:
  class Question : public limit::RedisQuestion {
   public:
    explicit Question(Round& round) : round_(round) {}
    [[nodiscard]] std::string_view key() const override { return round_.key_; }
    void on_reply() override { round_.finish(more_); }
    void on_no_answer(limit::NoAnswer) override { round_.finish(false); }

   protected:
    void append_keys(std::string& out) const {
      append_argument(out, std::int64_t{2});
      append_argument(out, round_.key_);
      append_argument(out, round_.purges_);
    }
    Round& round_;
    bool more_ = false;  // to be done at once
  };

  class Read final : public Question {
   public:
    explicit Read(Round& round) : Question(round), from_(round.journal_.read_to()) {}
    void append(std::string& out, std::int64_t, bool whole) const override {
      append_script(out, journal_read_script(), whole, 5);
      append_keys(out);
      append_argument(out, static_cast<std::int64_t>(from_.journal));
      append_argument(out, static_cast<std::int64_t>(from_.purge));
      append_argument(out, static_cast<std::int64_t>(kPage));
    }
    ReplyStatus read(std::span<const RespValue> reply, std::optional<std::int64_t>&) override {
      cache::JournalPage page;
      if (reply.size() < 4 || reply.size() % 2 != 0 || !read_end(reply, page.end)) return ReplyStatus::kBroken;
      const auto floor = number_of(reply[3]);
      if (!floor) return ReplyStatus::kBroken;
      page.floor = *floor;
      for (std::size_t i = 4; i < reply.size(); i += 2) {
        const auto number = number_of(reply[i + 1]);
        if (!number || reply[i].type != RespValue::Type::kText) return ReplyStatus::kBroken;
        page.items.push_back({.number = *number, .text = reply[i].text});
      }
      page.last = page.items.size() < kPage;
      round_.journal_.apply(page, static_cast<std::int64_t>(round_.reactor_.now_ms()));
      more_ = !page.last || round_.journal_.waiting_count() > 0;
      return ReplyStatus::kComplete;
    }

   private:
    cache::JournalMark from_;
  };

  class Write final : public Question {
   public:
    Write(Round& round, std::vector<std::string> items) : Question(round), items_(std::move(items)) {}
    void append(std::string& out, std::int64_t, bool whole) const override {
      append_script(out, journal_write_script(), whole, 2 + items_.size());
      append_keys(out);
      for (const auto& item : items_) append_argument(out, item);
    }
    ReplyStatus read(std::span<const RespValue> reply, std::optional<std::int64_t>&) override {
      cache::JournalMark end;
      if (!read_end(reply, end)) return ReplyStatus::kBroken;
      round_.journal_.written(items_, end);
      more_ = true;
      return ReplyStatus::kComplete;
    }

   private:
    std::vector<std::string> items_;
  };

  void finish(bool more) {
    const auto done = std::move(question_);  // whose function calls
    if (more) return go();
    if (!armed()) reactor_.timers().arm(*this, reactor_.now_ms() + kPauseMs);
  }
  void on_timer() override { go(); }

  event::Reactor& reactor_;
  limit::RedisClient client_;
  cache::Journal& journal_;
  std::string key_;
  std::string purges_;
  std::unique_ptr<Question> question_;
};

std::shared_ptr<JournalKeeper> JournalKeeper::of(const std::shared_ptr<const limit::RedisConfig>& config,
                                                 const std::string& prefix, Context& context) {
  // The settings live as long as the keeper, so that nothing else has their place.
  const auto name = "journal " + prefix + " " + std::to_string(reinterpret_cast<std::uintptr_t>(config.get()));
  return context.stores.get<JournalKeeper>(name, [&] {
    auto made = std::make_shared<JournalKeeper>(config, prefix);
    cache::Registry::of_process().add(made->journal());
    return made;
  });
}

JournalKeeper::JournalKeeper(std::shared_ptr<const limit::RedisConfig> config, const std::string& prefix)
    : config_(std::move(config)), key_(prefix + "{journal}") {
  journal_->set_wake([this] { wake(); });
}

JournalKeeper::~JournalKeeper() {
  journal_->set_wake(nullptr);
  thread_ = nullptr;
}

/// The journal's mutex may be held by the caller: what begins here does not ask for it before it runs.
void JournalKeeper::start() {
  std::call_once(started_, [this] {
    auto made = event::Worker::start(
        {.name = "cache-journal"},
        [this](event::Reactor& reactor) -> Result<> {
          round_ = std::make_unique<Round>(reactor, config_, key_, *journal_);
          reactor.post([this] { round_->go(); });
          return {};
        },
        [this] { round_ = nullptr; });
    if (made) thread_ = std::move(*made);
  });
}

void JournalKeeper::wake() {
  start();
  if (thread_)
    thread_->post([this] {
      if (round_) round_->go();
    });
}

}  // namespace fairlead::filter
