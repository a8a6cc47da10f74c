// SPDX-License-Identifier: Apache-2.0
// What nghttp2 calls. Each answers NGHTTP2_ERR_CALLBACK_FAILURE once the connection has been given up, so that the rest
// of what was read is left alone.
#include <algorithm>
#include <utility>

#include "gateway/dataplane/http/h2_connection.hpp"

namespace fairlead::http {
namespace {

H2Connection& connection_of(void* user_data) { return *static_cast<H2Connection*>(user_data); }

constexpr bool has(std::uint8_t flags, int flag) { return (flags & flag) != 0; }

}  // namespace

// Callbacks without a capture, each a line over a member; made once for the process.
const nghttp2_session_callbacks* H2Connection::callbacks() {
  static const nghttp2_session_callbacks* const made = [] {
    nghttp2_session_callbacks* set = nullptr;
    if (nghttp2_session_callbacks_new(&set) != 0) return set;
    nghttp2_session_callbacks_set_on_begin_frame_callback(
        set, [](nghttp2_session*, const nghttp2_frame_hd* head, void* self) {
          return connection_of(self).on_begin_frame(*head);
        });
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        set, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          return connection_of(self).on_begin_headers(*frame);
        });
    nghttp2_session_callbacks_set_on_header_callback2(
        set, [](nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name, nghttp2_rcbuf* value, std::uint8_t,
                void* self) { return connection_of(self).on_field(name, value); });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        set,
        [](nghttp2_session*, const nghttp2_frame* frame, void* self) { return connection_of(self).on_frame(*frame); });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        set, [](nghttp2_session*, std::uint8_t flags, std::int32_t id, const std::uint8_t* data, std::size_t length,
                void* self) {
          return connection_of(self).on_chunk(id, {reinterpret_cast<const char*>(data), length}, flags);
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        set, [](nghttp2_session*, std::int32_t id, std::uint32_t code, void* self) {
          auto& connection = connection_of(self);
          if (H2Stream* stream = connection.stream_of(id)) stream->wire_closed(code);
          return 0;
        });
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
        set, [](nghttp2_session*, const nghttp2_frame* frame, int, void* self) {
          return connection_of(self).on_invalid_frame(*frame);
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(set,
                                                         [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
                                                           connection_of(self).on_sent(*frame);
                                                           return 0;
                                                         });
    nghttp2_session_callbacks_set_send_data_callback(set, [](nghttp2_session*, nghttp2_frame*,
                                                             const std::uint8_t* frame_head, std::size_t length,
                                                             nghttp2_data_source* source, void*) {
      return static_cast<H2Stream*>(source->ptr)->move_data(frame_head, length) ? 0 : int{NGHTTP2_ERR_CALLBACK_FAILURE};
    });
    return set;
  }();
  return made;
}

// Counts what costs us and brings nothing, before it is looked at.
int H2Connection::on_begin_frame(const nghttp2_frame_hd& head) {
  if (phase_ != Phase::kOpen) return NGHTTP2_ERR_CALLBACK_FAILURE;
  last_type_ = head.type;
  const bool ack = has(head.flags, NGHTTP2_FLAG_ACK);
  H2Flood kind = H2Flood::kCount;
  switch (head.type) {
    case NGHTTP2_DATA: data_left_ = has(head.flags, NGHTTP2_FLAG_PADDED) ? 0 : head.length; return 0;
    case NGHTTP2_HEADERS:
      if (head.length == 0) kind = H2Flood::kEmptyFrame;
      break;
    case NGHTTP2_RST_STREAM: kind = H2Flood::kReset; break;
    case NGHTTP2_CONTINUATION: kind = head.length == 0 ? H2Flood::kEmptyFrame : H2Flood::kContinuation; break;
    case NGHTTP2_SETTINGS:
      if (!ack) kind = H2Flood::kSettings;
      break;
    case NGHTTP2_PING: kind = H2Flood::kPing; break;
    case NGHTTP2_PRIORITY: kind = H2Flood::kPriority; break;
    case NGHTTP2_WINDOW_UPDATE: kind = H2Flood::kWindowUpdate; break;
    default: break;  // unknown types are ignored without a call: see H2FrameWatch
  }
  if (kind == H2Flood::kCount || spend(kind)) return 0;
  flood(kind);
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int H2Connection::on_begin_headers(const nghttp2_frame&) {
  block_ = H2HeadBlock::take();
  block_ms_ = now_ms();
  arm_after(limits().timeouts.head);
  return 0;
}

int H2Connection::on_field(nghttp2_rcbuf* name, nghttp2_rcbuf* value) {
  if (block_ == nullptr) return 0;
  block_->add(name, value, limits());
  // Some excess is answered with 431; what is many times the limit is no mistake.
  if (block_->list_bytes() <= 8ULL * limits().header_list) return 0;
  flood(H2Flood::kHeaderBomb);
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int H2Connection::on_frame(const nghttp2_frame& frame) {
  switch (frame.hd.type) {
    case NGHTTP2_DATA: return on_data_frame(frame);
    case NGHTTP2_HEADERS: {
      auto block = std::exchange(block_, nullptr);
      if (block == nullptr) return 0;
      budgets_.refund(H2Flood::kPing, 1);
      const bool over = block->too_large() && !spend(H2Flood::kHeaderBomb);
      auto* stream = stream_of(frame.hd.stream_id);
      // Who resets stream after stream within one read is known for it before the next one begins.
      if (stream == nullptr) settle();
      if (over) flood(H2Flood::kHeaderBomb);
      else if (phase_ == Phase::kOpen) on_section(frame, *block, stream);
      H2HeadBlock::give(std::move(block));
      break;
    }
    case NGHTTP2_SETTINGS:
      if (has(frame.hd.flags, NGHTTP2_FLAG_ACK)) break;
      settings_seen_ = true;
      on_settings();
      break;
    case NGHTTP2_PING:
      if (has(frame.hd.flags, NGHTTP2_FLAG_ACK)) on_ping_ack();
      break;
    case NGHTTP2_GOAWAY:
      ++context_.counters.goaways;
      on_goaway();
      break;
    default: break;
  }
  return phase_ == Phase::kOpen ? 0 : int{NGHTTP2_ERR_CALLBACK_FAILURE};
}

void H2Connection::on_ping_ack() {
  ping_out_ = false;
  arm_after(limits().ping_every_ms);
  final_goaway();  // where a drain waits for it
}

int H2Connection::on_data_frame(const nghttp2_frame& frame) {
  const bool end = has(frame.hd.flags, NGHTTP2_FLAG_END_STREAM);
  const bool empty = frame.hd.length == frame.data.padlen;
  if (empty && !end && !spend(H2Flood::kEmptyFrame)) flood(H2Flood::kEmptyFrame);
  H2Stream* stream = end ? stream_of(frame.hd.stream_id) : nullptr;
  if (stream != nullptr && !stream->remote_ended_) stream->take_body({}, true);
  return phase_ == Phase::kOpen ? 0 : int{NGHTTP2_ERR_CALLBACK_FAILURE};
}

int H2Connection::on_chunk(std::int32_t id, std::string_view data, std::uint8_t flags) {
  const bool last = data_left_ != 0 && data.size() >= data_left_;
  data_left_ -= last ? data_left_ : data_left_ == 0 ? 0 : data.size();
  budgets_.refund(H2Flood::kPing, 1);
  H2Stream* stream = stream_of(id);
  if (stream == nullptr) {
    consume(id, data.size());  // of a request that was refused
  } else {
    stream->take_body(data, last && has(flags, NGHTTP2_FLAG_END_STREAM));
  }
  return phase_ == Phase::kOpen ? 0 : int{NGHTTP2_ERR_CALLBACK_FAILURE};
}

// nghttp2 resets the stream, or ends the connection.
int H2Connection::on_invalid_frame(const nghttp2_frame& frame) {
  if (H2Stream* stream = stream_of(frame.hd.stream_id)) stream->note_protocol_error();
  count_malformed();
  return phase_ == Phase::kOpen ? 0 : int{NGHTTP2_ERR_CALLBACK_FAILURE};
}

void H2Connection::on_sent(const nghttp2_frame& frame) {
  if (frame.hd.type == NGHTTP2_RST_STREAM) reset_ms_ = now_ms();
  if (frame.hd.type == NGHTTP2_GOAWAY && frame.goaway.error_code != NGHTTP2_NO_ERROR && !failed_) {
    failed_ = true;
    ++context_.counters.protocol_errors;
    drop_why_ = Reset::kProtocol;
    why_ = "protocol error";
  }
  const bool section = frame.hd.type == NGHTTP2_DATA || frame.hd.type == NGHTTP2_HEADERS;
  if (server_ && section && has(frame.hd.flags, NGHTTP2_FLAG_END_STREAM)) on_answered(frame.hd.stream_id);
}

/// A response that is complete before its request is: the rest is not wanted (RFC 9113 8.1), but in a tunnel. It is
/// read on for a while: some clients lose the response where RST_STREAM comes with it (curl 7.88).
void H2Connection::on_answered(std::int32_t id) {
  if (nghttp2_session_get_stream_remote_close(session_, id) != 0) return;
  H2Stream* stream = stream_of(id);
  if (stream == nullptr) return submit_reset(id, NGHTTP2_NO_ERROR);  // a refusal
  if (stream->tunnel_ || !stream->may_be_sent()) return;
  stream->answered(now_ms());
  ++lingering_;
  arm_after(std::max<std::uint32_t>(limits().timeouts.linger, 1));
}

}  // namespace fairlead::http
