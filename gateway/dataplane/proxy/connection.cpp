// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/connection.hpp"

#include <algorithm>

#include "fairlead/http/h2.hpp"
#include "fairlead/tls/identity.hpp"
#include "fairlead/upstream/backend.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {

Connection::Connection(Worker& worker, Port& port) : worker_(worker), port_(port) {}
Connection::~Connection() {
  worker_.reactor().timers().cancel(handshake_alarm_);
  worker_.reactor().timers().cancel(age_alarm_);
  if (counted_) limits_->open_connections->fetch_sub(1, std::memory_order_relaxed);
  before_.reset();
  session_.reset();  // they refer to the limits
  handshake_.reset();
  relay_.reset();
  preamble_.reset();
  worker_.release(port_);
}

/// Whether the port may have one more.
bool Connection::admitted() {
  if (limits_->connections == 0) return true;
  counted_ = true;
  return limits_->open_connections->fetch_add(1, std::memory_order_relaxed) < limits_->connections;
}

void Connection::start(std::unique_ptr<net::TcpStream> stream) {
  heard_ms_ = worker_.reactor().now_ms();
  ends_ = {stream->peer, stream->local};
  const auto& listener = *port_.spec;
  limits_ = listener.limits;
  if (!admitted()) {
    stream->close(true);
    worker_.meter().count(port_.meter_id, telemetry::ListenerCounter::kConnectionsShed);
    return end();
  }
  if (const auto age = limits_->connection.count(); age > 0)
    worker_.reactor().timers().arm(age_alarm_, worker_.reactor().now_ms() + static_cast<std::uint64_t>(age));
  const bool by_name = listener.streams != nullptr && listener.streams->by_name;
  if (!limits_->proxy_protocol && !by_name) return proceed(std::move(stream), nullptr);
  if (limits_->proxy_protocol && !trusted()) {
    stream->close(true);
    return on_preamble_failed(StreamRefusal::kUntrusted);
  }
  preamble_.reset(new Preamble(worker_.pool(), std::move(stream), limits_->proxy_protocol, by_name, *this));
  limit_start(by_name ? static_cast<std::uint64_t>(limits_->tls_handshake.count()) : limits_->h1.timeouts.head);
}

/// Whether the peer may say who its client is.
bool Connection::trusted() const {
  const auto& hops = limits_->forwarded.trusted;
  return hops.empty() ||
         std::ranges::any_of(hops, [&](const auto& network) { return network.contains(ends_.peer.address); });
}

void Connection::limit_start(std::uint64_t ms) {
  if (ms > 0) worker_.reactor().timers().arm(handshake_alarm_, worker_.reactor().now_ms() + ms);
}

void Connection::on_preamble(std::unique_ptr<net::TcpStream> stream, const tls::ClientHello& hello) {
  worker_.reactor().timers().cancel(handshake_alarm_);
  ends_ = {stream->peer, stream->local};
  const tls::ClientHello seen = hello;  // the preamble goes with the turn
  worker_.reactor().retire(std::move(preamble_));
  proceed(std::move(stream), &seen);
}

void Connection::on_preamble_failed(StreamRefusal why) {
  ++worker_.counters().stream_refusals[static_cast<std::size_t>(why)];
  end();
}

/// What it begins with is there: where it goes.
void Connection::proceed(std::unique_ptr<net::TcpStream> stream, const tls::ClientHello* hello) {
  const auto& listener = *port_.spec;
  if (listener.streams != nullptr) {
    const std::string name = hello != nullptr ? hello->server_name : std::string();
    const auto* route = listener.streams->find(name);
    const bool http = route != nullptr && route->kind == StreamRoute::Kind::kHttp;
    if (route == nullptr || (!http && route->action.backends.empty())) {
      stream->close(true);
      return turn_away(name);
    }
    if (!http) return pass_on(std::move(stream), *route, name);
  }
  if (listener.kind == ListenerKind::kHttp) return speak(std::move(stream));
  begin_tls(std::move(stream), listener.tls);
}

void Connection::turn_away(const std::string& server_name) {
  telemetry::RequestRecord record;
  net::TlsFacts asked{.alpn = {}, .server_name = server_name, .version = {}, .cipher = {}, .peer_identity = {}};
  record.tls = &asked;
  record.flags.set(telemetry::ResponseFlag::kNoRouteFound);
  record.details = name_of(StreamRefusal::kNoRoute);
  worker_.observer().passed(*this, record);
  on_preamble_failed(StreamRefusal::kNoRoute);
}

void Connection::pass_on(std::unique_ptr<net::TcpStream> stream, const StreamRoute& route,
                         const std::string& server_name) {
  relay_ = std::make_unique<StreamRelay>(worker_, *this, port_.generation, route);
  if (route.kind == StreamRoute::Kind::kTerminate) return begin_tls(std::move(stream), port_.spec->streams->tls);
  relay_->begin(std::move(stream), server_name);
}

void Connection::begin_tls(std::unique_ptr<net::TcpStream> stream,
                           const std::shared_ptr<const tls::ServerContext>& context) {
  handshake_ = tls::TlsStream::accept(std::move(stream), context);
  handshake_->set_handler(this);
  limit_start(static_cast<std::uint64_t>(limits_->tls_handshake.count()));
  handshake_->start();
}

/// The handshake is done.
void Connection::on_writable() {
  worker_.reactor().timers().cancel(handshake_alarm_);
  const auto* facts = handshake_->tls();
  if (limits_->forward_identity && facts != nullptr && facts->peer_verified)
    if (const auto certificate = handshake_->peer_certificate())
      client_cert_ = tls::forwarded_client_cert(*certificate, {});
  if (relay_ == nullptr) return speak(std::move(handshake_));
  std::string name(handshake_->tls()->server_name);
  relay_->begin(std::move(handshake_), std::move(name));
}

void Connection::on_failed(int, std::string_view) {
  worker_.meter().count(port_.meter_id, telemetry::ListenerCounter::kHandshakesFailed);
  end();
}

void Connection::on_handshake_timeout() {
  if (preamble_ != nullptr) {
    preamble_->close();
    return on_preamble_failed(StreamRefusal::kTimeout);
  }
  worker_.meter().count(port_.meter_id, telemetry::ListenerCounter::kHandshakesTimedOut);
  handshake_->close(true);
  end();
}

void Connection::speak(std::unique_ptr<net::Stream> stream) {
  const auto* facts = tls_ = stream->tls();
  if (facts != nullptr && facts->alpn == "h2") return speak_h2(std::move(stream), {});
  const bool may_be_h2 = facts == nullptr;
  session_ =
      http::make_h1_server_session(std::move(stream), worker_.h1(), limits_->h1, may_be_h2 ? preface_link_ : link_,
                                   may_be_h2 ? static_cast<http::H1PrefaceOwner*>(this) : nullptr);
  if (draining_) session_->drain();
}

/// A client that speaks HTTP/2 with prior knowledge.
void Connection::on_preface(std::unique_ptr<net::Stream> stream, std::string_view bytes) {
  before_ = std::move(session_);
  speak_h2(std::move(stream), bytes);
}

void Connection::speak_h2(std::unique_ptr<net::Stream> stream, std::string_view received) {
  auto session = http::H2ServerSession::create(worker_.h2_server(*limits_), std::move(stream), link_);
  if (!session) {
    ++worker_.counters().out_of_memory;
    return end();
  }
  auto* raw = session->get();
  session_ = std::move(*session);
  raw->start(received);
  if (draining_ && session_ != nullptr) session_->drain();
}

http::ServerHandler* Connection::on_stream(http::ServerStream& stream) {
  heard_ms_ = worker_.reactor().now_ms();
  asked_ = true;
  auto& exchange = worker_.take_exchange(*this);
  exchange.begin(*this, stream);
  return &exchange;
}

bool Connection::gives_way() const {
  constexpr std::uint64_t kTimeToAsk = 3000;  // ms
  return session_ != nullptr && session_->idle() && (asked_ || worker_.reactor().now_ms() - heard_ms_ >= kTimeToAsk);
}

upstream::Pool& Connection::pool_of(upstream::Backend& backend) {
  auto& pools = backend.pools();
  if (!pools.by_client()) return pools.shared();
  if (told_ == nullptr) told_.reset(new upstream::ToldClient(id_, {.client = ends_.peer, .server = ends_.local}));
  return pools.of(*told_);
}

void Connection::on_refused(const http::Refusal& refusal) { worker_.refused(*this, refusal); }

void Connection::on_flood(std::string_view kind) { worker_.flooded(*this, kind); }

void Connection::on_session_closed(Link& link) {
  // One that has given its stream away waits for the connection's end: it is on the stack, and small.
  if (&link == &preface_link_ && before_ != nullptr) return;
  end();
}

void Connection::drain() {
  draining_ = true;
  if (session_ != nullptr) session_->drain();
}

/// It has had its time. A relay has no moment at which nothing is under way.
void Connection::on_old() {
  if (relay_ != nullptr) return close();
  drain();
}

void Connection::close() {
  if (session_ != nullptr) return session_->close();
  if (preamble_ != nullptr) preamble_->close();
  if (relay_ != nullptr) relay_->close();
  if (handshake_ != nullptr) handshake_->close(true);
  end();
}

void Connection::end() {
  if (ended_) return;
  ended_ = true;
  worker_.reactor().timers().cancel(handshake_alarm_);
  worker_.forget(*this);
}

}  // namespace fairlead::proxy
