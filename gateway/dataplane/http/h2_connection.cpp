// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/http/h2_connection.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

namespace fairlead::http {
namespace {

constexpr std::size_t kMostLingered = 1 << 20;  // bytes
constexpr std::uint64_t kResetSeenMs = 10'000;  // until then a peer may not have seen our RST_STREAM

struct OptionDeleter {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};
using Option = std::unique_ptr<nghttp2_option, OptionDeleter>;

Option make_option(const H2Limits& limits, bool server) {
  nghttp2_option* made = nullptr;
  if (nghttp2_option_new(&made) != 0) return nullptr;
  nghttp2_option_set_no_auto_window_update(made, 1);
  nghttp2_option_set_no_http_messaging(made, 1);  // H2HeadBlock and H2Stream are stricter and say why
  nghttp2_option_set_max_reserved_remote_streams(made, 0);
  nghttp2_option_set_max_outbound_ack(made, 256);
  nghttp2_option_set_max_settings(made, 32);
  nghttp2_option_set_max_continuations(made, limits.continuations);
  // Ours: streams that end well give tokens back.
  if (server) nghttp2_option_set_stream_reset_rate_limit(made, 1U << 30, 1U << 30);
  return Option(made);
}

}  // namespace

class H2Connection::Entered {
 public:
  explicit Entered(H2Connection& connection) : connection_(connection) { ++connection_.entered_; }
  ~Entered() {
    if (--connection_.entered_ == 0 && connection_.close_wanted_) connection_.close_now();
  }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

 private:
  H2Connection& connection_;
};

H2Connection::H2Connection(const H2Context& context, std::unique_ptr<net::Stream> stream, bool server)
    : context_(context),
      stream_(std::move(stream)),
      output_(context.pool),
      memory_(context.counters.memory),
      budgets_(context.limits.budgets, context.reactor.now_ms()),
      watch_(server ? kH2Preface.size() : 0),
      created_ms_(context.reactor.now_ms()),
      server_(server) {
  read_ms_ = written_ms_ = idle_ms_ = created_ms_;
  ++context_.counters.connections;
  ++context_.counters.open;
}

H2Connection::~H2Connection() {
  if (phase_ == Phase::kClosed) return;
  // Never closed: nobody listens any more.
  phase_ = Phase::kClosed;
  context_.reactor.forget(*this);
  context_.reactor.timers().cancel(*this);
  --context_.counters.open;
  stream_->set_handler(nullptr);
  while (streams_ != nullptr) {
    H2Stream* stream = streams_;
    remove(*stream);
    delete stream;
  }
  nghttp2_session_del(session_);
}

Result<> H2Connection::make_session() {
  const auto option = make_option(limits(), server_);
  if (!option) return fail("making an HTTP/2 session: no memory", ENOMEM);
  const auto make = server_ ? &nghttp2_session_server_new3 : &nghttp2_session_client_new3;
  if (make(&session_, callbacks(), this, option.get(), memory_.hooks()) != 0)
    return fail("making an HTTP/2 session: no memory", ENOMEM);
  submit_settings();
  stream_->set_handler(this);
  arm_after(limits().settings_ms);
  arm_after(limits().timeouts.idle);
  arm_after(limits().ping_every_ms);
  schedule();
  return {};
}

void H2Connection::submit_settings() {
  std::array<nghttp2_settings_entry, 7> entries{};
  std::size_t count = 0;
  const auto add = [&](nghttp2_settings_id id, std::uint32_t value) { entries[count++] = {id, value}; };
  add(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits().stream_window);
  add(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits().header_list);
  add(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
  if (limits().frame != 16384) add(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, limits().frame);
  if (server_) {
    add(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits().streams);
    if (!limits().upgrades.names.empty()) add(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
  } else {
    add(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
  }
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), count);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(limits().connection_window));
}

// Reading

void H2Connection::on_readable() {
  const Entered entered(*this);
  read_all();
}

void H2Connection::start_with(std::string_view initial) {
  const Entered entered(*this);
  if (!initial.empty()) feed(initial);
  read_all();
}

void H2Connection::read_all() {
  while (phase_ != Phase::kClosed && !close_wanted_) {
    const auto into = context_.pool.scratch();
    const auto got = stream_->read(into);
    switch (got.status) {
      case net::IoStatus::kOk: feed({into.data(), got.bytes}); break;
      case net::IoStatus::kAgain: return;
      case net::IoStatus::kEnd: return broken(0, why_ == "closed" ? "closed by the peer" : why_);
      case net::IoStatus::kError: return broken(got.error, "reading failed");
    }
  }
}

void H2Connection::feed(std::string_view data) {
  read_ms_ = now_ms();
  schedule();
  if (phase_ != Phase::kOpen) {
    lingered_ += data.size();
    if (lingered_ > kMostLingered) close_wanted_ = true;
    return;
  }
  while (!data.empty() && phase_ == Phase::kOpen) {
    std::size_t passed = 0;
    const auto found = watch_.look(data, passed);
    if (passed != 0) receive(data.substr(0, passed));
    data.remove_prefix(passed);
    if (found != H2FrameWatch::Found::kNothing && !check(found)) break;
  }
  settle();
  if (memory_.bytes() > limits().memory) flood(H2Flood::kMemory);
}

void H2Connection::receive(std::string_view data) {
  receiving_ = true;
  const auto used = nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  receiving_ = false;
  if (used < 0) library_error(static_cast<int>(used));
}

// nghttp2 forgets closed streams and ignores what comes for them. That is right for a while after a RST_STREAM of ours,
// which the client may not have seen; else it is an error (RFC 9113 5.1, 5.1.1).
bool H2Connection::check(H2FrameWatch::Found found) {
  if (phase_ != Phase::kOpen) return false;
  if (found == H2FrameWatch::Found::kUnknown) {
    if (!spend(H2Flood::kUnknownFrame)) flood(H2Flood::kUnknownFrame);
    return phase_ == Phase::kOpen;
  }
  if (found == H2FrameWatch::Found::kSelfDependency) {
    ++context_.counters.protocol_errors;
    end_with(NGHTTP2_PROTOCOL_ERROR, Reset::kProtocol, "a stream that depends on itself");
    return false;
  }
  const bool opens = watch_.type() == NGHTTP2_HEADERS;
  const std::int32_t id = watch_.id();
  if (!server_ || id % 2 == 0) return true;
  if (id > newest_) {
    if (opens) newest_ = id;
    return true;
  }
  if (nghttp2_session_get_stream_remote_close(session_, id) != -1 || drain_ == Drain::kFinal) return true;
  if (reset_ms_ != 0 && now_ms() < reset_ms_ + kResetSeenMs) return true;
  ++context_.counters.protocol_errors;
  end_with(opens && id < newest_ ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_STREAM_CLOSED, Reset::kProtocol,
           "a frame for a closed stream");
  return false;
}

void H2Connection::library_error(int code) {
  if (phase_ != Phase::kOpen) return;  // said already, from within the callback that failed
  if (code == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) return flood(H2Flood::kContinuation);
  if (code == NGHTTP2_ERR_FLOODED) return flood(last_type_ == NGHTTP2_SETTINGS ? H2Flood::kSettings : H2Flood::kPing);
  if (code == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
    ++context_.counters.protocol_errors;
    return end_with(NGHTTP2_PROTOCOL_ERROR, Reset::kProtocol, "no HTTP/2 preface");
  }
  end_with(NGHTTP2_INTERNAL_ERROR, Reset::kInternal, nghttp2_strerror(code));
}

// Writing

void H2Connection::pump() {
  fill_output();
  schedule();
}

// Schedules nothing: on_turn_end() that scheduled itself would never let the reactor sleep.
void H2Connection::fill_output() {
  if (!may_pump()) {
    if (output_full()) paused_ = true;
    return;
  }
  sending_ = true;
  for (;;) {
    const std::uint8_t* data = nullptr;
    const auto length = nghttp2_session_mem_send(session_, &data);
    if (length <= 0) {
      sending_ = false;
      if (length < 0) library_error(static_cast<int>(length));
      break;
    }
    const auto bytes = static_cast<std::size_t>(length);
    output_.append({reinterpret_cast<const char*>(data), bytes});
    appended_ += bytes;
    mark_ended();
  }
  mark_ended();
}

bool H2Connection::write_data(const std::uint8_t* frame_head, std::string_view data) {
  output_.append({reinterpret_cast<const char*>(frame_head), H2FrameWatch::kFrameHead});
  appended_ += H2FrameWatch::kFrameHead + data.size();
  const auto sent = output_.send(*stream_, data);
  if (sent.status == net::IoStatus::kError) broken(sent.error, "writing failed");
  // Each DATA frame explains the WINDOW_UPDATEs and the PING that answer it.
  budgets_.refund(H2Flood::kWindowUpdate, 4);
  budgets_.refund(H2Flood::kPing, 1);
  return sent.status != net::IoStatus::kError;
}

void H2Connection::flush() {
  if (output_.empty()) return;
  const auto sent = output_.flush(*stream_);
  if (sent.status == net::IoStatus::kError) return broken(sent.error, "writing failed");
  if (sent.bytes != 0 || !blocked_) written_ms_ = now_ms();
  if (sent.bytes != 0) establish();
  blocked_ = !output_.empty();
  if (blocked_) watch_stalls();
}

void H2Connection::on_writable() {
  const Entered entered(*this);
  if (phase_ == Phase::kClosed) return;
  establish();
  schedule();
}

// A stream that was established before says nothing of it: it takes the first bytes.
void H2Connection::establish() {
  if (!std::exchange(established_, true)) on_established();
}

void H2Connection::on_turn_end() {
  const Entered entered(*this);
  if (phase_ == Phase::kClosed || close_wanted_) return;
  do {
    paused_ = false;
    fill_output();
    flush();
  } while (paused_ && !blocked_ && phase_ == Phase::kOpen);
  settle();
  tell_writable_streams();
  finish_if_over();
}

void H2Connection::consume(std::int32_t id, std::size_t bytes) {
  if (id != 0) nghttp2_session_consume(session_, id, bytes);
  else nghttp2_session_consume_connection(session_, bytes);
  schedule();
}

void H2Connection::count_pending(std::size_t before, std::size_t after) {
  pending_ += after - before;
  auto& budget = context_.pool.budget();
  if (after > before) budget.add(after - before);
  else budget.subtract(before - after);
}

// Streams

void H2Connection::link(H2Stream& stream) {
  if (!server_ && no_streams() && limits().ping_every_ms != 0) {
    read_ms_ = now_ms();
    arm_after(limits().ping_every_ms);
  }
  stream.server_ = server_;
  stream.next_ = streams_;
  if (streams_ != nullptr) streams_->previous_ = &stream;
  streams_ = &stream;
  ++stream_count_;
  ++context_.counters.streams;
}

void H2Connection::remove(H2Stream& stream) {
  (stream.previous_ != nullptr ? stream.previous_->next_ : streams_) = stream.next_;
  if (stream.next_ != nullptr) stream.next_->previous_ = stream.previous_;
  --stream_count_;
  std::erase(writable_, &stream);
}

void H2Connection::mark_ended() {
  for (; marked_ < ended_.size(); ++marked_) ended_[marked_]->end_position_ = appended_;
}

void H2Connection::settle() {
  if (ended_.empty() || std::exchange(settling_, true)) return;
  bool gone = false;
  for (std::size_t i = 0; i < ended_.size();) {
    mark_ended();
    H2Stream* stream = ended_[i];
    if (!stream->may_be_told(appended_ - output_.size())) {
      ++i;
      continue;
    }
    ended_.erase(ended_.begin() + static_cast<std::ptrdiff_t>(i));
    --marked_;
    if (stream->done()) budgets_.refund(H2Flood::kReset, 1);
    remove(*stream);
    stream->tell_end();
    delete stream;
    gone = true;
  }
  settling_ = false;
  if (!gone) return;
  if (no_streams()) {
    idle_ms_ = now_ms();
    std::vector<H2Stream*>().swap(ended_);  // an idle connection holds as little as may be
    std::vector<H2Stream*>().swap(writable_);
    arm_after(limits().timeouts.idle);
  }
  if (phase_ == Phase::kOpen) on_streams_gone();
}

void H2Connection::tell_writable_streams() {
  for (std::size_t i = 0; i < writable_.size(); ++i)
    if (writable_[i]->may_go_on()) writable_[i]->tell_writable();
  writable_.clear();
}

void H2Connection::malformed(H2Stream& stream, std::string_view) {
  stream.fail(Reset::kProtocol);
  count_malformed();
}

void H2Connection::count_malformed() {
  ++context_.counters.malformed;
  if (!spend(H2Flood::kProvokedReset)) flood(H2Flood::kProvokedReset);
}

bool H2Connection::spend(H2Flood kind) { return budgets_.spend(kind, now_ms()); }

void H2Connection::flood(H2Flood kind) {
  if (phase_ != Phase::kOpen) return;
  ++context_.counters.floods[static_cast<std::size_t>(kind)];
  on_flood(kind);
  end_with(NGHTTP2_ENHANCE_YOUR_CALM, Reset::kClosed, flood_name(kind));
}

// The end

// Written by hand, as nghttp2 makes nothing more after some of its errors. Frames in the output are always whole.
void H2Connection::end_with(std::uint32_t code, Reset why, std::string_view text) {
  if (phase_ != Phase::kOpen) return;
  const auto last = static_cast<std::uint32_t>(nghttp2_session_get_last_proc_stream_id(session_));
  const auto byte = [](std::uint32_t value, unsigned shift) { return static_cast<char>(value >> shift & 0xff); };
  const std::array<char, 17> frame = {0,
                                      0,
                                      8,
                                      NGHTTP2_GOAWAY,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      byte(last, 24),
                                      byte(last, 16),
                                      byte(last, 8),
                                      byte(last, 0),
                                      byte(code, 24),
                                      byte(code, 16),
                                      byte(code, 8),
                                      byte(code, 0)};
  if (!std::exchange(failed_, true)) {
    output_.append({frame.data(), frame.size()});
    appended_ += frame.size();
  }
  why_ = text;
  drop_why_ = why;
  linger();
  schedule();
}

// Ends our direction once everything has left, and reads on for a while: closing with unread input would make the
// kernel send RST, which may destroy our last frames on their way.
void H2Connection::linger() {
  if (phase_ != Phase::kOpen) return;
  phase_ = Phase::kLingering;
  phase_ms_ = now_ms();
  arm_after(std::max<std::uint32_t>(limits().timeouts.linger, 1));
}

void H2Connection::finish_if_over() {
  if (phase_ == Phase::kOpen && nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0)
    linger();
  if (phase_ != Phase::kLingering) return;
  drop_streams(drop_why_);
  settle();
  if (output_.empty() && !shut_) {
    shut_ = true;
    stream_->shutdown_write();
  }
}

void H2Connection::drop_streams(Reset why) {
  for (H2Stream* stream = streams_; stream != nullptr; stream = stream->next_) {
    if (!stream->on_wire()) continue;
    stream->close_unsent(why);
    ended_.push_back(stream);
  }
}

void H2Connection::refuse_streams() {
  if (drain_ == Drain::kNo) drain_ = Drain::kFinal;
  for (H2Stream* stream = streams_; stream != nullptr; stream = stream->next_)
    if (stream->id_ == 0) stream->fail(Reset::kRefused);
}

void H2Connection::broken(int error, std::string_view why) {
  if (phase_ == Phase::kClosed) return;
  if (phase_ == Phase::kOpen) {
    error_ = error;
    why_ = why;
  }
  linger();
  close_wanted_ = true;
  if (entered_ == 0) schedule();
}

void H2Connection::on_failed(int error, std::string_view) {
  const Entered entered(*this);
  broken(error, "the connection failed");
}

void H2Connection::request_close() {
  linger();
  close_wanted_ = true;
  if (entered_ == 0) close_now();
}

void H2Connection::close_now() {
  if (std::exchange(phase_, Phase::kClosed) == Phase::kClosed) return;
  context_.reactor.forget(*this);
  context_.reactor.timers().cancel(*this);
  drop_streams(drop_why_);
  mark_ended();
  const std::uint64_t left = appended_ - output_.size();
  for (H2Stream* stream : ended_)
    if (!stream->may_be_told(left)) stream->lose();
  while (!ended_.empty()) {
    H2Stream* stream = ended_.back();
    ended_.pop_back();
    remove(*stream);
    stream->tell_end();
    delete stream;
  }
  block_.reset();
  nghttp2_session_del(session_);
  session_ = nullptr;
  output_.clear();
  stream_->set_handler(nullptr);
  stream_->close(false);
  --context_.counters.open;
  tell_closed(error_, why_);
}

void H2Connection::begin_drain() {
  if (is_draining()) return;
  phase_ms_ = now_ms();
  schedule();
  if (!server_) {
    drain_ = Drain::kFinal;
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
    return;
  }
  // RFC 9113 6.8: what the client sends before it has seen this is still served.
  drain_ = Drain::kAnnounced;
  nghttp2_submit_shutdown_notice(session_);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  arm_after(std::max<std::uint32_t>(limits().drain_ms, 1));
}

}  // namespace fairlead::http
