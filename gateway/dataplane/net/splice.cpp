// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/splice.hpp"

#include <algorithm>

namespace fairlead::net {
namespace {

/// Not a state of rest: there may be more to do at once.
constexpr Flow kGoOn = Flow::kYield;

}  // namespace

Splice::~Splice() {
  if (pipe_) pipes_.give(std::move(pipe_));
}

Flow Splice::run() {
  share_ = 0;
  Flow now = kGoOn;
  while (now == kGoOn && share_ < kShare) now = by_splice_ ? splice_once() : copy_once();
  give_pipe_back();
  return now;
}

void Splice::give_pipe_back() {
  if (pipe_ && pipe_->held == 0) pipes_.give(std::move(pipe_));
}

void Splice::took(std::uint64_t bytes, bool by_splice) {
  moved_ += bytes;
  share_ += bytes;
  if (by_splice) spliced_ += bytes;
}

/// The source gives no more for now, or ever.
Flow Splice::at_source_stop(const IoResult& stop) {
  if (stop.status == IoStatus::kAgain) return Flow::kWaitsToRead;
  ended_ = true;
  error_ = stop.error;
  if (stop.status == IoStatus::kError) last_ = Flow::kReadFailed;
  else last_ = left_ == kUntilEnd ? Flow::kDone : Flow::kShort;
  return kGoOn;
}

Flow Splice::copy_once() {
  if (!output_.empty()) {
    const IoResult flushed = output_.flush(to_);
    took(flushed.bytes, false);
    if (flushed.status == IoStatus::kAgain) return Flow::kWaitsToWrite;
    if (flushed.status == IoStatus::kError) {
      error_ = flushed.error;
      return Flow::kWriteFailed;
    }
  }
  if (left_ == 0) return Flow::kDone;
  if (ended_) return last_;
  auto into = chunks_.scratch();
  into = into.first(std::min<std::uint64_t>(into.size(), left_));
  const IoResult got = from_.read(into);
  if (got.status != IoStatus::kOk) return at_source_stop(got);
  taken_ += got.bytes;
  if (left_ != kUntilEnd) left_ -= got.bytes;
  const IoResult sent = output_.send(to_, {into.data(), got.bytes});
  took(sent.bytes, false);
  if (sent.status == IoStatus::kError) {
    error_ = sent.error;
    return Flow::kWriteFailed;
  }
  // What is pending here leaves by a copy; the pipe follows once it has.
  by_splice_ = got.bytes >= kMuch && output_.empty() && left_ > 0 && from_.is_raw() && to_.takes_raw();
  return sent.status == IoStatus::kAgain ? Flow::kWaitsToWrite : kGoOn;
}

IoResult Splice::fill_pipe() {
  const auto room = std::min<std::uint64_t>(pipe_->capacity - std::min(pipe_->held, pipe_->capacity), left_);
  if (room == 0) return {IoStatus::kAgain, 0, 0};
  const IoResult got = from_.read_into_pipe(pipe_->write.get(), room, pipe_->held == 0);
  if (got.status != IoStatus::kOk) return got;
  pipe_->held += got.bytes;
  taken_ += got.bytes;
  if (left_ != kUntilEnd) left_ -= got.bytes;
  return got;
}

Flow Splice::drain_pipe() {
  while (pipe_->held > 0) {
    const IoResult put = to_.write_from_pipe(pipe_->read.get(), pipe_->held);
    if (put.status == IoStatus::kAgain) return Flow::kWaitsToWrite;
    if (put.status != IoStatus::kOk) {
      error_ = put.error;
      return Flow::kWriteFailed;
    }
    pipe_->held -= put.bytes;
    took(put.bytes, true);
  }
  return kGoOn;
}

Flow Splice::splice_once() {
  if (!pipe_) pipe_ = pipes_.take();
  if (!pipe_) {
    by_splice_ = false;
    return kGoOn;
  }
  const bool was_empty = pipe_->held == 0;
  IoResult got{IoStatus::kAgain, 0, 0};
  if (left_ > 0 && !ended_) got = fill_pipe();
  const Flow drained = drain_pipe();
  if (drained != kGoOn) return drained;
  if (left_ == 0) return Flow::kDone;
  if (ended_) return last_;
  if (got.status == IoStatus::kOk) {
    by_splice_ = got.bytes >= kLittle;
    return kGoOn;
  }
  // The pipe was full, perhaps, and is empty now: ask again.
  if (got.status == IoStatus::kAgain && !was_empty) return kGoOn;
  return at_source_stop(got);
}

}  // namespace fairlead::net
