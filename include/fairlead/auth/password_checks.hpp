// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "fairlead/auth/digest.hpp"
#include "fairlead/auth/waiter.hpp"

namespace fairlead::auth {

/// Checks passwords against the slow hashes of crypt(3) and Argon2 on a thread of its own, so that no worker waits, and
/// remembers which were right: Basic sends the password with each request. What is remembered is a digest under a key
/// that is made anew at each start. Owner: the daemon, by name. Thread: any.
class PasswordChecks {
 public:
  static constexpr std::size_t kMostWaiting = 256;  ///< beyond it: kBusy
  static constexpr std::size_t kMostRemembered = 16384;

  enum class Answer : std::uint8_t { kRight, kWrong, kWait, kBusy };
  PasswordChecks();
  ~PasswordChecks();
  PasswordChecks(const PasswordChecks&) = delete;
  PasswordChecks& operator=(const PasswordChecks&) = delete;

  /// The answer where no hash has to be computed for it: never kWait, nothing where check() would.
  [[nodiscard]] std::optional<Answer> remembered(std::string_view password, const std::string& hash);
  /// kWait: `waiter` gets the answer, unless the daemon ends before.
  [[nodiscard]] Answer check(std::string_view password, const std::string& hash, std::shared_ptr<Waiter> waiter);

 private:
  struct Job {
    std::string password;
    std::string hash;
    Digest digest;
    std::shared_ptr<Waiter> waiter;
  };
  struct DigestHash {
    std::size_t operator()(const Digest& digest) const;
  };

  [[nodiscard]] Digest digest_of(std::string_view password, const std::string& hash) const;
  void run();
  void start();
  void remember(const Digest& digest);

  std::string key_;  // of what is remembered
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::unordered_map<Digest, std::size_t, DigestHash> right_;  // place in order_
  std::vector<Digest> order_;  // a ring: the oldest goes first
  std::size_t next_ = 0;
  bool stopping_ = false;
  std::thread thread_;  // begun with the first job
};

}  // namespace fairlead::auth
