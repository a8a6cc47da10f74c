// SPDX-License-Identifier: Apache-2.0
#include "session_store.hpp"

#include <algorithm>

namespace fairlead::tls {

void SessionStore::put(const std::string& backend, SessionPtr session) {
  const std::lock_guard lock(mutex_);
  auto& kept = sessions_[backend];
  if (std::ranges::find(kept, session) != kept.end()) return;
  if (kept.size() >= kPerBackend) {
    kept.erase(kept.begin());
    --size_;
  }
  // Full: some other backend's go. Which one matters little, as a session less costs a full handshake.
  while (size_ >= limit_ && !kept.empty()) {
    kept.erase(kept.begin());
    --size_;
  }
  for (auto other = sessions_.begin(); size_ >= limit_ && other != sessions_.end();) {
    if (&other->second == &kept) {
      ++other;
      continue;
    }
    size_ -= other->second.size();
    other = sessions_.erase(other);
  }
  kept.push_back(std::move(session));
  ++size_;
}

SessionPtr SessionStore::take(const std::string& backend) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(backend);
  if (found == sessions_.end() || found->second.empty()) return nullptr;
  auto& last = found->second.back();
  if (SSL_SESSION_get_protocol_version(last.get()) < TLS1_3_VERSION) {
    SSL_SESSION_up_ref(last.get());
    return SessionPtr(last.get());
  }
  SessionPtr taken = std::move(last);
  found->second.pop_back();
  --size_;
  if (found->second.empty()) sessions_.erase(found);
  return taken;
}

std::size_t SessionStore::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

}  // namespace fairlead::tls
