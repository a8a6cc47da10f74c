// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cassert>
#include <string>

#include "fairlead/http/date.hpp"
#include "gateway/dataplane/http/h1_connection.hpp"
#include "gateway/dataplane/http/h1_websocket.hpp"

namespace fairlead::http {

namespace {

/// A client's connection and the one exchange on it: the session is its stream.
/// Owner: a ServerSessionOwner. Thread: its worker's.
class H1ServerSession final : public ServerSession, private ServerStream, private H1Connection {
 public:
  H1ServerSession(std::unique_ptr<net::Stream> stream, H1Context& context, const H1Limits& limits,
                  ServerSessionOwner& owner, H1PrefaceOwner* preface)
      : H1Connection(std::move(stream), context, limits), owner_(owner), preface_(preface) {
    begin();
  }

  // ServerSession
  void drain() override;
  void close() override;
  [[nodiscard]] bool idle() const override {
    return handler_ == nullptr && !answering_ && !skipping_ && input_.empty();
  }

 private:
  // ServerStream
  bool send_body(std::string_view data, bool end) override;
  void send_trailers(const Fields& trailers) override;
  void reset(Reset why) override;
  void pause() override { paused_ = true; }
  void resume() override;
  void send_informational(const ResponseHead& head) override;
  void send_head(const ResponseHead& head, bool end) override;
  net::Stream& connection() override { return *stream_; }
  std::optional<RawBody> take_raw(RawMover& mover) override { return give_raw(mover); }
  void raw_received(std::uint64_t bytes, bool ended) override { take_raw_received(bytes, ended); }
  void stop_raw() override { end_raw(); }
  net::Stream* raw_target(RawMover& mover) override { return give_raw_target(mover); }
  void raw_sent(std::uint64_t bytes) override { take_raw_sent(bytes); }
  void raw_waits(bool waits) override { take_raw_waits(waits); }
  void raw_failed() override { fail_raw(); }

  // H1Connection
  std::size_t consume_head(std::span<char> bytes) override;
  void deliver(std::string_view data, bool end) override;
  void deliver_trailers(Fields& trailers) override;
  H1Step parse_trailers(H1Trailers& trailers, std::span<char> bytes) override { return trailers.parse(bytes, limits_); }
  void refuse_body(H1Refusal why) override;
  void on_input_end() override;
  void on_broken(int error, std::string_view what, bool writing) override;
  void on_timeout(Wait what) override;
  void tell_writable() override {
    if (handler_ != nullptr) handler_->on_writable();
  }
  void tell_closed() override { owner_.on_closed(); }
  void settle() override;
  Wait expected() const override;

  void accept_request(H1Request& request, std::size_t behind);
  void accept_upgrade(const H1Request& request);
  void hand_over(std::span<char> bytes);
  Refusal answer_refusal(H1Refusal why);
  void refuse(H1Refusal why);
  void refuse_stream();
  std::uint64_t write_answer(std::uint16_t status, std::string_view text, std::string_view version);
  void tell_reset(Reset why, bool reset_connection);
  void send_continue();
  bool framed(const ResponseHead& head, bool end, H1Line& line);
  void finish();
  [[nodiscard]] bool may_skip() const;
  void skip(std::size_t bytes, bool end);
  void fail_sending();

  ServerSessionOwner& owner_;
  H1PrefaceOwner* preface_;
  ServerHandler* handler_ = nullptr;
  std::string upgrade_;  // the protocol that is asked for
  std::string accept_;   // what its 101 shows
  std::uint32_t requests_ = 0;
  bool answering_ = false;       // an answer of ours to what was refused is on its way
  bool http10_ = false;
  bool head_request_ = false;
  bool keep_alive_ = true;
  bool said_close_ = false;      // the client did: nothing more will come
  bool request_done_ = false;
  bool head_sent_ = false;
  bool tunnel_asked_ = false;
  bool tunnel_ = false;
  bool continue_ = false;        // a 100 is waited for
  bool draining_ = false;
  bool failed_ = false;          // what was to be sent cannot be; told at the turn's end
  bool skipping_ = false;        // the rest of a body whose answer is whole
};

void H1ServerSession::drain() {
  draining_ = true;
  if (limits_.drain_ms == 0) {
    keep_alive_ = false;
    if (idle() && requests_ > 0) close_now(false);
    return;
  }
  // A client that was not told of the close may send its next request at any moment: it is answered, and the close
  // with it. One that has not asked yet has the time that a head may take.
  shorten_idle(limits_.drain_ms);
}

void H1ServerSession::close() {
  if (handler_ != nullptr) std::exchange(handler_, nullptr)->on_reset(Reset::kCancelled);
  close_now(false);
}

// The request.

std::size_t H1ServerSession::consume_head(std::span<char> bytes) {
  auto& request = context_.request;
  switch (request.parse(bytes, limits_)) {
    case H1Step::kMore: scanned_ = static_cast<std::uint32_t>(bytes.size()); return 0;
    case H1Step::kRefused: refuse(request.facts.refusal); return bytes.size();
    case H1Step::kPreface:
      if (preface_ != nullptr && requests_ == 0) {
        hand_over(bytes);
      } else {
        refuse(H1Refusal::kVersionUnsupported);
      }
      return bytes.size();
    case H1Step::kDone: break;
  }
  const auto used = request.facts.used;
  accept_request(request, bytes.size() - used);
  return used;
}

void H1ServerSession::hand_over(std::span<char> bytes) {
  context_.reactor.timers().cancel(*this);
  open_ = false;
  stream_->set_handler(nullptr);
  preface_->on_preface(std::move(stream_), {bytes.data(), bytes.size()});
  later();
}

void H1ServerSession::accept_request(H1Request& request, std::size_t behind) {
  auto& head = request.head;
  ++requests_;
  ++context_.counts.requests;
  http10_ = head.version == Version::kHttp10;
  head_request_ = head.method == Method::kHead;
  said_close_ = !request.facts.keep_alive;
  keep_alive_ = request.facts.keep_alive && !draining_ && (limits_.requests == 0 || requests_ < limits_.requests);
  tunnel_asked_ = head.body == Body::kTunnel;
  head_sent_ = tunnel_ = failed_ = paused_ = false;
  if (!request.facts.upgrade.empty()) accept_upgrade(request);
  begin_body(head.body, head.content_length, request.facts.chunked);
  begin_sending(Sending::kBodiless, 0);
  // A tunnel's bytes come when it is accepted; till then what comes may be the next request.
  request_done_ = receiving_ == Receiving::kNothing && !tunnel_asked_;
  continue_ = head.expects_continue && behind == 0;
  undelivered_ = behind;
  head.scheme = stream_->tls() != nullptr ? "https" : "http";
  handler_ = owner_.on_stream(*this);
  if (handler_ == nullptr) return refuse_stream();
  const bool end = request_done_;
  handler_->on_head(head, end);
  if (continue_ && open_ && !paused_ && !head_sent_) send_continue();
}

void H1ServerSession::accept_upgrade(const H1Request& request) {
  upgrade_ = request.facts.upgrade;
  accept_ = request.facts.websocket_key.empty() ? std::string() : h1::websocket_accept(request.facts.websocket_key);
}

void H1ServerSession::deliver(std::string_view data, bool end) {
  if (skipping_) return skip(data.size(), end);
  continue_ = false;
  if (end) request_done_ = true;
  if (handler_ != nullptr) handler_->on_body(data, end);
}

void H1ServerSession::deliver_trailers(Fields& trailers) {
  if (skipping_) return skip(0, true);
  request_done_ = true;
  if (handler_ != nullptr) handler_->on_trailers(trailers);
}

void H1ServerSession::on_input_end() {
  switch (receiving_) {
    case Receiving::kHead:
      if (!input_.empty()) ++context_.counts.truncated;
      if (!answering_) close_now(false);
      return;
    case Receiving::kUntilEnd: receiving_ = Receiving::kNothing; return deliver({}, true);
    case Receiving::kLinger: return close_now(false);
    case Receiving::kNothing: return;
    case Receiving::kLength:
    case Receiving::kChunked:
    case Receiving::kTrailers: ++context_.counts.truncated; return tell_reset(Reset::kClosed, false);
  }
}

void H1ServerSession::on_broken(int, std::string_view, bool) {
  if (handler_ != nullptr && receiving_ != Receiving::kNothing) ++context_.counts.truncated;
  tell_reset(Reset::kClosed, false);
}

void H1ServerSession::tell_reset(Reset why, bool reset_connection) {
  auto* const handler = std::exchange(handler_, nullptr);
  close_now(reset_connection);
  if (handler != nullptr) handler->on_reset(why);
}

void H1ServerSession::on_timeout(Wait what) {
  switch (what) {
    case Wait::kIdle:
      if (!draining_) ++context_.counts.idle_timeouts;
      return close_now(false);
    case Wait::kHead:
      if (!input_.empty()) return refuse(H1Refusal::kHeadTimeout);
      // Connections are opened in advance too: nobody waits for an answer there.
      ++context_.counts.idle_timeouts;
      return close_now(false);
    case Wait::kBody: return refuse_body(H1Refusal::kBodyTimeout);
    case Wait::kWrite: ++context_.counts.write_timeouts; return tell_reset(Reset::kTimeout, true);
    case Wait::kLinger: return close_now(false);
    case Wait::kNothing: return;
  }
}

// Refusals.

/// Of a head: no stream has come of it.
void H1ServerSession::refuse(H1Refusal why) { owner_.on_refused(answer_refusal(why)); }

/// Of a body, or of its delay: the exchange ends.
void H1ServerSession::refuse_body(H1Refusal why) {
  auto* const handler = std::exchange(handler_, nullptr);
  if (head_sent_) {
    ++context_.counts.refused[static_cast<std::size_t>(why)];
    close_now(true);
  } else {
    const auto refusal = answer_refusal(why);
    if (handler != nullptr) handler->on_refused(refusal);
  }
  if (handler != nullptr) handler->on_reset(why == H1Refusal::kBodyTimeout ? Reset::kTimeout : Reset::kProtocol);
}

Refusal H1ServerSession::answer_refusal(H1Refusal why) {
  ++context_.counts.refused[static_cast<std::size_t>(why)];
  const auto status = refusal_status(why);
  const auto text = refusal_text(why);
  const auto bytes = write_answer(status, text, why == H1Refusal::kUpgradeVersion ? "13" : "");
  return {.status = status, .why = text, .body_bytes = bytes};
}

void H1ServerSession::refuse_stream() {
  owner_.on_refused({.status = 503, .why = "no stream", .body_bytes = write_answer(503, "not now", "")});
}

/// An answer of our own, after which the connection ends. What the client still sends is dropped meanwhile. Bytes of
/// its body.
std::uint64_t H1ServerSession::write_answer(std::uint16_t status, std::string_view text, std::string_view version) {
  std::string body = std::to_string(status) + " ";
  body.append(reason_of(status)).append(": ").append(text).append("\n");
  ResponseHead head;
  head.status = status;
  head.content_length = body.size();
  head.fields = {{"date", date_now()}, {"content-type", "text/plain; charset=utf-8"}};
  if (!version.empty()) head.fields.push_back({"sec-websocket-version", version});
  H1Line line;
  line.framing = H1Framing::kLength;
  line.close = true;
  [[maybe_unused]] const bool written = write_head(head, line);
  assert(written);
  // One to HEAD has no body; a head that was refused did not tell, and then the close ends whatever it is.
  const bool bodiless = handler_ != nullptr || (requests_ > 0 && head_request_ && receiving_ != Receiving::kHead);
  if (!bodiless) output_.append(body);
  answering_ = true;
  keep_alive_ = false;
  continue_ = false;
  handler_ = nullptr;
  receiving_ = Receiving::kNothing;
  begin_sending(Sending::kNothing, 0);
  later();
  return bodiless ? 0 : body.size();
}

// The response.

void H1ServerSession::send_continue() {
  continue_ = false;
  output_.append("HTTP/1.1 100 Continue\r\n\r\n");
  later();
}

void H1ServerSession::resume() {
  paused_ = false;
  if (!open_) return;
  if (continue_ && !head_sent_) send_continue();
  later();
}

void H1ServerSession::send_informational(const ResponseHead& head) {
  if (!open_ || head_sent_ || http10_ || head.status == 101) return;  // HTTP/1.0 knows none (RFC 9110 15.2)
  if (head.status == 100) {
    if (continue_) send_continue();
    return;
  }
  if (!write_head(head, H1Line{})) ++context_.counts.unwritable;
  later();
}

/// How the body is framed; false: it cannot be.
bool H1ServerSession::framed(const ResponseHead& head, bool end, H1Line& line) {
  if (head.body == Body::kTunnel) {
    if (!tunnel_asked_) return false;
    tunnel_ = true;
    if (!upgrade_.empty()) line.status = 101;
    line.upgrade = upgrade_;
    line.websocket_accept = accept_;
    begin_sending(Sending::kRaw, 0);
    return true;
  }
  if (head.status == 426) {  // it must say what to upgrade to (RFC 9110 section 15.5.22)
    const auto* protocols = find(head.fields, "upgrade");
    if (protocols != nullptr) line.upgrade = protocols->value;
  }
  if (head_request_ || head.status == 204 || head.status == 304) {
    const bool show = head.status != 204 && (head.has_length || head.body == Body::kLength);
    line.framing = show ? H1Framing::kLength : H1Framing::kNothing;
    begin_sending(Sending::kBodiless, 0);
  } else if (head.body == Body::kLength) {
    line.framing = H1Framing::kLength;
    begin_sending(Sending::kLength, head.content_length);
    return !end || head.content_length == 0;
  } else if (head.body == Body::kNone || end) {
    line.framing = H1Framing::kZero;
    begin_sending(Sending::kLength, 0);
  } else if (http10_) {
    line.framing = H1Framing::kClose;
    keep_alive_ = false;
    begin_sending(Sending::kRaw, 0);
  } else {
    line.framing = H1Framing::kChunked;
    begin_sending(Sending::kChunked, 0);
  }
  return true;
}

void H1ServerSession::send_head(const ResponseHead& head, bool end) {
  if (!open_ || head_sent_ || failed_) return;
  head_sent_ = true;
  later();
  // Without its 100 the client may send the body all the same or not at all: nobody knows what its next bytes are.
  if (continue_ || (end && !request_done_ && !tunnel_asked_)) keep_alive_ = false;
  // An error amid of a long body: its rest is not read.
  if (head.status >= 400 && receiving_ == Receiving::kLength && !may_skip()) keep_alive_ = false;
  H1Line line;
  if (!framed(head, end, line)) return fail_sending();
  if (!tunnel_) {
    if (tunnel_asked_) request_done_ = true;  // refused: what follows is the next request
    if (draining_) keep_alive_ = false;
    line.close = !keep_alive_;
    line.keep_alive = keep_alive_ && http10_;
  }
  if (!write_head(head, line)) {
    ++context_.counts.unwritable;
    return fail_sending();
  }
  if (tunnel_) receiving_ = Receiving::kUntilEnd;
  if (end || head.body == Body::kNone) [[maybe_unused]]
    const bool whole = write_body({}, true);
}

bool H1ServerSession::send_body(std::string_view data, bool end) {
  if (!open_ || !head_sent_ || failed_ || sending_done()) return true;
  if (!write_body(data, end)) {
    fail_sending();
    return true;
  }
  return !blocked();
}

void H1ServerSession::send_trailers(const Fields& trailers) {
  if (!open_ || !head_sent_ || failed_ || sending_done()) return;
  if (!write_trailers(trailers)) {
    ++context_.counts.unwritable;
    fail_sending();
  }
}

/// The handler is on the stack: it is told at the end of the turn.
void H1ServerSession::fail_sending() {
  failed_ = true;
  later();
}

void H1ServerSession::reset(Reset) {
  handler_ = nullptr;
  // What there is of the answer goes out as far as the kernel takes it at once; then, as the message has begun, its end
  // must not seem to be one.
  if (open_ && head_sent_ && !write_failed_) static_cast<void>(output_.flush(*stream_));
  close_now(head_sent_);
}

void H1ServerSession::settle() {
  if (failed_) return tell_reset(Reset::kInternal, true);
  if (write_failed_) return tell_reset(Reset::kClosed, false);
  if (!output_.empty()) return;
  if (answering_) {
    answering_ = false;
    return linger();
  }
  if (handler_ == nullptr || !head_sent_ || !sending_done()) return;
  if (tunnel_ && !request_done_) {
    // Our direction has ended, the other may go on.
    stream_->shutdown_write();
    return;
  }
  finish();
}

void H1ServerSession::finish() {
  auto* const handler = std::exchange(handler_, nullptr);
  const bool whole = request_done_;
  upgrade_.clear();
  accept_.clear();
  paused_ = false;
  raw_in_ = nullptr;
  scanned_ = 0;
  if (keep_alive_ && whole && !tunnel_) {
    receiving_ = Receiving::kHead;
  } else if (keep_alive_ && !tunnel_ && may_skip()) {
    skipping_ = true;
    lingered_ = 0;
  } else if (tunnel_ || (whole && (said_close_ || peer_ended_) && input_.empty())) {
    close_now(false);
  } else {
    linger();
  }
  handler->on_done();
}

/// The client was told that the connection stays, and is sending the rest of its request still: as much as is read of a
/// connection that closes is read here, for the next request behind it.
bool H1ServerSession::may_skip() const {
  return receiving_ == Receiving::kChunked || receiving_ == Receiving::kTrailers ||
         (receiving_ == Receiving::kLength && remaining_in_ <= limits_.linger_bytes);
}

void H1ServerSession::skip(std::size_t bytes, bool end) {
  lingered_ += static_cast<std::uint32_t>(bytes);
  if (!end && lingered_ <= limits_.linger_bytes) return;
  skipping_ = false;
  request_done_ = end;
  if (!end || !keep_alive_) return linger();
  receiving_ = Receiving::kHead;
  later();
}

H1ServerSession::Wait H1ServerSession::expected() const {
  if (!output_.empty() || raw_waits_) return Wait::kWrite;
  if (receiving_ == Receiving::kLinger || skipping_) return Wait::kLinger;
  if (handler_ == nullptr) return requests_ > 0 && input_.empty() ? Wait::kIdle : Wait::kHead;
  const bool body = receiving_ != Receiving::kNothing && receiving_ != Receiving::kHead && !tunnel_;
  return body && !paused_ && !continue_ ? Wait::kBody : Wait::kNothing;
}

}  // namespace

std::unique_ptr<ServerSession> make_h1_server_session(std::unique_ptr<net::Stream> stream, H1Context& context,
                                                      const H1Limits& limits, ServerSessionOwner& owner,
                                                      H1PrefaceOwner* preface) {
  return std::make_unique<H1ServerSession>(std::move(stream), context, limits, owner, preface);
}

}  // namespace fairlead::http
