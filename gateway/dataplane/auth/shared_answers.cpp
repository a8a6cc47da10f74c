// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/shared_answers.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace fairlead::auth {

std::size_t SharedAnswers::Hash::operator()(const Digest& digest) const noexcept {
  std::size_t out = 0;
  std::memcpy(&out, digest.data(), sizeof out);
  return out;
}

SharedAnswers::Decision SharedAnswers::want(const Digest& question, std::uint64_t now,
                                            const std::shared_ptr<Waiter>& waiter) {
  auto& shard = shard_of(question);
  const std::lock_guard lock(shard.mutex);
  if (const auto known = shard.known.find(question); known != nullptr && now < known->until)
    return {known->answer != nullptr ? Need::kReady : Need::kFailed, known->answer};
  if (waiting_.load(std::memory_order_relaxed) >= kMostWaiting) return {};
  waiting_.fetch_add(1, std::memory_order_relaxed);
  const auto [place, first] = shard.under_way.try_emplace(question);
  if (first) return {Need::kAsk, nullptr};
  place->second.push_back(waiter);
  return {Need::kWait, nullptr};
}

ServerAnswerPtr SharedAnswers::find(const Digest& question, std::uint64_t now) {
  auto& shard = shard_of(question);
  const std::lock_guard lock(shard.mutex);
  const auto known = shard.known.find(question);
  return known != nullptr && now < known->until ? known->answer : nullptr;
}

void SharedAnswers::end(const Digest& question, std::shared_ptr<const Known> known, bool good) {
  auto& shard = shard_of(question);
  Waiting waiting;
  {
    const std::lock_guard lock(shard.mutex);
    if (known != nullptr) shard.known.put(question, std::move(known));
    if (auto node = shard.under_way.extract(question)) waiting = std::move(node.mapped());
  }
  waiting_.fetch_sub(waiting.size() + 1, std::memory_order_relaxed);
  for (const auto& waiter : waiting) waiter->answer(good);
}

void SharedAnswers::answered(const Digest& question, ServerAnswerPtr answer, std::uint64_t now,
                             std::uint64_t good_for) {
  // Those that wait have to find it; what is long is not worth more.
  const auto life = answer->body.size() > most_kept_ ? kMoment : std::max(good_for, kMoment);
  end(question, std::make_shared<const Known>(std::move(answer), now + life), true);
}

void SharedAnswers::failed(const Digest& question, std::uint64_t now) {
  end(question, std::make_shared<const Known>(nullptr, now + kRetryInterval), false);
}

void SharedAnswers::given_up(const Digest& question) { end(question, nullptr, true); }

}  // namespace fairlead::auth
