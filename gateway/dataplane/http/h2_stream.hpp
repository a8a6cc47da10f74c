// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "fairlead/http/exchange.hpp"

namespace fairlead::http {

class H2Connection;

/// What both sides' streams have in common: what is to be sent and what has come.
/// Owner: its H2Connection, which deletes it once its handler was told the end. Thread: its worker's.
class H2Stream {
 public:
  explicit H2Stream(H2Connection& connection);
  virtual ~H2Stream();
  H2Stream(const H2Stream&) = delete;
  H2Stream& operator=(const H2Stream&) = delete;

  // What the handler calls, by way of H2StreamOf.
  bool put_body(std::string_view data, bool end);
  void put_trailers(const Fields& trailers);
  void give_up(Reset why);
  void hold_back() { paused_ = true; }
  void go_on();

  // What comes from the wire.
  void take_body(std::string_view data, bool end);
  void take_trailers(Fields& trailers);
  /// How many bytes of body the head promised. `none`: not one may come.
  void expect(bool none, bool has_length, std::uint64_t length);

  // nghttp2 asks for DATA.
  ssize_t offer(std::size_t most, std::uint32_t& flags);
  bool move_data(const std::uint8_t* frame_head, std::size_t length);

  /// The stream is no more for nghttp2; the handler is told later, as it may be on the stack.
  void wire_closed(std::uint32_t code);
  void fail(Reset why);  ///< tells the handler later, and nothing else any more
  /// The connection is over: nghttp2 says nothing more.
  void close_unsent(Reset why);
  void lose();  ///< ended well, but its last bytes never left
  /// Whether the end may be told when so many bytes have left the connection's output.
  [[nodiscard]] bool may_be_told(std::uint64_t position) const;
  void tell_end();
  [[nodiscard]] bool on_wire() const { return !wire_closed_; }
  [[nodiscard]] bool may_be_sent() const { return !failed_ && !wire_closed_; }
  [[nodiscard]] bool listens() const { return attached_ && !failed_; }
  void note_protocol_error() {
    if (!failed_ && !done_) failed_ = true, why_ = Reset::kProtocol;
  }
  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] bool may_go_on() const { return attached_ && !failed_ && !stopped_ && !wire_closed_; }
  [[nodiscard]] bool waits() const { return pending_.size() > pending_at_; }
  [[nodiscard]] std::size_t pending() const { return pending_.size() - pending_at_; }
  [[nodiscard]] nghttp2_data_provider provider();
  /// The response has gone out whole, and the request is not: what still comes is thrown away, to a limit.
  void answered(std::uint64_t now_ms);
  /// When that was; 0: it was not, or is over.
  [[nodiscard]] std::uint64_t answered_ms() const { return answered_ms_; }
  void refuse_rest();

  virtual void tell_body(std::string_view data, bool end) = 0;
  virtual void tell_trailers(Fields& trailers) = 0;
  virtual void tell_writable() = 0;
  virtual void tell_reset(Reset why) = 0;
  virtual void tell_done() = 0;

  H2Connection& connection_;
  H2Stream* next_ = nullptr;      // of the connection's list
  H2Stream* previous_ = nullptr;
  std::int32_t id_ = 0;           // 0: not on the wire yet
  bool attached_ = true;          // the handler still listens
  bool server_ = false;
  bool head_sent_ = false;
  bool head_done_ = false;        // client: the final response head has come
  bool asked_head_ = false;       // client: by HEAD
  bool asked_tunnel_ = false;
  bool tunnel_ = false;           // server: each direction ends for itself
  bool remote_ended_ = false;     // END_STREAM has come
  bool stopped_ = false;          // send_body has answered false
  std::uint16_t informational_ = 0;
  std::uint64_t progress_ms_ = 0;   // when DATA last went
  std::uint64_t end_position_ = 0;  // of the connection's output, behind our last byte

 private:
  void keep(std::string_view data);
  void drop_sent(std::size_t bytes);
  void send_kept_trailers();
  void wake();
  void consume(std::size_t bytes);
  void end_lingering();

  struct KeptTrailers;
  std::string pending_;
  std::size_t pending_at_ = 0;
  std::string_view direct_;  // the sender's own bytes, during put_body only
  std::unique_ptr<KeptTrailers> trailers_;
  std::size_t unconsumed_ = 0;
  std::uint64_t expected_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t answered_ms_ = 0;
  std::uint64_t answered_at_ = 0;  // received_ then
  Reset why_ = Reset::kClosed;
  bool expects_length_ = false;
  bool end_wanted_ = false;  // the sender's last byte is here
  bool deferred_ = false;    // nghttp2 waits for resume
  bool paused_ = false;
  bool wire_closed_ = false;
  bool done_ = false;        // ended well
  bool failed_ = false;
};

/// The same as the neutral interface of one side.
template <class Interface, class Handler>
class H2StreamOf : public Interface, public H2Stream {
 public:
  using H2Stream::H2Stream;
  bool send_body(std::string_view data, bool end) override { return put_body(data, end); }
  void send_trailers(const Fields& trailers) override { put_trailers(trailers); }
  void reset(Reset why) override { give_up(why); }
  void pause() override { hold_back(); }
  void resume() override { go_on(); }

  Handler* handler = nullptr;

 private:
  void tell_body(std::string_view data, bool end) override { handler->on_body(data, end); }
  void tell_trailers(Fields& trailers) override { handler->on_trailers(trailers); }
  void tell_writable() override { handler->on_writable(); }
  void tell_reset(Reset why) override { handler->on_reset(why); }
  void tell_done() override { handler->on_done(); }
};

}  // namespace fairlead::http
