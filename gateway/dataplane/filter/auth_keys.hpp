// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "fairlead/auth/remote_keys.hpp"
#include "gateway/dataplane/filter/auth_method.hpp"

namespace fairlead::filter {

/// A server that has a JWK Set.
struct KeySource {
  std::shared_ptr<auth::RemoteKeys> keys{};
  std::uint32_t cluster = 0;
  std::string host{};
  std::string path{};
  std::string issuer{};  ///< not empty: path is that of its OpenID configuration, which says where the keys are
  std::chrono::milliseconds timeout{5000};
};

/// Fetches keys, or waits for another request that does. Owner: an attempt. Thread: the worker's.
class KeyWork final : public AuthWork, CallHandler {
 public:
  KeyWork(KeySource source, std::string_view kid) : source_(std::move(source)), kid_(kid) {}
  ~KeyWork() override;
  KeyWork(const KeyWork&) = delete;
  KeyWork& operator=(const KeyWork&) = delete;

  bool start(Request& request, std::function<void()> done) override;

  auth::KeySetPtr keys;  ///< null where there are none

 private:
  bool ask();  ///< false: it is over
  bool fetch();
  bool get(std::string_view path);  ///< false: nobody can be asked
  void fail(std::string_view why);
  void on_call_answer(CallAnswer& answer) override;
  void on_call_failure(std::string_view why) override;
  void again();
  void finish();

  const KeySource source_;
  const std::string kid_;
  Request* request_ = nullptr;
  std::function<void()> done_;
  std::shared_ptr<auth::Waiter> waiter_;
  std::unique_ptr<Call> call_;
  bool fetching_ = false;
  bool discovering_ = false;
};

}  // namespace fairlead::filter
