// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "fairlead/tls/client_context.hpp"
#include "openssl.hpp"

namespace fairlead::tls {

/// Sessions by backend, for resumption. TLS 1.3 sessions are used once (RFC 8446 appendix C.4), so a few are kept.
/// Owner: a ClientContext. Thread: any.
class SessionStore {
 public:
  static constexpr std::size_t kPerBackend = 4;

  explicit SessionStore(std::size_t limit) : limit_(limit) {}
  void put(const std::string& backend, SessionPtr session);
  /// One to offer; TLS 1.2 sessions stay in the store.
  SessionPtr take(const std::string& backend);
  [[nodiscard]] std::size_t size() const;

 private:
  const std::size_t limit_;
  mutable std::mutex mutex_;  // once a handshake
  std::unordered_map<std::string, std::vector<SessionPtr>> sessions_;
  std::size_t size_ = 0;
};

}  // namespace fairlead::tls
