// SPDX-License-Identifier: Apache-2.0
// Long bodies, which nobody has to see: moved from connection to connection past both sessions.
#include <algorithm>

#include "gateway/dataplane/proxy/exchange.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {
namespace {

constexpr std::size_t kBusy = 16 * 1024;  // bytes of a piece that show a body in a hurry

BodySplice& made(std::unique_ptr<BodySplice>& splice, Worker& worker) {
  if (splice == nullptr) splice = std::make_unique<BodySplice>(worker.reactor(), worker.pool(), worker.pipes());
  return *splice;
}

}  // namespace

/// Once what has come has passed; `come`: bytes of it. What passes by cannot be sent again, nor to anybody else.
void Exchange::splice_request(std::size_t come) {
  if (come < kBusy || !mirrors_.empty() || !hedges_.empty()) return;
  if (made(request_splice_, worker_)
          .start(*client_, *backend_stream_, record_.bytes.request_body, worker_.counters().spliced_bytes))
    forget_kept();
}

void Exchange::splice_response(std::size_t come) {
  if (come < kBusy || changes_body()) return;
  made(response_splice_, worker_)
      .start(*backend_stream_, *client_, record_.bytes.response_body, worker_.counters().spliced_bytes);
}

/// When bytes were moved last: of those that pass by, sessions do not tell.
std::uint64_t Exchange::last_moved_ms() const {
  auto last = moved_ms_;
  for (const auto* splice : {request_splice_.get(), response_splice_.get()})
    if (splice != nullptr && splice->active()) last = std::max(last, splice->moved_ms());
  return last;
}

/// One of the streams is gone; where it is the backend's, the client's session goes on with what comes.
void Exchange::stop_splices() {
  if (request_splice_ != nullptr) request_splice_->stop(client_ != nullptr);
  if (response_splice_ != nullptr) response_splice_->stop(backend_stream_ != nullptr);
}

}  // namespace fairlead::proxy
