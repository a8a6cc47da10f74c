// SPDX-License-Identifier: Apache-2.0
#pragma once

// The neutral exchange: what the proxy's core sees of HTTP/1, HTTP/2 and later HTTP/3. A session (one connection) turns
// its wire format into these calls and back; the core never names one.
//
// Order of calls: on_head, any number of on_body, then one of: a call with end=true, on_trailers, or on_reset. Views
// are valid during the call only. A stream object is valid until its handler was told on_reset or on_done, or until
// reset() was called on it: none of them is followed by another call, in either direction.
//
// Back-pressure: send_body always takes everything; where it answers false, the sender stops until on_writable. A
// receiver that cannot go on calls pause(): at most what was in the session's buffer still comes, and the peer is held
// back by its window or by TCP.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "fairlead/http/message.hpp"
#include "fairlead/net/stream.hpp"

namespace fairlead::http {

/// Why a stream ended before its messages were whole.
enum class Reset : std::uint8_t {
  kClosed,  ///< the peer closed or reset the connection
  kReset,  ///< the peer reset the stream alone (HTTP/2)
  kRefused,  ///< certainly not processed by the peer (REFUSED_STREAM, GOAWAY, nothing of it was written): may be sent
             ///< again
  kConnect,  ///< the connection was never established
  kProtocol,  ///< the peer sent what is no valid message
  kTimeout,
  kCancelled,  ///< we do not want it any more
  kInternal,  ///< we failed
  kTooLarge,  ///< a head or a body beyond its limit
};

/// A body, or the rest of it, that nobody has to see: its bytes are the connection's as they stand.
struct RawBody {
  static constexpr std::uint64_t kUntilEnd = UINT64_MAX;
  net::Stream* stream = nullptr;  ///< where they are read from; the session stays its handler
  std::uint64_t remaining = 0;  ///< bytes, or kUntilEnd
};

/// Who moves raw bytes from one connection to another (by splice) learns here that they can be moved.
class RawMover {
 public:
  virtual void on_raw_readable() = 0;
  virtual void on_raw_writable() = 0;

 protected:
  ~RawMover() = default;
};

/// One direction of sending, common to both sides.
///
/// Long bodies may pass the session by, where both sides can: take_raw() on the stream that receives and raw_target()
/// on the one that sends; the mover then moves bytes and says so by raw_received() and raw_sent(). At the end of what
/// was announced, or of the connection, the receiving stream's handler gets on_body({}, true), or on_reset, as always;
/// the sending side is ended by send_body({}, true), as always. Whoever cannot, as HTTP/2, leaves the defaults.
class Sender {
 public:
  /// All of data is taken (written or kept). False: more than the high-water mark waits; go on at on_writable.
  virtual bool send_body(std::string_view data, bool end) = 0;
  /// Ends the message.
  virtual void send_trailers(const Fields& trailers) = 0;
  /// Gives the stream up: RST_STREAM, or the connection closed.
  virtual void reset(Reset why) = 0;
  /// Stops and resumes what is received on this stream. What resume() brings comes later, never within the call.
  virtual void pause() = 0;
  virtual void resume() = 0;

  /// Hands the rest of the body that is being received to the mover. Nothing where its bytes are not the connection's
  /// (chunks, frames, TLS), or some of them are in a buffer still: then they come by on_body, as before.
  virtual std::optional<RawBody> take_raw(RawMover&) { return std::nullopt; }
  /// The mover has read so many bytes; `ended`: and met the end of the peer's direction.
  virtual void raw_received(std::uint64_t, bool /*ended*/) {}
  /// The mover stops before the end: on_body goes on.
  virtual void stop_raw() {}
  /// Where the rest of the body that is being sent may be written to directly. nullptr where it needs framing, or while
  /// output waits: then send_body, as before.
  virtual net::Stream* raw_target(RawMover&) { return nullptr; }
  virtual void raw_sent(std::uint64_t) {}
  /// Whether the mover holds bytes that the peer does not take: the write time-out runs meanwhile.
  virtual void raw_waits(bool) {}
  /// The mover could not write: the connection is broken in this direction, as if the session had met it.
  virtual void raw_failed() {}

 protected:
  ~Sender() = default;
};

/// The client's side of an exchange: a request comes in, a response goes out.
class ServerStream : public Sender {
 public:
  /// 100, 103 and other 1xx; any number before send_head.
  virtual void send_informational(const ResponseHead& head) = 0;
  virtual void send_head(const ResponseHead& head, bool end) = 0;
  [[nodiscard]] virtual net::Stream& connection() = 0;

 protected:
  ~ServerStream() = default;
};

/// What a session has answered to a request that it refused.
struct Refusal {
  std::uint16_t status = 0;
  std::string_view why;
  std::uint64_t body_bytes = 0;  ///< of the answer
};

class ServerHandler {
 public:
  /// The head may be changed or moved from; keep() what is to outlive the call.
  virtual void on_head(RequestHead& head, bool end) = 0;
  virtual void on_body(std::string_view data, bool end) = 0;
  virtual void on_trailers(Fields& trailers) = 0;
  virtual void on_writable() = 0;
  /// The session has answered by itself, as the request's body is malformed or too slow: on_reset follows.
  virtual void on_refused(const Refusal& refusal) { static_cast<void>(refusal); }
  virtual void on_reset(Reset why) = 0;
  /// The response is whole and has left our buffers; so is the request, or its rest is not wanted any more.
  virtual void on_done() = 0;

 protected:
  ~ServerHandler() = default;
};

/// The backend's side: a request goes out, a response comes in.
class ClientStream : public Sender {
 public:
  virtual void send_head(const RequestHead& head, bool end) = 0;
  [[nodiscard]] virtual net::Stream& connection() = 0;
  /// Another request was on this connection before, and no byte of the answer to this one has come: the peer may have
  /// closed it without having seen the request, so that a kClosed may be retried where that is safe.
  [[nodiscard]] virtual bool reused_connection() const = 0;
  /// Bytes of the request have left, and so it cannot end with kRefused any more. HTTP/2, whose backends may refuse
  /// what they have begun to receive (REFUSED_STREAM, GOAWAY), has the default.
  [[nodiscard]] virtual bool beyond_refusal() const { return false; }

 protected:
  ~ClientStream() = default;
};

class ClientHandler {
 public:
  virtual void on_informational(ResponseHead& head) = 0;
  virtual void on_head(ResponseHead& head, bool end) = 0;
  virtual void on_body(std::string_view data, bool end) = 0;
  virtual void on_trailers(Fields& trailers) = 0;
  virtual void on_writable() = 0;
  virtual void on_reset(Reset why) = 0;
  virtual void on_done() = 0;

 protected:
  ~ClientHandler() = default;
};

/// Who makes a handler for each stream that a client opens.
class ServerSessionOwner {
 public:
  /// nullptr refuses the stream (REFUSED_STREAM, or 503 and close).
  virtual ServerHandler* on_stream(ServerStream& stream) = 0;
  /// A request that was refused before it became a stream; for log and counters.
  virtual void on_refused(const Refusal& refusal) = 0;
  /// The client makes more work than it is of use: the connection is closed for it. `kind`: "rapid_reset".
  virtual void on_flood(std::string_view kind) { static_cast<void>(kind); }
  /// The connection is over, all its streams were told. The owner retires the session.
  virtual void on_closed() = 0;

 protected:
  ~ServerSessionOwner() = default;
};

/// One connection of a client, whatever the wire format.
class ServerSession {
 public:
  virtual ~ServerSession() = default;
  /// No new request after those under way: GOAWAY, `Connection: close`. Idle: closes at once.
  virtual void drain() = 0;
  /// Ends it now; streams are told.
  virtual void close() = 0;
  [[nodiscard]] virtual bool idle() const = 0;
};

class ClientSessionOwner {
 public:
  /// Established (and its protocol agreed on): streams may be opened.
  virtual void on_ready() = 0;
  /// A stream has ended, or the peer's limit rose: capacity() may have grown.
  virtual void on_capacity() = 0;
  /// No new streams here (GOAWAY, `Connection: close`, failed); those under way go on.
  virtual void on_draining() = 0;
  virtual void on_closed(int error, std::string_view why) = 0;

 protected:
  ~ClientSessionOwner() = default;
};

/// One connection to a backend.
class ClientSession {
 public:
  virtual ~ClientSession() = default;
  /// How many streams may be opened now: 0 or 1 for HTTP/1.
  [[nodiscard]] virtual std::size_t capacity() const = 0;
  /// nullptr where capacity() is 0.
  virtual ClientStream* open(ClientHandler& handler) = 0;
  virtual void close() = 0;
  [[nodiscard]] virtual bool idle() const = 0;
};

}  // namespace fairlead::http
