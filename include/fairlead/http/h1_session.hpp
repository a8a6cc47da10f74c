// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "fairlead/event/reactor.hpp"
#include "fairlead/http/exchange.hpp"
#include "fairlead/http/h1_parser.hpp"
#include "fairlead/http/limits.hpp"
#include "fairlead/net/chunk_pool.hpp"

namespace fairlead::http {

/// What the sessions of one worker have done.
struct H1Counts {
  std::array<std::uint64_t, kH1Refusals> refused{};  ///< by H1Refusal; requests, and responses of backends
  std::uint64_t requests = 0;                        ///< heads that clients sent and that were handed on
  std::uint64_t responses = 0;                       ///< final heads from backends
  std::uint64_t idle_timeouts = 0;
  std::uint64_t write_timeouts = 0;
  std::uint64_t truncated = 0;     ///< messages that ended before they were whole
  std::uint64_t unsolicited = 0;   ///< backends that sent where nothing was asked
  std::uint64_t unwritable = 0;    ///< heads that could not be written: a text in them would have broken the message
  std::uint64_t lingered = 0;      ///< connections read on after our last answer

  H1Counts& operator+=(const H1Counts& other);
};

/// What the HTTP/1 sessions of a worker share: who parses, where is read into, what is counted.
/// Owner: a worker, outliving its sessions. Thread: the worker's.
struct H1Context {
  H1Context(event::Reactor& its_reactor, net::ChunkPool& its_pool) : reactor(its_reactor), pool(its_pool) {}

  event::Reactor& reactor;
  net::ChunkPool& pool;
  H1Request request;
  H1Response response;
  H1Trailers trailers;
  H1Counts counts;
};

/// Who takes a connection over that turns out to speak HTTP/2 (H1Limits::allow_preface).
class H1PrefaceOwner {
 public:
  /// `bytes`: what was read, from the preface on; valid during the call. The session then tells its owner on_closed().
  virtual void on_preface(std::unique_ptr<net::Stream> stream, std::string_view bytes) = 0;

 protected:
  ~H1PrefaceOwner() = default;
};

/// A client's connection. One request at a time: the next one is parsed when the response has left. While a response is
/// awaited nothing is read, so that at most one read (64 KiB) is kept of what a client sends ahead, and a client that
/// ends its direction gets its answer. Idle it holds no buffer. `limits` outlives it.
/// Owner: `owner` holds it, and retires it at on_closed(). Thread: its worker's.
[[nodiscard]] std::unique_ptr<ServerSession> make_h1_server_session(std::unique_ptr<net::Stream> stream,
                                                                    H1Context& context, const H1Limits& limits,
                                                                    ServerSessionOwner& owner,
                                                                    H1PrefaceOwner* preface = nullptr);

/// A connection to a backend. `connecting`: owner.on_ready() is called when the stream says that it is established;
/// else capacity() is 1 at once, without that call. How long a response may take to begin is the caller's to limit.
/// Owner: `owner` holds it, and retires it at on_closed(). Thread: its worker's.
[[nodiscard]] std::unique_ptr<ClientSession> make_h1_client_session(std::unique_ptr<net::Stream> stream,
                                                                    H1Context& context, const H1Limits& limits,
                                                                    ClientSessionOwner& owner, bool connecting);

}  // namespace fairlead::http
