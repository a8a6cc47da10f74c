// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/password_checks.hpp"

#include <openssl/rand.h>
#include <pthread.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "fairlead/auth/password.hpp"

namespace fairlead::auth {

std::size_t PasswordChecks::DigestHash::operator()(const Digest& digest) const {
  std::size_t out = 0;
  std::memcpy(&out, digest.data(), sizeof out);
  return out;
}

PasswordChecks::PasswordChecks() : key_(32, '\0') {
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key_.data()), static_cast<int>(key_.size())) != 1) std::abort();
}

PasswordChecks::~PasswordChecks() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    jobs_.clear();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Digest PasswordChecks::digest_of(std::string_view password, const std::string& hash) const {
  // A hash has no NUL, so the two parts cannot be cut otherwise.
  return sha256({key_, hash, std::string_view("\0", 1), password});
}

std::optional<PasswordChecks::Answer> PasswordChecks::remembered(std::string_view password, const std::string& hash) {
  if (password.size() > kMostPassword) return Answer::kWrong;
  if (!is_slow(hash)) return check_password(password, hash) ? Answer::kRight : Answer::kWrong;
  const auto digest = digest_of(password, hash);
  const std::lock_guard lock(mutex_);
  if (right_.contains(digest)) return Answer::kRight;
  return std::nullopt;
}

PasswordChecks::Answer PasswordChecks::check(std::string_view password, const std::string& hash,
                                             std::shared_ptr<Waiter> waiter) {
  if (const auto known = remembered(password, hash)) return *known;
  const auto digest = digest_of(password, hash);
  const std::lock_guard lock(mutex_);
  if (stopping_ || jobs_.size() >= kMostWaiting) return Answer::kBusy;
  jobs_.push_back({std::string(password), hash, digest, std::move(waiter)});
  if (!thread_.joinable()) start();
  wake_.notify_one();
  return Answer::kWait;
}

void PasswordChecks::start() {
  // The thread takes no signal: those are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void PasswordChecks::remember(const Digest& digest) {
  if (right_.contains(digest)) return;
  if (order_.size() < kMostRemembered) {
    order_.push_back(digest);
    right_.emplace(digest, order_.size() - 1);
    return;
  }
  right_.erase(order_[next_]);
  order_[next_] = digest;
  right_.emplace(digest, next_);
  next_ = (next_ + 1) % kMostRemembered;
}

void PasswordChecks::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    bool right = right_.contains(job.digest);  // of equal ones that waited together one is checked
    if (!right) {
      lock.unlock();
      right = check_password(job.password, job.hash);
      lock.lock();
      if (right) remember(job.digest);
    }
    if (stopping_) return;
    job.waiter->answer(right);
  }
}

}  // namespace fairlead::auth
