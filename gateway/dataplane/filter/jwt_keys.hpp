// SPDX-License-Identifier: Apache-2.0
#pragma once

// The keys of those who issue tokens, and how a request waits for them.

#include <memory>
#include <string>
#include <string_view>

#include "fairlead/auth/remote_keys.hpp"
#include "gateway/dataplane/filter/auth_method.hpp"

namespace fairlead::filter {

/// Where an issuer's keys come from: one of the two.
struct Issuer {
  model::JwtIssuer settings;
  auth::KeySetPtr keys;
  std::shared_ptr<auth::RemoteKeys> remote;
  std::uint32_t cluster = 0;
  std::string host;
};

/// Fetches keys, or waits for another request that does. `issuer` outlives it.
class KeyWork final : public AuthWork, CallHandler {
 public:
  KeyWork(const Issuer& issuer, std::string_view kid) : issuer_(issuer), kid_(kid) {}
  ~KeyWork() override;
  KeyWork(const KeyWork&) = delete;
  KeyWork& operator=(const KeyWork&) = delete;

  bool start(Request& request, std::function<void()> done) override;

  auth::KeySetPtr keys;  ///< null where there are none

 private:
  bool ask();  // false: it is over
  bool fetch();
  void fail(std::string_view why);
  void on_call_answer(CallAnswer& answer) override;
  void on_call_failure(std::string_view why) override;
  void again();
  void finish();

  const Issuer& issuer_;
  const std::string kid_;
  Request* request_ = nullptr;
  std::function<void()> done_;
  std::shared_ptr<auth::Waiter> waiter_;
  std::unique_ptr<Call> call_;
  bool fetching_ = false;
};

}  // namespace fairlead::filter
