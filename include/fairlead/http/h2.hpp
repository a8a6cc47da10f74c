// SPDX-License-Identifier: Apache-2.0
#pragma once

// HTTP/2 (RFC 9113), extended CONNECT (RFC 8441) included, as neutral sessions.
//
// A paused receiver may still get what its window allows (H2Limits::stream_window), since other streams of the
// connection go on.

#include <cstddef>
#include <memory>
#include <string_view>

#include "fairlead/base/result.hpp"
#include "fairlead/event/reactor.hpp"
#include "fairlead/http/exchange.hpp"
#include "fairlead/http/h2_limits.hpp"
#include "fairlead/net/chunk_pool.hpp"
#include "fairlead/net/stream.hpp"

namespace fairlead::http {

/// The first bytes that a client sends (RFC 9113 3.4).
inline constexpr std::string_view kH2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a worker's sessions of one side share; all of it outlives them.
struct H2Context {
  event::Reactor& reactor;
  net::ChunkPool& pool;
  const H2Limits& limits;
  H2Counters& counters;
};

/// A client's connection. drain() sends a GOAWAY that refuses nothing yet, and the one that names the last stream once
/// the client has answered a PING; so nothing that is on its way is lost, on an idle connection neither. Owner: a
/// ServerSessionOwner, which retires it after on_closed. Thread: its reactor's.
class H2ServerSession : public ServerSession {
 public:
  /// `stream` is established (its TLS handshake done). Fails where memory does.
  static Result<std::unique_ptr<H2ServerSession>> create(const H2Context& context, std::unique_ptr<net::Stream> stream,
                                                         ServerSessionOwner& owner);
  /// Once, after create(): takes what was read from the stream so far, the preface at its beginning or a part of it,
  /// and reads on. The owner may be called within.
  virtual void start(std::string_view initial) = 0;
  [[nodiscard]] virtual std::size_t streams() const = 0;  ///< under way
  [[nodiscard]] virtual std::size_t memory() const = 0;  ///< bytes of codec state and of what waits to be sent
};

/// A connection to a backend. Owner: a ClientSessionOwner, which retires it after on_closed. Thread: its reactor's.
class H2ClientSession : public ClientSession {
 public:
  /// `stream` connects or is established; on_ready comes once it is writable.
  static Result<std::unique_ptr<H2ClientSession>> create(const H2Context& context, std::unique_ptr<net::Stream> stream,
                                                         ClientSessionOwner& owner);
  /// Tells the backend that we open no more streams; ends when those under way have.
  virtual void drain() = 0;
  /// True once the backend has said that it takes extended CONNECT; else a head with `protocol` is reset with kRefused.
  [[nodiscard]] virtual bool accepts_extended_connect() const = 0;
  [[nodiscard]] virtual std::size_t streams() const = 0;
  [[nodiscard]] virtual std::size_t memory() const = 0;
};

}  // namespace fairlead::http
