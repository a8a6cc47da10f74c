// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "fairlead/event/reactor.hpp"
#include "fairlead/http/exchange.hpp"
#include "fairlead/net/splice.hpp"

namespace fairlead::proxy {

/// Moves the rest of a long body from one stream to another past their sessions, where both can: neither HTTP framing
/// nor TLS is between. The receiving session is told of bytes once the sending side's kernel has them, so that it sees
/// the end of a body only when nothing of it is in between. Back-pressure and both sides' time-outs stay in force.
/// Owner: an exchange, which stop()s it before either stream ends. Thread: its worker's.
class BodySplice final : private http::RawMover, private event::Deferred {
 public:
  /// From so many bytes on that are still to come, a splice is worth its two system calls (decision 0023).
  static constexpr std::uint64_t kLeast = 64 * 1024;

  BodySplice(event::Reactor& reactor, net::ChunkPool& chunks, net::PipePool& pipes)
      : reactor_(reactor), chunks_(chunks), pipes_(pipes) {}
  ~BodySplice();
  BodySplice(const BodySplice&) = delete;
  BodySplice& operator=(const BodySplice&) = delete;

  /// False: the body goes on by on_body and send_body, as before. `bytes`, `spliced`: counters, of what the
  /// destination's kernel has taken, and of how much of it no copy was made; they outlive this.
  bool start(http::Sender& from, http::Sender& to, std::uint64_t& bytes, std::uint64_t& spliced);
  /// Forgets both; what is in between is lost. `from_stands`: the rest of the body comes by on_body again.
  void stop(bool from_stands);
  [[nodiscard]] bool active() const { return splice_.has_value(); }
  [[nodiscard]] std::uint64_t moved_ms() const {
    return moved_ms_;
  }  ///< by the reactor's clock; since start() at least

 private:
  void on_raw_readable() override { move(); }
  void on_raw_writable() override { move(); }
  void on_turn_end() override { move(); }
  void move();
  void pause(bool on);

  event::Reactor& reactor_;
  net::ChunkPool& chunks_;
  net::PipePool& pipes_;
  std::optional<net::Splice> splice_;
  http::Sender* from_ = nullptr;
  http::Sender* to_ = nullptr;
  std::uint64_t* bytes_ = nullptr;
  std::uint64_t* spliced_ = nullptr;
  std::uint64_t told_ = 0;          // of what was taken, to the source's session
  std::uint64_t told_spliced_ = 0;
  std::uint64_t moved_ms_ = 0;
  bool paused_ = false;
};

}  // namespace fairlead::proxy
