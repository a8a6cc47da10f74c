// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "gateway/dataplane/http/grammar.hpp"
#include "gateway/dataplane/http/h1_connection.hpp"
#include "gateway/dataplane/http/h1_fields.hpp"
#include "gateway/dataplane/http/h1_websocket.hpp"

namespace fairlead::http {

namespace {

/// A connection to a backend and the one exchange on it: the session is its stream.
/// Owner: a ClientSessionOwner. Thread: its worker's.
class H1ClientSession final : public ClientSession, private ClientStream, private H1Connection {
 public:
  H1ClientSession(std::unique_ptr<net::Stream> stream, H1Context& context, const H1Limits& limits,
                  ClientSessionOwner& owner, bool connecting)
      : H1Connection(std::move(stream), context, limits), owner_(owner), connecting_(connecting) {
    begin();
  }

  // ClientSession
  [[nodiscard]] std::size_t capacity() const override { return open_ && !connecting_ && idle() && !ending_ ? 1 : 0; }
  ClientStream* open(ClientHandler& handler) override;
  void close() override;
  [[nodiscard]] bool idle() const override { return handler_ == nullptr; }

 private:
  // ClientStream
  bool send_body(std::string_view data, bool end) override;
  void send_trailers(const Fields& trailers) override;
  void reset(Reset why) override;
  void pause() override { paused_ = true; }
  void resume() override {
    paused_ = false;
    if (open_) later();
  }
  void send_head(const RequestHead& head, bool end) override;
  net::Stream& connection() override { return *stream_; }
  [[nodiscard]] bool reused_connection() const override { return exchanges_ > 1 && !answered_; }
  [[nodiscard]] bool beyond_refusal() const override { return written_ || moved_out_ || answered_; }
  std::optional<RawBody> take_raw(RawMover& mover) override { return give_raw(mover); }
  void raw_received(std::uint64_t bytes, bool ended) override { take_raw_received(bytes, ended); }
  void stop_raw() override { end_raw(); }
  net::Stream* raw_target(RawMover& mover) override { return give_raw_target(mover); }
  void raw_sent(std::uint64_t bytes) override { take_raw_sent(bytes); }
  void raw_waits(bool waits) override { take_raw_waits(waits); }
  void raw_failed() override { fail_raw(); }

  // H1Connection
  void on_writable() override;
  std::size_t consume_head(std::span<char> bytes) override;
  void deliver(std::string_view data, bool end) override;
  void deliver_trailers(Fields& trailers) override;
  H1Step parse_trailers(H1Trailers& trailers, std::span<char> bytes) override {
    return h1::parse_response_trailers(trailers, bytes, limits_);
  }
  void refuse_body(H1Refusal why) override;
  void on_input_end() override;
  void on_broken(int error, std::string_view what, bool writing) override;
  void on_timeout(Wait what) override;
  void tell_writable() override {
    if (handler_ != nullptr) handler_->on_writable();
  }
  void tell_closed() override { owner_.on_closed(error_, why_); }
  void settle() override;
  Wait expected() const override;

  void accept_response(H1Response& response, std::size_t behind);
  bool accepted_as_asked(const H1Response& response) const;
  void end_connection(int error, std::string_view why, Reset reset);
  [[nodiscard]] Reset lost() const;
  H1Framing framed(const RequestHead& head, bool end);
  void fail_sending(Reset why);
  void finish();

  ClientSessionOwner& owner_;
  ClientHandler* handler_ = nullptr;
  std::string upgrade_;  // the protocol that was asked for, in lower case
  std::string accept_;   // what a 101 to websocket has to show
  std::string why_;      // of the end
  int error_ = 0;        // errno of the end
  std::uint32_t exchanges_ = 0;
  std::uint16_t informational_ = 0;
  bool connecting_;
  bool ending_ = false;        // no further exchange here
  bool answered_ = false;      // a byte of the response has come
  bool written_ = false;       // a byte of the request may have left
  bool head_request_ = false;
  bool connect_ = false;
  bool keep_alive_ = false;
  bool tunnel_ = false;
  bool head_sent_ = false;
  bool response_done_ = false;
  bool freed_ = false;         // on_capacity() is due
  bool failed_ = false;        // told at the turn's end
  Reset failure_ = Reset::kInternal;
};

ClientStream* H1ClientSession::open(ClientHandler& handler) {
  if (capacity() == 0) return nullptr;
  ++exchanges_;
  handler_ = &handler;
  informational_ = 0;
  answered_ = written_ = head_request_ = connect_ = keep_alive_ = tunnel_ = head_sent_ = response_done_ = failed_ =
      false;
  paused_ = moved_out_ = false;
  begin_sending(Sending::kBodiless, 0);
  return this;
}

void H1ClientSession::close() {
  if (handler_ != nullptr) std::exchange(handler_, nullptr)->on_reset(Reset::kCancelled);
  why_ = "closed by us";
  close_now(false);
}

void H1ClientSession::on_writable() {
  if (connecting_) {
    connecting_ = false;
    owner_.on_ready();
    if (!open_) return;
  }
  H1Connection::on_writable();
}

// The request.

H1Framing H1ClientSession::framed(const RequestHead& head, bool end) {
  switch (head.body) {
    case Body::kLength: begin_sending(Sending::kLength, head.content_length); return H1Framing::kLength;
    case Body::kStream:
      if (end) break;
      begin_sending(Sending::kChunked, 0);
      return H1Framing::kChunked;
    case Body::kTunnel: begin_sending(Sending::kRaw, 0); return H1Framing::kNothing;
    case Body::kNone: break;
  }
  begin_sending(Sending::kLength, 0);
  const bool expected = head.body == Body::kStream || head.method == Method::kPost || head.method == Method::kPut ||
                        head.method == Method::kPatch;
  return expected ? H1Framing::kZero : H1Framing::kNothing;  // RFC 9110 8.6
}

void H1ClientSession::send_head(const RequestHead& head, bool end) {
  if (!open_ || handler_ == nullptr || head_sent_ || failed_) return;
  head_sent_ = true;
  head_request_ = head.method == Method::kHead;
  connect_ = head.method == Method::kConnect && head.protocol.empty();
  H1Line line;
  line.framing = framed(head, end);
  upgrade_.clear();
  accept_.clear();
  std::string key;
  RequestHead upgrading;
  const RequestHead* shown = &head;
  if (head.body == Body::kTunnel && !head.protocol.empty()) {
    std::ranges::transform(head.protocol, std::back_inserter(upgrade_), grammar::lower);
    line.upgrade = head.protocol;
    if (upgrade_ == "websocket") {
      line.websocket_key = key = h1::websocket_key();
      accept_ = h1::websocket_accept(key);
    }
    if (head.method == Method::kConnect) {
      // HTTP/2 asks by CONNECT what is a GET here (RFC 8441 5).
      upgrading = head;
      upgrading.method = Method::kGet;
      upgrading.method_text = "GET";
      shown = &upgrading;
    }
  }
  if (!write_head(*shown, line)) {
    ++context_.counts.unwritable;
    return fail_sending(Reset::kInternal);
  }
  receiving_ = Receiving::kHead;
  scanned_ = 0;
  later();
  if (end || (head.body == Body::kNone)) {
    if (!write_body({}, true)) fail_sending(Reset::kInternal);
  }
}

bool H1ClientSession::send_body(std::string_view data, bool end) {
  if (!open_ || handler_ == nullptr || !head_sent_ || failed_ || sending_done()) return true;
  if (!write_body(data, end)) {
    fail_sending(Reset::kInternal);
    return true;
  }
  return !blocked();
}

void H1ClientSession::send_trailers(const Fields& trailers) {
  if (!open_ || handler_ == nullptr || !head_sent_ || failed_ || sending_done()) return;
  if (!write_trailers(trailers)) {
    ++context_.counts.unwritable;
    fail_sending(Reset::kInternal);
  }
}

void H1ClientSession::fail_sending(Reset why) {
  failed_ = true;
  failure_ = why;
  later();
}

void H1ClientSession::reset(Reset) {
  handler_ = nullptr;
  why_ = "given up by us";
  // A tunnel that has ended in both directions is no longer of use, but whole.
  const bool whole = open_ && tunnel_ && response_done_ && sending_done() && !write_failed_;
  if (whole) static_cast<void>(output_.flush(*stream_));
  close_now(!whole || !output_.empty());
}

// The response.

std::size_t H1ClientSession::consume_head(std::span<char> bytes) {
  if (handler_ == nullptr || !head_sent_) {
    ++context_.counts.unsolicited;
    end_connection(0, "sent where nothing was asked", Reset::kProtocol);
    return bytes.size();
  }
  answered_ = true;
  auto& response = context_.response;
  const H1Asked asked{.head = head_request_, .tunnel = connect_, .upgrade = !upgrade_.empty()};
  switch (response.parse(bytes, limits_, asked)) {
    case H1Step::kMore: scanned_ = static_cast<std::uint32_t>(bytes.size()); return 0;
    case H1Step::kDone: break;
    default: refuse_body(response.facts.refusal); return bytes.size();
  }
  const auto used = response.facts.used;
  accept_response(response, bytes.size() - used);
  return used;
}

bool H1ClientSession::accepted_as_asked(const H1Response& response) const {
  if (response.head.status != 101) return true;
  if (!grammar::equals_ignoring_case(response.facts.upgrade, upgrade_)) return false;
  return accept_.empty() || response.facts.websocket_accept == accept_;
}

void H1ClientSession::accept_response(H1Response& response, std::size_t behind) {
  auto& head = response.head;
  scanned_ = 0;
  undelivered_ = behind;
  if (!accepted_as_asked(response)) return refuse_body(H1Refusal::kNotAccepted);
  if (head.status < 200 && head.status != 101) {
    if (++informational_ > limits_.informational) return refuse_body(H1Refusal::kTooManyInformational);
    return handler_->on_informational(head);
  }
  ++context_.counts.responses;
  keep_alive_ = response.facts.keep_alive;
  tunnel_ = head.body == Body::kTunnel;
  if (head.status == 101) head.status = 200;
  begin_body(head.body, head.content_length, response.facts.chunked);
  if (tunnel_) {
    receiving_ = Receiving::kUntilEnd;
  } else if (!upgrade_.empty() || connect_) {
    const bool ended = write_body({}, true);  // refused: there is nothing to send
    if (!ended) return fail_sending(Reset::kInternal);
  }
  const bool end = receiving_ == Receiving::kNothing;
  if (end) response_done_ = true;
  handler_->on_head(head, end);
}

void H1ClientSession::deliver(std::string_view data, bool end) {
  if (end) {
    response_done_ = true;
    later();
  }
  if (handler_ != nullptr) handler_->on_body(data, end);
}

void H1ClientSession::deliver_trailers(Fields& trailers) {
  response_done_ = true;
  later();
  if (handler_ != nullptr) handler_->on_trailers(trailers);
}

void H1ClientSession::refuse_body(H1Refusal why) {
  ++context_.counts.refused[static_cast<std::size_t>(why)];
  const bool late = why == H1Refusal::kBodyTimeout || why == H1Refusal::kHeadTimeout;
  end_connection(0, refusal_text(why), late ? Reset::kTimeout : Reset::kProtocol);
}

/// What it means that the connection is lost before the response is whole.
Reset H1ClientSession::lost() const {
  if (connecting_) return Reset::kConnect;
  return beyond_refusal() ? Reset::kClosed : Reset::kRefused;
}

void H1ClientSession::on_input_end() {
  if (handler_ != nullptr && receiving_ == Receiving::kUntilEnd) {
    receiving_ = Receiving::kNothing;
    keep_alive_ = false;
    return deliver({}, true);
  }
  if (handler_ != nullptr && !response_done_) {
    if (answered_) ++context_.counts.truncated;
    return end_connection(0, "closed by the backend", lost());
  }
  if (handler_ == nullptr) return end_connection(0, "closed by the backend", Reset::kClosed);
  keep_alive_ = false;
}

void H1ClientSession::on_broken(int error, std::string_view what, bool writing) {
  // The answer to a request that was not wanted whole can still be read, where it came before the connection broke.
  if (writing && handler_ != nullptr && !response_done_) {
    keep_alive_ = false;
    output_.clear();
    return later();
  }
  if (handler_ != nullptr && answered_ && !response_done_) ++context_.counts.truncated;
  end_connection(error, what, lost());
}

void H1ClientSession::end_connection(int error, std::string_view why, Reset reset) {
  auto* const handler = std::exchange(handler_, nullptr);
  error_ = error;
  why_ = why;
  close_now(reset == Reset::kProtocol);
  if (handler != nullptr && !response_done_) return handler->on_reset(reset);
  if (handler != nullptr) handler->on_done();
}

void H1ClientSession::on_timeout(Wait what) {
  switch (what) {
    case Wait::kIdle: ++context_.counts.idle_timeouts; return end_connection(0, "idle", Reset::kTimeout);
    case Wait::kHead: return refuse_body(H1Refusal::kHeadTimeout);
    case Wait::kBody: return refuse_body(H1Refusal::kBodyTimeout);
    case Wait::kWrite: ++context_.counts.write_timeouts; return end_connection(0, "write stalled", Reset::kTimeout);
    case Wait::kLinger:
    case Wait::kNothing: return;
  }
}

void H1ClientSession::settle() {
  if (moved_out_) written_ = true;
  if (failed_) return end_connection(0, "request could not be written", failure_);
  if (std::exchange(freed_, false) && capacity() > 0) owner_.on_capacity();
  if (handler_ == nullptr || !response_done_) {
    // A tunnel's other direction may go on.
    if (tunnel_ && sending_done() && output_.empty()) stream_->shutdown_write();
    return;
  }
  if (tunnel_ && !write_failed_ && (!sending_done() || !output_.empty())) return;
  finish();
}

/// The response is whole. Where the request is not, its rest is not wanted and the connection cannot be used again.
void H1ClientSession::finish() {
  auto* const handler = std::exchange(handler_, nullptr);
  const bool again = keep_alive_ && sending_done() && output_.empty() && input_.empty() && !peer_ended_ && !tunnel_;
  paused_ = false;
  receiving_ = Receiving::kHead;  // so that a close, or what nobody asked for, is seen
  begin_sending(Sending::kNothing, 0);
  if (!again) {
    ending_ = true;
    owner_.on_draining();
    why_ = "not to be used again";
    close_now(false);
  }
  // Told when the stream was looked at once more: a close that came with the response is seen first.
  freed_ = again;
  later();
  handler->on_done();
}

H1ClientSession::Wait H1ClientSession::expected() const {
  if (connecting_) return Wait::kNothing;
  if (!output_.empty() || raw_waits_) return Wait::kWrite;
  if (handler_ == nullptr) return Wait::kIdle;
  if (receiving_ == Receiving::kHead) return input_.empty() ? Wait::kNothing : Wait::kHead;
  return receiving_ != Receiving::kNothing && !paused_ && !tunnel_ ? Wait::kBody : Wait::kNothing;
}

}  // namespace

std::unique_ptr<ClientSession> make_h1_client_session(std::unique_ptr<net::Stream> stream, H1Context& context,
                                                      const H1Limits& limits, ClientSessionOwner& owner,
                                                      bool connecting) {
  return std::make_unique<H1ClientSession>(std::move(stream), context, limits, owner, connecting);
}

}  // namespace fairlead::http
