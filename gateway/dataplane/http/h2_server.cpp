// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "gateway/dataplane/http/h2_connection.hpp"
#include "gateway/dataplane/http/h2_encode.hpp"

namespace fairlead::http {
namespace {

class Server;

class Exchange final : public H2StreamOf<ServerStream, ServerHandler> {
 public:
  Exchange(H2Connection& connection, std::int32_t id) : H2StreamOf(connection) { id_ = id; }
  void send_informational(const ResponseHead& head) override;
  void send_head(const ResponseHead& head, bool end) override;
  net::Stream& connection() override { return connection_.stream(); }
};

class Server final : public H2ServerSession, public H2Connection {
 public:
  Server(const H2Context& context, std::unique_ptr<net::Stream> stream, ServerSessionOwner& owner)
      : H2Connection(context, std::move(stream), true), owner_(owner) {}

  Result<> make() { return make_session(); }
  void start(std::string_view initial) override { start_with(initial); }
  void drain() override { begin_drain(); }
  void close() override { request_close(); }
  bool idle() const override { return no_streams(); }
  std::size_t streams() const override { return stream_count(); }
  std::size_t memory() const override { return bytes_held(); }

 private:
  void on_section(const nghttp2_frame& frame, H2HeadBlock& block, H2Stream* stream) override;
  void on_flood(H2Flood kind) override { owner_.on_flood(flood_name(kind)); }
  void tell_closed(int, std::string_view) override { owner_.on_closed(); }
  void on_request(const nghttp2_frame& frame, H2HeadBlock& block);
  void begin(std::int32_t id, RequestHead& head, bool end);
  void refuse(std::int32_t id, std::uint16_t status, std::string_view why);

  ServerSessionOwner& owner_;
};

void Exchange::send_informational(const ResponseHead& head) {
  if (!may_be_sent() || head_sent_ || head.status == 101) return;
  auto& section = H2Section::of_thread();
  section.response(head, true);
  nghttp2_submit_headers(connection_.session(), NGHTTP2_FLAG_NONE, id_, nullptr, section.data(), section.size(),
                         nullptr);
  connection_.schedule();
}

void Exchange::send_head(const ResponseHead& head, bool end) {
  if (!may_be_sent() || std::exchange(head_sent_, true)) return;
  tunnel_ = head.body == Body::kTunnel;
  const bool at_once = connection_.may_pump();
  auto& section = H2Section::of_thread();
  section.response(head, !at_once);
  nghttp2_data_provider body = provider();
  nghttp2_submit_response(connection_.session(), id_, section.data(), section.size(), end ? nullptr : &body);
  if (!end) {
    // Round and round: without this the first stream of an urgency is sent to its end before the next one.
    const nghttp2_extpri fair{NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1};
    nghttp2_session_change_extpri_stream_priority(connection_.session(), id_, &fair, 1);
  }
  if (at_once) connection_.pump();
  connection_.schedule();
}

void Server::on_section(const nghttp2_frame& frame, H2HeadBlock& block, H2Stream* stream) {
  if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) return on_request(frame, block);
  if (stream == nullptr) return;  // refused
  const char* why = nullptr;
  if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return malformed(*stream, "a second field section");
  if (block.request_trailers(block.trailer_fields, why) != H2Fault::kNone || block.too_large())
    return malformed(*stream, "trailers");
  stream->take_trailers(block.trailer_fields);
}

void Server::on_request(const nghttp2_frame& frame, H2HeadBlock& block) {
  const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  const std::int32_t id = frame.hd.stream_id;
  auto& head = block.request_head;
  const char* why = nullptr;
  switch (block.request(end, limits(), head, why)) {
    case H2Fault::kNone: head.scheme = stream().tls() != nullptr ? "https" : "http"; return begin(id, head, end);
    case H2Fault::kMalformed:
      submit_reset(id, NGHTTP2_PROTOCOL_ERROR);
      owner_.on_refused({.status = 400, .why = why});
      return count_malformed();
    case H2Fault::kTargetTooLong: return refuse(id, 414, why);
    case H2Fault::kTooLarge: return refuse(id, 431, why);
    case H2Fault::kExpectation: return refuse(id, 417, why);
    case H2Fault::kConnect: return refuse(id, 501, why);
  }
}

void Server::refuse(std::int32_t id, std::uint16_t status, std::string_view why) {
  ++context().counters.refused_heads;
  auto& section = H2Section::of_thread();
  section.refusal(status);
  nghttp2_submit_response(session(), id, section.data(), section.size(), nullptr);
  schedule();
  owner_.on_refused({.status = status, .why = why});
}

void Server::begin(std::int32_t id, RequestHead& head, bool end) {
  auto exchange = std::make_unique<Exchange>(*this, id);
  exchange->remote_ended_ = end;
  exchange->expect(false, head.body == Body::kLength, head.content_length);
  ServerHandler* handler = owner_.on_stream(*exchange);
  if (handler == nullptr) {
    ++context().counters.refused_streams;
    return submit_reset(id, NGHTTP2_REFUSED_STREAM);
  }
  exchange->handler = handler;
  nghttp2_session_set_stream_user_data(session(), id, static_cast<H2Stream*>(exchange.get()));
  link(*exchange);
  exchange.release();  // settle() deletes it
  handler->on_head(head, end);
}

}  // namespace

Result<std::unique_ptr<H2ServerSession>> H2ServerSession::create(const H2Context& context,
                                                                 std::unique_ptr<net::Stream> stream,
                                                                 ServerSessionOwner& owner) {
  auto session = std::make_unique<Server>(context, std::move(stream), owner);
  FL_CHECK(session->make());
  return session;
}

}  // namespace fairlead::http
