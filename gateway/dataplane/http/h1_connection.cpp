// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/http/h1_connection.hpp"

#include <algorithm>
#include <cstring>

namespace fairlead::http {

namespace {

constexpr std::size_t kParseEvery = 1024;  // bytes without a line's end after which a beginning is judged all the same
constexpr std::size_t kCopied = 32 * 1024;  // chunks up to this leave by one write with what frames them
constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace

H1Connection::H1Connection(std::unique_ptr<net::Stream> stream, H1Context& context, const H1Limits& limits)
    : context_(context),
      limits_(limits),
      stream_(std::move(stream)),
      output_(context.pool),
      input_(context.pool),
      idle_ms_(limits.timeouts.idle) {
  stream_->set_handler(this);
}

H1Connection::~H1Connection() { context_.reactor.forget(*this); }

void H1Connection::begin() {
  update_wait();
  later();
}

void H1Connection::on_readable() {
  if (raw_in_ != nullptr) {
    moved_in_ = true;
    raw_in_->on_raw_readable();
  } else {
    pump();
  }
  if (open_) settle();
  if (open_) update_wait();
}

void H1Connection::on_writable() {
  on_turn_end();
  if (open_ && raw_out_ != nullptr && output_.empty()) raw_out_->on_raw_writable();
}

void H1Connection::on_turn_end() {
  if (open_) flush();
  if (open_) settle();
  if (open_) pump();
  if (open_) settle();
  if (open_) update_wait();
  if (!open_ && !told_closed_) {
    told_closed_ = true;
    tell_closed();
  }
}

void H1Connection::on_failed(int error, std::string_view what) {
  if (open_) on_broken(error, what, false);
}

void H1Connection::close_now(bool reset) {
  if (!open_) return;
  open_ = false;
  raw_in_ = raw_out_ = nullptr;
  raw_waits_ = false;
  waiting_ = Wait::kNothing;
  if (stream_ != nullptr) {
    stream_->set_handler(nullptr);
    stream_->close(reset);
  }
  context_.reactor.timers().cancel(*this);
  output_.clear();
  later();
}

void H1Connection::linger() {
  if (peer_ended_) return close_now(false);
  ++context_.counts.lingered;
  receiving_ = Receiving::kLinger;
  paused_ = false;
  stream_->shutdown_write();
  later();
}

// Reading.

bool H1Connection::wants_input() const {
  return open_ && !paused_ && raw_in_ == nullptr && !peer_ended_ && receiving_ != Receiving::kNothing;
}

void H1Connection::pump() {
  int reads = 0;
  while (wants_input()) {
    if (!input_.empty()) {
      const auto used = consume_all(input_.bytes());
      input_.drop(used);
      if (!wants_input()) break;
    }
    if (++reads > kMostReads) return later();
    if (!read_once()) break;
  }
}

/// False: nothing more comes now.
bool H1Connection::read_once() {
  const bool kept = !input_.empty();
  const auto scratch = context_.pool.scratch();
  const auto into = kept ? input_.room() : scratch.first(scratch.size() - kH1Slack);
  const auto result = stream_->read(into);
  switch (result.status) {
    case net::IoStatus::kOk: break;
    case net::IoStatus::kAgain: return false;
    case net::IoStatus::kEnd:
      peer_ended_ = true;
      on_input_end();
      return false;
    case net::IoStatus::kError: on_broken(result.error, "read", false); return false;
  }
  moved_in_ = true;
  if (kept) {
    input_.added(result.bytes);
  } else {
    const auto bytes = into.first(result.bytes);
    const auto used = consume_all(bytes);
    if (open_) input_.keep(bytes.subspan(used));
  }
  return true;
}

/// As many messages and parts of them as there are and may be taken now.
std::size_t H1Connection::consume_all(std::span<char> bytes) {
  std::size_t all = 0;
  while (all < bytes.size() && wants_input()) {
    const auto used = consume(bytes.subspan(all));
    all += used;
    if (used == 0) break;
  }
  undelivered_ = 0;
  return std::min(all, bytes.size());
}

std::size_t H1Connection::consume(std::span<char> bytes) {
  const std::string_view text(bytes.data(), bytes.size());
  switch (receiving_) {
    case Receiving::kHead: return worth_parsing(bytes) ? consume_head(bytes) : 0;
    case Receiving::kLength: return consume_length(text);
    case Receiving::kChunked: return consume_chunks(text);
    case Receiving::kTrailers: return worth_parsing(bytes) ? consume_trailers(bytes) : 0;
    case Receiving::kUntilEnd:
      undelivered_ = 0;
      deliver(text, false);
      return text.size();
    case Receiving::kLinger: return consume_lingering(text.size());
    case Receiving::kNothing: break;
  }
  return 0;
}

bool H1Connection::worth_parsing(std::span<const char> bytes) {
  if (scanned_ == 0) return true;
  const auto fresh = bytes.subspan(std::min<std::size_t>(scanned_, bytes.size()));
  if (fresh.size() >= kParseEvery) return true;
  return !fresh.empty() && std::memchr(fresh.data(), '\n', fresh.size()) != nullptr;
}

std::size_t H1Connection::consume_length(std::string_view bytes) {
  const auto part = std::min<std::uint64_t>(remaining_in_, bytes.size());
  remaining_in_ -= part;
  const bool end = remaining_in_ == 0;
  if (end) receiving_ = Receiving::kNothing;
  undelivered_ = bytes.size() - part;
  deliver(bytes.substr(0, part), end);
  return part;
}

std::size_t H1Connection::consume_chunks(std::string_view bytes) {
  const auto chunk = chunked_.next(bytes, limits_);
  switch (chunk.step) {
    case H1Chunked::Step::kMore: break;
    case H1Chunked::Step::kData: deliver(chunk.data, false); break;
    case H1Chunked::Step::kTrailers:
      receiving_ = Receiving::kTrailers;
      scanned_ = 0;
      break;
    case H1Chunked::Step::kRefused: refuse_body(chunk.refusal); break;
  }
  return chunk.used;
}

std::size_t H1Connection::consume_trailers(std::span<char> bytes) {
  auto& trailers = context_.trailers;
  switch (parse_trailers(trailers, bytes)) {
    case H1Step::kMore: scanned_ = static_cast<std::uint32_t>(bytes.size()); return 0;
    case H1Step::kDone: break;
    default: refuse_body(trailers.facts.refusal); return 0;
  }
  const auto used = trailers.facts.used;
  receiving_ = Receiving::kNothing;
  if (trailers.fields.empty()) {
    deliver({}, true);
  } else {
    deliver_trailers(trailers.fields);
  }
  return used;
}

std::size_t H1Connection::consume_lingering(std::size_t bytes) {
  lingered_ += static_cast<std::uint32_t>(bytes);
  if (lingered_ > limits_.linger_bytes) close_now(false);
  return bytes;
}

void H1Connection::begin_body(Body body, std::uint64_t length, bool chunked) {
  scanned_ = 0;
  remaining_in_ = 0;
  raw_in_ = nullptr;
  if (body == Body::kLength && length > 0) {
    remaining_in_ = length;
    receiving_ = Receiving::kLength;
  } else if (body == Body::kStream) {
    chunked_ = {};
    receiving_ = chunked ? Receiving::kChunked : Receiving::kUntilEnd;
  } else {
    receiving_ = Receiving::kNothing;
  }
}

// Writing.

void H1Connection::flush() {
  if (output_.empty() || write_failed_) return;
  const auto result = output_.flush(*stream_);
  if (result.bytes > 0) moved_out_ = true;
  if (result.status == net::IoStatus::kError) {
    write_failed_ = true;
    return on_broken(result.error, "write", true);
  }
  if (blocked_ && output_.below_low()) {
    blocked_ = false;
    tell_writable();
  }
}

void H1Connection::begin_sending(Sending how, std::uint64_t length) {
  sending_ = how;
  raw_out_ = nullptr;
  raw_waits_ = false;
  remaining_out_ = length;
}

/// Large pieces are written at once, behind what waits; small ones leave at the end of the turn.
void H1Connection::put_data(std::string_view data) {
  if (write_failed_) return;
  const auto result = output_.send(*stream_, data);
  if (result.bytes > 0) moved_out_ = true;
  if (result.status == net::IoStatus::kError) {
    write_failed_ = true;  // told at the end of the turn, since the sender is on the stack
    output_.clear();
  }
}

bool H1Connection::write_body(std::string_view data, bool end) {
  later();
  if (write_failed_) data = {};
  if (sending_ == Sending::kLength && !write_failed_) {
    if (data.size() > remaining_out_ || (end && data.size() != remaining_out_)) return false;
    remaining_out_ -= data.size();
    put_data(data);
  } else if (sending_ == Sending::kRaw) {
    put_data(data);
  } else if (sending_ == Sending::kChunked && !data.empty()) {
    char* const at = output_.reserve(kH1ChunkHead + kH1Slack);
    output_.commit(static_cast<std::size_t>(write_h1_chunk_head(at, data.size()) - at));
    if (data.size() <= kCopied) {
      output_.append(data);
    } else {
      put_data(data);
    }
    output_.append("\r\n");
  }
  if (!end) return true;
  if (sending_ == Sending::kChunked && !write_failed_) output_.append(kLastChunk);
  sending_ = Sending::kNothing;
  raw_out_ = nullptr;
  raw_waits_ = false;
  return true;
}

bool H1Connection::write_trailers(const Fields& trailers) {
  if (sending_ != Sending::kChunked) return write_body({}, true);
  later();
  sending_ = Sending::kNothing;
  return write_into(h1_room(trailers), [&](char* at) { return write_h1_trailers(at, trailers); });
}

bool H1Connection::blocked() {
  if (!output_.above_high()) return false;
  blocked_ = true;
  return true;
}

// Time-outs. The timer is moved only where it would come too late; where it comes too early it is armed again.

void H1Connection::update_wait() {
  const auto wanted = expected();
  const bool moved = (wanted == Wait::kBody && moved_in_) || (wanted == Wait::kWrite && moved_out_);
  moved_in_ = moved_out_ = false;
  if (wanted == waiting_ && !moved) return;
  waiting_ = wanted;
  std::uint32_t ms = 0;
  switch (wanted) {
    case Wait::kNothing: break;
    case Wait::kIdle: ms = idle_ms_; break;
    case Wait::kHead: ms = limits_.timeouts.head; break;
    case Wait::kBody: ms = limits_.timeouts.body; break;
    case Wait::kWrite: ms = limits_.timeouts.write; break;
    case Wait::kLinger: ms = limits_.timeouts.linger; break;
  }
  deadline_ = ms == 0 ? 0 : context_.reactor.now_ms() + ms;
  if (ms == 0) return;
  if (!armed() || deadline_ms() > deadline_) context_.reactor.timers().arm(*this, deadline_);
}

void H1Connection::shorten_idle(std::uint32_t ms) {
  idle_ms_ = idle_ms_ == 0 ? ms : std::min(idle_ms_, ms);
  if (waiting_ == Wait::kIdle) waiting_ = Wait::kNothing;  // it begins anew
  later();
}

void H1Connection::on_timer() {
  if (!open_ || waiting_ == Wait::kNothing || deadline_ == 0) return;
  if (context_.reactor.now_ms() < deadline_) {
    context_.reactor.timers().arm(*this, deadline_);
    return;
  }
  const auto what = waiting_;
  waiting_ = Wait::kNothing;
  on_timeout(what);
  later();
}

// Raw bodies.

std::optional<RawBody> H1Connection::give_raw(RawMover& mover) {
  const bool raw = receiving_ == Receiving::kLength || receiving_ == Receiving::kUntilEnd;
  if (!open_ || !raw || !stream_->is_raw() || undelivered_ > 0 || !input_.empty() || peer_ended_) return std::nullopt;
  raw_in_ = &mover;
  return RawBody{stream_.get(), receiving_ == Receiving::kLength ? remaining_in_ : RawBody::kUntilEnd};
}

void H1Connection::take_raw_received(std::uint64_t bytes, bool ended) {
  if (raw_in_ == nullptr) return;
  moved_in_ = true;
  later();
  if (receiving_ == Receiving::kLength) {
    remaining_in_ -= std::min(bytes, remaining_in_);
    if (remaining_in_ == 0) {
      raw_in_ = nullptr;
      receiving_ = Receiving::kNothing;
      return deliver({}, true);
    }
  }
  if (ended) {
    raw_in_ = nullptr;
    peer_ended_ = true;
    on_input_end();
  }
}

void H1Connection::end_raw() {
  raw_in_ = nullptr;
  later();
}

net::Stream* H1Connection::give_raw_target(RawMover& mover) {
  if (!open_ || (sending_ != Sending::kLength && sending_ != Sending::kRaw) || !stream_->takes_raw()) return nullptr;
  // Not flush(): its errors are told at the end of the turn, since the sender is on the stack.
  if (!write_failed_ && output_.flush(*stream_).status == net::IoStatus::kError) {
    write_failed_ = true;
    output_.clear();
    later();
  }
  if (write_failed_ || !output_.empty()) return nullptr;
  raw_out_ = &mover;
  return stream_.get();
}

void H1Connection::take_raw_sent(std::uint64_t bytes) {
  moved_out_ = true;
  if (sending_ == Sending::kLength) remaining_out_ -= std::min(bytes, remaining_out_);
}

/// The time-out is set anew at the end of the turn.
void H1Connection::take_raw_waits(bool waits) {
  raw_waits_ = waits && open_ && raw_out_ != nullptr;
  if (raw_waits_ || waiting_ == Wait::kWrite) later();
}

/// Told at the end of the turn, since the mover is on the stack.
void H1Connection::fail_raw() {
  raw_out_ = nullptr;
  raw_waits_ = false;
  if (!open_) return;
  write_failed_ = true;
  output_.clear();
  later();
}

}  // namespace fairlead::http
