// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/connector.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fairlead/net/listener.hpp"
#include "fairlead/net/proxy_protocol.hpp"
#include "fairlead/net/tcp_stream.hpp"
#include "fairlead/tls/tls_stream.hpp"
#include "fairlead/upstream/backend.hpp"

namespace fairlead::upstream {
namespace {

http::H1Limits backend_limits() {
  http::H1Limits limits;
  limits.timeouts.idle = 0;  // pools time idle connections themselves
  limits.timeouts.head = 0;  // a response begins when it begins: the route's time-outs count
  limits.timeouts.body = 0;
  return limits;
}

/// Nobody's: LOCAL, or UNKNOWN.
net::ProxyHeader proxy_header(const ClientEnds* client) {
  net::ProxyHeader header;
  header.local = client == nullptr;
  header.has_endpoints = client != nullptr;
  if (client != nullptr) {
    header.source = client->client;
    header.destination = client->server;
  }
  return header;
}

}  // namespace

/// How to speak to a backend: of a ClusterSpec what a connection needs that outlives connect().
struct Connector::Manner {
  Protocol protocol;
  Http2Manner http2;
  std::shared_ptr<tls::ClientContext> tls;
  std::string name;  // of the backend, with TLS
};

/// A connection before its session can be made; from then on the session.
/// Owner: a ClientSessionOwner. Thread: its worker's.
class Connector::Beginning : public http::ClientSession, protected net::StreamHandler {
 public:
  Beginning(Connector& connector, http::ClientSessionOwner& owner) : connector_(connector), owner_(owner) {}

  [[nodiscard]] std::size_t capacity() const override { return session_ != nullptr ? session_->capacity() : 0; }
  http::ClientStream* open(http::ClientHandler& handler) override {
    return session_ != nullptr ? session_->open(handler) : nullptr;
  }
  void close() override {
    if (session_ != nullptr) return session_->close();
    if (!std::exchange(closed_, true)) close_stream();
  }
  [[nodiscard]] bool idle() const override { return session_ == nullptr || session_->idle(); }

 protected:
  virtual void close_stream() = 0;
  void on_readable() override {}
  void on_failed(int error, std::string_view what) override {
    if (!std::exchange(closed_, true)) owner_.on_closed(error, what);
  }
  /// `why` names no errno.
  void fail(std::string_view why) {
    closed_ = true;
    close_stream();
    owner_.on_closed(EPROTO, why);
  }
  [[nodiscard]] bool over() const { return session_ != nullptr || closed_; }

  Connector& connector_;
  http::ClientSessionOwner& owner_;
  std::unique_ptr<http::ClientSession> session_;
  bool closed_ = false;
};

/// Until TLS has agreed on the protocol.
class Connector::Handshake final : public Beginning {
 public:
  Handshake(Connector& connector, const Manner& manner, std::unique_ptr<tls::TlsStream> stream,
            http::ClientSessionOwner& owner)
      : Beginning(connector, owner),
        stream_(std::move(stream)),
        http2_(manner.http2),
        only_http2_(manner.protocol == Protocol::kHttp2) {
    stream_->set_handler(this);
    stream_->start();
  }
  ~Handshake() override {
    if (stream_ != nullptr) stream_->set_handler(nullptr);
  }

 private:
  void close_stream() override { stream_->close(true); }
  void on_writable() override {
    if (over()) return;
    const auto* facts = stream_->tls();
    const bool http2 = facts != nullptr && facts->alpn == "h2";
    if (!http2 && only_http2_) return fail("the backend does not agree to HTTP/2 (ALPN)");
    if (!http2) {
      session_ = http::make_h1_client_session(std::move(stream_), connector_.h1_, connector_.h1_limits_, owner_, false);
      return owner_.on_ready();
    }
    auto session = http::H2ClientSession::create(connector_.h2(http2_), std::move(stream_), owner_);
    if (!session) {
      closed_ = true;
      return owner_.on_closed(ENOMEM, session.error().message);
    }
    session_ = std::move(*session);  // tells on_ready itself, at the end of this turn
  }

  std::unique_ptr<tls::TlsStream> stream_;  // until the handshake is over
  Http2Manner http2_;
  bool only_http2_;
};

/// Until the PROXY header has been sent. It is small, and the first bytes of the connection: the kernel takes it whole.
class Connector::Greeting final : public Beginning {
 public:
  Greeting(Connector& connector, Manner manner, std::string header, std::unique_ptr<net::TcpStream> stream,
           http::ClientSessionOwner& owner)
      : Beginning(connector, owner),
        manner_(std::move(manner)),
        header_(std::move(header)),
        stream_(std::move(stream)) {
    stream_->set_handler(this);
  }
  ~Greeting() override {
    if (stream_ != nullptr) stream_->set_handler(nullptr);
  }

 private:
  void close_stream() override {
    if (stream_ != nullptr) stream_->close(true);
  }
  void on_writable() override {
    if (over()) return;
    const iovec piece{header_.data(), header_.size()};
    if (stream_->write({&piece, 1}).bytes != header_.size()) return fail("the PROXY header could not be sent");
    // Without TLS, HTTP/1 has nothing to wait for; all others tell themselves that they are ready.
    const bool ready = manner_.tls == nullptr && manner_.protocol != Protocol::kHttp2;
    auto session = connector_.speak(manner_, std::move(stream_), owner_);
    if (!session) return fail(session.error().message);
    session_ = std::move(*session);
    if (ready) owner_.on_ready();
  }

  Manner manner_;
  std::string header_;
  std::unique_ptr<net::TcpStream> stream_;  // until the header is sent
};

Connector::Connector(event::Reactor& reactor, net::ChunkPool& pool, http::H1Context& h1,
                     std::function<bool(int error)> make_room)
    : reactor_(reactor), pool_(pool), h1_(h1), make_room_(std::move(make_room)), h1_limits_(backend_limits()) {}

Result<std::unique_ptr<net::TcpStream>> Connector::connect_tcp(const net::SocketAddress& to,
                                                               const net::KeepAlive& keep_alive) {
  auto stream = net::TcpStream::connect(reactor_, to, {.source = {}, .keep_alive = keep_alive});
  if (stream || !make_room_ || !net::is_exhaustion(stream.error().code) || !make_room_(stream.error().code))
    return stream;
  return net::TcpStream::connect(reactor_, to, {.source = {}, .keep_alive = keep_alive});
}

http::H2Context Connector::h2(const Http2Manner& manner) {
  auto& limits = h2_limits_[manner];
  limits.streams = std::max(manner.streams, 1u);
  limits.ping_every_ms = manner.ping_every_ms;
  limits.ping_answer_ms = manner.ping_answer_ms;
  return {reactor_, pool_, limits, h2_counters_};
}

Result<std::unique_ptr<http::ClientSession>> Connector::connect(const ClusterSpec& cluster,
                                                                const EndpointSpec& endpoint, const ClientEnds* client,
                                                                http::ClientSessionOwner& owner) {
  Manner manner{.protocol = cluster.pool.protocol,
                .http2 = {.streams = cluster.pool.max_concurrent_streams,
                          .ping_every_ms = static_cast<std::uint32_t>(cluster.pool.ping_interval.count()),
                          .ping_answer_ms = static_cast<std::uint32_t>(cluster.pool.ping_timeout.count())},
                // The cluster hands on what it was given: see ClusterSpec::tls.
                .tls = std::const_pointer_cast<tls::ClientContext>(
                    std::static_pointer_cast<const tls::ClientContext>(cluster.tls)),
                .name = cluster.tls != nullptr ? endpoint_name(endpoint.address) : std::string()};
  FL_TRY(auto stream, connect_tcp(net::SocketAddress(endpoint.address), cluster.pool.keep_alive));
  if (cluster.pool.proxy_protocol == 0) return speak(manner, std::move(stream), owner);
  std::string header;
  if (!net::write_proxy(cluster.pool.proxy_protocol, proxy_header(client), header))
    return fail("connecting to a backend: no PROXY header can be made");
  return std::make_unique<Greeting>(*this, std::move(manner), std::move(header), std::move(stream), owner);
}

/// On a stream that connects, or is connected.
Result<std::unique_ptr<http::ClientSession>> Connector::speak(const Manner& manner,
                                                              std::unique_ptr<net::TcpStream> stream,
                                                              http::ClientSessionOwner& owner) {
  if (manner.tls != nullptr) return speak_tls(manner, std::move(stream), owner);
  const bool connecting = stream->connecting();
  if (manner.protocol != Protocol::kHttp2)
    return http::make_h1_client_session(std::move(stream), h1_, h1_limits_, owner, connecting);
  FL_TRY(auto session, http::H2ClientSession::create(h2(manner.http2), std::move(stream), owner));
  return session;
}

Result<std::unique_ptr<http::ClientSession>> Connector::speak_tls(const Manner& manner,
                                                                  std::unique_ptr<net::TcpStream> tcp,
                                                                  http::ClientSessionOwner& owner) {
  FL_TRY(auto stream, tls::TlsStream::connect(std::move(tcp), manner.tls, manner.name));
  if (manner.protocol != Protocol::kHttp1) return std::make_unique<Handshake>(*this, manner, std::move(stream), owner);
  auto* raw = stream.get();
  auto session = http::make_h1_client_session(std::move(stream), h1_, h1_limits_, owner, true);
  raw->start();
  return session;
}

}  // namespace fairlead::upstream
