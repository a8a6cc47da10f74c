// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/body_splice.hpp"

namespace fairlead::proxy {

BodySplice::~BodySplice() { reactor_.forget(*this); }

bool BodySplice::start(http::Sender& from, http::Sender& to, std::uint64_t& bytes, std::uint64_t& spliced) {
  const auto body = from.take_raw(*this);
  if (!body) return false;
  auto* target = body->remaining >= kLeast ? to.raw_target(*this) : nullptr;
  if (target == nullptr) {
    from.stop_raw();
    return false;
  }
  splice_.emplace(chunks_, pipes_, *body->stream, *target, body->remaining);
  splice_->expect_much();
  from_ = &from;
  to_ = &to;
  bytes_ = &bytes;
  spliced_ = &spliced;
  told_ = told_spliced_ = 0;
  moved_ms_ = reactor_.now_ms();
  paused_ = false;
  // The scratch buffer is in use while a session hands a body on.
  reactor_.defer(*this);
  return true;
}

void BodySplice::stop(bool from_stands) {
  if (!splice_) return;
  const auto untold = splice_->taken() - told_;
  splice_.reset();
  reactor_.forget(*this);
  if (!from_stands) return;
  if (paused_) from_->resume();
  from_->raw_received(untold, false);
  from_->stop_raw();
}

/// A source that is not read while the destination is slow is not late.
void BodySplice::pause(bool on) {
  if (paused_ == on) return;
  paused_ = on;
  if (on) {
    from_->pause();
  } else {
    from_->resume();
  }
}

void BodySplice::move() {
  if (!splice_) return;
  const auto flow = splice_->run();
  const auto moved = splice_->moved() - told_;
  *bytes_ += moved;
  *spliced_ += splice_->spliced() - told_spliced_;
  told_spliced_ = splice_->spliced();
  if (moved > 0) {
    moved_ms_ = reactor_.now_ms();
    to_->raw_sent(moved);
  }
  to_->raw_waits(flow == net::Flow::kWaitsToWrite);
  if (flow == net::Flow::kWriteFailed) {
    // What was read for it is lost; the source's session goes on behind that.
    to_->raw_failed();
    return stop(true);
  }
  told_ += moved;
  pause(flow == net::Flow::kWaitsToWrite);
  if (flow == net::Flow::kYield) reactor_.defer_to_next_turn(*this);
  auto* const from = from_;
  const bool ended = flow == net::Flow::kDone || flow == net::Flow::kShort || flow == net::Flow::kReadFailed;
  const bool whole = ended && splice_->left() == 0;
  if (ended) {
    splice_.reset();
    reactor_.forget(*this);
  }
  if (moved > 0) from->raw_received(moved, false);
  // Another end, or an error, is for the session to meet: it knows what it means.
  if (ended && !whole) from->stop_raw();
}

}  // namespace fairlead::proxy
