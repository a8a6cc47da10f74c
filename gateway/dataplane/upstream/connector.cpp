// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/connector.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

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

}  // namespace

/// A connection whose protocol is known once TLS has agreed on it; from then on the session of that protocol.
/// Owner: a ClientSessionOwner. Thread: its worker's.
class Connector::Handshake final : public http::ClientSession, private net::StreamHandler {
 public:
  Handshake(Connector& connector, const PoolSpec& pool, std::unique_ptr<tls::TlsStream> stream,
            http::ClientSessionOwner& owner)
      : connector_(connector),
        owner_(owner),
        stream_(std::move(stream)),
        streams_(pool.max_concurrent_streams),
        only_http2_(pool.protocol == Protocol::kHttp2) {
    stream_->set_handler(this);
    stream_->start();
  }
  ~Handshake() override {
    if (stream_ != nullptr) stream_->set_handler(nullptr);
  }

  [[nodiscard]] std::size_t capacity() const override { return session_ != nullptr ? session_->capacity() : 0; }
  http::ClientStream* open(http::ClientHandler& handler) override {
    return session_ != nullptr ? session_->open(handler) : nullptr;
  }
  void close() override {
    if (session_ != nullptr) return session_->close();
    if (!std::exchange(closed_, true)) stream_->close(true);
  }
  [[nodiscard]] bool idle() const override { return session_ == nullptr || session_->idle(); }

 private:
  void on_readable() override {}
  void on_writable() override {
    if (session_ != nullptr || closed_) return;
    const auto* facts = stream_->tls();
    const bool http2 = facts != nullptr && facts->alpn == "h2";
    if (!http2 && only_http2_) return fail("the backend does not agree to HTTP/2 (ALPN)");
    if (!http2) {
      session_ = http::make_h1_client_session(std::move(stream_), connector_.h1_, connector_.h1_limits_, owner_, false);
      return owner_.on_ready();
    }
    auto session = http::H2ClientSession::create(connector_.h2(streams_), std::move(stream_), owner_);
    if (!session) {
      closed_ = true;
      return owner_.on_closed(ENOMEM, session.error().message);
    }
    session_ = std::move(*session);  // tells on_ready itself, at the end of this turn
  }
  void on_failed(int error, std::string_view what) override {
    if (!std::exchange(closed_, true)) owner_.on_closed(error, what);
  }
  void fail(std::string_view why) {
    closed_ = true;
    stream_->close(true);
    owner_.on_closed(EPROTO, why);
  }

  Connector& connector_;
  http::ClientSessionOwner& owner_;
  std::unique_ptr<tls::TlsStream> stream_;      // until the handshake is over
  std::unique_ptr<http::ClientSession> session_;  // from then on
  std::uint32_t streams_;  // of HTTP/2
  bool only_http2_;
  bool closed_ = false;
};

Connector::Connector(event::Reactor& reactor, net::ChunkPool& pool, http::H1Context& h1)
    : reactor_(reactor), pool_(pool), h1_(h1), h1_limits_(backend_limits()) {}

http::H2Context Connector::h2(std::uint32_t streams) {
  auto& limits = h2_limits_[streams];
  limits.streams = std::max(streams, 1u);
  return {reactor_, pool_, limits, h2_counters_};
}

Result<std::unique_ptr<http::ClientSession>> Connector::connect(const ClusterSpec& cluster,
                                                                const EndpointSpec& endpoint,
                                                                http::ClientSessionOwner& owner) {
  if (cluster.pool.proxy_protocol != 0) return fail("connecting to a backend: the PROXY protocol is not supported");
  if (cluster.tls != nullptr) return connect_tls(cluster, endpoint, owner);
  FL_TRY(auto stream, net::TcpStream::connect(reactor_, net::SocketAddress(endpoint.address)));
  if (cluster.pool.protocol != Protocol::kHttp2)
    return http::make_h1_client_session(std::move(stream), h1_, h1_limits_, owner, true);
  FL_TRY(auto session,
         http::H2ClientSession::create(h2(cluster.pool.max_concurrent_streams), std::move(stream), owner));
  return session;
}

Result<std::unique_ptr<http::ClientSession>> Connector::connect_tls(const ClusterSpec& cluster,
                                                                    const EndpointSpec& endpoint,
                                                                    http::ClientSessionOwner& owner) {
  // The cluster hands on what it was given: see ClusterSpec::tls.
  auto context =
      std::const_pointer_cast<tls::ClientContext>(std::static_pointer_cast<const tls::ClientContext>(cluster.tls));
  FL_TRY(auto tcp, net::TcpStream::connect(reactor_, net::SocketAddress(endpoint.address)));
  FL_TRY(auto stream, tls::TlsStream::connect(std::move(tcp), std::move(context), endpoint_name(endpoint.address)));
  if (cluster.pool.protocol != Protocol::kHttp1)
    return std::make_unique<Handshake>(*this, cluster.pool, std::move(stream), owner);
  auto* raw = stream.get();
  auto session = http::make_h1_client_session(std::move(stream), h1_, h1_limits_, owner, true);
  raw->start();
  return session;
}

}  // namespace fairlead::upstream
