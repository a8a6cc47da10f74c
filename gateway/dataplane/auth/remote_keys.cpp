// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/remote_keys.hpp"

#include <utility>

namespace fairlead::auth {

RemoteKeys::Decision RemoteKeys::want(std::string_view kid, std::uint64_t now, const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard lock(mutex_);
  const bool fresh = keys_ != nullptr && now < fresh_until_.load(std::memory_order_relaxed);
  const bool known = keys_ != nullptr && keys_->has(kid);
  if (fresh && known) return {Need::kReady, keys_};
  if (fetching_) {
    if (known) return {Need::kReady, keys_};  // old keys serve while new ones come
    if (waiting_.size() >= kMostWaiting) return {keys_ ? Need::kReady : Need::kFailed, keys_};
    waiting_.push_back(waiter);
    return {Need::kWait, nullptr};
  }
  const bool may_fetch = now >= next_attempt_ && (!fresh || now >= next_for_key_id_);
  if (!may_fetch) return {keys_ ? Need::kReady : Need::kFailed, keys_};
  fetching_ = true;
  next_for_key_id_ = now + kKeyIdInterval;
  return {Need::kFetch, nullptr};
}

std::vector<std::shared_ptr<Waiter>> RemoteKeys::end_fetch() {
  fetching_ = false;
  return std::exchange(waiting_, {});
}

void RemoteKeys::wake(const std::vector<std::shared_ptr<Waiter>>& waiting) {
  for (const auto& waiter : waiting) waiter->answer(true);
}

void RemoteKeys::fetched(std::string_view body, std::uint64_t now) {
  auto keys = parse_jwks(body, only_);
  if (!keys) return failed(keys.error().message, now);
  std::unique_lock lock(mutex_);
  keys_ = std::move(*keys);
  failure_.clear();
  next_attempt_ = 0;
  fresh_until_.store(now + cache_ms_, std::memory_order_relaxed);
  version_.store(keys_->version, std::memory_order_release);
  auto waiting = end_fetch();
  lock.unlock();
  wake(waiting);
}

void RemoteKeys::failed(std::string why, std::uint64_t now) {
  std::unique_lock lock(mutex_);
  failure_ = std::move(why);
  next_attempt_ = now + kRetryInterval;
  // Those that we have serve on until the next attempt.
  if (keys_ != nullptr && fresh_until_.load(std::memory_order_relaxed) < next_attempt_)
    fresh_until_.store(next_attempt_, std::memory_order_relaxed);
  auto waiting = end_fetch();
  lock.unlock();
  wake(waiting);
}

void RemoteKeys::given_up() {
  std::unique_lock lock(mutex_);
  next_for_key_id_ = 0;
  auto waiting = end_fetch();
  lock.unlock();
  wake(waiting);
}

std::string RemoteKeys::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace fairlead::auth
