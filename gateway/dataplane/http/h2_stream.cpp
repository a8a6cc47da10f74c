// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/http/h2_stream.hpp"

#include <algorithm>

#include "fairlead/base/arena.hpp"
#include "gateway/dataplane/http/h2_connection.hpp"
#include "gateway/dataplane/http/h2_encode.hpp"

namespace fairlead::http {
namespace {

constexpr std::uint64_t kMostUnwanted = 1 << 20;  // bytes of a request behind its answer

std::uint32_t code_of(Reset why) {
  switch (why) {
    case Reset::kRefused: return NGHTTP2_REFUSED_STREAM;
    case Reset::kCancelled:
    case Reset::kTimeout:
    case Reset::kTooLarge: return NGHTTP2_CANCEL;
    case Reset::kProtocol: return NGHTTP2_PROTOCOL_ERROR;
    case Reset::kClosed:
    case Reset::kReset:
    case Reset::kConnect:
    case Reset::kInternal: break;
  }
  return NGHTTP2_INTERNAL_ERROR;
}

}  // namespace

struct H2Stream::KeptTrailers {
  Arena arena;
  Fields fields;
};

H2Stream::H2Stream(H2Connection& connection) : connection_(connection) {}

H2Stream::~H2Stream() { connection_.count_pending(pending(), 0); }

nghttp2_data_provider H2Stream::provider() {
  nghttp2_data_provider provider{};
  provider.source.ptr = this;
  provider.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t most, std::uint32_t* flags,
                              nghttp2_data_source* source,
                              void*) -> ssize_t { return static_cast<H2Stream*>(source->ptr)->offer(most, *flags); };
  return provider;
}

bool H2Stream::put_body(std::string_view data, bool end) {
  if (wire_closed_ || failed_ || end_wanted_) return true;
  end_wanted_ = end;
  // Straight into the output where nothing is in the way: one copy, or none where the piece is large.
  if (head_sent_ && !waits() && connection_.may_pump()) {
    direct_ = data;
    wake();
    connection_.pump();
    data = std::exchange(direct_, {});
  } else {
    wake();
  }
  if (!data.empty() && !wire_closed_) keep(data);
  connection_.schedule();
  stopped_ = pending() > connection_.limits().stream_high_water;
  return !stopped_;
}

void H2Stream::put_trailers(const Fields& trailers) {
  if (wire_closed_ || failed_ || end_wanted_) return;
  end_wanted_ = true;
  if (!trailers.empty()) {
    trailers_ = std::make_unique<KeptTrailers>();
    trailers_->fields = trailers;
    http::keep(trailers_->fields, trailers_->arena);
  }
  wake();
  connection_.schedule();
}

void H2Stream::give_up(Reset why) {
  attached_ = false;
  connection_.schedule();
  if (wire_closed_) return;
  if (id_ == 0) {
    wire_closed_ = true;
    connection_.add_ended(*this);
    return;
  }
  if (failed_) return;  // its RST_STREAM is on its way
  failed_ = true;
  // What was answered in full is no error, RFC 9113 8.1.
  const bool answered = server_ && nghttp2_session_get_stream_local_close(connection_.session(), id_) == 1;
  connection_.submit_reset(id_, answered ? static_cast<std::uint32_t>(NGHTTP2_NO_ERROR) : code_of(why));
}

void H2Stream::fail(Reset why) {
  if (wire_closed_ || failed_) return;
  failed_ = true;
  why_ = why;
  if (id_ != 0) {
    connection_.submit_reset(id_, code_of(why));
  } else {
    wire_closed_ = true;
    connection_.add_ended(*this);
  }
  connection_.schedule();
}

void H2Stream::answered(std::uint64_t now_ms) {
  answered_ms_ = std::max<std::uint64_t>(now_ms, 1);
  answered_at_ = received_;
}

void H2Stream::end_lingering() {
  if (std::exchange(answered_ms_, 0) != 0) connection_.end_lingering();
}

void H2Stream::refuse_rest() {
  end_lingering();
  connection_.submit_reset(id_, NGHTTP2_NO_ERROR);
  connection_.schedule();
}

void H2Stream::go_on() {
  paused_ = false;
  if (unconsumed_ != 0) consume(unconsumed_);
}

void H2Stream::expect(bool none, bool has_length, std::uint64_t length) {
  expects_length_ = none || has_length;
  expected_ = none ? 0 : length;
}

void H2Stream::take_body(std::string_view data, bool end) {
  unconsumed_ += data.size();
  received_ += data.size();
  if (end) remote_ended_ = true;
  if (end) end_lingering();
  else if (answered_ms_ != 0 && received_ - answered_at_ > kMostUnwanted) refuse_rest();
  const bool wrong = expects_length_ && (received_ > expected_ || (end && received_ != expected_));
  if (!attached_ || failed_ || wrong) {
    if (attached_ && !failed_) connection_.malformed(*this, "DATA differs from Content-Length");
    consume(data.size());
    return;
  }
  tell_body(data, end);
  if (!paused_ && unconsumed_ != 0) consume(unconsumed_);
}

void H2Stream::take_trailers(Fields& trailers) {
  remote_ended_ = true;
  end_lingering();
  if (!attached_ || failed_) return;
  if (expects_length_ && received_ != expected_)
    return connection_.malformed(*this, "DATA differs from Content-Length");
  if (trailers.empty()) return tell_body({}, true);
  tell_trailers(trailers);
}

ssize_t H2Stream::offer(std::size_t most, std::uint32_t& flags) {
  const std::size_t available = waits() ? pending() : direct_.size();
  if (available == 0 && !end_wanted_) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  if (connection_.hold_data()) return NGHTTP2_ERR_PAUSE;
  flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (available <= most && end_wanted_) {
    flags |= NGHTTP2_DATA_FLAG_EOF;
    if (trailers_) {
      flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      send_kept_trailers();
    }
  }
  return static_cast<ssize_t>(std::min(available, most));
}

bool H2Stream::move_data(const std::uint8_t* frame_head, std::size_t length) {
  const std::string_view from = waits() ? std::string_view(pending_).substr(pending_at_) : direct_;
  progress_ms_ = connection_.now_ms();
  const bool written = connection_.write_data(frame_head, from.substr(0, length));
  drop_sent(length);
  return written;
}

void H2Stream::wire_closed(std::uint32_t code) {
  end_lingering();
  const bool sent_all = nghttp2_session_get_stream_local_close(connection_.session(), id_) == 1;
  wire_closed_ = true;
  if (unconsumed_ != 0) consume(unconsumed_);
  const bool whole = server_ ? sent_all && (remote_ended_ || code == NGHTTP2_NO_ERROR) : remote_ended_;
  if (!failed_ && whole) {
    done_ = true;
  } else if (!failed_) {
    failed_ = true;
    why_ = code == NGHTTP2_REFUSED_STREAM && !server_ ? Reset::kRefused : Reset::kReset;
  }
  connection_.add_ended(*this);
}

void H2Stream::close_unsent(Reset why) {
  end_lingering();
  if (!failed_ && !done_) why_ = why;
  if (!done_) failed_ = true;
  wire_closed_ = true;
}

void H2Stream::lose() {
  if (!std::exchange(done_, false)) return;
  failed_ = true;
  why_ = Reset::kClosed;
}

bool H2Stream::may_be_told(std::uint64_t position) const { return !attached_ || failed_ || end_position_ <= position; }

void H2Stream::tell_end() {
  if (!std::exchange(attached_, false)) return;
  if (done_) return tell_done();
  tell_reset(why_);
}

void H2Stream::keep(std::string_view data) {
  const std::size_t before = pending();
  if (before == 0) {
    pending_.clear();
    pending_at_ = 0;
    progress_ms_ = connection_.now_ms();
    connection_.watch_stalls();
  } else if (pending_at_ > pending_.size() / 2) {
    pending_.erase(0, pending_at_);
    pending_at_ = 0;
  }
  pending_ += data;
  connection_.count_pending(before, pending());
}

void H2Stream::drop_sent(std::size_t bytes) {
  if (!waits()) return direct_.remove_prefix(bytes);
  const std::size_t before = pending();
  pending_at_ += bytes;
  connection_.count_pending(before, pending());
  if (!waits()) {
    std::string().swap(pending_);  // a stream that is idle holds nothing
    pending_at_ = 0;
  }
  if (stopped_ && pending() <= connection_.limits().stream_high_water / 2) {
    stopped_ = false;
    connection_.add_writable(*this);
  }
}

void H2Stream::send_kept_trailers() {
  auto& section = H2Section::of_thread();
  section.trailers(trailers_->fields);
  nghttp2_submit_trailer(connection_.session(), id_, section.data(), section.size());
  trailers_.reset();
}

void H2Stream::wake() {
  if (!std::exchange(deferred_, false)) return;
  nghttp2_session_resume_data(connection_.session(), id_);
}

void H2Stream::consume(std::size_t bytes) {
  unconsumed_ -= bytes;
  connection_.consume(wire_closed_ ? 0 : id_, bytes);
}

}  // namespace fairlead::http
