// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "fairlead/http/h1_chunked.hpp"
#include "fairlead/http/h1_session.hpp"
#include "fairlead/http/h1_writer.hpp"
#include "fairlead/net/output_queue.hpp"
#include "gateway/dataplane/http/h1_input.hpp"

namespace fairlead::http {

/// What both ends of HTTP/1 have in common: reading in turns, bodies in and out, output that leaves at the turn's end,
/// time-outs. All reading begins in a call of the reactor, never within one of a handler, so that the worker's scratch
/// buffer and parser serve one session at a time.
/// Owner: it is the base of a session. Thread: its worker's.
class H1Connection : protected net::StreamHandler, protected event::Deferred, protected event::Timer {
 protected:
  enum class Receiving : std::uint8_t { kHead, kLength, kChunked, kTrailers, kUntilEnd, kNothing, kLinger };
  enum class Sending : std::uint8_t { kNothing, kLength, kChunked, kRaw, kBodiless };
  enum class Wait : std::uint8_t { kNothing, kIdle, kHead, kBody, kWrite, kLinger };

  H1Connection(std::unique_ptr<net::Stream> stream, H1Context& context, const H1Limits& limits);
  ~H1Connection();

  // What the ends do differently.
  virtual std::size_t consume_head(std::span<char> bytes) = 0;  // used; 0: more is needed
  virtual void deliver(std::string_view data, bool end) = 0;
  virtual void deliver_trailers(Fields& trailers) = 0;
  virtual H1Step parse_trailers(H1Trailers& trailers, std::span<char> bytes) = 0;
  virtual void refuse_body(H1Refusal why) = 0;
  virtual void on_input_end() = 0;
  virtual void on_broken(int error, std::string_view what, bool writing) = 0;
  virtual void on_timeout(Wait what) = 0;
  virtual void tell_writable() = 0;
  virtual void tell_closed() = 0;
  /// Finishes what is complete; called when output may have left.
  virtual void settle() = 0;
  virtual Wait expected() const = 0;

  // net::StreamHandler, event::Deferred, event::Timer
  void on_readable() override;
  void on_writable() override;
  void on_turn_end() override;
  void on_timer() override;

  void begin();  ///< reads what is there at the end of the turn
  void pump();
  void flush();
  void later() { context_.reactor.defer(*this); }
  /// Ends the connection; tell_closed() comes at the end of the turn.
  void close_now(bool reset);
  /// Ends our direction and reads on for a while, so that the peer gets what we sent last (RFC 9112 9.6).
  void linger();
  void update_wait();
  /// An idle connection waits `ms` from now on, or for as long as it would have anyway.
  void shorten_idle(std::uint32_t ms);

  /// Whether a beginning that was not enough may be now; parsing each byte that comes anew would cost too much.
  bool worth_parsing(std::span<const char> bytes);
  void begin_body(Body body, std::uint64_t length, bool chunked);
  void begin_sending(Sending how, std::uint64_t length);
  /// False where the sender breaks its word: more, or less at the end, than announced.
  [[nodiscard]] bool write_body(std::string_view data, bool end);
  [[nodiscard]] bool write_trailers(const Fields& trailers);
  [[nodiscard]] bool blocked();
  template <class Head>
  [[nodiscard]] bool write_head(const Head& head, const H1Line& line) {
    return write_into(h1_room(head, line), [&](char* at) { return write_h1(at, head, line); });
  }

  std::optional<RawBody> give_raw(RawMover& mover);
  void take_raw_received(std::uint64_t bytes, bool ended);
  void end_raw();
  net::Stream* give_raw_target(RawMover& mover);
  void take_raw_sent(std::uint64_t bytes);
  void take_raw_waits(bool waits);
  void fail_raw();

  [[nodiscard]] bool sending_done() const { return sending_ == Sending::kNothing; }

  H1Context& context_;
  const H1Limits& limits_;
  std::unique_ptr<net::Stream> stream_;
  net::OutputQueue output_;
  H1Input input_;
  H1Chunked chunked_;
  std::uint64_t remaining_in_ = 0;
  std::uint64_t remaining_out_ = 0;
  std::uint32_t idle_ms_;         // limits_.timeouts.idle, or less once it drains
  std::uint64_t deadline_ = 0;    // ms; of waiting_
  RawMover* raw_in_ = nullptr;
  RawMover* raw_out_ = nullptr;
  std::size_t undelivered_ = 0;   // bytes behind what a handler is being given
  std::uint32_t scanned_ = 0;     // bytes of a head's beginning that were judged
  std::uint32_t lingered_ = 0;    // bytes
  Receiving receiving_ = Receiving::kHead;
  Sending sending_ = Sending::kNothing;
  Wait waiting_ = Wait::kNothing;
  bool open_ = true;
  bool told_closed_ = false;
  bool paused_ = false;
  bool blocked_ = false;      // send_body() has answered false
  bool peer_ended_ = false;
  bool moved_in_ = false;     // since the last update_wait()
  bool moved_out_ = false;
  bool write_failed_ = false;
  bool raw_waits_ = false;    // what passes us by is held up by the peer

 private:
  static constexpr int kMostReads = 8;  // in a row: others have their turn too

  template <class Write>
  bool write_into(std::size_t room, Write write) {
    if (room <= net::OutputQueue::kMostReserved) {
      char* const at = output_.reserve(room);
      const char* const end = write(at);
      output_.commit(end == nullptr ? 0 : static_cast<std::size_t>(end - at));
      return end != nullptr;
    }
    std::vector<char> large(room);
    const char* const end = write(large.data());
    if (end != nullptr) output_.append({large.data(), static_cast<std::size_t>(end - large.data())});
    return end != nullptr;
  }

  void on_failed(int error, std::string_view what) override;
  [[nodiscard]] bool wants_input() const;
  std::size_t consume_all(std::span<char> bytes);
  std::size_t consume(std::span<char> bytes);
  std::size_t consume_length(std::string_view bytes);
  std::size_t consume_chunks(std::string_view bytes);
  std::size_t consume_trailers(std::span<char> bytes);
  std::size_t consume_lingering(std::size_t bytes);
  bool read_once();
  void put_data(std::string_view data);
};

}  // namespace fairlead::http
