// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "fairlead/http/h1_session.hpp"
#include "fairlead/http/h2.hpp"
#include "fairlead/net/tcp_stream.hpp"
#include "fairlead/upstream/pool.hpp"

namespace fairlead::upstream {

/// Connects to backends: TCP, a PROXY header where the cluster asks for one, TLS where it has a context, and the
/// session of its protocol. Protocol kAuto is what ALPN agrees on (RFC 7301), HTTP/1 where nothing is agreed on or
/// there is no TLS; kHttp2 over TLS is refused where the backend does not agree to it. Owner: a worker; the contexts
/// outlive it and its sessions. Thread: its worker's.
class Connector final : public SessionFactory {
 public:
  /// `make_room`: descriptors or memory are out (errno); true: some is free now. Empty: nobody makes any.
  Connector(event::Reactor& reactor, net::ChunkPool& pool, http::H1Context& h1,
            std::function<bool(int error)> make_room = {});

  Result<std::unique_ptr<http::ClientSession>> connect(const ClusterSpec& cluster, const EndpointSpec& endpoint,
                                                       const ClientEnds* client,
                                                       http::ClientSessionOwner& owner) override;
  [[nodiscard]] const http::H2Counters& h2_counters() const { return h2_counters_; }

 private:
  class Beginning;
  class Greeting;
  class Handshake;
  struct Manner;
  /// Of HTTP/2, as a PoolSpec has it.
  struct Http2Manner {
    std::uint32_t streams = 0;
    std::uint32_t ping_every_ms = 0;
    std::uint32_t ping_answer_ms = 0;
    auto operator<=>(const Http2Manner&) const = default;
  };
  Result<std::unique_ptr<http::ClientSession>> speak(const Manner& manner, std::unique_ptr<net::TcpStream> stream,
                                                     http::ClientSessionOwner& owner);
  Result<std::unique_ptr<http::ClientSession>> speak_tls(const Manner& manner, std::unique_ptr<net::TcpStream> stream,
                                                         http::ClientSessionOwner& owner);
  Result<std::unique_ptr<net::TcpStream>> connect_tcp(const net::SocketAddress& to, const net::KeepAlive& keep_alive);
  [[nodiscard]] http::H2Context h2(const Http2Manner& manner);

  event::Reactor& reactor_;
  net::ChunkPool& pool_;
  http::H1Context& h1_;
  std::function<bool(int)> make_room_;
  http::H1Limits h1_limits_;
  std::map<Http2Manner, http::H2Limits> h2_limits_;  // sessions refer to them
  http::H2Counters h2_counters_;
};

}  // namespace fairlead::upstream
