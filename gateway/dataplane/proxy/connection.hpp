// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "fairlead/http/exchange.hpp"
#include "fairlead/http/h1_session.hpp"
#include "fairlead/tls/tls_stream.hpp"
#include "gateway/dataplane/proxy/exchange.hpp"
#include "gateway/dataplane/proxy/preamble.hpp"
#include "gateway/dataplane/proxy/stream_relay.hpp"

namespace fairlead::proxy {

struct Port;

/// One client's connection: a PROXY header where one is expected, a TLS handshake where the port asks for one, then the
/// session of the protocol that the client speaks, each of whose requests becomes an exchange; or, where no HTTP is
/// served, a relay to a backend. Owner: its worker. Thread: the worker's.
class Connection final : private http::H1PrefaceOwner, private PreambleOwner, private net::StreamHandler {
 public:
  Connection(Worker& worker, Port& port);
  ~Connection();

  void start(std::unique_ptr<net::TcpStream> stream);
  /// No new requests after those under way.
  void drain();
  /// Ends it now.
  void close();

  [[nodiscard]] Port& port() { return port_; }
  struct Ends {
    net::Endpoint peer, local;
  };
  [[nodiscard]] const Ends& ends() const { return ends_; }
  [[nodiscard]] const net::TlsFacts* tls() const { return tls_; }
  /// Where connections to the backend for requests of this client are.
  [[nodiscard]] upstream::Pool& pool_of(upstream::Backend& backend);
  /// What backends are told of a verified client certificate; empty: nothing.
  [[nodiscard]] std::string_view client_cert() const { return client_cert_; }
  [[nodiscard]] const ClientLimits& limits() const { return *limits_; }
  [[nodiscard]] std::uint64_t id() const { return id_; }  ///< unique in this process
  void on_relay_end() { end(); }
  /// The client has ended a request that had no answer, or a backend has answered one.
  void on_cancelled() { cancelled_ = std::min(cancelled_ + 1, kMostPatience); }
  void on_answered() { cancelled_ /= 2; }
  /// How long a request waits for its client to end it before a backend is asked, ms: who cancels request after
  /// request would have a connection made and closed for each.
  [[nodiscard]] std::uint32_t patience_ms() const { return cancelled_ < kCancelledFreely ? 0 : cancelled_; }
  /// Whether it may be closed so that others find descriptors: it has no request, and one that has not asked yet has
  /// had the time to do so.
  [[nodiscard]] bool gives_way() const;
  /// When it came, or began its last request; ms of the reactor's clock.
  [[nodiscard]] std::uint64_t heard_ms() const { return heard_ms_; }

 private:
  /// What a session tells. A connection that turns out to speak HTTP/2 has two sessions for a moment.
  class Link final : public http::ServerSessionOwner {
   public:
    explicit Link(Connection& connection) : connection_(connection) {}
    http::ServerHandler* on_stream(http::ServerStream& stream) override { return connection_.on_stream(stream); }
    void on_refused(const http::Refusal& refusal) override { connection_.on_refused(refusal); }
    void on_flood(std::string_view kind) override { connection_.on_flood(kind); }
    void on_closed() override { connection_.on_session_closed(*this); }

   private:
    Connection& connection_;
  };

  http::ServerHandler* on_stream(http::ServerStream& stream);
  void on_refused(const http::Refusal& refusal);
  void on_flood(std::string_view kind);
  void on_session_closed(Link& link);
  void on_preface(std::unique_ptr<net::Stream> stream, std::string_view bytes) override;
  // While the TLS handshake is under way.
  void on_readable() override {}
  void on_writable() override;
  void on_failed(int error, std::string_view what) override;

  // While its first bytes are awaited.
  void on_preamble(std::unique_ptr<net::TcpStream> stream, const tls::ClientHello& hello) override;
  void on_preamble_failed(StreamRefusal why) override;

  [[nodiscard]] bool trusted() const;
  void limit_start(std::uint64_t ms);
  void proceed(std::unique_ptr<net::TcpStream> stream, const tls::ClientHello* hello);
  void turn_away(const std::string& server_name);
  void pass_on(std::unique_ptr<net::TcpStream> stream, const StreamRoute& route, const std::string& server_name);
  void begin_tls(std::unique_ptr<net::TcpStream> stream, const std::shared_ptr<const tls::ServerContext>& context);
  void speak(std::unique_ptr<net::Stream> stream);
  void speak_h2(std::unique_ptr<net::Stream> stream, std::string_view received);
  void on_handshake_timeout();
  void on_old();
  [[nodiscard]] bool admitted();
  void end();

  friend class Worker;
  Worker& worker_;
  Port& port_;
  std::shared_ptr<const ClientLimits> limits_;  // sessions refer to them, whatever the port's become
  std::unique_ptr<Preamble> preamble_;
  std::unique_ptr<tls::TlsStream> handshake_;
  std::unique_ptr<StreamRelay> relay_;
  Link link_{*this};
  Link preface_link_{*this};  // of the session that met HTTP/2's preface
  std::unique_ptr<http::ServerSession> session_;
  std::unique_ptr<http::ServerSession> before_;  // has given its stream away
  Ends ends_;
  std::unique_ptr<upstream::ToldClient> told_;  // once a backend is to be told of it
  const net::TlsFacts* tls_ = nullptr;  // of the session's stream
  std::uint64_t id_ = 0;
  Alarm<Connection> handshake_alarm_{*this, &Connection::on_handshake_timeout};
  Alarm<Connection> age_alarm_{*this, &Connection::on_old};
  std::string client_cert_;  // x-forwarded-client-cert, where that is asked for
  std::size_t place_ = 0;  // in the worker's list
  static constexpr std::uint32_t kCancelledFreely = 16;
  static constexpr std::uint32_t kMostPatience = 50;
  std::uint32_t cancelled_ = 0;  // requests of late, less those that were answered
  std::uint64_t heard_ms_ = 0;
  bool asked_ = false;
  bool draining_ = false;
  bool ended_ = false;
  bool counted_ = false;  // among the port's open connections
};

}  // namespace fairlead::proxy
