// SPDX-License-Identifier: Apache-2.0
// What a client is held to while its request comes.
#include "gateway/dataplane/proxy/connection.hpp"
#include "gateway/dataplane/proxy/exchange.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {

/// How long the request may take to come.
void Exchange::limit_request() {
  const auto limit = connection_->limits().request.count();
  if (limit > 0 && !request_ended_ && !tunnel_)
    worker_.reactor().timers().arm(receive_alarm_, worker_.reactor().now_ms() + static_cast<std::uint64_t>(limit));
}

void Exchange::on_slow_request() {
  if (request_ended_ || response_ended_) return;
  if (!response_started_) return reply(408, Flag::kStreamIdleTimeout, "the request did not come in time");
  record_.flags.set(Flag::kStreamIdleTimeout);
  reset_client(http::Reset::kTimeout);
}

/// By what it says of itself, or by what has come.
bool Exchange::too_large() {
  const auto most = connection_->limits().body_bytes;
  if (most == 0 || tunnel_) return false;
  return record_.bytes.request_body > most || (head_.body == http::Body::kLength && head_.content_length > most);
}

}  // namespace fairlead::proxy
