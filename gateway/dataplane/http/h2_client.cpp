// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <utility>

#include "gateway/dataplane/http/h2_connection.hpp"
#include "gateway/dataplane/http/h2_encode.hpp"

namespace fairlead::http {
namespace {

// RFC 9113 5.1.2 leaves the peer's limit open until its SETTINGS say it; nghttp2 takes this for it until then.
constexpr std::uint32_t kUntilSettings = 100;

class Exchange final : public H2StreamOf<ClientStream, ClientHandler> {
 public:
  Exchange(H2Connection& connection, bool reused) : H2StreamOf(connection), reused_(reused) {}
  void send_head(const RequestHead& head, bool end) override;
  net::Stream& connection() override { return connection_.stream(); }
  bool reused_connection() const override { return reused_ && !head_done_ && informational_ == 0; }
  /// The peer's SETTINGS have come: what had to wait for them goes, or is refused.
  void go_after_settings();

 private:
  /// An extended CONNECT on a connection whose peer has not said yet whether it takes one (RFC 8441 3).
  struct Waiting {
    Arena arena;
    RequestHead head;
    bool end;
  };
  void submit(const RequestHead& head, bool end);

  std::unique_ptr<Waiting> waiting_;
  bool reused_;
};

class Client final : public H2ClientSession, public H2Connection {
 public:
  Client(const H2Context& context, std::unique_ptr<net::Stream> stream, ClientSessionOwner& owner)
      : H2Connection(context, std::move(stream), false), owner_(owner) {}

  Result<> make() {
    set_drop_reason(Reset::kConnect);  // until it is established
    return make_session();
  }
  std::size_t capacity() const override;
  ClientStream* open(ClientHandler& handler) override;
  void drain() override { begin_drain(); }
  void close() override { request_close(); }
  bool idle() const override { return no_streams(); }
  bool accepts_extended_connect() const override { return extended_connect_; }
  bool settings_known() const { return settings_known_; }
  std::size_t streams() const override { return stream_count(); }
  std::size_t memory() const override { return bytes_held(); }

 private:
  void on_section(const nghttp2_frame& frame, H2HeadBlock& block, H2Stream* stream) override;
  void on_response(Exchange& exchange, H2HeadBlock& block, bool end);
  void on_informational(Exchange& exchange, ResponseHead& head, bool end);
  void on_settings() override;
  void on_goaway() override;
  void on_streams_gone() override;
  void on_established() override;
  void tell_closed(int error, std::string_view why) override { owner_.on_closed(error, why); }

  ClientSessionOwner& owner_;
  std::uint32_t peer_streams_ = kUntilSettings;
  bool ready_ = false;
  bool used_ = false;
  bool settings_known_ = false;
  bool extended_connect_ = false;
  bool told_draining_ = false;
};

// The session behind a stream: both are of this file alone.
Client& client_of(H2Connection& connection) { return static_cast<Client&>(connection); }

void Exchange::send_head(const RequestHead& head, bool end) {
  if (!may_be_sent() || std::exchange(head_sent_, true)) return;
  asked_head_ = head.method == Method::kHead;
  asked_tunnel_ = head.body == Body::kTunnel;
  const bool extended = asked_tunnel_ && !head.protocol.empty();
  auto& client = client_of(connection_);
  if (extended && !client.settings_known()) {
    waiting_ = std::make_unique<Waiting>(Waiting{.arena = {}, .head = head, .end = end});
    return http::keep(waiting_->head, waiting_->arena);
  }
  if (extended && !client.accepts_extended_connect()) return fail(Reset::kRefused);
  submit(head, end);
}

void Exchange::go_after_settings() {
  const auto waiting = std::move(waiting_);
  if (waiting == nullptr || !may_be_sent()) return;
  if (!client_of(connection_).accepts_extended_connect()) return fail(Reset::kRefused);
  submit(waiting->head, waiting->end);
}

void Exchange::submit(const RequestHead& head, bool end) {
  auto& section = H2Section::of_thread();
  section.request(head);
  nghttp2_data_provider body = provider();
  const std::int32_t id = nghttp2_submit_request(connection_.session(), nullptr, section.data(), section.size(),
                                                 end ? nullptr : &body, static_cast<H2Stream*>(this));
  if (id < 0) return fail(Reset::kRefused);  // no stream ids are left, or no memory
  id_ = id;
  connection_.pump();
  connection_.schedule();
}

std::size_t Client::capacity() const {
  if (!ready_ || is_draining()) return 0;
  const std::size_t most = std::min(limits().streams, peer_streams_);
  return most > stream_count() ? most - stream_count() : 0;
}

ClientStream* Client::open(ClientHandler& handler) {
  if (capacity() == 0) return nullptr;
  auto* exchange = new Exchange(*this, std::exchange(used_, true));
  exchange->handler = &handler;
  link(*exchange);
  return exchange;
}

void Client::on_section(const nghttp2_frame& frame, H2HeadBlock& block, H2Stream* stream) {
  if (stream == nullptr || !stream->may_be_sent()) return;
  auto& exchange = static_cast<Exchange&>(*stream);
  const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (!exchange.head_done_) return on_response(exchange, block, end);
  const char* why = nullptr;
  if (!end) return malformed(exchange, "a second field section");
  if (block.response_trailers(block.trailer_fields, why) != H2Fault::kNone || block.too_large())
    return malformed(exchange, "trailers");
  exchange.take_trailers(block.trailer_fields);
}

void Client::on_response(Exchange& exchange, H2HeadBlock& block, bool end) {
  auto& head = block.response_head;
  const char* why = nullptr;
  if (const auto fault = block.response(head, why); fault != H2Fault::kNone) {
    if (fault == H2Fault::kTooLarge) return exchange.fail(Reset::kTooLarge);
    return malformed(exchange, why);
  }
  if (head.status < 200) return on_informational(exchange, head, end);
  exchange.head_done_ = true;
  const bool tunnel = exchange.asked_tunnel_ && head.status < 300;
  const bool none = exchange.asked_head_ || head.status == 204 || head.status == 304;
  if (tunnel && head.has_length) return malformed(exchange, "Content-Length in answer to CONNECT");
  if (head.status == 204 && head.has_length) return malformed(exchange, "204 with Content-Length");
  exchange.expect(none, head.has_length, head.content_length);
  if (end && !none && head.has_length && head.content_length != 0)
    return malformed(exchange, "Content-Length without a body");
  if (tunnel) {
    head.body = Body::kTunnel;
  } else if (!end && !none) {
    head.body = head.has_length ? Body::kLength : Body::kStream;
  }
  exchange.remote_ended_ = end;
  if (exchange.listens()) exchange.handler->on_head(head, end);
}

void Client::on_informational(Exchange& exchange, ResponseHead& head, bool end) {
  if (end || head.has_length) return malformed(exchange, "1xx with a body");
  if (++exchange.informational_ > limits().informational) return malformed(exchange, "too many 1xx");
  if (exchange.listens()) exchange.handler->on_informational(head);
}

void Client::on_settings() {
  const auto before = capacity();
  peer_streams_ = nghttp2_session_get_remote_settings(session(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  extended_connect_ = nghttp2_session_get_remote_settings(session(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
  if (!std::exchange(settings_known_, true))
    for_each_stream([](H2Stream& stream) { static_cast<Exchange&>(stream).go_after_settings(); });
  if (capacity() > before) owner_.on_capacity();
}

void Client::on_goaway() {
  refuse_streams();
  if (!std::exchange(told_draining_, true)) owner_.on_draining();
}

void Client::on_streams_gone() {
  if (capacity() != 0) owner_.on_capacity();
}

void Client::on_established() {
  ready_ = true;
  set_drop_reason(Reset::kClosed);
  owner_.on_ready();
}

}  // namespace

Result<std::unique_ptr<H2ClientSession>> H2ClientSession::create(const H2Context& context,
                                                                 std::unique_ptr<net::Stream> stream,
                                                                 ClientSessionOwner& owner) {
  auto session = std::make_unique<Client>(context, std::move(stream), owner);
  FL_CHECK(session->make());
  return session;
}

}  // namespace fairlead::http
