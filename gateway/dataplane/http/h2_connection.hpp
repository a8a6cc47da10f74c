// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "fairlead/http/h2.hpp"
#include "fairlead/net/output_queue.hpp"
#include "gateway/dataplane/http/h2_budget.hpp"
#include "gateway/dataplane/http/h2_frame_watch.hpp"
#include "gateway/dataplane/http/h2_head_block.hpp"
#include "gateway/dataplane/http/h2_memory.hpp"
#include "gateway/dataplane/http/h2_stream.hpp"

namespace fairlead::http {

/// One HTTP/2 connection, either side: what is read goes through nghttp2 into the side's calls; what nghttp2 makes goes
/// into the output queue and leaves once a turn. Handlers are never called from within what they call themselves: ends
/// of streams and of the connection are told when the stack has come back here. Owner: the session of a side, which is
/// one. Thread: its worker's.
class H2Connection : public net::StreamHandler, public event::Deferred, public event::Timer {
 public:
  H2Connection(const H2Context& context, std::unique_ptr<net::Stream> stream, bool server);
  virtual ~H2Connection();

  // For streams.
  [[nodiscard]] nghttp2_session* session() { return session_; }
  [[nodiscard]] const H2Limits& limits() const { return context_.limits; }
  [[nodiscard]] std::uint64_t now_ms() const { return context_.reactor.now_ms(); }
  [[nodiscard]] net::Stream& stream() { return *stream_; }
  void schedule() {
    if (phase_ != Phase::kClosed) context_.reactor.defer(*this);
  }
  /// nghttp2 may be asked for output now, and what it gives may go into the queue.
  [[nodiscard]] bool may_pump() const { return !receiving_ && !sending_ && phase_ == Phase::kOpen && !output_full(); }
  void pump();
  [[nodiscard]] bool output_full() const { return output_.size() > context_.limits.output_high_water; }
  /// DATA has to wait for the output; it is asked for again once that has left.
  bool hold_data() { return paused_ = output_full(); }
  bool write_data(const std::uint8_t* frame_head, std::string_view data);
  void submit_reset(std::int32_t id, std::uint32_t code) { nghttp2_submit_rst_stream(session_, 0, id, code); }
  /// `id` 0: of a stream that is no more.
  void consume(std::int32_t id, std::size_t bytes);
  void add_ended(H2Stream& stream) { ended_.push_back(&stream); }
  void add_writable(H2Stream& stream) { writable_.push_back(&stream); }
  void count_pending(std::size_t before, std::size_t after);
  void watch_stalls();
  /// The rest of an answered request has come, or is waited for no longer.
  void end_lingering() { --lingering_; }
  /// Ends a stream whose peer sent what is no valid message.
  void malformed(H2Stream& stream, std::string_view why);

 protected:
  enum class Phase : std::uint8_t { kOpen, kLingering, kClosed };

  Result<> make_session();
  void read_all();
  void feed(std::string_view data);
  void start_with(std::string_view initial);
  void set_drop_reason(Reset why) { drop_why_ = why; }
  /// The peer takes no new streams; what is not on the wire yet is refused.
  void refuse_streams();
  void link(H2Stream& stream);
  [[nodiscard]] bool no_streams() const { return streams_ == nullptr; }
  [[nodiscard]] std::size_t stream_count() const { return stream_count_; }
  [[nodiscard]] std::size_t bytes_held() const { return memory_.bytes() + output_.size() + pending_; }
  /// No new streams; ends when those under way have.
  void begin_drain();
  /// Ends now, or when the stack has come back.
  void request_close();
  /// GOAWAY and the end, for an error that the peer has made.
  void end_with(std::uint32_t code, Reset why, std::string_view text);
  bool spend(H2Flood flood);
  void flood(H2Flood flood);
  /// Counts a message that is none, towards the budget for streams that we were made to reset.
  void count_malformed();
  [[nodiscard]] bool is_draining() const { return drain_ != Drain::kNo || phase_ != Phase::kOpen; }
  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] const H2Context& context() const { return context_; }

  /// `call` may end them: they go at the turn's end.
  template <class Call>
  void for_each_stream(Call call) {
    for (H2Stream *stream = streams_, *behind = nullptr; stream != nullptr; stream = behind) {
      behind = stream->next_;
      call(*stream);
    }
  }

  // What sides do.
  virtual void on_section(const nghttp2_frame& frame, H2HeadBlock& block, H2Stream* stream) = 0;
  virtual void on_settings() {}
  virtual void on_goaway() {}
  virtual void on_streams_gone() {}
  virtual void on_established() {}
  virtual void on_flood(H2Flood kind) { static_cast<void>(kind); }
  virtual void tell_closed(int error, std::string_view why) = 0;

 private:
  enum class Drain : std::uint8_t { kNo, kAnnounced, kFinal };
  class Entered;

  // net::StreamHandler
  void on_readable() override;
  void on_writable() override;
  void on_failed(int error, std::string_view what) override;
  // event::Deferred, event::Timer
  void on_turn_end() override;
  void on_timer() override;

  // nghttp2, h2_callbacks.cpp
  static const nghttp2_session_callbacks* callbacks();
  int on_begin_frame(const nghttp2_frame_hd& head);
  int on_begin_headers(const nghttp2_frame& frame);
  int on_frame(const nghttp2_frame& frame);
  int on_data_frame(const nghttp2_frame& frame);
  int on_chunk(std::int32_t id, std::string_view data, std::uint8_t flags);
  void on_sent(const nghttp2_frame& frame);
  void on_answered(std::int32_t id);
  void on_ping_ack();
  int on_field(nghttp2_rcbuf* name, nghttp2_rcbuf* value);
  int on_invalid_frame(const nghttp2_frame& frame);
  [[nodiscard]] H2Stream* stream_of(std::int32_t id) {
    return static_cast<H2Stream*>(nghttp2_session_get_stream_user_data(session_, id));
  }

  // h2_connection.cpp
  void submit_settings();
  void receive(std::string_view data);
  void fill_output();
  bool check(H2FrameWatch::Found found);
  void library_error(int code);
  void flush();
  void establish();
  void mark_ended();
  void settle();
  void remove(H2Stream& stream);
  void tell_writable_streams();
  void drop_streams(Reset why);
  void finish_if_over();
  void linger();
  void close_now();
  void broken(int error, std::string_view why);

  // h2_timing.cpp
  void arm_after(std::uint32_t ms);
  void final_goaway();
  void check_streams(std::uint64_t now);
  bool check_connection(std::uint64_t now);
  bool check_ping(std::uint64_t now);
  /// Servers of gRPC take PINGs where nothing is asked for an attack.
  [[nodiscard]] bool may_ping() const { return !ping_out_ && (server_ || !no_streams()); }
  void rearm(std::uint64_t now);
  void time_out(std::uint32_t code, std::string_view why);

  const H2Context context_;
  std::unique_ptr<net::Stream> stream_;
  net::OutputQueue output_;
  H2Memory memory_;
  H2Budgets budgets_;
  H2FrameWatch watch_;
  nghttp2_session* session_ = nullptr;
  std::unique_ptr<H2HeadBlock> block_;  // of the field section under way
  H2Stream* streams_ = nullptr;
  std::vector<H2Stream*> ended_;
  std::vector<H2Stream*> writable_;
  std::size_t stream_count_ = 0;
  std::size_t lingering_ = 0;  // streams that are answered, whose request is not whole
  std::size_t marked_ = 0;  // of ended_: their position is known
  std::size_t pending_ = 0;  // bytes with streams
  std::uint64_t appended_ = 0;  // bytes ever given to output_
  std::uint64_t deadline_ms_ = 0;
  std::uint64_t read_ms_ = 0;  // when something came last, or was asked for first
  std::uint64_t written_ms_ = 0;  // when the kernel last took something
  std::uint64_t idle_ms_ = 0;  // since when no stream is open
  std::uint64_t block_ms_ = 0;  // when the field section began
  std::uint64_t phase_ms_ = 0;  // when draining or lingering began
  std::uint64_t ping_ms_ = 0;  // when a PING went out
  std::uint64_t created_ms_;
  std::uint64_t reset_ms_ = 0;  // when our last RST_STREAM went out; 0: none did
  std::int32_t newest_ = 0;  // stream that the client has opened
  std::size_t data_left_ = 0;  // of the DATA frame under way
  std::size_t lingered_ = 0;  // bytes read while lingering
  std::string_view why_ = "closed";  // a text that stays
  int error_ = 0;
  Reset drop_why_ = Reset::kClosed;  // what the streams are told
  std::uint8_t last_type_ = 0;  // of the frame under way
  Phase phase_ = Phase::kOpen;
  Drain drain_ = Drain::kNo;
  bool server_;
  bool receiving_ = false;
  bool sending_ = false;
  bool settling_ = false;
  bool settings_seen_ = false;
  bool ping_out_ = false;
  bool established_ = false;
  bool paused_ = false;
  bool blocked_ = false;  // the kernel has not taken everything
  bool shut_ = false;  // our direction has ended
  bool failed_ = false;  // a GOAWAY with an error went out
  bool close_wanted_ = false;
  std::uint8_t entered_ = 0;
};

}  // namespace fairlead::http
